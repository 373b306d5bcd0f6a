"""Distributions of actions over a space: those of a policy, and the one of a policy that prefers nothing."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Float, Shaped

from logpi.ops.distributions import DiagonalGaussian, Distribution, MultiBinary, MultiDiscrete, TanhGaussian, masked
from logpi.types import Array, Key, Space


def output_size(space: Space) -> int:
    """Number of network outputs for a distribution over ``space``, without a Gaussian's deviations."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    assert space.shape is not None
    return int(np.prod(space.shape))


def action_distribution(
    space: Space,
    raw: Float[Array, "*B n"],
    log_std: Float[Array, " n"] | None,
    legal: Shaped[Array, "*B n"] | None,
    squash: bool,
) -> Distribution:
    """``raw``, n = ``output_size(space)``, as a distribution with batch shape ``*B``.

    ``legal`` marks the legal actions of a Discrete or MultiDiscrete space, 1 legal. Joint
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


def random_action(space: Space, key: Key, batch: tuple[int, ...], legal: Array | None = None) -> Array:
    """Actions [*batch, ...] as a policy draws them whose network says 0: uniform, or Gaussian with deviation 1.

    Args:
        space: of the actions.
        key: of the draw.
        batch: shape of the batch.
        legal: [*batch, n] 1 where an action is legal; None where all are.
    """
    n = output_size(space)
    log_std = jnp.zeros(n) if isinstance(space, spaces.Box) else None
    return action_distribution(space, jnp.zeros((*batch, n)), log_std, legal, squash=False).sample(key)
