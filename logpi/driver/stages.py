"""What a process is made of: stages and evaluations, as pure functions or as Python around a compiled function."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.driver.process import (
    EVALUATE,
    LEARNER,
    REPLICATED,
    SPREAD,
    START,
    Case,
    Effort,
    Function,
    Jitted,
    Measured,
    Now,
    Process,
    Program,
    Programs,
    Scores,
    Seconds,
    Span,
    Spread,
    State,
    Watch,
)
from logpi.ops.collectives import all_finite, where
from logpi.ops.draws import key_of
from logpi.types import Array, Key, Learner, Metrics, PyTree

Words = NDArray[np.uint32]  # [2] or [S, 2]: what a key is made of
PARTS = ("learner", "carry", "batch")  # of a state
PIECE = 1.0  # seconds that a piece of work should take at most
LARGE = 2**20  # bytes: to donate less saves nothing, and XLA orders the sums of a program that reuses buffers otherwise


def stream(seed: Array, which: int, *numbers: int) -> Words:
    """Key of one use in one iteration of a run, for each seed ([] or [S]), as words [2] or [S, 2] (``draws.key_of``).

    The host derives it (NumPy's ``SeedSequence``): within a program, each derivation is some ten kernels to compile.
    """
    seeds, use = np.asarray(seed), (which, len(numbers), *numbers)
    words = [np.random.SeedSequence((int(one), *use)).generate_state(2) for one in seeds.ravel()]
    return np.asarray(words, np.uint32).reshape(*seeds.shape, 2)


def unwatched(what: str, done: int, total: int) -> bool:
    """A ``Watch`` that never asks for a stop."""
    return False


class Stage(NamedTuple):
    """One step of an iteration, as a pure function of arrays."""

    name: str  # what the display calls this share of the time; no two stages of a process have the same
    run: Callable[[State, Now], tuple[State, Metrics]]
    replaces: tuple[str, ...]  # the parts of the state that it replaces; large ones are donated
    stream: int  # of random numbers; no two stages of a process have the same
    every: int = 1
    units: int = 1
    effort: Effort = "full"
    batched: bool = False  # several seeds as one batch: for what moves memory alone, and large arrays of it

    @property
    def shares(self) -> tuple[str, ...]:
        """The name alone."""
        return (self.name,)

    def within(self, enter: Callable[[State], State], leave: Callable[[State, State], State]) -> Stage:
        """The stage on a part of a larger state: ``enter(state)`` before it, ``leave(state, its own)`` after it."""

        def run(state: State, now: Now) -> tuple[State, Metrics]:
            after, metrics = self.run(enter(state), now)
            return leave(state, after), metrics

        return self._replace(run=run)

    def program(self, process: Process, spread: Spread, shapes: State) -> Program:
        """The stage as one program that takes and gives only the parts of the state that it needs."""
        return Program(self._jitted(process, spread, shapes), self._arguments(process, shapes), self.effort)

    def metrics(self, process: Process, spread: Spread, shapes: State) -> Metrics:
        """Shapes of the stage's metrics."""
        made: Metrics = jax.eval_shape(self._jitted(process, spread, shapes), *self._arguments(process, shapes))[1]
        return made

    def piece(
        self, program: Function, state: State, span: Span, data: PyTree, watch: Watch, seconds: Seconds
    ) -> tuple[State, Metrics]:
        """Hand the units of ``span`` to the devices."""
        replaced, kept = self._split(state)
        words = stream(state.seed, self.stream, span.iteration)
        new, metrics = program(replaced, kept, state.seed, words, *map(np.int32, span), data)
        return state._replace(**new), metrics

    def _split(self, state: State) -> tuple[dict[str, PyTree], dict[str, PyTree]]:
        kept = {name: getattr(state, name) for name in PARTS}
        return {name: kept.pop(name) for name in self.replaces}, kept

    def _arguments(self, process: Process, shapes: State) -> tuple[PyTree, ...]:
        i = jax.ShapeDtypeStruct((), jnp.int32)
        return (*self._split(shapes), shapes.seed, stream(shapes.seed, 0), i, i, i, process.data)

    def _jitted(self, process: Process, spread: Spread, shapes: State) -> Jitted:
        def program(
            new: PyTree, kept: PyTree, seed: Array, words: Array, i: Array, begin: Array, end: Array, data: PyTree
        ) -> PyTree:
            state = State(**new, **kept, metrics={}, seed=seed)
            after, metrics = self.run(state, Now(key_of(words), begin, end, i, data))
            if "learner" in self.replaces:
                learner: Learner = after.learner
                if spread.seeds > 1:  # of learners beside each other, one that has had its timesteps stays as it is
                    over = state.learner.timesteps >= learner.hyper.total_timesteps
                    learner = where(over, state.learner, learner)
                finite = all_finite((learner.params, learner.opt_state, learner.statistics))
                after, metrics = after._replace(learner=learner), metrics | {"finite/parameters": finite}
            return {name: getattr(after, name) for name in self.replaces}, metrics

        new, kept = self._split(State(*process.places[:3], metrics={}, seed=REPLICATED))
        takes = (new, kept, *(REPLICATED,) * 5, process.places.data)
        mapped = (*(True,) * 4, *(False,) * 4)
        leaves = jax.tree.leaves(self._split(shapes)[0])
        large = sum(math.prod(x.shape) * x.dtype.itemsize for x in leaves) >= LARGE
        return spread.jit(program, mapped, takes, (new, REPLICATED), (0,) if large else (), self.batched)


class HostStage(NamedTuple):
    """One step of an iteration as Python around a compiled function, for environments that are not pure functions.

    It replaces parts of the state by new arrays and leaves the old ones as they are, so it can be left at any moment.
    """

    name: str
    # (state, key, iteration, compiled ``inner``, watch, seconds to add to); None where ``watch`` asked for a stop
    run: Callable[[State, Key, int, Function, Watch, Seconds], tuple[State, Metrics] | None]
    inner: Function
    arguments: Callable[[State], tuple[PyTree, ...]]  # shapes of ``inner``'s arguments, from those of a state
    shapes: Callable[[State], Metrics]  # shapes of its metrics, from those of a state
    shares: tuple[str, ...]  # into which it divides its time itself
    stream: int
    every: int = 1
    units: int = 1

    def within(self, enter: Callable[[State], State], leave: Callable[[State, State], State]) -> HostStage:
        """The stage on a part of a larger state: ``enter(state)`` before it, ``leave(state, its own)`` after it."""

        def run(state: State, *arguments: PyTree) -> tuple[State, Metrics] | None:
            found = self.run(enter(state), *arguments)
            return found and (leave(state, found[0]), found[1])

        def arguments(state: State) -> tuple[PyTree, ...]:
            return self.arguments(enter(state))

        def shapes(state: State) -> Metrics:
            return self.shapes(enter(state))

        return self._replace(run=run, arguments=arguments, shapes=shapes)

    def program(self, process: Process, spread: Spread, shapes: State) -> Program:
        """The function inside."""
        return Program(jax.jit(self.inner), self.arguments(shapes))

    def metrics(self, process: Process, spread: Spread, shapes: State) -> Metrics:
        """Shapes of the stage's metrics."""
        return self.shapes(shapes)

    def piece(
        self, program: Function, state: State, span: Span, data: PyTree, watch: Watch, seconds: Seconds
    ) -> tuple[State, Metrics] | None:
        """Run the stage to its end, or to a stop."""
        key = key_of(stream(state.seed, self.stream, span.iteration))
        return self.run(state, key, span.iteration, program, watch, seconds)


class Evaluation(NamedTuple):
    """A measurement of the acting part on groups of cases, as pure functions; it changes nothing.

    ``begin(acting, cases, now) -> play`` and ``advance(acting, play, now, until) -> play``, which goes on while a case
    is under way and fewer than ``until`` steps were made. ``now.begin`` is the number of the group. ``begin`` and
    ``advance`` have keys of their own, for each iteration and group.
    """

    begin: Callable[[PyTree, PyTree, Now], PyTree]
    advance: Callable[[PyTree, PyTree, Now, Array], PyTree]
    result: Callable[[PyTree], tuple[Array, Array, Array, Array]]  # score [n], length [n], steps [1], done [1]
    cases: Callable[[bool, int], PyTree]  # (final, number of the group) -> what the group is about, on the host
    total: Callable[[bool, int], int]  # (final, asked) -> cases that are evaluated
    limit: int = 1  # steps of the longest case
    final_offset: int = 0  # added to the iteration at the end of a run, where its cases differ by nothing else
    play: PyTree = REPLICATED  # how ``play`` lies on the devices
    given: PyTree = REPLICATED  # how ``cases`` lie on the devices

    def programs(self, process: Process, spread: Spread, acting: PyTree, seed: Array) -> dict[str, Program]:
        """Two programs: begin a group, and go on with it."""

        def begin(acting: PyTree, cases: PyTree, words: Array, i: Array, n: Array, data: PyTree) -> PyTree:
            return self.begin(acting, cases, Now(key_of(words), n, n, i, data))

        def advance(
            acting: PyTree, play: PyTree, words: Array, i: Array, n: Array, until: Array, data: PyTree
        ) -> PyTree:
            play = self.advance(acting, play, Now(key_of(words), n, n, i, data), until)
            return play, self.result(play)

        places, i = process.places, jax.ShapeDtypeStruct((), jnp.int32)
        given = (places.acting, self.given, REPLICATED, REPLICATED, REPLICATED, places.data)
        begun = spread.jit(begin, (True, False, True, False, False, False), given, self.play)
        takes = (places.acting, self.play, REPLICATED, REPLICATED, REPLICATED, REPLICATED, places.data)
        mapped = (True, True, True, False, False, False, False)
        advanced = spread.jit(advance, mapped, takes, (self.play, SPREAD), donate=(1,))
        words = stream(seed, EVALUATE)
        first = (acting, self.cases(True, 0), words, i, i, process.data)
        play = jax.eval_shape(begun, *first)
        return {
            "evaluate": Program(advanced, (acting, play, words, i, i, i, process.data), "quick"),
            "reset": Program(begun, first, "least"),
        }

    def run(self, programs: Programs, acting: PyTree, case: Case, data: PyTree, watch: Watch) -> Scores | None:
        """Scores of the cases asked for; None where ``watch`` asked for a stop."""
        count, i = self.total(case.final, case.asked), np.int32(case.iteration + case.final * self.final_offset)
        found: list[tuple[PyTree, PyTree]] = []
        done = spent = 0
        while done < count:
            number, steps, piece, over = np.int32(len(found)), 0, max(1, self.limit // 100), False
            begins, words = (stream(case.seed, EVALUATE, int(i), len(found), k) for k in range(2))
            play = programs["reset"](acting, self.cases(case.final, len(found)), begins, i, number, data)
            while not over:
                began = time.perf_counter()
                until = np.int32(min(steps + piece, self.limit))
                play, result = programs["evaluate"](acting, play, words, i, number, until, data)
                score, length, made, finished = jax.device_get(result)
                steps = int(np.max(made))
                over = bool(np.all(finished)) or steps >= self.limit
                piece = max(1, int(piece * min(100.0, PIECE / (time.perf_counter() - began))))
                if watch("evaluate", done, count):
                    return None
            found.append((score, length))
            done += score.shape[-1]
            spent += steps * score.shape[-1]
        score, length = (np.concatenate(x, -1)[..., :count].astype(np.float32) for x in zip(*found, strict=True))
        return Scores(score, length, spent)


def programs_of(
    process: Process, spread: Spread, state: State, hyper: PyTree, first: tuple[Jitted, Jitted]
) -> dict[str, Program]:
    """All programs of a process: first what training needs, and of that first what likely takes longest to compile.

    ``first`` is what ``initial`` made.
    """
    stages = {stage.name: stage.program(process, spread, state) for stage in reversed(process.stages)}
    order = ("full", "quick", "least")
    longest = sorted(stages, key=lambda name: order.index(stages[name].effort))
    init, start = first
    return {
        **{name: stages[name] for name in longest},
        "init": Program(init, (stream(state.seed, LEARNER), hyper), "least"),
        "start": Program(start, (state.learner, stream(state.seed, START)), "least"),
        **evaluation_programs(process.evaluation, process, spread, state),
    }


def evaluation_programs(evaluation: Measured, process: Process, spread: Spread, shapes: State) -> Mapping[str, Program]:
    """The programs of one of a process's evaluations."""
    return evaluation.programs(process, spread, jax.eval_shape(process.acting, shapes.learner), shapes.seed)


def initial(process: Process, spread: Spread) -> tuple[Jitted, Jitted]:
    """Functions of (key words, hyper) and of (learner, key words) that make the first state, not compiled yet."""
    places = process.places

    def init(words: Array, hyper: PyTree) -> Learner:
        # settings come from outside, so that changing one compiles nothing
        return process.init(key_of(words))._replace(hyper=hyper)

    def start(learner: Learner, words: Array) -> tuple[PyTree, PyTree]:
        return process.start(learner, key_of(words))

    begun = spread.jit(start, (True, True), (places.learner, REPLICATED), (places.carry, places.batch))
    # the first parameters are drawn by one program: an orthogonal matrix is not dealt out
    return spread.once(init, (True, True), places.learner), begun
