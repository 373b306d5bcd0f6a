"""The glimpse sensor (Mnih et al. 2014, fig. 1A): k square patches around a place, each twice as wide as the last.

Every patch is reduced to the finest one's size by averaging blocks of pixels; pixels beyond the edge are 0. There are
three ways to read the patches, and ``sensor`` takes the cheapest:

* ``glimpse_finest``: of one scale alone, the pixels themselves;
* ``glimpse``: from the image's integral (Crow 1984), where the sum of any block needs four numbers. A glimpse costs the
  same at every scale, but the whole image has to be summed before the first one.
* ``glimpse_directly``: from the pixels that the coarsest patch covers. Nothing else of the image is read, so the work
  does not grow with the image.

Pixels are whole numbers from 0 to 255, and so are their sums: exact in float32 for up to ``EXACT`` pixels. Sums over
larger images are int32. They may wrap around, and the differences taken of them are still right, since no block has
2^23 pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, Int32, Num

from logpi.types import Array

WHITE = 255.0  # the brightest pixel
EXACT = 2**24 // 255  # number of white pixels whose sum float32 represents exactly
GROUP = 16  # images integrated side by side: they fit into a core's cache
CHEAPER = 2  # pixels that a direct glimpse reads in the time that an integral needs for one; measured
MOVED = 200  # cost of moving to a window, in pixels read; measured

Images = Num[Array, "B H W C"]  # pixels from 0 to 255
Corner = Int[Array, "B 2"]  # (row, column) of the finest patch's top left pixel; it may lie outside the image
Patches = Num[Array, "B {scales} {size} {size} C"]  # mean pixel values from 0 to 255


def sensor(images: Images, size: int, scales: int, glimpses: int) -> Callable[[Corner], Num[Array, "B k s s C"]]:
    """The cheapest way to take ``glimpses`` glimpses of each image: a function from corners to patches."""
    if scales == 1:
        return lambda corner: glimpse_finest(images, corner, size)
    if is_direct((images.shape[1], images.shape[2]), size, scales, glimpses):
        return lambda corner: glimpse_directly(images, corner, size, scales)
    sums = integral(images)
    return lambda corner: glimpse(sums, corner, size, scales)


def is_direct(shape: tuple[int, int], size: int, scales: int, glimpses: int) -> bool:
    """Whether this number of glimpses of an image of ``shape`` (H, W) is cheaper without its integral."""
    side, pixels = size * 2 ** (scales - 1), shape[0] * shape[1]
    return side <= min(shape) and glimpses * (side**2 + MOVED) < CHEAPER * pixels


def integral(images: Images) -> Num[Array, "B C H+1 W+1"]:
    """Sums of all pixels above and to the left, exact or modulo 2^32; the first row and column are 0."""
    batch, height, width, channels = images.shape
    planes = jnp.moveaxis(images, -1, 1).reshape(-1, height, width)
    planes = planes.astype(jnp.float32 if height * width <= EXACT else jnp.int32)
    group = next(n for n in range(min(GROUP, len(planes)), 0, -1) if len(planes) % n == 0)

    def sums(group: Num[Array, "G H W"]) -> Num[Array, "G H+1 W+1"]:
        rows = _running_sum(jnp.moveaxis(group, 1, 0))  # [H, G, W]
        both = _running_sum(rows.transpose(2, 1, 0))  # [W, G, H]
        return jnp.pad(both.transpose(1, 2, 0), ((0, 0), (1, 0), (1, 0)))

    summed = jax.lax.map(sums, planes.reshape(-1, group, height, width))
    return summed.reshape(batch, channels, height + 1, width + 1)


def _running_sum(x: Num[Array, " N *S"]) -> Num[Array, " N *S"]:
    """Cumulative sum along the first axis; a scan of vectors is several times faster on CPUs than ``jnp.cumsum``."""

    def add(total: Array, row: Array) -> tuple[Array, Array]:
        return total + row, total + row

    return jax.lax.scan(add, jnp.zeros_like(x[0]), x)[1]


def corner_of(location: Float[Array, "*B 2"], shape: tuple[int, int], size: int) -> Int32[Array, "*B 2"]:
    """The finest patch's top left pixel for a ``location`` (row, column) in [-1, 1].

    (0, 0) is the image's centre and (-1, -1) its top left corner, as in the paper; a patch at an edge is half outside.
    """
    extent = jnp.broadcast_to(jnp.asarray(shape, jnp.float32), location.shape)
    return jnp.round((location + 1) / 2 * extent - size / 2).astype(jnp.int32)


def location_of(corner: Int[Array, "*B 2"], shape: tuple[int, int], size: int) -> Float[Array, "*B 2"]:
    """Location of the centre of the patch at ``corner``: the inverse of ``corner_of``."""
    return (corner + size / 2) / jnp.broadcast_to(jnp.asarray(shape, jnp.float32), corner.shape) * 2 - 1


def glimpse(sums: Num[Array, "B C rows columns"], corner: Corner, size: int, scales: int) -> Patches:
    """The patches of one glimpse of each image.

    Args:
        sums: ``integral`` of the images.
        corner: top left pixel of the finest patch.
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
        blocks = s[:, 1:, 1:] - s[:, :-1, 1:] - s[:, 1:, :-1] + s[:, :-1, :-1]
        patches.append(blocks.astype(jnp.float32) / (block * block))
    return jnp.stack(patches, 1)


