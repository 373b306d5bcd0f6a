"""The one driver of every ``Process``: compiles its stages side by side, and runs them piece by piece.

A stage's old arrays are donated to it, so nothing is held twice. A piece of work takes about a second at most; between
two pieces a ``Watch`` may ask for a stop. Since donated arrays cannot be taken back, a stop comes after a whole piece,
and the state then tells with ``Progress`` where in the iteration it stands.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.driver import devices
from logpi.driver.process import (
    LEARNER,
    REPLICATED,
    START,
    Case,
    Compiled,
    Jitted,
    Process,
    Program,
    Runnable,
    Scores,
    Span,
    State,
    Watch,
)
from logpi.driver.stages import PIECE, stream, unwatched
from logpi.types import Array, Learner, PyTree


class Progress(NamedTuple):
    """Where a run stands; with the ``State`` it is all that continuing needs."""

    iteration: int = 0
    stage: int = 0  # stages of this iteration that are over
    unit: int = 0  # units of the stage after them that are over
    evaluated: int = 0  # periodic evaluations made
    saved: int = 0  # periodic checkpoints made


class Driver:
    """The compiled programs of a process, for one seed on ``num_devices`` devices or several seeds dealt out."""

    def __init__(self, process: Process, seeds: list[int]) -> None:
        self.process = process
        names = ("compile", *(name for stage in process.stages for name in stage.shares), "evaluate")
        self.seconds = dict.fromkeys(names, 0.0)
        self._spread = devices.Spread(len(seeds), process.num_devices if len(seeds) == 1 else 1)
        self._seed: PyTree = np.asarray(seeds if len(seeds) > 1 else seeds[0], np.uint32)
        self._hyper = jax.tree.map(lambda x: np.broadcast_to(x, self._seed.shape), process.hyper)
        self._pace: dict[str, float] = {}  # seconds of a unit
        self._synced = 0.0
        self._programs: dict[str, Compiled] = {}
        self._known: State | None = None
        self._data: PyTree = process.data

    def like(self, progress: Progress) -> State:
        """Shapes of ``saved`` at ``progress``, for loading a checkpoint."""
        state = self._shapes()
        for stage in self.process.stages[: progress.stage]:
            if (progress.iteration + 1) % stage.every == 0:
                metrics = stage.metrics(self.process, self._spread, self._shapes())
                state = state._replace(metrics=state.metrics | metrics)
        return self.saved(state, progress)

    def saved(self, state: State, progress: Progress) -> State:
        """What a checkpoint holds of ``state``: between two iterations no batch."""
        between = progress.stage in (0, len(self.process.stages)) and progress.unit == 0
        return state._replace(batch=()) if between else state

    def restored(self, state: State) -> State:
        """``state`` as a checkpoint holds it, ready to go on."""
        batch = state.batch
        if not jax.tree.leaves(batch):
            batch = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), self._shapes().batch)
        return jax.tree.map(jnp.asarray, state._replace(batch=batch))

    def compile(self, watch: Watch = unwatched) -> None:
        """Compile all programs.

        Raises:
            KeyboardInterrupt: ``watch`` asked for a stop.
        """
        if self._programs:
            return
        began = time.perf_counter()
        self._programs = devices.compile_all(self._wanted(), watch)
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
        self, state: State, iteration: int, asked: int, final: bool = False, watch: Watch = unwatched
    ) -> Scores | None:
        """Greedy scores of the acting part; ``final``: on what no choice was made by. None after a stop."""
        self.compile(watch)
        began = time.perf_counter()
        case = Case(self._seed, iteration, asked, final)
        acting = self.process.acting(state.learner)
        scores = self.process.evaluation.run(self._programs, acting, case, self._data, watch)
        self.seconds["evaluate"] += time.perf_counter() - began
        return scores

    def close(self) -> None:
        """Free what the process holds outside of this program."""
        if self.process.close is not None:
            self.process.close()

    def _run(
        self, stage: Runnable, state: State, progress: Progress, watch: Watch, timed: bool
    ) -> tuple[State, Progress, bool]:
        """Run pieces of ``stage`` until it is over or a stop is asked for: (state, progress, whether it was)."""
        # programs of devices that wait for each other must not be under way at once: each may hold one device
        timed = timed or stage.units > 1 or self._spread.num_devices > 1
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
                    self.seconds[stage.name] += self._synced - began
            progress = progress._replace(unit=span.end)
            stop = watch(stage.name, progress.unit, stage.units)
            if progress.unit == stage.units:
                return state._replace(metrics=state.metrics | metrics), progress, stop
            if stop:
                return state, progress, True

    def _sync(self, state: State) -> None:
        jax.block_until_ready(state)
        self._synced = time.perf_counter()

    def _shapes(self) -> State:
        if self._known is None:
            init, start = self._initial()
            learner = jax.eval_shape(init, self._seed, self._hyper)
            carry, batch = jax.eval_shape(start, learner, self._seed)
            self._known = State(learner, carry, batch, {}, self._seed)
        return self._known

    def _wanted(self) -> dict[str, Program]:
        """All programs, those that take longest to compile first."""
        process, state = self.process, self._shapes()
        stages = {s.name: s.program(process, self._spread, state) for s in reversed(process.stages)}
        acting = jax.eval_shape(process.acting, state.learner)
        init, start = self._initial()
        return {
            **stages,
            **process.evaluation.programs(process, self._spread, acting, self._seed),
            "init": Program(init, (self._seed, self._hyper), hot=False),
            "start": Program(start, (state.learner, self._seed), hot=False),
        }

    def _initial(self) -> tuple[Jitted, Jitted]:
        """Functions of (seed, hyper) and of (learner, seed), not compiled yet."""
        process, places = self.process, self.process.places

        def init(seed: Array, hyper: PyTree) -> Learner:
            # settings come from outside, so that changing one compiles nothing
            return process.init(stream(seed, LEARNER))._replace(hyper=hyper)

        def start(learner: Learner, seed: Array) -> tuple[PyTree, PyTree]:
            return process.start(learner, stream(seed, START))

        takes, gives = (places.learner, REPLICATED), (places.carry, places.batch)
        begun = self._spread.jit(start, (True, True), takes, gives)
        # the first parameters are drawn by one program: an orthogonal matrix is not dealt out
        return self._spread.once(init, (True, True), places.learner), begun
