"""Whole episodes of a fixed policy, by the chunk: one episode a column, from its start, void rows behind its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from logpi.control.host_rollout import rollout_host
from logpi.control.on_policy import blank_trajectory
from logpi.control.rollout import Carry, first_carry, rollout_block, start
from logpi.driver.compiling import Aside, compiled
from logpi.driver.devices import Spread
from logpi.driver.process import Effort
from logpi.driver.stages import unwatched
from logpi.ops.draws import key_of
from logpi.types import Act, Algorithm, Array, DeviceVector, HostVector, Key, Learner, PyTree, Trajectory

ROWS = 50  # of a piece, after which is asked whether every episode has ended
Function = Callable[..., PyTree]


class Sampler(Protocol):
    """Source of chunks."""

    def __call__(self, learner: Learner, use: int, first: int) -> Trajectory:
        """Chunks number ``first`` to ``first + lanes - 1`` of a ``use``, [lanes, T, B, ...]; others have others."""
        ...

    def close(self) -> None:
        """Free the environments."""
        ...


def once(f: Function, *args: PyTree, effort: Effort = "quick") -> PyTree:
    """``f(*args)``, compiled for this call alone: what runs once is not worth the slower compilation."""
    return compiled(jax.jit(f).lower(*args), effort)(*args)


class OnLanes:
    """A function of arguments with a leading axis [lanes] where ``mapped``, each lane on a device of its own.

    It is compiled for the shapes of its first call, or before that by ``prepare``.
    """

    def __init__(self, f: Function, mapped: tuple[bool, ...], lanes: int) -> None:
        def alone(*args: PyTree) -> PyTree:
            one = [jax.tree.map(lambda x: x[0], x) if flag else x for x, flag in zip(args, mapped, strict=True)]
            return jax.tree.map(lambda x: x[None], f(*one))

        self._program = Spread(lanes, 1).jit(f, mapped, (), ()) if lanes > 1 else jax.jit(alone)
        self._made: Aside[Function] | None = None

    def prepare(self, *args: PyTree) -> None:
        """Begin to compile for arguments of these shapes, in a thread."""
        self._made = self._made or Aside(lambda: compiled(self._program.lower(*args), "full"))

    def __call__(self, *args: PyTree) -> PyTree:
        """What the function returns."""
        if self._made is None:
            self.prepare(*args)
        assert self._made is not None
        return self._made.wait("compiling")(*args)


def keys(seed: int, use: int, first: int, count: int) -> Key:
    """Keys [count] of chunks ``first`` to ``first + count - 1``."""
    words = [np.random.SeedSequence((seed, use, first + i)).generate_state(2) for i in range(count)]
    return key_of(np.stack(words))


def in_pieces(algorithm: Algorithm) -> Algorithm:
    """``algorithm`` with rows that pieces of ``ROWS`` divide; more of them than an episode's limit stay void."""
    rows = algorithm.n_steps
    return algorithm._replace(n_steps=rows if rows <= ROWS else -(-rows // ROWS) * ROWS)


def episodes(vector: DeviceVector, algorithm: Algorithm, learner: Learner, key: Key, batch: int) -> Trajectory:
    """One episode of each of ``batch`` environments; ends with the last of them, what follows is void."""
    piece = min(ROWS, algorithm.n_steps)
    carry = start(vector, algorithm, key, batch)

    def going(made: tuple[Carry, Trajectory, Array]) -> Array:
        return (made[2] < algorithm.n_steps) & ~made[0].void.all()

    def more(made: tuple[Carry, Trajectory, Array]) -> tuple[Carry, Trajectory, Array]:
        carry, rows, at = made
        return *rollout_block(vector, algorithm, learner, carry, rows, key, at, piece), at + piece

    first = (carry, blank_trajectory(algorithm, learner, carry, key), jnp.int32(0))
    return jax.lax.while_loop(going, more, first)[1]._replace(log_prob=None)


class OnDevices:
    """Chunks from a device environment."""

    def __init__(self, vector: DeviceVector, algorithm: Algorithm, batch: int, lanes: int, seed: int) -> None:
        algorithm = in_pieces(algorithm)
        self.seed, self._lanes = seed, lanes

        def collect(learner: Learner, key: Key) -> Trajectory:
            return episodes(vector, algorithm, learner, key, batch)

        # a learner is the same for all lanes, a key is not
        self._collect = OnLanes(collect, (False, True), lanes)

    def __call__(self, learner: Learner, use: int, first: int) -> Trajectory:
        found: Trajectory = self._collect(learner, keys(self.seed, use, first, self._lanes))
        return found

    def close(self) -> None:
        pass


class OnVector:
    """Chunks from stateful environments, which are stepped from Python, one chunk after the other."""

    def __init__(self, vector: HostVector, algorithm: Algorithm, lanes: int, seed: int) -> None:
        self._vector, self._algorithm, self._lanes, self._seed = vector, algorithm, lanes, seed
        self._act = jax.jit(algorithm.act)
        vector.reset(seed)

    def __call__(self, learner: Learner, use: int, first: int) -> Trajectory:
        chunks = [self._chunk(learner, key) for key in keys(self._seed, use, first, self._lanes)]
        stacked: Trajectory = jax.tree.map(lambda *x: np.stack(x), *chunks)
        return stacked

    def _chunk(self, learner: Learner, key: Key) -> Trajectory:
        carry, moves = first_carry(self._algorithm, self._vector.num_envs), 0

        def act(memory: PyTree, obs: PyTree) -> Act:
            nonlocal moves
            moves += 1
            return self._act(learner, memory, obs, jax.random.fold_in(key, moves))

        seconds = {"policy": 0.0, "environment": 0.0}
        found = rollout_host([self._vector], self._algorithm, act, carry, seconds, unwatched)
        assert found is not None  # nothing watches
        return found[1]._replace(log_prob=None)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._vector.close()
