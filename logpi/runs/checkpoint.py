"""Pytrees of arrays in one file: safetensors, never pickle, written whole or not at all, checked on loading.

The header's metadata has one entry, ``logpi``, a JSON object: ``format_version``, the caller's ``meta``,
dtypes, the implementation of each random key, and a SHA-256 over all of that and every name, shape and byte.
A file that loads is the file that was saved, bit for bit. Importing this module does not import JAX.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from logpi.errors import LogpiError
from logpi.runs.files import Json, atomic_write, parse_json, previous_checkpoint

if TYPE_CHECKING:
    from jaxtyping import PyTree
    from typing_extensions import Buffer

    from logpi.types import AnyArray

FORMAT_VERSION = 1
Stored = NDArray[np.generic]  # of any dtype that safetensors has
DTYPES = {  # NumPy's name: safetensors'
    "<f8": "F64",
    "<f4": "F32",
    "<f2": "F16",
    "<i8": "I64",
    "<i4": "I32",
    "<i2": "I16",
    "|i1": "I8",
    "<u8": "U64",
    "<u4": "U32",
    "<u2": "U16",
    "|u1": "U8",
    "|b1": "BOOL",
}


def save_tree(path: str | Path, tree: PyTree, meta: Mapping[str, object]) -> None:
    """Save a pytree of arrays and typed random keys, with JSON-able ``meta``, atomically.

    A crash at any moment leaves either the old file at ``path`` or the new one. Leaves keep every bit.

    Raises:
        LogpiError: a leaf is not an array, two leaves share a name, or the disk refuses (full, no permission).
    """
    path = Path(path)
    arrays: dict[str, Stored] = {}
    dtypes: dict[str, str] = {}
    impls: dict[str, str] = {}
    for name, leaf in _named_leaves(tree):
        if not hasattr(leaf, "dtype"):
            raise LogpiError(
                f"cannot save {name} of {path}: it is a {type(leaf).__name__}, and only arrays are allowed; "
                "wrap it with numpy.asarray or put it into meta"
            )
        dtypes[name] = str(leaf.dtype)
        arrays[name], impl = _storable(leaf)
        if impl:
            impls[name] = impl
    header = {"format_version": FORMAT_VERSION, "meta": dict(meta), "dtypes": dtypes, "key_impls": impls}
    header["sha256"] = _digest(header, arrays)
    atomic_write(path, _safetensors(path, arrays, json.dumps(header, sort_keys=True)))


def _safetensors(path: Path, arrays: Mapping[str, Stored], header: str) -> Iterator[Buffer]:
    """A safetensors file in parts: the length of its table, the table, and each array as it lies in memory."""
    # wide numbers first, so that every array is aligned
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    table: Json = {"__metadata__": {"logpi": header}}
    offset = 0
    for name in names:
        array = arrays[name]
        if array.dtype.str not in DTYPES:
            raise LogpiError(
                f"cannot save {name} of {path}: safetensors has no {array.dtype}; cast it to another dtype"
            )
        end = offset + array.nbytes
        table[name] = {"dtype": DTYPES[array.dtype.str], "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    yield from (arrays[name].reshape(-1).view(np.uint8).data for name in names if arrays[name].nbytes)


def load_tree(path: str | Path, like: PyTree) -> tuple[PyTree, Json]:
    """Load what ``save_tree`` saved into the structure of ``like``; returns ``(tree, meta)``.

    Args:
        path: the file.
        like: pytree of arrays or ``jax.ShapeDtypeStruct`` with the names, shapes and dtypes of the file; or a function
            that makes one from ``meta``.

    Returns:
        NumPy arrays (typed random keys as JAX key arrays) in the structure of ``like``, and ``meta``.

    Raises:
        LogpiError: the file is missing, truncated, altered, of another format, or not as ``like`` says.
    """
    import jax
    import jax.numpy as jnp

    path = Path(path)
    header, arrays = _verified(path)
    dtypes, impls = header["dtypes"], header["key_impls"]
    try:
        like = like(header["meta"]) if callable(like) else like
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise _unusable(path, f"its header is not of this run ({error!r})") from error
    expected = _named_leaves(like)
    names = {name for name, _ in expected}
    if names != arrays.keys():
        missing, extra = sorted(names - arrays.keys()), sorted(arrays.keys() - names)
        raise _unusable(path, f"it holds another structure (missing: {_some(missing)}; not expected: {_some(extra)})")
    leaves = []
    for name, leaf in expected:
        array = arrays[name]
        shape = array.shape[:-1] if name in impls else array.shape
        if (shape, dtypes.get(name)) != (tuple(leaf.shape), str(leaf.dtype)):
            raise _unusable(path, f"{name} is {dtypes.get(name)}{list(shape)}, expected {leaf.dtype}{list(leaf.shape)}")
        try:
            if name in impls:
                leaves.append(jax.random.wrap_key_data(jnp.asarray(array), impl=impls[name]))
            else:
                leaves.append(array.view(leaf.dtype))
        except (TypeError, ValueError) as error:
            raise _unusable(path, f"{name} is not what its header says ({error})") from error
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(like), leaves), header["meta"]


def differences(path: str | Path, like: PyTree) -> list[str]:
    """In what the arrays of a file differ from ``like`` in name, shape or dtype, a phrase each; [] where they fit.

    Raises:
        LogpiError: the file is missing, truncated or of another format.
    """
    header, arrays = _read(Path(path))
    there = {name: f"{header['dtypes'][name]}{list(array.shape)}" for name, array in arrays.items()}
    here = {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in _named_leaves(like)}
    return [
        f"{name} is {there.get(name, 'missing')} there and {here.get(name, 'missing')} here"
        for name in sorted(there | here)
        if there.get(name) != here.get(name)
    ]


def is_whole(path: str | Path) -> bool:
    """Whether a file can be read and its contents match their SHA-256."""
    try:
        header, arrays = _read(Path(path))
    except LogpiError:
        return False
    return bool(header["sha256"] == _digest(header, arrays))


def read_meta(path: str | Path) -> Json:
    """The ``meta`` of a file, without its arrays (and so without the SHA-256 check).

    Raises:
        LogpiError: the file is missing, truncated or of another format.
    """
    meta: Json = _read(Path(path), arrays=False)[0]["meta"]
    return meta


def read_arrays(path: str | Path) -> dict[str, Stored]:
    """The arrays of a file by name, random keys as their data; checked against the SHA-256 in the file.

    Raises:
        LogpiError: the file is missing, truncated, altered or of another format.
    """
    return _verified(Path(path))[1]


def _verified(path: Path) -> tuple[Json, dict[str, Stored]]:
    header, arrays = _read(path)
    if header["sha256"] != _digest(header, arrays):
        raise _unusable(path, "its contents do not match its SHA-256: it was altered or the disk is failing")
    return header, arrays


def _named_leaves(tree: PyTree) -> list[tuple[str, PyTree]]:
    from jax import tree_util

    named = [(tree_util.keystr(path), leaf) for path, leaf in tree_util.tree_flatten_with_path(tree)[0]]
    if len({name for name, _ in named}) != len(named):
        raise LogpiError(f"two leaves of this {type(tree).__name__} share one name; rename one")
    return named


def _storable(leaf: AnyArray) -> tuple[Stored, str]:
    """A C-ordered array of a dtype that safetensors knows, and of a random key the implementation."""
    import jax
    import jax.numpy as jnp

    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return np.asarray(jax.random.key_data(leaf)), str(jax.random.key_impl(leaf))
    # serialize reads raw memory, so any other order would be saved scrambled
    array = np.asarray(leaf, order="C")
    if array.dtype.isbuiltin != 1:  # bfloat16, float8, …: NumPy extensions, kept as their bits
        array = array.view(f"u{array.dtype.itemsize}")
    return array, ""


def _digest(header: Mapping[str, object], arrays: Mapping[str, Stored]) -> str:
    shapes = {name: [array.dtype.str, array.shape] for name, array in arrays.items()}
    facts = {name: value for name, value in header.items() if name != "sha256"} | {"shapes": shapes}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(arrays[name].reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _read(path: Path, arrays: bool = True) -> tuple[Json, dict[str, Stored]]:
    if not path.is_file():
        raise LogpiError(f"there is no file {path}; `logpi runs` lists the runs that are here")
    try:
        with safe_open(path, "np") as file:
            header = parse_json((file.metadata() or {}).get("logpi", "{}"))
            names = list(file.keys()) if arrays else []
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise _unusable(path, f"it is truncated or not a safetensors file ({error})") from error
    version = header.get("format_version")
    if version != FORMAT_VERSION:
        raise _unusable(path, f"its format_version is {version}, and this logpi reads {FORMAT_VERSION}")
    if (
        not all(isinstance(header.get(part), dict) for part in ("meta", "dtypes", "key_impls"))
        or "sha256" not in header
    ):
        raise _unusable(path, "its header is incomplete")
    return header, tensors


def _unusable(path: Path, what: str) -> LogpiError:
    good = previous_checkpoint(path)
    step = f"try the one before it, {good}" if good else "take another copy, or train again with `logpi train`"
    return LogpiError(f"cannot load {path}: {what}; {step}")


def _some(names: list[str]) -> str:
    return (", ".join(names[:3]) + (" …" if len(names) > 3 else "")) or "none"
