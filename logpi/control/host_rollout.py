"""Collecting trajectories on stateful (host) environments: the rows of ``logpi.control.rollout``, by a loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
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
    vectors: Sequence[HostVector],
    algorithm: Algorithm,
    act: Callable[[PyTree, PyTree], Act],
    carry: Carry,
    seconds: dict[str, float],
    watch: Callable[[str, int, int], bool],
) -> tuple[Carry, Trajectory] | None:
    """The same rows from stateful vectors that were reset; ``act(memory, obs)`` is compiled, arrays are NumPy's.

    Several vectors, each of as many environments, make one batch of B: while one of them steps, ``act`` decides for
    the next. Adds the seconds spent to ``seconds`` ("policy"; "environment", where that was waited for). Returns None
    where ``watch`` asked for a stop.

    Raises:
        LogpiError: a policy with a memory, or a replay of stacked frames, meets a vector that resets within the step.
    """
    tally = _Tally(carry.episodes)
    if algorithm.whole_episodes:
        tally.begin()
    lanes = [_Lane(vector, algorithm, carry, tally, number) for number, vector in enumerate(vectors)]
    looked = time.perf_counter()
    for lane in lanes:
        lane.send(act, seconds)
    while any(lane.moving for lane in lanes):
        if time.perf_counter() - looked > LOOK:
            looked = time.perf_counter()
            if watch("rollout", len(lanes[0].rows), algorithm.n_steps):
                for lane in lanes:
                    lane.recv(seconds)  # a vector is left between two moves
                return None
        for lane in lanes:
            lane.recv(seconds)
            lane.send(act, seconds)
    memory, void, trajectory = zip(*(lane.result() for lane in lanes), strict=True)
    together = Carry((), (), _joined(memory, jnp), _joined(void, np), tally.episodes())
    return together, _beside(trajectory)


class _Lane:
    """The columns of a rollout that one vector steps."""

    def __init__(self, vector: HostVector, algorithm: Algorithm, carry: Carry, tally: _Tally, number: int) -> None:
        size = vector.num_envs
        self._columns = slice(number * size, (number + 1) * size)
        self._vector, self._algorithm, self._tally = vector, algorithm, tally
        self._fresh, self._within = algorithm.policy.memory(size), vector.resets_within_step
        _check(vector, algorithm, self._fresh)
        self._memory: PyTree = jax.tree.map(lambda x: x[self._columns], carry.memory)
        self._void: Flags = np.asarray(carry.void)[self._columns]
        if algorithm.whole_episodes:
            vector.reset()
            self._memory, self._void = self._fresh, np.zeros(size, bool)
        self._first = self._memory
        self.rows: list[HostRow] = []
        self.moving = False  # whether ``send`` began a move

    def send(self, act: Callable[[PyTree, PyTree], Act], seconds: dict[str, float]) -> None:
        """Decide and begin the next move, if there is one."""
        over = self._algorithm.whole_episodes and self._void.all()
        self.moving = len(self.rows) < self._algorithm.n_steps and not over
        if not self.moving:
            return
        began = time.perf_counter()
        self._acting = self._vector.start
        self._chosen = act(self._memory, self._acting)
        self._move = jax.tree.map(np.asarray, (self._chosen.action, self._chosen.log_prob))
        middle = time.perf_counter()
        self._vector.send(self._move[0])
        seconds["policy"] += middle - began
        seconds["environment"] += time.perf_counter() - middle

    def recv(self, seconds: dict[str, float]) -> None:
        """End the move that is under way, if there is one."""
        if not self.moving:
            return
        began = time.perf_counter()
        step = self._vector.recv()
        seconds["environment"] += time.perf_counter() - began
        now = decide(step, self._void, self._algorithm.whole_episodes, self._within)
        flags = (step.terminated, step.truncated)
        action, log_prob = self._move
        self.rows.append(HostRow(self._acting, step.obs, action, log_prob, now.reward, *flags, now.discount, now.mask))
        self._tally.add(self._columns, now.reward, now.mask, now.finished)
        self._memory = where(self._void | (now.finished & self._within), self._fresh, self._chosen.memory)
        self._void = now.void
        self.moving = False

    def result(self) -> tuple[PyTree, Flags, Trajectory]:
        """(memory, void rows, trajectory) at the end."""
        return self._memory, self._void, _trajectory(self.rows, self._algorithm, self._first, self._within)


def _joined(parts: Sequence[PyTree], library: ModuleType, axis: int = 0) -> PyTree:
    return parts[0] if len(parts) == 1 else jax.tree.map(lambda *x: library.concatenate(x, axis), *parts)


def _beside(parts: Sequence[Trajectory]) -> Trajectory:
    """Trajectories of some columns each as that of all columns."""
    whole: Trajectory = _joined([part._replace(memory=()) for part in parts], np, axis=1)
    return whole._replace(memory=_joined([part.memory for part in parts], jnp))


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

    def add(self, columns: slice, reward: Flags, mask: Flags, ended: Flags) -> None:
        e = self._e
        e.ret[columns] += reward
        e.length[columns] += mask
        for b in columns.start + np.flatnonzero(ended):
            e.returns[int(e.finished) % WINDOW], e.lengths[int(e.finished) % WINDOW] = e.ret[b], e.length[b]
            e.ret[b], e.length[b] = 0, 0
            e.finished[...] += 1

    def episodes(self) -> Episodes:
        episodes: Episodes = self._e
        return episodes
