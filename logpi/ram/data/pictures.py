"""Pictures of a user's own in the form that an agent takes: read, reshaped, scaled, and checked against its data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from logpi.errors import LogpiError
from logpi.ram.data.colour import grey, opaque
from logpi.ram.data.image_folder import read_image
from logpi.ram.data.images import check_regular, check_size, contrast, shape
from logpi.ram.data.scaling import scaled

WHITE = 255
ONE_SIDED = 0.9  # fraction of the training images with the same ink, from which on another ink is unusual
BOX, FAINTEST = 20 / 28, 0.1  # longer side of a digit of MNIST in parts of its image; level where a digit begins
FAINT = 2.0  # levels: a picture whose inside and edge differ by less is neither light on dark nor dark on light


class Picture(NamedTuple):
    """One picture, ready to be looked at."""

    name: str
    size: tuple[int, int]  # height and width as given, in pixels
    scene: NDArray[np.uint8]  # [H, W, C] as the agent takes it
    warnings: list[str]


def to_bytes(given: Any, where: str) -> NDArray[np.uint8]:
    """Pixels of any shape as whole numbers from 0 to 255.

    Args:
        given: whole numbers or floats from 0 to 255; floats from 0 to 1, none above, which are scaled; or bool.
        where: what messages call it.

    Raises:
        LogpiError: another dtype, or a pixel out of range.
    """
    pixels = np.asarray(given)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(WHITE)
    allowed = "allowed: uint8 from 0 (black) to 255 (white), floats from 0 to 1, or bool"
    if pixels.dtype.kind not in "iuf":
        raise LogpiError(f"{where} has dtype {pixels.dtype}; {allowed}")
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    if not (low >= 0 and high <= WHITE):  # NaN compares as false
        raise LogpiError(f"{where} has pixels from {low:g} to {high:g}; {allowed}")
    unit = pixels.dtype.kind == "f" and high <= 1  # a scale of its own; dark images of whole numbers are not
    return np.rint(pixels * WHITE if unit else pixels).astype(np.uint8)


def batch_of(given: Any, wanted: tuple[int, int, int]) -> tuple[NDArray[np.uint8], bool]:
    """(images [B, H, W, C] of the shape ``wanted``, whether one image was given).

    Args:
        given: one image, [H, W] if it is grey or [H, W, C], or a batch of them; values as of ``to_bytes``.
        wanted: H, W, C.

    Raises:
        LogpiError: none of these shapes, an empty batch, or as ``to_bytes``.
    """
    pixels = np.asarray(given)
    is_grey = wanted[2] == 1
    if is_grey and pixels.shape[-2:] == wanted[:2] and pixels.shape != wanted:
        pixels = pixels[..., None]
    if pixels.shape[-3:] != wanted or pixels.ndim > 4:
        height, width, channels = wanted
        shapes = [f"[{height}, {width}]"] * is_grey + [f"[{height}, {width}, {channels}]"]
        raise LogpiError(
            f"images of shape {shape(np.asarray(given))} do not fit this agent; allowed: {', '.join(shapes)}, or a "
            "batch [B, …] of these; logpi.look scales pictures of any size"
        )
    single = pixels.ndim == 3
    if not single and not len(pixels):
        raise LogpiError("no images to look at (B is 0); give at least one")
    return to_bytes(pixels[None] if single else pixels, "the image" if single else "the batch of images"), single


def pictures(
    given: Any,
    wanted: tuple[int, int, int],
    canvas: tuple[int, int],
    light_on_dark: float | None,
    invert: bool = False,
    autocontrast: bool = False,
    centre: bool = False,
) -> Iterator[Picture]:
    """Pictures as scenes that an agent takes.

    Args:
        given: a path, an array as of ``from_array``, or a sequence of these.
        wanted: H, W, C of the images that the agent was trained on.
        canvas: height and width of the scenes that were made of them.
        light_on_dark: fraction of the training images that are light on dark; None where it is not known.
        invert: take black for white.
        autocontrast: make the darkest pixel of each black and its brightest white.
        centre: bring what is light on each to the size and the place of MNIST's digits (``centred``).

    Raises:
        LogpiError: no picture, one that cannot be read, or as ``from_array``.
    """
    count = 0
    for name, pixels in _each(given):
        count += 1
        pixels = WHITE - pixels if invert else pixels
        pixels = centred(pixels, *wanted[:2]) if centre else pixels
        yield _prepared(name, pixels, wanted, canvas, light_on_dark, autocontrast)
    if not count:
        raise LogpiError("no picture to look at; name at least one file, such as digit.png")


def _each(given: Any) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """(name, pixels [H, W, C]) of each picture."""
    if isinstance(given, str | Path):
        yield str(given), _read(Path(given))
    elif isinstance(given, Sequence):
        for number, one in enumerate(given, 1):
            found = list(_each(one))
            inside = isinstance(one, str | Path) or len(found) > 1
            yield from ((name if inside else f"picture {number}", pixels) for name, pixels in found)
    else:
        for number, pixels in enumerate(from_array(given), 1):
            yield f"picture {number}", pixels


def _read(path: Path) -> NDArray[np.uint8]:
    where = path.expanduser()
    if where.is_dir():
        raise LogpiError(f"{path} is a folder; name its pictures, such as {path / '*.png'}")
    if not where.exists():
        raise LogpiError(f"no picture at {path}; name an image file, such as digit.png")
    check_regular(where)
    return read_image(where)


def from_array(given: Any) -> list[NDArray[np.uint8]]:
    """The images [H, W, C] of an array [H, W], [H, W, C], [B, H, W] or [B, H, W, C], where C is 1, 3 or 4.

    An array [X, Y, 1], [X, Y, 3] or [X, Y, 4] is one image. A fourth channel is opacity, over white.

    Raises:
        LogpiError: another shape, a side of more than 4096 pixels, or as ``to_bytes``.
    """
    pixels = np.asarray(given)
    if pixels.ndim == 2:
        pixels = pixels[None, ..., None]
    elif pixels.ndim == 3:
        pixels = pixels[None] if pixels.shape[2] in (1, 3, 4) else pixels[..., None]
    if pixels.ndim != 4 or pixels.shape[3] not in (1, 3, 4):
        raise LogpiError(
            f"an array of shape {shape(np.asarray(given))} is not a picture; allowed: [H, W], [H, W, C], [B, H, W] or "
            "[B, H, W, C], with C 1 (grey), 3 (colour) or 4 (colour and opacity) last"
        )
    check_size(pixels.shape[1], pixels.shape[2], "the array")
    return [opaque(image) for image in to_bytes(pixels, "the array")]


def _prepared(
    name: str,
    pixels: NDArray[np.uint8],
    wanted: tuple[int, int, int],
    canvas: tuple[int, int],
    light_on_dark: float | None,
    autocontrast: bool,
) -> Picture:
    """A picture as a scene: in the colours and the size of the training images, in the middle of the canvas."""
    height, width, channels = wanted
    warnings, size = [], (pixels.shape[0], pixels.shape[1])
    if pixels.shape[2] > channels:
        pixels = grey(pixels)
    pixels = np.broadcast_to(pixels, (*size, channels))
    whole = size == canvas
    pixels = pixels if whole else scaled(pixels, height, width)
    if autocontrast:
        pixels = stretched(pixels)
    if whole:
        scene = np.array(pixels)
    else:
        scene = np.zeros((*canvas, channels), np.uint8)
        top, left = (canvas[0] - height) // 2, (canvas[1] - width) // 2
        scene[top : top + height, left : left + width] = pixels
    if pixels.min() == pixels.max():
        warnings.append("all its pixels are equal: there is nothing in it to see")
    if about := ink_warning(float(contrast(pixels[None])[0]), light_on_dark):
        warnings.append(about)
    return Picture(name, size, scene, warnings)


def centred(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """What is light on ``pixels`` [H, W, C], scaled and placed as MNIST's digits are, on black: [height, width, C].

    Its longer side becomes 20 of 28 parts of the shorter side, and its centre of mass the middle (LeCun et al. 1998,
    §III.A). Pixels of less than a tenth of the brightest one's level are taken for the ground. Without any light the
    ground alone is left.
    """
    found = np.zeros((height, width, pixels.shape[2]), np.uint8)
    level = pixels.max(-1).astype(float)
    rows, columns = np.nonzero(level > FAINTEST * max(level.max(), 1.0))
    if not len(rows):
        return found
    ink = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    factor = BOX * min(height, width) / max(ink.shape[:2])
    size = [max(round(side * factor), 1) for side in ink.shape[:2]]
    small = np.stack([_resized(ink[..., channel], size) for channel in range(ink.shape[2])], -1)
    mass = small.max(-1).astype(float)
    corner = []
    for axis, (side, room) in enumerate(zip(size, (height, width), strict=True)):
        middle = float((mass.sum(1 - axis) * (np.arange(side) + 0.5)).sum() / mass.sum())
        corner.append(min(max(round(room / 2 - middle), 0), room - side))
    found[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = small
    return found


def _resized(plane: NDArray[np.uint8], size: list[int]) -> NDArray[np.uint8]:
    picture = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def stretched(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``pixels`` with their darkest level at 0 and their brightest at 255; as they are where all are equal."""
    low, high = int(pixels.min()), int(pixels.max())
    if low == high:
        return pixels
    return np.rint((pixels.astype(float) - low) * (WHITE / (high - low))).astype(np.uint8)


def ink_warning(found: float, light_on_dark: float | None) -> str:
    """A warning where a picture's ink is unlike that of the training images; "" where it is not.

    Args:
        found: the picture's ``contrast``, in levels.
        light_on_dark: fraction of the training images that are light on dark; None where it is not known.
    """
    if light_on_dark is None or abs(found) < FAINT or 1 - ONE_SIDED < light_on_dark < ONE_SIDED:
        return ""
    if (found > 0) == (light_on_dark > 0.5):
        return ""
    inks = ("light on dark", "dark on light")
    here, there = inks if found > 0 else inks[::-1]
    share = max(light_on_dark, 1 - light_on_dark)
    return f"inverted ink: it is {here}, but {share:.0%} of the agent's training images are {there}; try --invert"
