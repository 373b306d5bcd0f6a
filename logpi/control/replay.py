"""The replay of off-policy methods: a ring of the newest rows of B environments, which lies in the carry.

Rows are stored as a rollout makes them, so the next observation of a row is the observation of the row after it and is
not stored twice. Nor is a frame, where observations are stacks of the newest ones: the ring holds the newest frame of
each, and the others are those of the rows before. The ring is donated from one call to the next: rows are written in
place, and sampling reads from what the push returned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.errors import LogpiError
from logpi.types import Array, Number, PyTree, Trajectory, Transitions

MOST = 2**31  # decisions


class StoredRows(NamedTuple):
    """What is stored of each decision."""

    obs: PyTree  # of a stack of frames the newest one
    action: PyTree
    reward: Array
    discount: Array
    mask: Array


class Replay(NamedTuple):
    """The ring; R rows."""

    rows: StoredRows  # [R, B, ...]
    head: Array  # [] int32: the row that is written next
    filled: Array  # [] int32: rows that hold decisions
    following: PyTree  # [B, ...] the observation that followed the newest row, whole


def replay_rows(capacity: int, n_envs: int, n_steps: int, n: int = 1, frames: int = 1) -> int:
    """Rows of a ring for at least ``capacity`` decisions of ``n_envs`` environments, a multiple of ``n_steps``.

    Raises:
        LogpiError: the ring would hold less than two trajectories, no decision with the ``n`` rewards behind it and the
            ``frames`` before it, or more decisions than can be counted.
    """
    rows = -(-capacity // (n_envs * n_steps)) * n_steps
    least = max(2, 1 + -(-(n + frames - 1) // n_steps)) * n_steps
    if rows < least:
        raise LogpiError(
            f"a replay of {capacity:,} decisions holds {rows} rows of {n_envs} environments, and it must hold {least} "
            f"(two trajectories of {n_steps}, and the {n} rewards of a return): raise it to at least "
            f"{least * n_envs:,}"
        )
    if rows * n_envs >= MOST:
        raise LogpiError(f"a replay of {capacity:,} decisions is too large: places in it are counted in 32 bits")
    return rows


def empty_replay(trajectory: Trajectory, rows: int, frames: int = 1) -> Replay:
    """A ring of ``rows`` rows of the shapes of ``trajectory``.

    Raises:
        LogpiError: observations are not stacks of ``frames``.
    """
    shapes = [x.shape[2:] for x in jax.tree.leaves(trajectory.obs)]
    if frames > 1 and any(shape[:1] != (frames,) for shape in shapes):
        raise LogpiError(
            f"observations have the shapes {shapes}; as stacks of {frames} frames their first axis would be {frames}"
        )
    ring = jax.tree.map(lambda x: jnp.zeros((rows, *x.shape[1:]), x.dtype), _rows(trajectory, frames))
    following = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), trajectory.obs)
    return Replay(ring, jnp.int32(0), jnp.int32(0), following)


def push(replay: Replay, trajectory: Trajectory, frames: int = 1) -> Replay:
    """``replay`` with the T rows of ``trajectory`` in place of its oldest; R is a multiple of T.

    Where the trajectory does not begin at the observation that followed the newest row, as when environments began new
    episodes, that row's next observation is lost. It is not learnt from, unless it terminated: then nothing follows.
    """
    new, size = _rows(trajectory, frames), replay.rows.reward.shape[0]
    count, newest = new.reward.shape[0], (replay.head - 1) % size
    kept = _same(replay.following, jax.tree.map(lambda x: x[0], trajectory.obs)) | (replay.rows.discount[newest] == 0)
    old = replay.rows._replace(mask=replay.rows.mask.at[newest].multiply(kept))

    def write(ring: Array, rows: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(ring, rows, replay.head, 0)

    rows = jax.tree.map(write, old, new)
    following = jax.tree.map(lambda x: x[-1], trajectory.obs)
    return Replay(rows, (replay.head + count) % size, jnp.minimum(replay.filled + count, size), following)


def transitions(
    replay: Replay,
    row: Array,
    env: Array,
    gamma: Number,
    n: int,
    frames: int = 1,
    scaled: Callable[[Array], Array] = lambda reward: reward,
) -> Transitions:
    """The decisions of ``row`` [N] and ``env`` [N] with the n rewards that followed (Sutton & Barto 2018, eq. 7.1).

    ``scaled`` is what becomes of each single reward (reward scaling, which clips).

    The ring must hold what followed: ``row`` is not one of its ``n`` newest, nor of its ``frames - 1`` oldest. A return
    goes on to the next row only where that is a decision: fewer rewards count where an episode ended, and the
    observation behind them is its last.
    """
    rows, size = replay.rows, replay.rows.reward.shape[0]
    reward, factor = jnp.zeros(row.shape), jnp.ones(row.shape)
    going, moves = jnp.ones(row.shape, bool), jnp.zeros_like(row)
    for k in range(n):
        at = (row + k) % size
        going = going & (rows.mask[at, env] > 0) if k else going
        reward = reward + jnp.where(going, factor * scaled(rows.reward[at, env]), 0.0)
        factor = jnp.where(going, factor * gamma * rows.discount[at, env], factor)
        moves = moves + going
    obs, next_obs = (stacked(rows, at, env, frames) for at in (row, (row + moves) % size))
    action, mask = jax.tree.map(lambda x: x[row, env], (rows.action, rows.mask))
    return Transitions(obs, action, reward, factor, next_obs, mask, jnp.ones(row.shape))


def stacked(rows: StoredRows, row: Array, env: Array, frames: int) -> PyTree:
    """The observations of ``row`` [N] and ``env`` [N]; as stacks [N, frames, ...], the newest last.

    Before the first row of an episode its frame is repeated, as Gymnasium's FrameStackObservation and EnvPool do.
    """
    if frames == 1:
        return jax.tree.map(lambda x: x[row, env], rows.obs)
    size, back, within = rows.reward.shape[0], [row], jnp.ones(row.shape, bool)
    for _ in range(frames - 1):
        before = (back[-1] - 1) % size
        # a row of the same episode is a decision, and terminates only where a void row follows
        over = (rows.discount[before, env] == 0) & (rows.mask[back[-1], env] > 0)
        within = within & (rows.mask[before, env] > 0) & ~over
        back.append(jnp.where(within, before, back[-1]))
    at = jnp.stack(back[::-1], 1)
    return jax.tree.map(lambda x: x[at, env[:, None]], rows.obs)


def _rows(trajectory: Trajectory, frames: int) -> StoredRows:
    obs = jax.tree.map(lambda x: x[:-1] if frames == 1 else x[:-1, :, -1], trajectory.obs)
    return StoredRows(obs, trajectory.action, trajectory.reward, trajectory.discount, trajectory.mask)


def _same(a: PyTree, b: PyTree) -> Array:
    """[B] whether two batches of observations are equal."""
    alike = jax.tree.map(lambda x, y: jnp.all((x == y).reshape(len(x), -1), -1), a, b)
    return jnp.stack(jax.tree.leaves(alike)).all(0)
