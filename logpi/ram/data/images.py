"""Labelled images in memory, and the checks for images of every source."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError

MAX_SIDE = 4096  # pixels
HELD_OUT = 6  # one image in six becomes a test image where the source has no test images
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, undecodable bytes, line and paragraph separators


class Split(NamedTuple):
    """N labelled images; NumPy's arrays on the host, JAX's on the devices."""

    images: Any  # [N, H, W, C] uint8
    labels: Any  # [N] int32


class Splits(NamedTuple):
    """Training images, validation images (which recipes are chosen on), and test images (used once, at the end)."""

    train: Split
    validation: Split
    test: Split


class Images(NamedTuple):
    """A classification task: N training and M test images of one size, C channels (1 grey, 3 colour), K classes.

    Attributes:
        name: "mnist", "fashion-mnist", or the name of the user's file or folder.
        train_images: [N, H, W, C] uint8.
        train_labels: [N] int32, 0..K-1; every class has a training image.
        test_images: [M, H, W, C] uint8.
        test_labels: [M] int32, 0..K-1.
        classes: K names.
    """

    name: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int32]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int32]
    classes: tuple[str, ...]


def fingerprint(images: Images) -> str:
    """SHA-256 of all images and labels, to notice changed data."""
    digest = hashlib.sha256()
    for array in (images.train_images, images.train_labels, images.test_images, images.test_labels):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def contrast(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[N] mean of all pixels minus the mean of the outermost ones, of images [N, H, W, C]; above 0: light on dark."""
    every = images.reshape(len(images), -1).mean(1)
    sides = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    edges = np.concatenate([side.reshape(len(images), -1) for side in sides], 1)
    return every - edges.mean(1)


def check_size(height: int, width: int, where: object) -> None:
    """Raises LogpiError for an image without pixels, or with a side of more than 4096."""
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise LogpiError(
            f"{where}: images of {height}x{width} pixels (height x width); a side may have 1 to {MAX_SIDE} pixels: "
            "scale the images"
        )


def check_classes(n_classes: int, where: object) -> None:
    """Raises LogpiError for fewer than two classes."""
    if n_classes < 2:
        raise LogpiError(f"{where}: only {n_classes} class; add images of at least one more class")


def check_names(names: Iterable[str], where: object) -> None:
    """Raises LogpiError for a class name that is empty or has control characters or line breaks."""
    for name in names:
        if not name.strip() or any(unicodedata.category(letter) in UNPRINTABLE for letter in name):
            # repr: printed raw, the name would do what it is refused for
            raise LogpiError(
                f"{where}: a class is called {name!r}; names are not empty and have no control characters or line "
                "breaks: rename it"
            )


def check_differ(images: Images, where: object) -> None:
    """Raises LogpiError where all training images are equal: there is nothing to tell apart."""
    shown = images.train_images
    if all(np.array_equal(image, shown[0]) for image in shown):
        raise LogpiError(
            f"{where}: all {len(shown):,} training images are equal; look at one of them (white on a transparent "
            "ground, which is laid on white, or pixels that were never filled?)"
        )


def check_memory(size: int, where: object) -> None:
    """Raises LogpiError for images whose ``size`` bytes would fill more than half of this machine's memory."""
    if size > memory() / 2:
        raise LogpiError(
            f"{where} has {size / 2**30:,.1f} GiB of pixels unpacked, and this machine {memory() / 2**30:,.1f} GiB of "
            "memory; use fewer or smaller images"
        )


def memory() -> int:
    """Bytes of this machine's memory; 16 GiB where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**34


def check_regular(path: Path) -> None:
    """Raises LogpiError for a pipe or a device, whose reading might never end, and for a broken link."""
    if not path.is_file():
        raise LogpiError(
            f"{path} is not a regular file but a pipe, a socket, a device or a broken link; remove it, or copy "
            "the file there"
        )


def hold_out(
    name: str, images: NDArray[np.uint8], labels: NDArray[np.int32], classes: tuple[str, ...], where: object
) -> Images:
    """Hold out a sixth of each class for testing, at least one image of a class that has two; always the same images.

    Args:
        images: [N, H, W, C].
        labels: [N].

    Raises:
        LogpiError: no class has two images.
    """
    # NumPy guarantees the stream of RandomState in every version, and not that of default_rng
    random = np.random.RandomState(0)
    is_test = np.zeros(len(labels), bool)
    for label in range(len(classes)):
        rows = random.permutation(np.flatnonzero(labels == label))
        if len(rows) >= 2:
            is_test[rows[: max(1, round(len(rows) / HELD_OUT))]] = True
    if not is_test.any():
        raise LogpiError(f"{where}: no class has two images, so none can be held out for testing; add images")
    return Images(name, images[~is_test], labels[~is_test], images[is_test], labels[is_test], classes)


def first(bad: NDArray[np.bool_]) -> tuple[int, ...]:
    """The index of the first element that is true."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))


def at(index: tuple[int, ...]) -> str:
    """An index as it is written in Python: ``[3, 0, 7]``."""
    return f"[{', '.join(map(str, index))}]"


def shape(array: NDArray[np.generic]) -> str:
    """A shape as the documentation writes it: ``[10, 28, 28, 1]``."""
    return at(array.shape)