def glimpse_finest(images: Images, corner: Corner, size: int) -> Num[Array, "B 1 {size} {size} C"]:
    """As ``glimpse`` with one scale, read from the images themselves."""
    batch, height, width, channels = images.shape
    pixel = jnp.arange(size)
    row, column = corner[:, :1] + pixel[None], corner[:, 1:] + pixel[None]
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
    row, column = jnp.clip(row, 0, height - 1), jnp.clip(column, 0, width - 1)
    place = jnp.arange(batch)[:, None, None] * (height * width) + row[:, :, None] * width + column[:, None, :]
    pixels = jnp.take(images.reshape(-1, channels), place, axis=0, mode="clip")
    return jnp.where(inside[..., None], pixels, 0)[:, None]


def glimpse_directly(images: Images, corner: Corner, size: int, scales: int) -> Patches:
    """As ``glimpse``, read from the images themselves.

    Raises:
        ValueError: the coarsest patch does not fit into an image.
    """
    batch, height, width, channels = images.shape
    side = size * 2 ** (scales - 1)
    if side > min(height, width):
        raise ValueError(f"patches of {side} pixels a side do not fit into images of {height} x {width}")
    first = corner - (side - size) // 2
    inside = jnp.clip(first, 0, jnp.array([[height - side, width - side]]))
    pixel = jnp.arange(side)

    def shifted(window: Array, by: Array, first: Array) -> Array:
        rows, columns = first[0] + pixel, first[1] + pixel
        seen = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None, :]
        return jnp.where(seen[None, :, :, None], jnp.roll(window, by, (1, 2)), 0)

    def cut(i: Array, windows: Array) -> Array:
        place = (i, *inside[i], 0)
        window = jax.lax.dynamic_slice(images, place, (1, side, side, channels))
        by = inside[i] - first[i]
        window = jax.lax.cond((by == 0).all(), lambda w: w, lambda w: shifted(w, by, first[i]), window)
        return jax.lax.dynamic_update_slice(windows, window, (i, 0, 0, 0))

    windows = jax.lax.fori_loop(0, batch, cut, jnp.zeros((batch, side, side, channels), images.dtype))
    patches = []
    for scale in range(scales):
        block = 2**scale
        edge, width = (side - size) // 2 - (block - 1) * size // 2, size * block
        patch = windows[:, edge : edge + width, edge : edge + width]
        sums = patch.reshape(batch, size, block, size, block, channels).sum((2, 4), jnp.float32)
        patches.append(sums / (block * block))
    return jnp.stack(patches, 1)
