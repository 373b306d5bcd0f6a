"""The replay of off-policy methods: a ring of the newest rows of B environments, which lies in the carry.

Rows are stored as a rollout makes them, so the next observation of a row is the observation of the row after it and is
not stored twice. The ring is donated from one call to the next: rows are written in place, and sampling reads from what
the push returned.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.errors import LogpiError
from logpi.types import Array, Key, PyTree, Trajectory


class Rows(NamedTuple):
    """What is stored of each decision."""

    obs: PyTree
    action: PyTree
    reward: Array
    discount: Array
    mask: Array


class Replay(NamedTuple):
    """The ring; R rows."""

    rows: Rows  # [R, B, ...]
    head: Array  # [] int32: the row that is written next
    filled: Array  # [] int32: rows that hold decisions


class Transitions(NamedTuple):
    """N decisions to learn from."""

    obs: PyTree  # [N, ...]
    action: PyTree  # [N, ...] as drawn
    reward: Array  # [N]
    discount: Array  # [N] 0 where the environment terminated, else 1
    next_obs: PyTree  # [N, ...] the true next observation, final at a truncation
    mask: Array  # [N] 0 where there is nothing to learn, else 1


def replay_rows(capacity: int, n_envs: int, n_steps: int) -> int:
    """Rows of a ring for at least ``capacity`` decisions of ``n_envs`` environments, a multiple of ``n_steps``.

    Raises:
        LogpiError: the ring would hold less than two trajectories.
    """
    rows = -(-capacity // (n_envs * n_steps)) * n_steps
    if rows < 2 * n_steps:
        raise LogpiError(
            f"a replay of {capacity:,} decisions holds {rows} rows of {n_envs} environments, and one trajectory has "
            f"{n_steps}; it must hold two: raise it to at least {2 * n_envs * n_steps:,}"
        )
    return rows


def empty_replay(trajectory: Trajectory, rows: int) -> Replay:
    """A ring of ``rows`` rows of the shapes of ``trajectory``."""
    new = _rows(trajectory)
    ring = jax.tree.map(lambda x: jnp.zeros((rows, *x.shape[1:]), x.dtype), new)
    return Replay(ring, jnp.int32(0), jnp.int32(0))


def push(replay: Replay, trajectory: Trajectory) -> Replay:
    """``replay`` with the T rows of ``trajectory`` in place of its oldest; R is a multiple of T."""
    new, size = _rows(trajectory), replay.rows.reward.shape[0]
    count = new.reward.shape[0]

    def write(ring: Array, rows: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(ring, rows, replay.head, 0)

    rows = jax.tree.map(write, replay.rows, new)
    return Replay(rows, (replay.head + count) % size, jnp.minimum(replay.filled + count, size))


def sample(replay: Replay, key: Key, count: int) -> Transitions:
    """``count`` decisions, each of the ring's with the same probability but those of the newest row.

    What followed the newest row is not in the ring yet. Before there are two rows all masks are 0.
    """
    size, n_envs = replay.rows.reward.shape
    row_key, env_key = jax.random.split(key)
    known = replay.filled - 1
    back = jax.random.randint(row_key, (count,), 2, jnp.maximum(known, 1) + 2)  # 2: the row before the newest
    row = (replay.head - back) % size
    env = jax.random.randint(env_key, (count,), 0, n_envs)
    obs, action, reward, discount, mask = jax.tree.map(lambda x: x[row, env], replay.rows)
    next_obs = jax.tree.map(lambda x: x[(row + 1) % size, env], replay.rows.obs)
    return Transitions(obs, action, reward, discount, next_obs, jnp.where(known > 0, mask, 0.0))


def _rows(trajectory: Trajectory) -> Rows:
    obs = jax.tree.map(lambda x: x[:-1], trajectory.obs)
    return Rows(obs, trajectory.action, trajectory.reward, trajectory.discount, trajectory.mask)
