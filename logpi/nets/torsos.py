"""Torsos: observations in, features out (flax.linen)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from logpi.types import Array

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": nn.tanh, "relu": nn.relu, "silu": nn.silu}


def dense(units: int, scale: float) -> nn.Dense:
    """A linear layer with orthogonal weights of gain ``scale`` and zero bias (Saxe et al. 2014)."""
    return nn.Dense(units, kernel_init=nn.initializers.orthogonal(scale))


class Head(nn.Module):
    """A linear layer to a few outputs, with weights [units, D]: XLA's CPU products for their gradient are then six
    times faster than for [D, units], and the whole update a tenth.
    """

    units: int
    scale: float

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = self.param("kernel", nn.initializers.orthogonal(self.scale), (self.units, x.shape[-1]))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.units,))
        y = jax.lax.dot_general(x, kernel, (((x.ndim - 1,), (1,)), ((), ())))
        return y + jnp.broadcast_to(bias, y.shape)


class MLP(nn.Module):
    """Fully connected layers with ``hidden`` units: [..., D] to [..., hidden[-1]]."""

    hidden: Sequence[int]
    activation: str = "tanh"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for units in self.hidden:
            x = ACTIVATIONS[self.activation](dense(units, math.sqrt(2))(x))
        return x


class NatureCNN(nn.Module):
    """Three convolutions and a layer of 512 (Mnih et al. 2015): images [..., H, W, C] in [0, 1] to [..., 512]."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        batch = x.shape[:-3]
        x = x.reshape(-1, *x.shape[-3:])
        for features, size, stride in ((32, 8, 4), (64, 4, 2), (64, 3, 1)):
            init = nn.initializers.orthogonal(math.sqrt(2))
            x = nn.relu(nn.Conv(features, (size, size), (stride, stride), "VALID", kernel_init=init)(x))
        x = nn.relu(dense(512, math.sqrt(2))(x.reshape(x.shape[0], -1)))
        return x.reshape(*batch, -1)


CELLS: dict[str, Callable[[int], nn.RNNCellBase]] = {
    "gru": lambda size: nn.GRUCell(size),
    "lstm": lambda size: nn.OptimizedLSTMCell(size),
}


def initial_memory(cell: str, size: int, batch: int) -> tuple[Array, ...] | Array:
    """The cell's memory at the start of an episode, [B, size] each."""
    memory: tuple[Array, ...] | Array = CELLS[cell](size).initialize_carry(jax.random.key(0), (batch, size))
    return memory
