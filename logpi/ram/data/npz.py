"""Images and labels of an ``.npz`` file: read without pickle, checked, converted to uint8."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.ram.data.images import (
    Images,
    at,
    check_classes,
    check_memory,
    check_names,
    check_regular,
    check_size,
    first,
    hold_out,
    shape,
)

Array = NDArray[Any]  # of any dtype, as a file holds it

WANTED = ("images", "labels")
OPTIONAL = ("test_images", "test_labels", "classes")
MAX_LABEL = 2**31 - 1  # int32
SAVE = "np.savez(file, images=images, labels=labels)"


def read_npz(name: str, path: Path) -> Images:
    """The images of an ``.npz``: ``images``, ``labels``; optionally ``test_images`` and ``test_labels``, ``classes``.

    Raises:
        LogpiError: no regular file, no zip, damaged, pickled objects, other keys, or as ``from_arrays``.
    """
    check_regular(path)
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise LogpiError(f"{path} is not an .npz (zip) file, or it is cut short; save it again with {SAVE}")
    except OSError as error:
        raise LogpiError(
            f"cannot read {path}: {error.strerror or error}; check the path and its permissions"
        ) from error
    return from_arrays(name, path, _members(path))


def _members(path: Path) -> dict[str, Array]:
    # zipfile, zlib and NumPy raise many kinds of errors for a damaged or hostile file; all mean that it is unreadable
    try:
        archive = np.load(path, allow_pickle=False)
    except Exception as error:
        raise _unreadable(str(path), error) from error
    arrays = {}
    with archive:
        _check_keys(path, archive.files)
        check_memory(sum(member.file_size for member in archive.zip.infolist()), path)
        for key in archive.files:
            try:
                arrays[key] = archive[key]
            except Exception as error:
                raise _unreadable(f"{path}: {key}", error) from error
            if not isinstance(arrays[key], np.ndarray):
                raise LogpiError(f"{path}: {key} is not a NumPy array; save it again with {SAVE}")
    return arrays


def _unreadable(where: str, error: Exception) -> LogpiError:
    if "allow_pickle" in str(error):
        return LogpiError(
            f"{where} holds Python objects, which only pickle can load and logpi never does; images need one size and "
            "dtype uint8 (images.astype(np.uint8)), labels dtype int, classes dtype str"
        )
    if isinstance(error, MemoryError):
        return LogpiError(f"{where} does not fit into memory; use fewer or smaller images")
    return LogpiError(f"{where} is damaged ({type(error).__name__}: {error}); save it again with {SAVE}")


def _check_keys(path: Path, found: list[str]) -> None:
    missing = [key for key in WANTED if key not in found]
    unknown = [key for key in found if key not in WANTED + OPTIONAL]
    if ("test_images" in found) != ("test_labels" in found):
        missing += [key for key in OPTIONAL[:2] if key not in found]
    # an unknown key is refused: "images_test" would otherwise be ignored, and other images held out silently
    if missing or unknown:
        some = ", ".join(found[:10]) + (", …" if len(found) > 10 else "")
        problem = f"no {' and no '.join(missing)}" if missing else f"unknown key {unknown[0]}"
        raise LogpiError(
            f"{path}: {problem}; found keys: {some or 'none'}; wanted: {', '.join(WANTED)}; optional: "
            f"test_images with test_labels, classes. Save with {SAVE}"
        )


def from_arrays(name: str, source: Path, arrays: Mapping[str, Array]) -> Images:
    """Check and convert arrays by the keys of ``read_npz``.

    Args:
        arrays: images [N, H, W] or [N, H, W, C], C 1 or 3, of uint8, bool, or floats in 0..1; labels [N] of integers
            0..K-1; K is the number of ``classes`` (strings) if given, else the largest training label plus one.

    Raises:
        LogpiError: wrong shapes, dtypes, counts or sizes; pixels that are not finite or not in 0..1; labels out of
            range; a class without training image, or with an empty or unprintable name; one class only.
    """
    images = _pixels(arrays["images"], f"{source}: images")
    labels = _integers(arrays["labels"], len(images), f"{source}: labels")
    classes = _names(arrays.get("classes"), int(labels.max()) + 1, f"{source}: classes")
    check_classes(len(classes), source)
    _check_range(labels, len(classes), f"{source}: labels")
    _check_every_class(labels, classes, f"{source}: labels")
    names = tuple(map(str, classes))
    train_labels = labels.astype(np.int32)
    if "test_images" not in arrays:
        return hold_out(name, images, train_labels, names, source)
    test_images = _pixels(arrays["test_images"], f"{source}: test_images")
    if test_images.shape[1:] != images.shape[1:]:
        raise LogpiError(
            f"{source}: images are {at(images.shape[1:])}, but test_images are {at(test_images.shape[1:])} "
            "(height, width, channels); scale them to one size, all grey or all colour"
        )
    test_labels = _integers(arrays["test_labels"], len(test_images), f"{source}: test_labels")
    _check_range(test_labels, len(names), f"{source}: test_labels")
    return Images(name, images, train_labels, test_images, test_labels.astype(np.int32), names)


def _pixels(raw: Array, where: str) -> NDArray[np.uint8]:
    """[N, H, W, C] uint8."""
    if raw.ndim not in (3, 4) or (raw.ndim == 4 and raw.shape[3] not in (1, 3)):
        hint = "reshape them"
        if raw.ndim == 4 and raw.shape[1] in (1, 3):
            hint = "put the channels last: images.transpose(0, 2, 3, 1)"
        elif raw.ndim == 4 and raw.shape[3] == 4:
            hint = "drop the alpha channel: images[..., :3]"
        raise LogpiError(
            f"{where} have shape {shape(raw)}; allowed: [N, height, width] or [N, height, width, channels], channels 1 "
            f"(grey) or 3 (colour); {hint}"
        )
    if not len(raw):
        raise LogpiError(f"{where} are empty (shape {shape(raw)}); add images")
    check_size(raw.shape[1], raw.shape[2], where)
    if raw.dtype == np.bool_:
        pixels = raw.astype(np.uint8) * np.uint8(255)
    elif raw.dtype.kind == "f":
        _check_unit(raw, where)
        pixels = np.rint(raw * 255).astype(np.uint8)
    elif raw.dtype == np.uint8:
        pixels = raw
    else:
        raise LogpiError(f"{where} have dtype {raw.dtype}; allowed: uint8, bool, or floats in 0..1; {_to_bytes(raw)}")
    return pixels[..., None] if pixels.ndim == 3 else pixels


def _to_bytes(raw: Array) -> str:
    """How to convert pixels of an unsupported dtype to uint8, by their range."""
    if raw.dtype.kind not in "iu":
        return "convert 0..255 with images.astype(np.uint8)"
    low, high = int(raw.min()), int(raw.max())
    if low >= 0 and high <= 255:
        return "convert them with images.astype(np.uint8)"
    found = f"the pixels are from {low} to {high}, and astype(np.uint8) alone would wrap them"
    if low >= 0 and high <= 65535:
        return f"{found}: where white is 65535, save (images // 257).astype(np.uint8)"
    return f"{found}: scale them to 0..255 before it"


def _to_unit(low: float, high: float) -> str:
    """How to scale floats from ``low`` to ``high``, finite, to 0..1, or to bytes."""
    if low >= 0 and high <= 255:
        white = f"the largest is {high:g}: where that is white, divide them by {high:g}"
        by_255 = "divide them by 255, or save them as uint8"
        return by_255 if high > 128 else f"{white}; where 255 is white, {by_255}"
    if low >= -1 and high <= 1:
        return "where black is -1, save ((images + 1) * 127.5).astype(np.uint8)"
    return f"these are from {low:g} to {high:g}: scale them to 0..1, where 0 is black"


def _check_unit(raw: Array, where: str) -> None:
    bad = ~((raw >= 0) & (raw <= 1))  # NaN compares as false
    if bad.any():
        index = first(bad)
        known = raw[np.isfinite(raw)]
        hint = _to_unit(known.min(), known.max()) if np.isfinite(raw[index]) else "fix or remove that image"
        raise LogpiError(f"{where}{at(index)} is {raw[index]:g}; floats must be finite and in 0..1: {hint}")


def _integers(raw: Array, count: int, where: str) -> Array:
    """``raw`` if it holds ``count`` integers from 0 to the largest int32."""
    if raw.ndim != 1 or len(raw) != count:
        one_hot = raw.ndim == 2 and len(raw) == count and raw.shape[1] > 1
        hint = ": of one-hot labels save labels.argmax(1)" if one_hot else ""
        raise LogpiError(f"{where} have shape {shape(raw)}; wanted: [{count}], one label an image{hint}")
    if raw.dtype.kind not in "iu":
        hint = "labels.astype(np.int32)"
        if raw.dtype.kind in "US":
            hint = "classes, labels = np.unique(labels, return_inverse=True), and save both"
        raise LogpiError(f"{where} have dtype {raw.dtype}; labels are integers from 0: {hint}")
    bad = (raw < 0) | (raw > MAX_LABEL)
    if bad.any():
        index = first(bad)
        raise LogpiError(f"{where}{at(index)} is {raw[index]}; labels are 0, 1, 2, …: renumber the classes")
    return raw


def _names(raw: Array | None, n_classes: int, where: str) -> Array | range:
    """One name for each class; the class numbers where no names are given."""
    if raw is None:
        return range(n_classes)
    if raw.ndim != 1 or raw.dtype.kind != "U":
        raise LogpiError(f"{where} have shape {shape(raw)}, dtype {raw.dtype}; wanted: [K] strings, one name a class")
    names, counts = np.unique(raw, return_counts=True)
    if (counts > 1).any():
        raise LogpiError(f"{where} name {str(names[first(counts > 1)])!r} more than once; give each class its own name")
    check_names(map(str, raw), where)
    return raw


def _check_range(labels: Array, n_classes: int, where: str) -> None:
    if (labels >= n_classes).any():
        index = first(labels >= n_classes)
        raise LogpiError(
            f"{where}{at(index)} is {labels[index]}, but there are {n_classes} classes, so labels are "
            f"0..{n_classes - 1}; correct the label, or give one name a class in classes"
        )


def _check_every_class(labels: Array, classes: Array | range, where: str) -> None:
    present = np.unique(labels)
    if len(present) < len(classes):
        gaps = present != np.arange(len(present))
        empty = first(gaps)[0] if gaps.any() else len(present)
        from_one = len(present) == len(classes) - 1 and empty == 0
        renumber = "these begin at 1: save labels - 1" if from_one else "renumber the classes 0, 1, 2, … without gaps"
        raise LogpiError(
            f"{where}: class {empty} ({classes[empty]}) has no training image, of {len(classes)} classes; add "
            f"images of it, or {renumber}"
        )
