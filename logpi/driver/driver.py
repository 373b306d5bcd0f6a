"""The one driver of every ``Process``: it touches no file and no screen.

It compiles the stages side by side and runs them piece by piece; ``logpi.driver.loop`` says when to log, evaluate and
checkpoint.

A stage's old arrays are donated to it, so nothing is held twice. A piece of work takes about a second at most; between
two pieces a ``Watch`` may ask for a stop. Since donated arrays cannot be taken back, a stop comes after a whole piece,
and the state then tells with ``Progress`` where in the iteration it stands.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.config.settings import Run
from logpi.driver import budget, devices
from logpi.driver.budget import Plan
from logpi.driver.process import (
    Case,
    Compiled,
    Process,
    Program,
    Runnable,
    Scores,
    Span,
    State,
    Watch,
)
from logpi.driver.stages import PIECE, initial, programs_of, unwatched
from logpi.driver.window import cut, cut_shapes, filled_rows, whole
from logpi.types import Learner, Metrics, PyTree

if TYPE_CHECKING:
    pass

TRACING = "compiling: tracing"  # what a watch is told of work before the first program is compiled
Facts = Mapping[str, Any]  # what JSON can hold
NOTHING: Facts = {}


class Progress(NamedTuple):
    """Where a run stands; with the ``State`` it is all that continuing needs."""

    iteration: int = 0
    stage: int = 0  # stages of this iteration that are over
    unit: int = 0  # units of the stage after them that are over
    evaluated: int = 0  # periodic evaluations made
    saved: int = 0  # periodic checkpoints made
    seed: int = 0  # of seeds that take turns, those that are over in this iteration; stage and unit are the next one's
    ended: str = ""  # why the run ends before its length, once that is decided, as ``early`` says it
    eval_steps: int = 0  # of all periodic evaluations
    last_eval_steps: int = 0  # of the latest one


class Driver:
    """The compiled programs of a process, for one seed on ``num_devices`` devices or several seeds dealt out."""

    def __init__(self, process: Process, seeds: list[int]) -> None:
        self.process = process
        names = ("compile", *(name for stage in process.stages for name in stage.shares), "evaluate")
        self.seconds = dict.fromkeys(names, 0.0)
        self._spread = devices.Spread(len(seeds), process.num_devices if len(seeds) == 1 else 1)
        self._seed: PyTree = np.asarray(seeds if len(seeds) > 1 else seeds[0], np.uint32)
        self._hyper = jax.tree.map(lambda x: np.broadcast_to(x, self._seed.shape), process.hyper)
        self._first = initial(process, self._spread)  # once: JAX remembers the traces of a function
        self._pace: dict[str, float] = {}  # seconds of a unit
        self.every = 1  # iterations that a timed one stands for
        # a stage on the host measures its own parts, and the update that it waits for, in every iteration
        self._all_on_device = all(stage.shares == (stage.name,) for stage in process.stages)
        self._synced = 0.0
        self._programs: dict[str, Compiled] = {}
        self._sampled: dict[str, Compiled] = {}  # of the second evaluation
        self._known: State | None = None
        self._data: PyTree = process.data

    @property
    def parts(self) -> list[Driver]:
        """Itself: the seeds of a driver learn at the same time."""
        return [self]

    def timesteps(self, state: State) -> NDArray[np.int32]:
        """Timesteps that have been learnt from, [] or [S]."""
        return np.asarray(jax.device_get(state.learner.timesteps))

    def total(self, state: State) -> float:
        """Timesteps to learn from."""
        return float(np.max(jax.device_get(state.learner.hyper.total_timesteps)))

    def rests(self, state: State) -> bool:
        """Whether all timesteps have been learnt from."""
        return bool(np.min(self.timesteps(state)) >= self.total(state))

    def share(self, other: Driver) -> None:
        """Take the shapes and the compiled programs of a driver of the same process."""
        self._known = other._known and other._known._replace(seed=self._seed)
        self._programs, self._data = other._programs, other._data

    def metrics(self, state: State) -> Metrics:
        """What the stages of this iteration have measured so far."""
        return state.metrics

    def fresh(self, state: State) -> State:
        """``state`` at the beginning of an iteration."""
        return state._replace(metrics={})

    def acting(self, state: State) -> list[PyTree]:
        """The part that acts, of each seed, on the host."""
        found = jax.device_get(self.process.acting(state.learner))
        if not np.ndim(self._seed):
            return [found]
        return [jax.tree.map(lambda x, k=k: x[k], found) for k in range(len(self._seed))]

    def facts(self, state: State, progress: Progress) -> Facts:
        """What a checkpoint tells beside its arrays, for ``like`` and ``restored``: the filled rows of a replay."""
        window = self.process.window
        return {} if window is None else {"filled": filled_rows(window, state)}

    def like(self, progress: Progress, facts: Facts = NOTHING) -> State:
        """Shapes of ``saved`` at ``progress``, for loading a checkpoint with these ``facts``."""
        state, window, filled = self.shapes, self.process.window, facts.get("filled")
        for stage in self.process.stages[: progress.stage]:
            if (progress.iteration + 1) % stage.every == 0:
                metrics = stage.metrics(self.process, self._spread, self.shapes)
                state = state._replace(metrics=state.metrics | metrics)
        if window is not None and filled is not None:
            state = cut_shapes(window, state, filled, np.ndim(self._seed))
        return self._without_batch(state, progress)

    def saved(self, state: State, progress: Progress) -> State:
        """What a checkpoint holds of ``state``: between two iterations no batch, and of a replay its filled rows."""
        if (window := self.process.window) is not None:
            state = cut(window, state, filled_rows(window, state), np.ndim(self._seed))
        return self._without_batch(state, progress)

    def restored(self, state: State, facts: Facts = NOTHING) -> State:
        """``state`` as a checkpoint with these ``facts`` holds it, ready to go on."""
        batch = state.batch
        if not jax.tree.leaves(batch):
            batch = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), self.shapes.batch)
        if (window := self.process.window) is not None:
            state = whole(window, state, self.shapes)
        return jax.tree.map(jnp.asarray, state._replace(batch=batch))

    def _without_batch(self, state: State, progress: Progress) -> State:
        between = progress.stage in (0, len(self.process.stages)) and progress.unit == 0
        return state._replace(batch=()) if between else state

    def begun_with(self, state: State, first: Learner) -> State:
        """``state`` before the first iteration, with the arrays of ``first`` in its learners.

        What ``first`` holds as a shape alone stays as it is.
        """

        def chosen(old: PyTree, new: PyTree) -> PyTree:
            return old if isinstance(new, jax.ShapeDtypeStruct) else np.broadcast_to(new, old.shape)

        learner = jax.tree.map(chosen, state.learner, first)
        return self.restored(state._replace(learner=learner))

    def one_learner(self) -> Learner:
        """Shapes of one seed's learner."""
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape[np.ndim(self._seed) :], x.dtype), self.shapes.learner
        )

    def with_settings(self, state: State) -> State:
        """``state``, a checkpoint's, with the settings of this process in place of its own."""
        return state._replace(learner=state.learner._replace(hyper=self._hyper))

    def trace(self, watch: Watch = unwatched) -> None:
        """Find ``shapes``, which traces how a run begins: seconds in some games; raises as ``compile``."""
        if self._known is None:
            self._known = devices.aside(TRACING, lambda: self.shapes, watch)

    def compile(self, watch: Watch = unwatched) -> None:
        """Compile all programs.

        Raises:
            KeyboardInterrupt: ``watch`` asked for a stop.
        """
        if self._programs:
            return
        self.trace(watch)
        began = time.perf_counter()
        programs = devices.aside(
            TRACING, lambda: programs_of(self.process, self._spread, self.shapes, self._hyper, self._first), watch
        )
        self._programs = devices.compile_all(programs, watch)
        if jax.tree.leaves(self._data):
            self._data = jax.device_put(self._data, self._programs["evaluate"].input_shardings[0][-1])
        self.seconds["compile"] += time.perf_counter() - began

    def init(self, watch: Watch = unwatched) -> State:
        """State before the first iteration; raises as ``compile``."""
        self.compile(watch)
        learner = self._programs["init"](self._seed, self._hyper)
        carry, batch = self._programs["start"](learner, self._seed)
        return State(learner, carry, batch, {}, self._seed)

    def iterate(
        self, state: State, progress: Progress, watch: Watch = unwatched, timed: bool = True
    ) -> tuple[State, Progress, bool]:
        """Run what is left of an iteration: (state, progress, whether ``watch`` asked for a stop before its end)."""
        self.compile(watch)
        last = len(self.process.stages) - 1
        for number, stage in list(enumerate(self.process.stages))[progress.stage :]:
            if (progress.iteration + 1) % stage.every == 0:
                state, progress, stop = self._run(stage, state, progress, watch, timed)
                if progress.unit < stage.units:
                    return state, progress, True
                if stop and number < last:
                    return state, progress._replace(stage=number + 1, unit=0), True
            progress = progress._replace(stage=number + 1, unit=0)
        return state, progress, False

    def evaluate(
        self,
        state: State,
        iteration: int,
        asked: int,
        final: bool = False,
        watch: Watch = unwatched,
        sampled: bool = False,
    ) -> Scores | None:
        """Scores of the acting part; None after a stop.

        Args:
            state: whose acting part is evaluated.
            iteration: of the run, which decides about the random numbers.
            asked: how many cases.
            final: on what no choice was made by.
            watch: told from time to time.
            sampled: by the process's second evaluation, which is compiled when it is first asked for.
        """
        self.compile(watch)
        evaluation = self.process.sampled if sampled else self.process.evaluation
        assert evaluation is not None
        if sampled and not self._sampled:
            self._sampled = devices.compile_all(devices.aside(TRACING, self._of_sampled, watch), watch)
        began = time.perf_counter()
        case, acting = Case(self._seed, iteration, asked, final), self.process.acting(state.learner)
        scores = evaluation.run(self._sampled if sampled else self._programs, acting, case, self._data, watch)
        self.seconds["evaluate"] += time.perf_counter() - began
        return scores

    def _of_sampled(self) -> dict[str, Program]:
        assert self.process.sampled is not None
        acting = jax.eval_shape(self.process.acting, self.shapes.learner)
        return self.process.sampled.programs(self.process, self._spread, acting, self._seed)

    def sample(self, every: int) -> None:
        """Let a timed iteration stand for ``every`` ones."""
        self.every = every

    def plan(self, run: Run) -> Plan:
        """The periodic evaluations of a run."""
        return self.process.plan or budget.plan(run, math.inf)

    def close(self) -> None:
        """Free what the process holds outside of this program."""
        if self.process.close is not None:
            self.process.close()

    def _run(
        self, stage: Runnable, state: State, progress: Progress, watch: Watch, timed: bool
    ) -> tuple[State, Progress, bool]:
        """Run pieces of ``stage`` until it is over or a stop is asked for: (state, progress, whether it was)."""
        # programs of devices that wait for each other must not be under way at once: each may hold one device
        pace = self._pace.get(stage.name)
        long = stage.units > 1 and (pace is None or pace * stage.units > PIECE / 2)
        always = long or self._spread.num_devices > 1
        timed, sampled = timed or always, not always and self._all_on_device
        while True:
            left, pace = stage.units - progress.unit, self._pace.get(stage.name)
            count = left if left == 1 else 1 if pace is None else max(1, min(left, int(PIECE / pace)))
            if timed:
                self._sync(state)  # what was queued before is not this stage's time
            began = time.perf_counter()
            span = Span(progress.iteration, progress.unit, progress.unit + count)
            done = stage.piece(self._programs[stage.name], state, span, self._data, watch, self.seconds)
            if done is None:
                return state, progress, True
            state, metrics = done
            if timed or time.perf_counter() - self._synced > PIECE / 2:
                self._sync(state)
            if timed:
                self._pace[stage.name] = (self._synced - began) / count
                if stage.name in self.seconds:
                    stands_for = self.every if sampled else 1
                    self.seconds[stage.name] += stands_for * (self._synced - began)
            progress = progress._replace(unit=span.end)
            stop = watch(stage.name, progress.unit, stage.units)
            if progress.unit == stage.units:
                return state._replace(metrics=state.metrics | metrics), progress, stop
            if stop:
                return state, progress, True

    def _sync(self, state: State) -> None:
        jax.block_until_ready(state)
        self._synced = time.perf_counter()

    @property
    def shapes(self) -> State:
        """Shapes of a state."""
        if self._known is None:
            init, start = self._first
            learner = jax.eval_shape(init, self._seed, self._hyper)
            carry, batch = jax.eval_shape(start, learner, self._seed)
            self._known = State(learner, carry, batch, {}, self._seed)
        return self._known
