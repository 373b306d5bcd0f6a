"""Collecting trajectories: what a move is to learning, decided in one place, and a compiled scan over moves."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from logpi.ops.collectives import all_gather, per_device_key, psum, where
from logpi.types import Algorithm, Array, DeviceVector, Key, Learner, PyTree, Space, Step, Trajectory

Flags: TypeAlias = PyTree  # [B] or [T, B]: JAX's on the device, NumPy's on the host
ONE = np.float32(1)  # keeps NumPy's flags in float32
AT_BOUND = 0.99  # of a policy's action, whose bound is 1: a squashed one comes close
WINDOW = 100  # finished episodes that the reported mean return covers, as Stable-Baselines3


class Episodes(NamedTuple):
    """Returns and lengths: of the episodes under way, and of the last finished ones."""

    ret: Array  # [B] reward so far
    length: Array  # [B] moves so far
    returns: Array  # [WINDOW] finished, newest overwriting oldest
    lengths: Array  # [WINDOW]
    finished: Array  # [] int32, all that ever finished


class Carry(NamedTuple):
    """All that one iteration hands to the next on the environments' side; part of every checkpoint."""

    env: PyTree  # the vector's state; () on the host
    obs: PyTree  # [B, ...] to act on next
    memory: PyTree  # [B, ...]
    void: Array  # [B] bool: ``obs`` closes an episode, the next action is void
    episodes: Episodes


class Row(NamedTuple):
    """What one move of B environments is to learning, [B] each."""

    reward: Flags
    discount: Flags
    mask: Flags
    finished: Flags  # bool: an episode that counts has ended
    void: Flags  # bool: the next row is void


def decide(step: Step, void: Flags, whole_episodes: bool, resets_within_step: bool = False) -> Row:
    """The episode boundary (docs/boundary.md), decided here alone; arrays are JAX's or NumPy's.

    Termination makes the discount 0, truncation leaves it 1. A void row earns nothing and counts for nothing.

    Args:
        step: what the environments answered.
        void: [B] bool, this row is void.
        whole_episodes: what follows a first episode is void to the end.
        resets_within_step: the next observation already begins the next episode, so no row is spent on the reset.
    """
    ended, mask = step.terminated | step.truncated, ONE - void
    following = (void | ended) if whole_episodes else ended & (not resets_within_step)
    return Row(step.reward * mask, ONE - step.terminated, mask, ended & ~void, following)


def no_episodes(batch: int) -> Episodes:
    zero = jnp.zeros(batch)
    return Episodes(zero, zero, jnp.zeros(WINDOW), jnp.zeros(WINDOW), jnp.int32(0))


def first_carry(algorithm: Algorithm, batch: int) -> Carry:
    """What a rollout of B stateful environments begins with."""
    return Carry((), (), algorithm.policy.memory(batch), jnp.zeros(batch, bool), no_episodes(batch))


def start(vector: DeviceVector, algorithm: Algorithm, key: Key, batch: int) -> Carry:
    """B environments at the start of their first episodes."""
    env, first = vector.reset(per_device_key(key), batch)
    memory = algorithm.policy.memory(batch)
    return Carry(env, first.obs, memory, jnp.zeros(batch, bool), no_episodes(batch))


def rollout(
    vector: DeviceVector, algorithm: Algorithm, learner: Learner, carry: Carry, key: Key
) -> tuple[Carry, Trajectory]:
    """T = ``algorithm.n_steps`` rows of every environment as one compiled scan.

    With ``algorithm.whole_episodes`` the environments start afresh and only their first episodes count.
    """
    carry, keys = begin_rollout(vector, algorithm, carry, key)
    memory = carry.memory
    carry, rows = _rows(vector, algorithm, learner, carry, keys)
    return carry, rows._replace(memory=memory)


def begin_rollout(vector: DeviceVector, algorithm: Algorithm, carry: Carry, key: Key) -> tuple[Carry, Key]:
    """(what the first row of a trajectory begins with, keys [T] of its rows)."""
    batch, key = carry.void.shape[0], per_device_key(key)
    if algorithm.whole_episodes:
        key, reset_key = jax.random.split(key)
        env, first = vector.reset(reset_key, batch)
        idle = jnp.zeros(batch)
        episodes = carry.episodes._replace(ret=idle, length=idle)
        carry = Carry(env, first.obs, algorithm.policy.memory(batch), jnp.zeros(batch, bool), episodes)
    return carry, jax.random.split(key, algorithm.n_steps)


