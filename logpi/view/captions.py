"""Captions of films: a bar under the picture, which covers none of it."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

NARROWEST = 240  # pixels: a narrower picture is enlarged, so that its caption can be read
TALLEST = 1080  # pixels: nothing is enlarged beyond
SMALLEST, LARGEST = 11, 20  # font sizes, in pixels
PAPER, INK = (20, 20, 20), (255, 255, 255)


def captioned(picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """``picture`` [H, W, 3] above a bar with ``text``: [n·H + bar, n·W, 3], n = 1 unless it is narrow.

    A picture narrower than ``NARROWEST`` is enlarged by the whole number n, without smoothing. The bar's height follows
    from the picture's width alone. A text that is too long is cut, and ends in "…".
    """
    height, width, _ = picture.shape
    times = max(1, min(math.ceil(NARROWEST / width), TALLEST // height))
    shown = picture.repeat(times, 0).repeat(times, 1) if times > 1 else picture
    return np.concatenate([shown, _bar(shown.shape[1], text)])


def _bar(width: int, text: str) -> NDArray[np.uint8]:
    """A bar [height, width, 3] with ``text`` in it."""
    from PIL import Image, ImageDraw

    size = min(max(width // 30, SMALLEST), LARGEST)
    font, gap = _font(size), size // 2
    bar = Image.new("RGB", (width, 2 * size), PAPER)
    cut = _fitted(text, font, width - 2 * gap)
    ImageDraw.Draw(bar).text((gap, size), cut, font=font, fill=INK, anchor="lm")
    return np.asarray(bar)


def _fitted(text: str, font: Font, width: int) -> str:
    """``text``, or as much of its beginning as ``width`` pixels hold, with "…" behind it."""
    if font.getlength(text) <= width:
        return text
    ends = range(len(text), -1, -1)
    return next((cut for end in ends if font.getlength(cut := text[:end].rstrip() + "…") <= width), "")


@functools.cache
def _font(size: int) -> Font:
    from PIL import ImageFont

    return ImageFont.load_default(size)
