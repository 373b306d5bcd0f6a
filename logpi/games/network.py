"""Networks for boards: one torso, a policy head and a value head (Silver et al. 2017).

On CPUs fully connected residual blocks evaluate small boards six times faster than convolutions of the same strength;
on accelerators and on large boards the papers' residual tower is faster. Patterns are linear, for rollouts.
"""

from __future__ import annotations

import math

import flax.linen as nn
import jax.numpy as jnp

from logpi.games.patterns import Patterns
from logpi.games.settings import BoardNetwork
from logpi.nets.convolution import Convolution
from logpi.nets.policy import Head, dense
from logpi.types import Array, PyTree

# flax numbers the heads as they are made: policy and value, or policy, ownership and value
SECOND, THIRD = "Head_1", "Head_2"


class PolicyValue(nn.Module):
    """Observations [B, rows, columns, planes] to logits [B, A] and values [B] in [-1, 1] for the player to move.

    With ``ownership`` also to the predicted final ownership of the cells, [B, rows * columns] in [-1, 1]; else to None.
    """

    config: BoardNetwork
    actions: int
    ownership: bool = False

    @nn.compact
    def __call__(self, obs: Array) -> tuple[Array, Array, Array | None]:
        c = self.config
        if c.torso == "patterns":
            seen = obs.reshape(obs.shape[0], -1)
            return Patterns(self.actions)(obs), jnp.tanh(Head(1, 0.01)(seen)[:, 0]), None
        if c.torso == "mlp":
            x = dense(c.units, math.sqrt(2))(obs.reshape(obs.shape[0], -1))
            for _ in range(c.blocks):
                x = x + _Block(c.units)(x)
            policy = value = cells = nn.relu(nn.RMSNorm()(x))
        else:
            x = _convolution(c.units)(obs)
            for _ in range(c.blocks):
                x = x + _Residual(c.units)(x)
            x = nn.relu(nn.RMSNorm()(x))
            cells = x.reshape(obs.shape[0], -1, c.units)
            policy, value = (nn.relu(dense(k, math.sqrt(2))(cells)).reshape(obs.shape[0], -1) for k in (4, 2))
        logits = Head(self.actions, 0.01)(policy)
        hidden = nn.relu(dense(c.value_units, math.sqrt(2))(value))
        owned = None
        if self.ownership:
            owned = Head(obs.shape[1] * obs.shape[2] if c.torso == "mlp" else 1, 0.01)(cells)
            owned = jnp.tanh(owned.reshape(obs.shape[0], -1))
        return logits, jnp.tanh(Head(1, 0.01)(hidden)[:, 0]), owned


def without_ownership(params: PyTree) -> PyTree:
    """The parameters, or their shapes, of the same network without the head that predicts ownership."""
    layers = dict(params["params"])
    if THIRD not in layers:
        return params
    layers[SECOND] = layers.pop(THIRD)
    return {**params, "params": layers}


def with_ownership(params: PyTree, like: PyTree) -> PyTree:
    """``params`` of a network without that head as those of ``like``, whose head stays where there is one."""
    theirs = dict(like["params"])
    if THIRD not in theirs:
        return params
    layers = dict(params["params"])
    layers[THIRD] = layers.pop(SECOND)
    return {**params, "params": {**layers, SECOND: theirs[SECOND]}}


class _Block(nn.Module):
    """Normalisation and two layers; the small gain of the second starts the block near the identity."""

    units: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.relu(dense(self.units, math.sqrt(2))(nn.RMSNorm()(x)))
        return dense(self.units, 0.1)(x)


class _Residual(nn.Module):
    """Normalisation and two 3x3 convolutions."""

    channels: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.relu(_convolution(self.channels)(nn.RMSNorm()(x)))
        return _convolution(self.channels, 0.1)(x)


def _convolution(channels: int, scale: float = math.sqrt(2)) -> Convolution:
    return Convolution(channels, kernel_init=nn.initializers.orthogonal(scale))
