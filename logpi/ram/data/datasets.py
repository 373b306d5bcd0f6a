"""Sources of images: MNIST, which ships with logpi, Fashion-MNIST, and a user's own files; all in host memory."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.ram.data.image_folder import read_folder
from logpi.ram.data.images import Images, check_differ, check_memory, check_regular
from logpi.ram.data.npz import from_arrays, read_npz
from logpi.ram.data.scaling import scaled

__all__ = ["Images", "fashion_mnist", "load", "mnist", "own"]

FILES = Path(__file__).parents[1] / "files"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
IDX = {  # by the keys of logpi.ram.data.npz
    "images": "train-images-idx3-ubyte",
    "labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
MNIST_MD5 = {
    "images": "6bbc9ace898e44ae57da46a324031adb",
    "labels": "a25bea736e30d166cdddb491f175f624",
    "test_images": "2646ac647ad5339dbf082846283269ea",
    "test_labels": "27ae3e4e09519cfbb04c329615203637",
}
FASHION_MD5 = {
    "images": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "labels": "9018921c3c673c538a1fc5bad174d6f9",
    "test_images": "8181f5470baa50b63fa0f6fddb340f0a",
    "test_labels": "15d484375f8d13e6eb1aabb0c3f46965",
}
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load(name_or_path: str | Path, size: int = 0) -> Images:
    """``mnist``, ``fashion-mnist``, or a path as for ``own``; a folder of the name mnist is ``./mnist``.

    Args:
        name_or_path: of the data.
        size: side of the square into which every image is scaled, in pixels; 0: images as they are.

    Raises:
        LogpiError: as ``mnist``, ``fashion_mnist`` and ``own``, or all images are equal.
    """
    if name_or_path == "mnist":
        return _resized(mnist(), size)
    if name_or_path == "fashion-mnist":
        return _resized(fashion_mnist(), size)
    images = own(name_or_path, size)
    check_differ(images, name_or_path)
    return images


def _resized(images: Images, size: int) -> Images:
    if not size or images.train_images.shape[1:3] == (size, size):
        return images
    train, test = (
        np.stack([scaled(image, size, size) for image in part]) for part in (images.train_images, images.test_images)
    )
    return images._replace(train_images=train, test_images=test)


def mnist() -> Images:
    """The 60,000 + 10,000 digits of LeCun, Cortes and Burges, 28x28, grey (CC BY-SA 3.0), from the package.

    Raises:
        LogpiError: a file of the package is missing or damaged.
    """
    fix = "install logpi again: pip install --force-reinstall --no-deps logpi"
    return from_arrays("mnist", FILES, _read_idx(FILES, fix, MNIST_MD5))


def fashion_mnist(folder: str | Path | None = None) -> Images:
    """The 60,000 + 10,000 articles of Xiao, Rasul and Vollgraf (2017), 28x28, grey.

    Args:
        folder: where the four IDX files are, gzipped or not; by default where Debian's package puts them.

    Raises:
        LogpiError: a file is missing, or is not the published one.
    """
    fix = (
        "on Debian and Ubuntu: apt install dataset-fashion-mnist; elsewhere fetch the four files of "
        "https://github.com/zalandoresearch/fashion-mnist into a folder, and give that folder as the data"
    )
    where = DEBIAN if folder is None else Path(folder).expanduser()
    arrays = _read_idx(where, fix, FASHION_MD5)
    return from_arrays("fashion-mnist", where, {**arrays, "classes": np.array(FASHION_CLASSES)})


def own(path: str | Path, size: int = 0) -> Images:
    """A user's own images: an ``.npz``, a folder with one folder of images per class, or a folder of four IDX files.

    Args:
        path: of the data.
        size: as of ``load``; a folder's images may then have different sizes.

    Raises:
        LogpiError: nothing there, or as ``npz.read_npz`` and ``image_folder.read_folder``.
    """
    where = Path(os.path.abspath(Path(path).expanduser()))
    if not where.exists():
        raise LogpiError(
            f"no data at {where}; allowed: mnist, fashion-mnist, the path of an .npz file, or of a folder with one "
            "folder of images a class"
        )
    if not where.is_dir():
        return _resized(read_npz(where.stem, where), size)
    if any(_idx_file(where, file) for file in IDX.values()):
        return _resized(from_arrays(where.name, where, _read_idx(where, "copy all four IDX files there again")), size)
    return read_folder(where.name, where, size)


def _idx_file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def _read_idx(folder: Path, fix: str, md5: dict[str, str] | None = None) -> dict[str, NDArray[np.uint8]]:
    """The four arrays, by the keys of ``IDX``; ``fix`` is what the user can do about a missing or damaged file."""
    arrays = {}
    for key, name in IDX.items():
        path = _idx_file(folder, name)
        if path is None:
            raise LogpiError(f"no file {folder / name}, nor with .gz; {fix}")
        data = _unpacked(path, 3 if "images" in key else 1, fix)
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if md5 is not None and found != md5[key]:
            raise LogpiError(f"{path} is not the published file (MD5 unpacked {found}, not {md5[key]}); {fix}")
        arrays[key] = _parse_idx(data, 3 if "images" in key else 1, path, fix)
    return arrays


def _unpacked(path: Path, rank: int, fix: str) -> bytes:
    """The content of an IDX file, gzipped or not; no more of it than its head announces, and a byte."""
    check_regular(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            head = file.read(4 + 4 * rank)
            whole = len(head) == 4 + 4 * rank
            announced = math.prod(np.frombuffer(head, ">u4", rank, 4).tolist()) if whole else 0
            check_memory(announced, path)
            return bytes(head + file.read(announced + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise LogpiError(f"{path} cannot be read ({error}); {fix}") from error


def _parse_idx(data: bytes, rank: int, path: Path, fix: str) -> NDArray[np.uint8]:
    """An IDX file: bytes 0, 0, 8 (for uint8), the rank, each side as a big-endian 32-bit integer, the elements."""
    start = 4 + 4 * rank
    if data[:4] != bytes((0, 0, 8, rank)) or len(data) < start:
        raise LogpiError(f"{path} is not an IDX file of bytes with rank {rank} (it begins with {data[:4]!r}); {fix}")
    sides = np.frombuffer(data, ">u4", rank, 4).tolist()
    if len(data) - start != math.prod(sides):
        raise LogpiError(
            f"{path}: its head says {sides} elements of one byte, but {len(data) - start} bytes follow it; {fix}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(sides)
