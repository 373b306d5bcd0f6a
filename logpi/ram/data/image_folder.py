"""Images in folders, one folder per class, decoded by Pillow."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from logpi.errors import LogpiError
from logpi.ram.data.colour import channels
from logpi.ram.data.images import (
    Images,
    check_classes,
    check_memory,
    check_names,
    check_regular,
    check_size,
    hold_out,
)
from logpi.ram.data.scaling import scaled

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
# a fixed list: Pillow would pass some other formats to external programs
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
ADVISED = 96  # pixels: the largest side that messages advise to scale images into
LEFT_BEHIND = ("__macosx", "thumbs.db", "desktop.ini")  # by archives and file managers, beside and among images
LAYOUT = "allowed: one folder of images a class, or train/ and test/ with such folders"

Labelled = list[tuple[Path, int]]


def read_folder(name: str, folder: Path, size: int = 0) -> Images:
    """The images of ``folder/CLASS/*.png``, or of ``folder/train/CLASS/*.png`` and ``folder/test/CLASS/*.png``.

    Classes are numbered in the order of their names. Images are grey unless one of them has channels that differ.
    Transparent pixels are laid on white. Files next to the class folders, and what file managers leave behind, are
    ignored.

    Args:
        name: of the data.
        folder: with the class folders.
        size: side of the square into which every image is scaled, in pixels; 0: all have one size already.

    Raises:
        LogpiError: another layout, an empty class, one class only, an unprintable name, a damaged
            image, more than 8 bits a channel, different sizes.
    """
    inside = {path.name: path for path in _folders(folder)}
    if not {"train", "test"} <= inside.keys():
        _check_alone(inside)
        classes = list(inside)
        files = _files(folder, classes)
        images, labels = _decode(files, size)
        return hold_out(name, images, labels, tuple(classes), folder)
    others = [path for path in inside.values() if path.name not in ("train", "test")]
    if others:
        raise LogpiError(f"{others[0]}: a folder beside train/ and test/; move it elsewhere ({LAYOUT})")
    classes = [path.name for path in _folders(inside["train"])]
    files = _files(inside["train"], classes)
    test_files = _test_files(inside["test"], classes)
    images, labels = _decode(files + test_files, size)
    n = len(files)
    return Images(name, images[:n], labels[:n], images[n:], labels[n:], tuple(classes))


def _check_alone(inside: dict[str, Path]) -> None:
    """Raises LogpiError where train/ or test/ has class folders in it and the other is missing."""
    for name, other in (("train", "test"), ("test", "train")):
        if name in inside and (classes := [path for path in _listing(inside[name]) if path.is_dir()]):
            raise LogpiError(
                f"{classes[0]}: a folder inside {name}/, without {other}/ beside it; {LAYOUT}: call the folder of the "
                f"{other} images {other}/, or move the class folders out of {name}/: test images are then held out"
            )


def _listing(folder: Path) -> list[Path]:
    try:
        found = (path for path in folder.iterdir() if not path.name.startswith("."))
        return sorted(path for path in found if path.name.lower() not in LEFT_BEHIND)
    except OSError as error:
        raise LogpiError(f"cannot list {folder}: {error.strerror or error}; check its permissions") from error


def _folders(folder: Path) -> list[Path]:
    folders = [path for path in _listing(folder) if path.is_dir()]
    if not folders:
        raise LogpiError(f"{folder} has no class folder in it; {LAYOUT}")
    check_names((path.name for path in folders), folder)
    return folders


def _files(folder: Path, classes: list[str]) -> Labelled:
    """Every training image with its label."""
    files: Labelled = []
    for label, name in enumerate(classes):
        found = _images(folder / name)
        if not found:
            raise LogpiError(
                f"{folder / name}: an empty class, without any image ({' '.join(SUFFIXES)}); add images, or "
                "remove the folder"
            )
        files += [(path, label) for path in found]
    check_classes(len(classes), folder)
    return files


def _test_files(folder: Path, classes: list[str]) -> Labelled:
    files: Labelled = []
    for path in _folders(folder):
        if path.name not in classes:
            raise LogpiError(
                f"{path}: class {path.name!r} is not in train/, which has {', '.join(classes)}; add training "
                "images, or remove the folder"
            )
        files += [(image, classes.index(path.name)) for image in _images(path)]
    if not files:
        raise LogpiError(f"{folder} has no image in its class folders; add images, or remove {folder.name}/")
    return files


def _images(folder: Path) -> list[Path]:
    found = _listing(folder)
    for path in found:
        if path.is_dir():
            raise LogpiError(
                f"{path}: a folder inside the class folder {folder.name}/; {LAYOUT}: move it, or take {folder} "
                "as the data"
            )
        if path.suffix.lower() not in SUFFIXES:
            raise LogpiError(f"{path} is not one of {' '.join(SUFFIXES)}; convert the image, or remove the file")
        check_regular(path)
    return found


def _decode(files: Labelled, size: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """[N, H, W, C] and [N]; all of one size, all grey or all colour."""
    pixels: list[NDArray[np.uint8]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for path, _ in files:
            image = read_image(path)
            pixels.append(scaled(image, size, size) if size else image)
            if len(pixels) == 1:
                check_memory(pixels[0].size * len(files), path.parents[1])
            if pixels[-1].shape[:2] != pixels[0].shape[:2]:
                raise LogpiError(
                    f"images of different sizes: {path} has {_size(pixels[-1])} pixels, {files[0][0]} has "
                    f"{_size(pixels[0])} (height x width); add --size {_advised(pixels[0])} to scale each into a "
                    "square of that side, or scale or crop all to one size"
                )
    channels = max(image.shape[2] for image in pixels)
    images = np.empty((len(pixels), *pixels[0].shape[:2], channels), np.uint8)
    for row, image in zip(images, pixels, strict=True):
        row[:] = image  # one grey channel broadcasts to three
    return images, np.array([label for _, label in files], np.int32)


def _size(pixels: NDArray[np.uint8]) -> str:
    return f"{pixels.shape[0]}x{pixels.shape[1]}"


def _advised(pixels: NDArray[np.uint8]) -> int:
    """A side to scale images into, of which ``pixels`` is one."""
    return min(max(pixels.shape[:2]), ADVISED)


def read_image(path: Path) -> NDArray[np.uint8]:
    """One image, [H, W, C] uint8, upright as its EXIF data say: C is 1 if it is grey, else 3.

    Raises:
        LogpiError: it is not readable, has more than 8 bits a channel, or a side of more than 4096 pixels.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            check_size(image.height, image.width, path)
            if _is_deep(image):
                raise LogpiError(
                    f"{path}: more than 8 bits a channel; save it as an 8-bit image, 0..255: where 65535 is white, "
                    "Image.fromarray((np.asarray(image) // 257).astype(np.uint8))"
                )
            return channels(ImageOps.exif_transpose(image))
    except LogpiError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise LogpiError(f"{path}: too large an image ({error}); scale it, or remove it") from error
    except Exception as error:  # Pillow's decoders raise anything from SyntaxError to struct.error on a damaged file
        raise LogpiError(
            f"{path} is not a readable image ({type(error).__name__}: {error}); replace the file, or remove it"
        ) from error


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether an image, not yet decoded, has more than 8 bits a channel."""
    if image.mode.startswith(("I", "F")):
        return True
    # Pillow has no mode for deep colour and silently makes it 8 bits; the undecoded header still tells
    if isinstance(image, TiffImageFile):
        return max(image.tag_v2.get(BITSPERSAMPLE, (1,))) > 8
    raw = [tile[3] for tile in image.tile]
    if isinstance(image, PpmImageFile):
        return any(isinstance(mode, tuple) and mode[1] > 255 for mode in raw)
    return any(str(mode).endswith(";16B") for mode in raw)
