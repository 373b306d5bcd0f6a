"""A checkpoint is what was saved, bit for bit, or an error that says what to do."""

import errno
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from disks import small_disk
from safetensors.numpy import save as serialize

from logpi.errors import LogpiError
from logpi.runs import files
from logpi.runs.checkpoint import load_tree, read_meta, save_tree
from logpi.runs.files import atomic_write


class State(NamedTuple):
    params: dict
    key: jax.Array
    steps: jax.Array
    nothing: tuple = ()


@pytest.fixture
def state():
    params = {"w": jnp.arange(6.0).reshape(2, 3) / 7, "b": jnp.array([jnp.nan, -0.0, jnp.inf])}
    return State(params, jax.random.split(jax.random.key(3), 4), jnp.int32(7))


def bits(tree):
    leaves = jax.tree.leaves(tree)
    keys = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    leaves = [jax.random.key_data(leaf) if key else leaf for leaf, key in zip(leaves, keys, strict=True)]
    return [(str(leaf.dtype), leaf.shape, np.asarray(leaf).tobytes()) for leaf in leaves]


def test_round_trip_is_bit_exact_in_values_structure_and_meta(tmp_path, state):
    meta = {"iteration": 3, "lr": 0.1, "name": "π", "nested": {"a": [1, None]}}
    save_tree(tmp_path / "a.safetensors", state, meta)
    loaded, found = load_tree(tmp_path / "a.safetensors", state)
    assert bits(loaded) == bits(state)
    assert jax.tree.structure(loaded) == jax.tree.structure(state)
    assert found == meta == read_meta(tmp_path / "a.safetensors")
    assert jax.random.uniform(loaded.key[0]) == jax.random.uniform(state.key[0])


def test_abstract_template_and_optimizer_state(tmp_path):
    opt_state = optax.adam(optax.linear_schedule(1, 0, 3)).init({"w": jnp.ones(3)})
    save_tree(tmp_path / "a.safetensors", (opt_state, jax.random.key(1)), {})
    like = jax.eval_shape(lambda: (opt_state, jax.random.key(0)))
    assert bits(load_tree(tmp_path / "a.safetensors", like)[0]) == bits((opt_state, jax.random.key(1)))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "bool", "uint8", "int8", "uint32", "float8_e4m3fn"])
def test_dtypes_scalars_and_empty_arrays(tmp_path, dtype):
    tree = {
        "scalar": jnp.ones((), dtype),
        "empty": jnp.ones((0, 2), dtype),
        "row": jnp.arange(3).astype(dtype),
    }
    save_tree(tmp_path / "a.safetensors", tree, {})
    assert bits(load_tree(tmp_path / "a.safetensors", tree)[0]) == bits(tree)


def test_other_memory_orders_and_numpy_float64(tmp_path):
    tree = {"transposed": np.arange(6.0).reshape(2, 3).T, "strided": np.arange(10.0)[::3]}
    save_tree(tmp_path / "a.safetensors", tree, {})
    loaded, _ = load_tree(tmp_path / "a.safetensors", tree)
    assert {name: array.tolist() for name, array in loaded.items()} == {n: a.tolist() for n, a in tree.items()}


def test_empty_tree(tmp_path):
    save_tree(tmp_path / "a.safetensors", (), {"only": "meta"})
    assert load_tree(tmp_path / "a.safetensors", ()) == ((), {"only": "meta"})