def rollout_block(
    vector: DeviceVector,
    algorithm: Algorithm,
    learner: Learner,
    carry: Carry,
    trajectory: Trajectory,
    key: Key,
    first: Array,
    count: int,
) -> tuple[Carry, Trajectory]:
    """``rollout`` in parts: rows ``first`` to ``first + count - 1`` are written into ``trajectory``, from row 0 on."""
    begun, keys = begin_rollout(vector, algorithm, carry, key)
    carry = where(first == 0, begun, carry)
    memory = where(first == 0, carry.memory, trajectory.memory)
    mine = jax.lax.dynamic_slice_in_dim(keys, first, count)
    carry, block = _rows(vector, algorithm, learner, carry, mine)

    def write(rows: Array, block: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(rows, block, first, 0)

    written: Trajectory = jax.tree.map(write, trajectory._replace(memory=()), block)
    return carry, written._replace(memory=memory)


def _rows(
    vector: DeviceVector, algorithm: Algorithm, learner: Learner, carry: Carry, keys: Key
) -> tuple[Carry, Trajectory]:
    """One row for each of ``keys``, without the memory before them."""
    fresh = algorithm.policy.memory(carry.void.shape[0])

    def row(carry: Carry, key: Key) -> tuple[Carry, tuple[PyTree, ...]]:
        act = algorithm.act(learner, carry.memory, carry.obs, key)
        env, step = vector.step(carry.env, act.action)
        now = decide(step, carry.void, algorithm.whole_episodes)
        ended = step.terminated | step.truncated
        ret, length = carry.episodes.ret + now.mask * step.reward, carry.episodes.length + now.mask
        # memory never crosses from one episode to the next: it is cleared behind the void row
        cleared = where(carry.void, fresh, act.memory)
        episodes = carry.episodes._replace(ret=jnp.where(ended, 0.0, ret), length=jnp.where(ended, 0.0, length))
        finished = (ret, length, now.finished)
        out = (carry.obs, act.action, act.log_prob, now.reward, now.discount, now.mask, finished)
        return Carry(env, step.obs, cleared, now.void, episodes), out

    carry, (obs, action, log_prob, reward, discount, mask, finished) = jax.lax.scan(row, carry, keys)
    obs = jax.tree.map(lambda x, last: jnp.concatenate([x, last[None]]), obs, carry.obs)
    episodes = record(carry.episodes, *(all_gather(x, axis=1) for x in finished))
    return carry._replace(episodes=episodes), Trajectory(obs, action, log_prob, reward, discount, mask, memory=())


def record(episodes: Episodes, ret: Array, length: Array, ended: Array) -> Episodes:
    """``episodes`` with those that ``ended`` [T, B] (their ``ret`` and ``length`` [T, B]) added to the window."""
    ended = ended.reshape(-1)
    order = jnp.cumsum(ended.astype(jnp.int32))
    recent = ended & (order > order[-1] - WINDOW)  # two writers of one slot would have no defined winner
    slot = jnp.where(recent, (episodes.finished + order - 1) % WINDOW, WINDOW)
    return episodes._replace(
        returns=episodes.returns.at[slot].set(ret.reshape(-1), mode="drop"),
        lengths=episodes.lengths.at[slot].set(length.reshape(-1), mode="drop"),
        finished=episodes.finished + order[-1],
    )


def episode_metrics(episodes: Episodes) -> dict[str, Array]:
    """Mean return and length of the last 100 finished episodes; NaN before the first one finished."""
    n = jnp.minimum(episodes.finished, WINDOW)
    filled = jnp.arange(WINDOW) < n
    return {
        "rollout/ep_rew_mean": jnp.where(filled, episodes.returns, 0.0).sum() / n,
        "rollout/ep_len_mean": jnp.where(filled, episodes.lengths, 0.0).sum() / n,
        "rollout/episodes": episodes.finished,
    }


def bounds_metrics(space: Space, trajectory: Trajectory) -> dict[str, Array]:
    """Fraction of the action's bounded dimensions that lie at or beyond their bounds; {} where none is bounded.

    The policy's bounds are -1 and 1 (``logpi.envs.spaces.to_env``).
    """
    if not isinstance(space, spaces.Box) or not space.is_bounded():
        return {}
    mask = trajectory.mask
    beyond = (jnp.abs(trajectory.action) >= AT_BOUND).reshape(*mask.shape, -1).mean(-1)
    return {"rollout/actions_at_bounds": psum((beyond * mask).sum()) / psum(mask.sum())}
