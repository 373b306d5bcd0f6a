"""Collecting trajectories on stateful (host) environments: the rows of ``logpi.control.rollout``, by a loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax
import numpy as np

from logpi.control.rollout import WINDOW, Carry, Episodes, Flags, decide
from logpi.envs.reset_rows import insert_void_rows
from logpi.errors import LogpiError
from logpi.ops.collectives import where
from logpi.types import Act, Algorithm, HostVector, PyTree, Trajectory

LOOK = 0.2  # seconds between two looks at a signal during a host rollout


class HostRow(NamedTuple):
    """One row of a host rollout, [B, ...] each; ``following`` is the true next observation, final at an end."""

    acting: PyTree
    following: PyTree
    action: PyTree
    log_prob: Flags | None
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
        LogpiError: a policy with a memory, or a replay of stacked frames, meets a vector that resets within the step.
    """
    fresh, within = algorithm.policy.memory(vector.num_envs), vector.resets_within_step
    _check(vector, algorithm, fresh)
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
        memory = where(void | (now.finished & within), fresh, chosen.memory)
        void = now.void
    carry = Carry((), (), memory, void, tally.episodes())
    return carry, _trajectory(rows, algorithm, first_memory, within)


def _check(vector: HostVector, algorithm: Algorithm, memory: PyTree) -> None:
    """Refuse what cannot learn from a vector that resets within the step.

    Its void rows are inserted afterwards: a memory that is learnt through never saw them, and the rows that they push
    out leave gaps, behind which the frames before a row are another moment's. What is learnt from a replay has no
    memory but that of its noise.
    """
    if not vector.resets_within_step:
        return
    begun = f"environment {vector.spec.id} resets within the step"
    if jax.tree.leaves(memory) and not algorithm.experience:
        raise LogpiError(f"{begun}, from which a policy with a memory cannot learn; choose autoreset next_step")
    if algorithm.experience and algorithm.experience.frames > 1:
        raise LogpiError(
            f"{begun}, behind which stacked frames cannot be rebuilt; choose autoreset next_step, or stacked_frames 1"
        )


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
