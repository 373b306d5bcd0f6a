"""Scenes: images unchanged, translated, or among clutter (Mnih et al. 2014, §4.1), made on the device.

A scene is a pure function of its key. Pixels stay whole numbers from 0 to 255.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, Num

from logpi.types import Array, Key, Number


class Scene(NamedTuple):
    """Canvas and clutter of a scene."""

    height: int  # of the canvas, in pixels; a smaller image is placed on it at random
    width: int
    num_distractors: int = 0  # patches of other training images, at random places: the clutter
    distractor_size: int = 8  # side of a distractor, in pixels


GROUP, PIXELS = 500, 2**23  # most scenes, and most pixels times channels, that are evaluated at once
SCENES = 1_000_000_007  # seed of the evaluation scenes, which are the same for every agent of a task
Images = Num[Array, "B h w C"]  # pixels from 0 to 255


class Augmentation(NamedTuple):
    """Random affine change of a training image: each amount is uniform between minus and plus its field."""

    rotation: Number  # degrees
    scaling: Number  # log of each side's factor
    shear: Number  # tangent of the angle
    shift: Number  # pixels


def compose(
    key: Key, images: Images, clutter: Num[Array, "N h w C"], scene: Scene, distractors: Number | None = None
) -> Float[Array, "B {scene.height} {scene.width} C"]:
    """Each image at a random place of the scene's canvas, among distractors cut from ``clutter``.

    Where an image and distractors overlap, the brightest pixel wins.

    Args:
        distractors: number of distractors, at most the scene's; all of them by default. If fractional, the last one
            appears with probability equal to the fraction.
    """
    batch, height, width, channels = images.shape
    if (height, width) == (scene.height, scene.width) and not scene.num_distractors:
        return images.astype(jnp.float32)
    place_key, distractor_key = jax.random.split(key)
    place = _places(place_key, (batch,), scene.height - height, scene.width - width)
    which, source, target = _distractors(distractor_key, batch, len(clutter), (height, width), scene)
    luck = jax.random.uniform(jax.random.fold_in(distractor_key, 3), (batch, 1))
    rank = jnp.arange(scene.num_distractors)[None] + luck
    there = rank < (scene.num_distractors + 1 if distractors is None else distractors)  # [B, P]

    def one(x: tuple[Array, ...]) -> Num[Array, "H W C"]:
        image, corner, which, source, target, shown = x
        canvas = jnp.zeros((scene.height, scene.width, channels), clutter.dtype)
        zero = jnp.int32(0)
        canvas = jax.lax.dynamic_update_slice(canvas, image.astype(clutter.dtype), (corner[0], corner[1], zero))
        for k in range(scene.num_distractors):
            shape = (scene.distractor_size, scene.distractor_size, channels)
            start = (which[k], source[k, 0], source[k, 1], zero)
            patch = jax.lax.dynamic_slice(clutter, start, (1, *shape))[0] * shown[k].astype(clutter.dtype)
            at = (target[k, 0], target[k, 1], zero)
            below = jax.lax.dynamic_slice(canvas, at, shape)
            canvas = jax.lax.dynamic_update_slice(canvas, jnp.maximum(below, patch), at)
        return canvas

    # one image after the other: vmapped, the updates would become a scatter, which is slow on CPUs
    return jax.lax.map(one, (images, place, which, source, target, there)).astype(jnp.float32)


def _distractors(
    key: Key, batch: int, count: int, size: tuple[int, int], scene: Scene
) -> tuple[Int[Array, "B P"], Int[Array, "B P 2"], Int[Array, "B P 2"]]:
    """For each distractor: the image that it is cut from, its corner there, and its corner on the canvas."""
    keys, shape, side = jax.random.split(key, 3), (batch, scene.num_distractors), scene.distractor_size
    which = jax.random.randint(keys[0], shape, 0, count)
    source = _places(keys[1], shape, size[0] - side, size[1] - side)
    return which, source, _places(keys[2], shape, scene.height - side, scene.width - side)


def _places(key: Key, shape: tuple[int, ...], lowest: int, rightmost: int) -> Int[Array, "*S 2"]:
    """Top left corners, one for each element of ``shape``, uniform from (0, 0) to (lowest, rightmost)."""
    room = jnp.broadcast_to(jnp.array([lowest + 1, rightmost + 1]), (*shape, 2))
    return jax.random.randint(key, (*shape, 2), 0, room)


def augment(key: Key, images: Images, how: Augmentation) -> Images:
    """Each image rotated, scaled, sheared and shifted at random; bilinear, rounded to whole numbers."""
    batch, height, width, channels = images.shape
    amount = jax.random.uniform(key, (batch, 6), minval=-1.0, maxval=1.0)
    angle = amount[:, 0] * how.rotation * (jnp.pi / 180)
    log_scale = amount[:, 1:3] * how.scaling
    slope, shift = amount[:, 3] * how.shear, amount[:, 4:6] * how.shift
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    tall, wide = jnp.exp(log_scale).T
    middle = ((height - 1) / 2, (width - 1) / 2)
    # scaled, then sheared, then rotated; as a matrix product, since XLA would compute the sines again for each pixel
    to_row = jnp.stack([cos * tall, (cos * slope - sin) * wide, shift[:, 0] + middle[0]], -1)
    to_column = jnp.stack([sin * tall, (sin * slope + cos) * wide, shift[:, 1] + middle[1]], -1)
    row, column = jnp.meshgrid(jnp.arange(height) - middle[0], jnp.arange(width) - middle[1], indexing="ij")
    pixels = jnp.stack([row.ravel(), column.ravel(), jnp.ones(height * width)])
    affine = jnp.stack([to_row, to_column])
    source_row, source_column = jnp.matmul(affine, pixels, precision=jax.lax.Precision.HIGHEST)  # [B, h·w] each
    top, left = jnp.floor(source_row).astype(jnp.int32), jnp.floor(source_column).astype(jnp.int32)
    down, right = source_row - top, source_column - left
    flat = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(-1, channels)
    base = jnp.arange(batch)[:, None] * ((height + 2) * (width + 2))

    def pixel(r: Int[Array, "B pixels"], c: Int[Array, "B pixels"]) -> Float[Array, "B pixels C"]:
        inside = jnp.clip(r + 1, 0, height + 1) * (width + 2) + jnp.clip(c + 1, 0, width + 1)
        return jnp.take(flat, base + inside, axis=0, mode="clip").astype(jnp.float32)

    down, right = down[..., None], right[..., None]
    upper = pixel(top, left) * (1 - right) + pixel(top, left + 1) * right
    lower = pixel(top + 1, left) * (1 - right) + pixel(top + 1, left + 1) * right
    mixed = jnp.round(upper * (1 - down) + lower * down)
    return mixed.astype(images.dtype).reshape(images.shape)


def group_size(scene: Scene, channels: int) -> int:
    """Number of scenes that are evaluated at once."""
    return min(GROUP, max(1, PIXELS // (scene.height * scene.width * channels)))


def judged_scenes(
    images: Images, clutter: Num[Array, "N h w C"], scene: Scene, group: Int[Array, ""] | int
) -> Float[Array, "B {scene.height} {scene.width} C"]:
    """The evaluation scenes of ``images``, which are group number ``group`` of a split."""
    return compose(jax.random.fold_in(jax.random.key(SCENES), group), images, clutter, scene)
