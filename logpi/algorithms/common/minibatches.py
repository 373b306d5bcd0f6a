"""A rollout cut into shuffled minibatches: single decisions, or whole columns where the policy has a memory."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.errors import LogpiError
from logpi.ops import losses
from logpi.types import Array, Key, PyTree, Trajectory


class Rows(NamedTuple):
    """Decisions to learn from: leading shape [N], or [T, N] (columns) where the policy has a memory."""

    obs: PyTree
    action: PyTree
    log_prob: Array
    mask: Array
    weight: Array  # of each decision in its minibatch's means (losses.decision_weights)
    memory: PyTree  # before row 0, [N, ...]; () without memory
    advantage: Array
    target: Array


def minibatch_count(n_steps: int, n_envs: int, batch_size: int, recurrent: bool) -> int:
    """Minibatches of a rollout; LogpiError where ``batch_size`` does not divide it."""
    total = n_steps * n_envs
    unit = n_steps if recurrent else 1
    if total % batch_size or batch_size % unit:
        allowed = [d * unit for d in range(1, total // unit + 1) if (total // unit) % d == 0]
        raise LogpiError(
            f"batch_size={batch_size} does not divide the rollout of n_steps x n_envs = {n_steps} x {n_envs} = {total} "
            f"decisions{' into whole columns of n_steps' if recurrent else ''}; allowed: "
            f"{', '.join(map(str, allowed[-8:]))}"
        )
    return total // batch_size


def rows_of(trajectory: Trajectory, advantage: Array, target: Array) -> Rows:
    """The decisions of a rollout [T, B]: flattened to [T·B] without memory, as columns with."""
    obs = jax.tree.map(lambda x: x[:-1], trajectory.obs)
    _, action, log_prob, _, _, mask, memory = trajectory
    rows = Rows(obs, action, log_prob, mask, mask, memory, advantage, target)
    if jax.tree.leaves(memory):
        return rows
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)


def shuffled(rows: Rows, key: Key, count: int, normalize_advantage: bool) -> Rows:
    """``rows`` in random order, cut into ``count`` minibatches along a new leading axis.

    Weights, and the advantages' mean and deviation where they are normalised, are each minibatch's own.
    """
    recurrent = bool(jax.tree.leaves(rows.memory))
    axis = 1 if recurrent else 0
    order = permutation(key, rows.mask.shape[axis]).reshape(count, -1)

    def cut(x: Array) -> Array:
        return jnp.moveaxis(jnp.take(x, order, axis=axis), axis, 0)

    batches = jax.tree.map(cut, rows._replace(memory=()))
    memory = jax.tree.map(lambda x: jnp.take(x, order, axis=0), rows.memory)
    within = tuple(range(1, batches.mask.ndim))
    advantage = batches.advantage
    if normalize_advantage:
        advantage = losses.standardize(advantage, batches.mask, within)
    weight = losses.decision_weights(batches.mask, within)
    return batches._replace(memory=memory, advantage=advantage, weight=weight)


def permutation(key: Key, n: int) -> Array:
    """A random order of n items, int32 [n]: sort random numbers that carry their item in the low bits.

    One sort of single words, several times cheaper on CPUs than ``jax.random.permutation``'s two sorts of pairs. For
    n up to 2^16 at least 16 random bits remain; ties keep their order, which is harmless for minibatches.
    """
    bits = max(n - 1, 1).bit_length()
    if bits > 16:
        return jax.random.permutation(key, n)
    noise = jax.random.bits(key, (n,), jnp.uint32)
    items = jnp.arange(n, dtype=jnp.uint32)
    low = jnp.uint32((1 << bits) - 1)
    return (jnp.sort((noise & ~low) | items) & low).astype(jnp.int32)
