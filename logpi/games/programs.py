"""The compiled programs of self-play: what ``logpi.driver.programs`` is to environments.

One program plays some moves of all games, one learns from the window, one is judged. The games are dealt out to the
devices, which learn one network together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from logpi.driver import devices
from logpi.driver.programs import COLLECT, ENVS, EVALUATE, LEARNER, UPDATE, State, stream
from logpi.games.evaluation.evaluators import Judge
from logpi.games.replay import Moves, Window
from logpi.games.self_play import Games
from logpi.games.self_play_system import Carry, System
from logpi.ops.collectives import DATA, all_finite
from logpi.types import Array, Learner, Metrics, PyTree

GATE = 5  # a stream of random numbers beside those of logpi.driver.programs

_ALL: Any = PartitionSpec()
_SHARE: Any = PartitionSpec(DATA)
_ROWS: Any = PartitionSpec(None, DATA)
_CARRY: Any = Carry(
    Games(*(_SHARE,) * len(Games._fields)), Window(Moves(*(_ROWS,) * len(Moves._fields)), _ROWS, _ROWS, _ALL, _ALL)
)


class Judges(NamedTuple):
    """What recipes are chosen on, and what is looked at once, at the end."""

    validation: Judge
    test: Judge


class GamePrograms:
    """Self-play, learning and judging of one learner on ``sharing`` devices."""

    def __init__(self, system: System, judges: Judges, seed: int, sharing: int, gating_interval: int) -> None:
        self.shares = {"compile": 0.0, "self-play": 0.0, "update": 0.0, "evaluate": 0.0}
        self._judges, self._sharing = judges, sharing
        self._seed: Any = np.uint32(seed)
        self._hyper, self._gate_every = system.hyper, gating_interval

        def learner(seed: Array, hyper: PyTree) -> Learner:
            return system.init(stream(seed, LEARNER))._replace(hyper=hyper)

        def begin(learner: Learner, seed: Array) -> Carry:
            return system.begin(learner, stream(seed, ENVS))

        def play(learner: Learner, carry: Carry, seed: Array, iteration: Array) -> tuple[Carry, Metrics]:
            return system.play(learner, carry, stream(seed, COLLECT, iteration))

        def train(learner: Learner, window: Window, seed: Array, iteration: Array) -> tuple[Learner, Metrics]:
            learner, metrics = system.train(learner, window, stream(seed, UPDATE, iteration))
            return learner, metrics | {
                "finite/observation": jnp.bool_(True),  # the rules give whole numbers
                "finite/reward": jnp.bool_(True),
                "finite/parameters": all_finite((learner.params, learner.opt_state)),
            }

        def gate(learner: Learner, seed: Array, iteration: Array) -> Learner:
            assert system.gate is not None
            return system.gate(learner, stream(seed, GATE, iteration))

        def dealt(f: Callable[..., Any], takes: Any, gives: Any) -> Any:
            return devices.over_environments(f, sharing, takes, gives)

        self._learner: Any = devices.once(learner, sharing, _ALL)
        self._begin: Any = dealt(begin, (_ALL, _ALL), _CARRY)
        self._play: Any = dealt(play, (_ALL, _CARRY, _ALL, _ALL), (_CARRY, _ALL))
        self._train: Any = dealt(train, (_ALL, _CARRY.window, _ALL, _ALL), (_ALL, _ALL))
        self._gate: Any = dealt(gate, (_ALL, _ALL, _ALL), _ALL) if system.gate else None
        self._judge: Any = dealt(
            lambda params, cases, key: judges.validation.score(system.think, params, cases, key),
            (_ALL, _SHARE, _ALL),
            _SHARE,
        )
        self._shapes: State | None = None
        self._compiled = False

    def like(self) -> State:
        if self._shapes is None:  # of compiled programs they can no longer be asked
            learner = jax.eval_shape(self._learner, self._seed, self._hyper)
            self._shapes = State(learner, jax.eval_shape(self._begin, learner, self._seed), self._seed)
        return self._shapes

    def compile(self) -> None:
        """Compile all the programs."""
        if self._compiled:
            return
        began = time.perf_counter()
        (learner, carry, seed), i = self.like(), jax.ShapeDtypeStruct((), jnp.int32)
        cases = self._judges.validation.group(0, self._sharing)
        wanted = [
            devices.Program(self._play, (learner, carry, seed, i)),
            devices.Program(self._train, (learner, carry.window, seed, i)),
            devices.Program(self._judge, (learner.extra.params, cases, stream(seed, EVALUATE)), hot=False),
            devices.Program(self._learner, (seed, self._hyper), hot=False),
            devices.Program(self._begin, (learner, seed), hot=False),
        ]
        if self._gate is not None:
            wanted.append(devices.Program(self._gate, (learner, seed, i)))
        self._play, self._train, self._judge, self._learner, self._begin, *gate = devices.compile_all(wanted)
        self._gate = gate[0] if gate else None
        self._compiled = True
        self.shares["compile"] += time.perf_counter() - began

    def init(self) -> State:
        self.compile()
        learner = self._learner(self._seed, self._hyper)
        return State(learner, self._begin(learner, self._seed), self._seed)

    def iterate(self, state: State, iteration: int, timed: bool) -> tuple[State, Metrics]:
        self.compile()
        i, began = np.int32(iteration), time.perf_counter()
        carry, played = self._play(state.learner, state.carry, state.seed, i)
        jax.block_until_ready(carry)
        middle = time.perf_counter()
        learner, metrics = self._train(state.learner, carry.window, state.seed, i)
        jax.block_until_ready(learner)
        after = time.perf_counter()
        self.shares["self-play"] += middle - began
        self.shares["update"] += after - middle
        if self._gate is not None and (iteration + 1) % self._gate_every == 0:
            learner = jax.block_until_ready(self._gate(learner, state.seed, i))
            self.shares["evaluate"] += time.perf_counter() - after
        return State(learner, carry, state.seed), metrics | played

    def evaluate(self, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        """The scores of the agent on cases by which recipes are chosen, and as many ones.

        They are ``episodes``, or what fills the last group that the devices judge at once; at most all there are.
        """
        return self._judged(self._judges.validation, state, iteration, episodes)

    def judge(self, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        """The same on the cases kept for the end."""
        return self._judged(self._judges.test, state, iteration, episodes)

    def _judged(self, judge: Judge, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        self.compile()
        began = time.perf_counter()
        count, key = min(episodes, judge.cases), stream(self._seed, EVALUATE, iteration)
        size = len(jax.tree.leaves(judge.group(0, self._sharing))[0])
        groups = [
            self._judge(state.learner.extra.params, judge.group(n, self._sharing), jax.random.fold_in(key, n))
            for n in range(-(-count // size))
        ]
        # what was played beside those asked for counts as well
        scores = np.concatenate([np.asarray(jax.device_get(g)) for g in groups])[: judge.cases].astype(np.float32)
        self.shares["evaluate"] += time.perf_counter() - began
        return scores, np.ones_like(scores)

    def close(self) -> None:
        pass
