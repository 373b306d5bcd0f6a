"""The glimpse sensor (Mnih et al. 2014, fig. 1A): k square patches around a place, each twice as wide as the last.

Every patch is reduced to the finest one's size by averaging blocks of pixels. All of them are read from the image's
integral (Crow 1984), in which the sum of any block is four numbers: a glimpse costs the same at every scale, and what
lies beyond the edge is 0 without padding. Pixels are whole numbers from 0 to 255, so that float32 sums are exact for
images of up to 65,000 white pixels, and as good as float32 is above that.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from logpi.types import Array

WHITE = 255.0  # the brightest pixel
GROUP = 16  # images integrated side by side: few enough for a core's cache


def integral(images: Array) -> Array:
    """Sums of all pixels above and to the left: [B, H, W, C] → [B, C, H+1, W+1], whose first row and column are 0."""
    batch, height, width, channels = images.shape
    planes = jnp.moveaxis(images, -1, 1).reshape(-1, height, width)
    group = next(n for n in range(min(GROUP, len(planes)), 0, -1) if len(planes) % n == 0)

    def sums(group: Array) -> Array:
        rows = _running_sum(jnp.moveaxis(group, 1, 0))  # [H, G, W]
        both = _running_sum(rows.transpose(2, 1, 0))  # [W, G, H]
        return jnp.pad(both.transpose(1, 2, 0), ((0, 0), (1, 0), (1, 0)))

    summed = jax.lax.map(sums, planes.reshape(-1, group, height, width))
    return summed.reshape(batch, channels, height + 1, width + 1)


def _running_sum(x: Array) -> Array:
    """Cumulative sum along the first axis; a scan of vectors, several times quicker on CPUs than ``jnp.cumsum``."""

    def add(total: Array, row: Array) -> tuple[Array, Array]:
        return total + row, total + row

    return jax.lax.scan(add, jnp.zeros_like(x[0]), x)[1]


def corner_of(location: Array, shape: tuple[int, int], size: int) -> Array:
    """The finest patch's top left pixel, int32 [..., 2], of a ``location`` (row, column) in [-1, 1].

    (0, 0) is the image's centre and (-1, -1) its top left corner, as in the paper; a patch at an edge is half outside.
    """
    extent = jnp.broadcast_to(jnp.asarray(shape, jnp.float32), location.shape)
    return jnp.round((location + 1) / 2 * extent - size / 2).astype(jnp.int32)


def location_of(corner: Array, shape: tuple[int, int], size: int) -> Array:
    """Where the centre of the patch at ``corner`` lies, float32 [..., 2]: the inverse of ``corner_of``."""
    return (corner + size / 2) / jnp.broadcast_to(jnp.asarray(shape, jnp.float32), corner.shape) * 2 - 1


def glimpse(sums: Array, corner: Array, size: int, scales: int) -> Array:
    """What the retina sees: [B, scales, size, size, C], mean pixel values from 0 to 255.

    Args:
        sums: ``integral`` of the images, [B, C, H+1, W+1].
        corner: top left pixel of the finest patch, int [B, 2]; it may lie outside the image.
        size: pixels of a patch's side.
        scales: k, the number of patches. Patch s covers (size·2^s)² pixels around the same centre.
    """
    batch, channels, height, width = sums.shape
    plane = jnp.arange(batch * channels).reshape(batch, channels) * (height * width)
    flat = sums.reshape(-1)
    patches = []
    for scale in range(scales):
        block = 2**scale
        edges = jnp.arange(size + 1) * block - (block - 1) * size // 2
        row = jnp.clip(corner[:, :1] + edges[None], 0, height - 1)
        column = jnp.clip(corner[:, 1:] + edges[None], 0, width - 1)
        place = plane[:, None, None, :] + (row[:, :, None] * width + column[:, None, :])[..., None]
        s = jnp.take(flat, place, mode="clip")  # [B, size+1, size+1, C]
        patches.append((s[:, 1:, 1:] - s[:, :-1, 1:] - s[:, 1:, :-1] + s[:, :-1, :-1]) / (block * block))
    return jnp.stack(patches, 1)
