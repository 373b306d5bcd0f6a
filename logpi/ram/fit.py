"""Sizes of networks and clutter that follow from the images, where a setting of 0 asks for it.

They repeat the recipes of the paper's tasks: a patch of 8 pixels for images of 28, of 12 for scenes of 60 and of 100,
three and four scales for the latter two; a kernel of 10 and a stride of 5 for scenes of 60.
"""

from __future__ import annotations

PATCHES = (4, 12)  # sides of a fitted patch, in pixels: least and most
COVERED = 0.75  # of the image's longer side, by the coarsest patch
KERNEL = 3  # least side of a fitted kernel, in pixels


def patch_for(height: int, width: int) -> int:
    """Side of a retina patch, or of a distractor, for images of this size: two sevenths of the shorter side."""
    shorter = min(height, width)
    return min(max(round(shorter * 2 / 7), PATCHES[0]), PATCHES[1], shorter)


def scales_for(patch: int, height: int, width: int) -> int:
    """Number of patches, each twice as wide as the last, of which the coarsest covers most of the image."""
    scales = 1
    while patch * 2 ** (scales - 1) < COVERED * max(height, width):
        scales += 1
    return scales


def kernel_for(height: int, width: int) -> int:
    """Side of a convolution's kernel: a sixth of the image's shorter side."""
    shorter = min(height, width)
    return min(max(round(shorter / 6), KERNEL), shorter)