def test_equal_trees_give_equal_files(tmp_path, state):
    for name in ("a", "b"):
        save_tree(tmp_path / f"{name}.safetensors", state, {"y": 1, "x": 2})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_python_scalars_are_refused_by_name(tmp_path):
    with pytest.raises(LogpiError, match=r"\['lr'\].*float"):
        save_tree(tmp_path / "a.safetensors", {"lr": 0.1}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", [5, 60, 0.5, -1])
def test_a_flipped_byte_anywhere_is_found(tmp_path, state, where):
    path = tmp_path / "iteration_00000002.safetensors"
    save_tree(tmp_path / "iteration_00000001.safetensors", state, {})
    save_tree(path, state, {"a": "b"})
    data = bytearray(path.read_bytes())
    data[int(len(data) * where) if isinstance(where, float) else where] ^= 4
    path.write_bytes(data)
    with pytest.raises(LogpiError, match=r"00000002.*try the one before it.*00000001"):
        load_tree(path, state)


def test_every_flipped_byte_is_found_or_harmless(tmp_path):
    """One bit of each byte of a small file, header and all."""
    path = tmp_path / "a.safetensors"
    tree = {"w": jnp.arange(3.0)}
    save_tree(path, tree, {"name": "x"})
    good = path.read_bytes()
    for position in range(len(good)):
        data = bytearray(good)
        data[position] ^= 1
        path.write_bytes(data)
        try:
            loaded, meta = load_tree(path, tree)
        except LogpiError:
            continue
        assert (bits(loaded), meta) == (bits(tree), {"name": "x"}), position


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_truncated_file(tmp_path, state, size):
    path = tmp_path / "a.safetensors"
    save_tree(path, state, {})
    path.write_bytes(path.read_bytes()[:size])
    for read in (lambda: load_tree(path, state), lambda: read_meta(path)):
        with pytest.raises(LogpiError, match=r"truncated.*logpi train"):
            read()


def test_foreign_files(tmp_path, state):
    path = tmp_path / "a.safetensors"
    with pytest.raises(LogpiError, match="no file"):
        load_tree(path, state)
    path.write_bytes(serialize({"w": np.ones(3)}))
    with pytest.raises(LogpiError, match="format_version is None"):
        load_tree(path, state)
    path.write_bytes(serialize({"w": np.ones(3)}, metadata={"logpi": '{"format_version": 2}'}))
    with pytest.raises(LogpiError, match="format_version is 2, and this logpi reads 1"):
        read_meta(path)


def test_another_structure_shape_or_dtype(tmp_path, state):
    path = tmp_path / "a.safetensors"
    save_tree(path, state, {})
    for like, what in [
        (state._replace(params={"w": state.params["w"]}), r"not expected: \.params\['b'\]"),
        (state._replace(nothing=(jnp.ones(1),)), r"missing: \.nothing\[0\]"),
        (state._replace(steps=jnp.zeros(2, jnp.int32)), r"\.steps is int32\[\], expected int32\[2\]"),
        (state._replace(steps=jnp.float32(0)), r"\.steps is int32\[\], expected float32\[\]"),
        (state._replace(key=jax.random.split(jax.random.key(0, impl="rbg"), 4)), r"\.key is key<fry>\[4\]"),
        (state._replace(key=state.key[:2]), r"\.key is key<fry>\[4\], expected key<fry>\[2\]"),
    ]:
        with pytest.raises(LogpiError, match=what):
            load_tree(path, like)


class FullDisk:
    """An open file whose first write tears: half the bytes land, then the disk is full."""

    def __init__(self, path, mode):
        self.file = io.FileIO(path, mode)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_keeps_the_old_file_and_says_what_to_do(tmp_path, state, monkeypatch):
    older, path = tmp_path / "iteration_00000001.safetensors", tmp_path / "iteration_00000002.safetensors"
    save_tree(older, state, {})
    monkeypatch.setattr(files, "open", FullDisk, raising=False)
    with pytest.raises(LogpiError, match=r"No space left.*MiB.*00000001.*is intact.*logpi resume"):
        save_tree(path, state, {})
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [older]
    assert bits(load_tree(older, state)[0]) == bits(state)


def test_real_full_disk(tmp_path, state):
    with small_disk(tmp_path / "disk", 2**16) as disk:
        save_tree(disk / "a.safetensors", state, {})
        with pytest.raises(LogpiError, match="No space left"):
            save_tree(disk / "b.safetensors", {"big": np.ones(2**17)}, {})
        assert [path.name for path in disk.iterdir()] == ["a.safetensors"]
        assert bits(load_tree(disk / "a.safetensors", state)[0]) == bits(state)


@pytest.mark.parametrize("victim", ["replace", "fsync"])
def test_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, victim):
    def interrupt(*_):
        raise KeyboardInterrupt

    path = tmp_path / "a.safetensors"
    atomic_write(path, b"old")
    monkeypatch.setattr(files.os, victim, interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogpiError, match=re.escape(str(tmp_path / "file" / "a"))):
        atomic_write(tmp_path / "file" / "a", b"")


def test_import_leaves_jax_alone():
    modules = "logpi.runs.checkpoint, logpi.runs.folder, logpi.runs.metrics"
    modules += ", logpi.view.live, logpi.view.plots, logpi.view.video"
    code = f"import sys, json, {modules}; print(json.dumps(sorted(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert not {"jax", "matplotlib", "gymnasium", "imageio", "tensorboardX", "scipy"} & set(json.loads(done.stdout))
