"""Running statistics of observations and rewards: part of the learner, so that a saved agent carries them.

The statistics that were in force while a trajectory was collected are the ones it is learnt with; what the
trajectory adds to them counts from the next one on. So the acting policy and π_old are the same function.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from logpi.ops.collectives import psum
from logpi.types import Array, Number, PyTree, Trajectory

CLIP = 10.0  # standard deviations


class Moments(NamedTuple):
    """Number of samples, mean and sum of squared deviations, merged batch by batch (Chan et al. 1979)."""

    n: Float[Array, ""]  # samples seen
    mean: Float[Array, "*shape"]
    m2: Float[Array, "*shape"]

    @property
    def std(self) -> Float[Array, "*shape"]:
        """Standard deviation; 1 until two samples have been seen."""
        return jnp.where(self.n > 1, jnp.sqrt(self.m2 / jnp.maximum(self.n, 1.0) + 1e-8), 1.0)


def no_moments(shape: tuple[int, ...]) -> Moments:
    return Moments(jnp.zeros(()), jnp.zeros(shape), jnp.zeros(shape))


def merge(moments: Moments, x: Float[Array, "*samples"], weight: Float[Array, "*N"]) -> Moments:
    """``moments`` with the samples ``x`` [N..., *shape] of ``weight`` [N...] (0 or 1) added."""
    axes = tuple(range(weight.ndim))
    w = weight.reshape(weight.shape + (1,) * (x.ndim - weight.ndim))
    new = psum(weight.sum())
    mean = psum((x * w).sum(axes)) / jnp.maximum(new, 1.0)
    m2 = psum((jnp.square(x - _wide(mean, x)) * w).sum(axes))
    n = moments.n + new
    delta = mean - moments.mean
    share = new / jnp.maximum(n, 1.0)
    return Moments(n, moments.mean + delta * share, moments.m2 + m2 + jnp.square(delta) * moments.n * share)


def _wide(moment: Float[Array, "*shape"], x: Float[Array, "*wide"]) -> Float[Array, "*wide"]:
    """``moment`` [*shape] with the leading axes of ``x`` [N..., *shape]."""
    return jnp.broadcast_to(moment, x.shape)


Off = tuple[()]


class Statistics(NamedTuple):
    """Normalisers of a learner; a part that is off is ()."""

    obs: tuple[Moments | Off, ...] = ()  # one Moments per float leaf of the observation, () for other leaves
    reward: Moments | Off = ()  # of the discounted return, shape ()
    running: Float[Array, " B"] | Off = ()  # each environment's discounted return so far


def init_statistics(obs: PyTree, batch: int, normalize_obs: bool, normalize_reward: bool) -> Statistics:
    """Empty statistics for observations shaped like the leaves of ``obs`` (one environment, no batch)."""
    leaves = jax.tree.leaves(obs)
    per_leaf = tuple(no_moments(x.shape) if jnp.issubdtype(x.dtype, jnp.floating) else () for x in leaves)
    return Statistics(
        obs=per_leaf if normalize_obs else (),
        reward=no_moments(()) if normalize_reward else (),
        running=jnp.zeros(batch) if normalize_reward else (),
    )


def normalize_obs(statistics: Statistics, obs: PyTree) -> PyTree:
    """Float leaves of ``obs`` with mean 0 and deviation 1, clipped to ±10; everything else as it is."""
    if statistics.obs == ():
        return obs
    leaves, structure = jax.tree.flatten(obs)
    scaled = [
        jnp.clip((x - _wide(m.mean, x)) / _wide(m.std, x), -CLIP, CLIP) if m else x
        for m, x in zip(statistics.obs, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, scaled)


def normalize_reward(statistics: Statistics, reward: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """Rewards divided by the deviation of the discounted return, clipped to ±10; never shifted."""
    if not statistics.reward:
        return reward
    return jnp.clip(reward / statistics.reward.std, -CLIP, CLIP)


def observe(statistics: Statistics, trajectory: Trajectory, gamma: Number, fresh: bool = False) -> Statistics:
    """The statistics after ``trajectory``; its void rows count for nothing.

    ``fresh``: the trajectory began with a reset, so no return continues from the one before.
    """
    obs, reward, running = statistics
    leaves = jax.tree.leaves(trajectory.obs)
    if obs:
        obs = tuple(merge(m, x[:-1], trajectory.mask) if m else m for m, x in zip(obs, leaves, strict=True))
    if reward:
        running = jnp.zeros_like(jnp.asarray(running)) if fresh else running
        running, returns = _discounted_returns(jnp.asarray(running), trajectory, gamma)
        reward = merge(reward, returns, trajectory.mask)
    return Statistics(obs, reward, running)


def _discounted_returns(
    running: Float[Array, " B"], trajectory: Trajectory, gamma: Number
) -> tuple[Float[Array, " B"], Float[Array, "T B"]]:
    """Each environment's discounted return so far: after the last row, and after every row."""

    def forward(g: Float[Array, " B"], row: tuple[Array, Array]) -> tuple[Array, Array]:
        r, mask = row
        g = mask * (gamma * g + r)  # a void row starts the next episode from 0
        return g, g

    return jax.lax.scan(forward, running, (trajectory.reward, trajectory.mask))
