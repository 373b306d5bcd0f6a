"""Torsos for images: layers that make a vector of each, before a network's heads.

They take pixels as they come, such as bytes: numbers in [0, 1] are four times as large, and are made of a few images at
a time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp

from logpi.nets.convolution import Convolution
from logpi.types import Array

GROUP = 256  # images at a time
GAIN = math.sqrt(2)  # of orthogonal weights before a ReLU (Saxe et al. 2014)


def _dense(units: int) -> nn.Dense:
    return nn.Dense(units, kernel_init=nn.initializers.orthogonal(GAIN))


def _active(x: Array, layer_norm: bool) -> Array:
    return nn.relu(nn.LayerNorm()(x) if layer_norm else x)


class NatureCNN(nn.Module):
    """Three convolutions and a layer of 512 (Mnih et al. 2015): [B, H, W, C] to [B, 512]; 18.7 MFLOP for 84x84x4."""

    layer_norm: bool = False  # before each activation function

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for channels, size, stride in ((32, 8, 4), (64, 4, 2), (64, 3, 1)):
            init = nn.initializers.orthogonal(GAIN)
            x = _active(Convolution(channels, size, stride, same=False, kernel_init=init)(x), self.layer_norm)
        return _active(_dense(512)(x.reshape(x.shape[0], -1)), self.layer_norm)


class Impala(nn.Module):
    """Three sections of a convolution, a maximum over 3x3 pixels and two residual blocks, and a layer of 256
    (Espeholt et al. 2018, figure 3, without the LSTM): [B, H, W, C] to [B, 256]; 108 MFLOP for 84x84x4.
    """

    layer_norm: bool = False  # before each activation function

    @nn.compact
    def __call__(self, x: Array) -> Array:
        def convolution(channels: int, gain: float = GAIN) -> Convolution:
            return Convolution(channels, kernel_init=nn.initializers.orthogonal(gain))

        for channels in (16, 32, 32):
            x = _halved(convolution(channels)(x))
            for _ in range(2):
                y = convolution(channels)(_active(x, self.layer_norm))
                x = x + convolution(channels, 0.1)(_active(y, self.layer_norm))  # near the identity at first
        return _active(_dense(256)(_active(x, self.layer_norm).reshape(x.shape[0], -1)), self.layer_norm)


def _halved(x: Array) -> Array:
    """The maximum over 3x3 pixels at every second one, [B, H, W, C] to [B, ceil(H/2), ceil(W/2), C].

    It is taken of nine shifted images: XLA's own gradient of a maximum over windows is slow on CPUs.
    """
    low = jnp.finfo(x.dtype).min
    (h, w), out = x.shape[1:3], [-(-side // 2) for side in x.shape[1:3]]
    more = [max(0, 2 * (n - 1) + 3 - side) for n, side in zip(out, (h, w), strict=True)]
    x = jnp.pad(x, ((0, 0), *((m // 2, m - m // 2) for m in more), (0, 0)), constant_values=low)
    parts = [x[:, u : u + 2 * out[0] - 1 : 2, v : v + 2 * out[1] - 1 : 2] for u in range(3) for v in range(3)]
    return functools.reduce(jnp.maximum, parts)


class Patches(nn.Module):
    """A network of wide matrix products alone, made for CPUs: a layer of 48 on each 7x7 patch of the image, one of 64
    on each 2x2 of those, and one of 256: [B, H, W, C] to [B, 256]; 4.8 MFLOP for 84x84x4, a quarter of NatureCNN's.
    """

    layer_norm: bool = False  # before each activation function

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for units, side in ((48, 7), (64, 2)):
            x = _active(_dense(units)(_patches(x, side)), self.layer_norm)
        return _active(_dense(256)(x.reshape(x.shape[0], -1)), self.layer_norm)


def _patches(x: Array, side: int) -> Array:
    """[B, H, W, C] as [B, ceil(H/side), ceil(W/side), side·side·C]; what is missing of the last ones is zero."""
    rows, columns = (-(-length // side) for length in x.shape[1:3])
    missing = ((0, rows * side - x.shape[1]), (0, columns * side - x.shape[2]))
    x = jnp.pad(x, ((0, 0), *missing, (0, 0)))
    x = x.reshape(x.shape[0], rows, side, columns, side, x.shape[-1])
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(x.shape[0], rows, columns, -1)


TORSOS: dict[str, Callable[..., nn.Module]] = {"cnn": NatureCNN, "impala": Impala, "patches": Patches}


def image_torso(name: str, layer_norm: bool = False) -> Callable[[Array], Array]:
    """The torso ``name`` of ``TORSOS``, within a module: pixels [..., H, W, C] to [..., units].

    Bytes become numbers in [0, 1].
    """
    torso = TORSOS[name](layer_norm)

    def part(torso: nn.Module, x: Array) -> Array:
        made: Array = torso(x / jnp.float32(255.0 if x.dtype == jnp.uint8 else 1.0))
        return made

    def apply(x: Array) -> Array:
        batch, x = x.shape[:-3], x.reshape(-1, *x.shape[-3:])
        if not isinstance(x.shape[0], int) or x.shape[0] < 2 * GROUP:  # an exported model's number of images is open
            return part(torso, x).reshape(*batch, -1)
        groups = len(x) // GROUP
        whole = x[: groups * GROUP].reshape(groups, GROUP, *x.shape[1:])

        def one(torso: nn.Module, _: None, x: Array) -> tuple[None, Array]:
            return None, part(torso, x)

        over = nn.scan(one, variable_broadcast="params", split_rngs={"params": False})
        _, made = over(torso, None, whole)
        made = made.reshape(groups * GROUP, -1)
        if len(x) > len(made):
            made = jnp.concatenate([made, part(torso, x[len(made) :])])
        return made.reshape(*batch, -1)

    return apply
