"""Heads: a network's raw numbers read as a distribution over an action space."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from logpi.ops.distributions import (
    DiagonalGaussian,
    Distribution,
    MultiBinary,
    MultiDiscrete,
    TanhGaussian,
    masked,
)
from logpi.types import Array


def size(space: spaces.Space[Any]) -> int:
    """How many numbers parametrise a distribution over ``space`` (a Gaussian's deviations are counted apart)."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    assert space.shape is not None
    return int(np.prod(space.shape))


def distribution(
    space: spaces.Space[Any], raw: Array, log_std: Array | None, legal: Array | None, squash: bool
) -> Distribution:
    """``raw`` [..., size(space)] as a distribution with batch shape [...].

    ``legal`` [..., size(space)] marks the legal actions of a Discrete or MultiDiscrete space, 1 legal. Joint
    actions are flat, [..., d]; ``logpi.envs.spaces.to_env`` gives them the space's shape.
    """
    if isinstance(space, spaces.Discrete):
        return masked(raw, legal)
    if isinstance(space, spaces.MultiDiscrete):
        cuts = np.cumsum(space.nvec.reshape(-1))[:-1].tolist()
        parts = jnp.split(raw, cuts, axis=-1)
        allowed = [None] * len(parts) if legal is None else jnp.split(legal, cuts, axis=-1)
        return MultiDiscrete(tuple(masked(part, ok) for part, ok in zip(parts, allowed, strict=True)))
    if isinstance(space, spaces.MultiBinary):
        return MultiBinary(raw)
    assert log_std is not None
    log_std = jnp.broadcast_to(log_std, raw.shape)
    return TanhGaussian(raw, log_std) if squash else DiagonalGaussian(raw, log_std)
