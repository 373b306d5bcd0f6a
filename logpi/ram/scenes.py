"""The tasks' images, made on the device: as they are, translated, or among clutter (Mnih et al. 2014, §4.1).

Everything follows from the key. Pixels stay whole numbers from 0 to 255.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.types import Array, Key


class Scene(NamedTuple):
    """What is done to an image before it is looked at."""

    height: int  # pixels of the canvas; the image is placed on it at random where it is smaller
    width: int
    num_distractors: int = 0  # clutter: patches of other training images, at random places
    distractor_size: int = 8  # pixels of a patch's side


GROUP, PIXELS = 500, 2**23  # images, and numbers in them, that a device judges at once
SCENES = 1_000_000_007  # the key of the scenes that agents are judged on: the same ones for every agent of a task


class Augmentation(NamedTuple):
    """Random affine change of a training image, uniform between minus and plus each of these."""

    rotation: Array | float  # degrees
    scaling: Array | float  # log of each side's factor
    shear: Array | float
    shift: Array | float  # pixels


def compose(key: Key, images: Array, clutter: Array, scene: Scene, pieces: Array | float | None = None) -> Array:
    """``images`` [B, h, w, C] on the scene's canvas among pieces of ``clutter`` [N, h, w, C]: float32 [B, H, W, C].

    Where an image and pieces overlap, the brightest wins. ``pieces``, if given, are how many of the scene's pieces
    there are; of a broken one the last is there in as many of the images as its fraction says.
    """
    batch, height, width, channels = images.shape
    if (height, width) == (scene.height, scene.width) and not scene.num_distractors:
        return images.astype(jnp.float32)
    place_key, piece_key = jax.random.split(key)
    place = _places(place_key, (batch,), scene.height - height, scene.width - width)
    which, source, target = _pieces(piece_key, batch, len(clutter), (height, width), scene)
    luck = jax.random.uniform(jax.random.fold_in(piece_key, 3), (batch, 1))
    rank = jnp.arange(scene.num_distractors)[None] + luck
    there = rank < (scene.num_distractors + 1 if pieces is None else pieces)  # [B, P]

    def one(x: tuple[Array, ...]) -> Array:
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

    # one image after the other: side by side, the updates would become a scatter, which is slow on CPUs
    return jax.lax.map(one, (images, place, which, source, target, there)).astype(jnp.float32)


def _pieces(key: Key, batch: int, count: int, size: tuple[int, int], scene: Scene) -> tuple[Array, Array, Array]:
    """Which image each piece is cut from [B, P], where from and where to [B, P, 2]."""
    keys, shape = jax.random.split(key, 3), (batch, scene.num_distractors)
    which = jax.random.randint(keys[0], shape, 0, count)
    source = _places(keys[1], shape, size[0] - scene.distractor_size, size[1] - scene.distractor_size)
    return (
        which,
        source,
        _places(keys[2], shape, scene.height - scene.distractor_size, scene.width - scene.distractor_size),
    )


def _places(key: Key, shape: tuple[int, ...], lowest: int, rightmost: int) -> Array:
    """Top left corners [*shape, 2], uniform from (0, 0) to (lowest, rightmost)."""
    room = jnp.broadcast_to(jnp.array([lowest + 1, rightmost + 1]), (*shape, 2))
    return jax.random.randint(key, (*shape, 2), 0, room)


def augment(key: Key, images: Array, how: Augmentation) -> Array:
    """``images`` [B, h, w, C], each turned, scaled, sheared and shifted at random; bilinear, whole numbers."""
    batch, height, width, channels = images.shape
    amount = jax.random.uniform(key, (batch, 6), minval=-1.0, maxval=1.0)
    angle = amount[:, 0] * how.rotation * (jnp.pi / 180)
    log_scale = amount[:, 1:3] * how.scaling
    slope, shift = amount[:, 3] * how.shear, amount[:, 4:6] * how.shift
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    tall, wide = jnp.exp(log_scale).T
    middle = ((height - 1) / 2, (width - 1) / 2)
    # turned after sheared after scaled; a product, since XLA would compute sines and cosines anew for every pixel
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

    def pixel(r: Array, c: Array) -> Array:
        inside = jnp.clip(r + 1, 0, height + 1) * (width + 2) + jnp.clip(c + 1, 0, width + 1)
        return jnp.take(flat, base + inside, axis=0, mode="clip").astype(jnp.float32)

    down, right = down[..., None], right[..., None]
    upper = pixel(top, left) * (1 - right) + pixel(top, left + 1) * right
    lower = pixel(top + 1, left) * (1 - right) + pixel(top + 1, left + 1) * right
    mixed = jnp.round(upper * (1 - down) + lower * down)
    return mixed.astype(images.dtype).reshape(images.shape)


def group_size(scene: Scene, channels: int) -> int:
    """How many scenes are judged at once."""
    return min(GROUP, max(1, PIXELS // (scene.height * scene.width * channels)))


def judged_scenes(images: Array, clutter: Array, scene: Scene, group: Array | int) -> Array:
    """The scenes of group number ``group`` of the images that an agent is judged on, [B, H, W, C]."""
    return compose(jax.random.fold_in(jax.random.key(SCENES), group), images, clutter, scene)
