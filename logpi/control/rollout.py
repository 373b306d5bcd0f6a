"""Collecting trajectories: one contract with two bodies, a compiled scan on the device and a loop on the host."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from logpi.envs.reset_rows import insert_void_rows
from logpi.errors import LogpiError
from logpi.ops.collectives import all_gather, per_device_key, psum, where
from logpi.types import Act, Algorithm, Array, DeviceVector, HostVector, Key, Learner, PyTree, Space, Step, Trajectory

Flags: TypeAlias = PyTree  # [B] or [T, B]: JAX's on the device, NumPy's on the host
ONE = np.float32(1)  # keeps NumPy's flags in float32
AT_BOUND = 0.99  # of a policy's action, whose bound is 1: a squashed one comes close
LOOK = 0.2  # seconds between two looks at a signal during a host rollout
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


class HostRow(NamedTuple):
    """One row of a host rollout, [B, ...] each; ``following`` is the true next observation, final at an end."""

    acting: PyTree
    following: PyTree
    action: PyTree
    log_prob: Flags
    reward: Flags
    terminated: Flags
    truncated: Flags
    discount: Flags
    mask: Flags


def rollout_host(
    vector: HostVector,
    algorithm: Algorithm,
    act: Callable[[PyTree, PyTree], Act],
    carry: Carry,
    seconds: dict[str, float],
    watch: Callable[[str, int, int], bool],
) -> tuple[Carry, Trajectory] | None:
    """The same rows from a stateful vector that was reset; ``act(memory, obs)`` is compiled, arrays are NumPy's.

    Adds the seconds spent to ``seconds`` ("policy", "environment"); returns None where ``watch`` asked for a stop.

    Raises:
        LogpiError: a policy with a memory meets a vector that resets within the step, whose void rows it would never
            see.
    """
    fresh, within = algorithm.policy.memory(vector.num_envs), vector.resets_within_step
    if within and jax.tree.leaves(fresh):
        raise LogpiError(
            f"environment {vector.spec.id} resets within the step, from which a policy with a memory cannot learn; "
            "choose autoreset next_step"
        )
    tally = _Tally(carry.episodes)
    memory: PyTree = carry.memory
    void: Flags = np.asarray(carry.void)
    if algorithm.whole_episodes:
        vector.reset()
        memory, void = fresh, np.zeros(vector.num_envs, bool)
        tally.begin()
    first_memory = memory
    rows: list[HostRow] = []
    looked = time.perf_counter()
    while len(rows) < algorithm.n_steps and not (algorithm.whole_episodes and void.all()):
        began = time.perf_counter()
        if began - looked > LOOK:
            looked = began
            if watch("rollout", len(rows), algorithm.n_steps):
                return None
        acting, chosen = vector.start, act(memory, vector.start)
        action, log_prob = jax.tree.map(np.asarray, (chosen.action, chosen.log_prob))
        middle = time.perf_counter()
        vector.send(action)
        step = vector.recv()
        seconds["policy"] += middle - began
        seconds["environment"] += time.perf_counter() - middle
        now = decide(step, void, algorithm.whole_episodes, within)
        flags = (step.terminated, step.truncated)
        rows.append(HostRow(acting, step.obs, action, log_prob, now.reward, *flags, now.discount, now.mask))
        tally.add(now.reward, now.mask, now.finished)
        memory = where(void, fresh, chosen.memory)
        void = now.void
    carry = Carry((), (), memory, void, tally.episodes())
    return carry, _trajectory(rows, algorithm, first_memory, within)


def _trajectory(rows: list[HostRow], algorithm: Algorithm, memory: PyTree, within: bool) -> Trajectory:
    block = jax.tree.map(lambda *x: np.stack(x), *rows)
    if within and not algorithm.whole_episodes:
        return Trajectory(**insert_void_rows(*block[:-1]), memory=memory)
    missing = algorithm.n_steps - len(rows)
    if missing:  # every first episode is over: void rows to the end
        nothing = rows[-1]._replace(reward=0 * rows[-1].reward, mask=0 * rows[-1].mask)
        block = jax.tree.map(lambda x, last: np.concatenate([x, np.stack([last] * missing)]), block, nothing)
    obs = jax.tree.map(lambda a, f: np.concatenate([a[:1], f]), block.acting, block.following)
    return Trajectory(obs, block.action, block.log_prob, block.reward, block.discount, block.mask, memory)


class _Tally:
    """``Episodes`` while a host rollout counts into them."""

    def __init__(self, episodes: Episodes) -> None:
        arrays: Iterable[PyTree] = map(np.array, episodes)
        self._e: PyTree = Episodes(*arrays)

    def begin(self) -> None:
        self._e.ret[:], self._e.length[:] = 0, 0

    def add(self, reward: Flags, mask: Flags, ended: Flags) -> None:
        e = self._e
        e.ret[:] += reward
        e.length[:] += mask
        for b in np.flatnonzero(ended):
            e.returns[int(e.finished) % WINDOW], e.lengths[int(e.finished) % WINDOW] = e.ret[b], e.length[b]
            e.ret[b], e.length[b] = 0, 0
            e.finished[...] += 1

    def episodes(self) -> Episodes:
        episodes: Episodes = self._e
        return episodes
