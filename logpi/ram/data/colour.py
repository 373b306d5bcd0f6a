"""Channels of pictures: transparency laid on white, and grey made of colour, as Pillow does both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def channels(image: Image.Image) -> Pixels:
    """[H, W, 1] for a grey picture, however it is stored, else [H, W, 3]; transparent pixels are laid on white."""
    if image.has_transparency_data:
        image = _on_white(image)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None]
    colour: Pixels = np.asarray(image.convert("RGB"))
    red, green, blue = colour[..., 0], colour[..., 1], colour[..., 2]
    grey = np.array_equal(red, green) and np.array_equal(green, blue)
    return red[..., None].copy() if grey else colour


def opaque(pixels: Pixels) -> Pixels:
    """[H, W, 3] for pixels [H, W, 4] whose last channel is opacity, over white; others as they are."""
    return np.asarray(_on_white(Image.fromarray(pixels))) if pixels.shape[2] == 4 else pixels


def grey(pixels: Pixels) -> Pixels:
    """[H, W, 1] of colours [H, W, 3]: the luma of ITU-R BT.601."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))[..., None]


def _on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
