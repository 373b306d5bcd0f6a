"""Images brought to one size: scaled as they are, with margins in the colour of their edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]  # [H, W, C]


def scaled(pixels: Pixels, height: int, width: int) -> Pixels:
    """``pixels`` [H, W, C] in ``height`` x ``width``, its proportions kept and centred.

    What is left at two sides has the median colour of the image's edge. Each pixel is the mean of those that it covers
    (bilinear where the image grows).
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    factor = min(height / pixels.shape[0], width / pixels.shape[1])
    rows, columns = (max(round(side * factor), 1) for side in pixels.shape[:2])
    found = np.empty((height, width, pixels.shape[2]), np.uint8)
    found[:] = np.median(edge(pixels), 0).astype(np.uint8)
    top, left = (height - rows) // 2, (width - columns) // 2
    for channel in range(pixels.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(pixels[..., channel]))
        small = np.asarray(plane.resize((columns, rows), Image.Resampling.BILINEAR))
        found[top : top + rows, left : left + columns, channel] = small
    return found


def edge(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The outermost pixels [P, C] of an image [H, W, C], the corners twice."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
