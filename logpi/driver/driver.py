"""The one driver of every ``Process``, and the loop that trains by it: neither touches a file or a screen.

A driver compiles the stages side by side and runs them piece by piece. A stage's old arrays are donated to it, so
nothing is held twice. A piece of work takes about a second at most; between two pieces a ``Watch`` may ask for a stop.
Since donated arrays cannot be taken back, a stop comes after a whole piece, and the state then tells with ``Progress``
where in the iteration it stands. ``training`` iterates, and says when to log, evaluate and checkpoint.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.config.settings import Run
from logpi.driver import budget, compiling, devices
from logpi.driver.budget import Plan
from logpi.driver.kept import Kept, with_arrays
from logpi.driver.process import LEARNER, START, Case, Process, Runnable, Scores, Span, State, Watch
from logpi.driver.progress import HEALTH, Event, Onward, Progress, after_row, check_health, early, has_row
from logpi.driver.stages import PIECE, evaluation_programs, initial, programs_of, stream, unwatched
from logpi.types import Learner, Metrics, PyTree

if TYPE_CHECKING:
    from logpi.driver.in_turn import Trainer

TRACING = "compiling: tracing"  # what a watch is told of work before the first program is compiled


class Driver:
    """The compiled programs of a process, for one seed on ``num_devices`` devices or several seeds dealt out."""

    def __init__(self, process: Process, seeds: list[int]) -> None:
        self.process = process
        self.seconds = dict.fromkeys(("compile", *(x for s in process.stages for x in s.shares), "evaluate"), 0.0)
        self.spread = devices.Spread(len(seeds), process.num_devices if len(seeds) == 1 else 1)
        self._seed: PyTree = np.asarray(seeds if len(seeds) > 1 else seeds[0], np.uint32)
        self._hyper = jax.tree.map(lambda x: np.broadcast_to(x, self._seed.shape), process.hyper)
        self._first = initial(process, self.spread)  # once: JAX remembers the traces of a function
        self.kept = Kept(process, self.spread, self._seed, self._hyper, self._first)
        self._pace: dict[str, float] = {}  # seconds of a unit
        self.every = 1  # iterations that a timed one stands for
        # a stage on the host measures its own parts, and the update that it waits for, in every iteration
        self._all_on_device = all(stage.shares == (stage.name,) for stage in process.stages)
        self._synced = 0.0
        self._programs = self._sampled = compiling.Compiling({})  # the latter are the second evaluation's
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

    def share(self, other: Driver) -> None:
        """Take the shapes and the compiled programs of a driver of the same process."""
        self.kept.share(other.kept)
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
        several = np.ndim(self._seed)
        return [jax.tree.map(lambda x, k=k: x[k], found) for k in range(len(self._seed))] if several else [found]

    def trace(self, watch: Watch = unwatched) -> None:
        """Find the shapes of a state, which traces how a run begins: seconds in some games; raises as ``compile``."""
        if not self.kept.traced:
            compiling.Aside(lambda: self.kept.shapes).wait(TRACING, watch)

    def compile(self, watch: Watch = unwatched) -> None:
        """Compile all programs, and wait for those that training needs; the evaluation's follow beside it.

        Raises:
            KeyboardInterrupt: ``watch`` asked for a stop.
        """
        if self._programs:
            return
        self.trace(watch)
        began = time.perf_counter()
        traced = functools.partial(programs_of, self.process, self.spread, self.kept.shapes, self._hyper, self._first)
        programs = compiling.Aside(traced).wait(TRACING, watch)
        needed = ["init", "start", *(stage.name for stage in self.process.stages)]
        made = compiling.Compiling(programs, needed)
        if not made.wait(needed, watch):
            raise KeyboardInterrupt
        if jax.tree.leaves(self._data):
            self._data = jax.device_put(self._data, made[needed[-1]].input_shardings[0][-1])
        self._programs = made
        self.seconds["compile"] += time.perf_counter() - began

    def init(self, watch: Watch = unwatched) -> State:
        """State before the first iteration; raises as ``compile``."""
        self.compile(watch)
        learner = self._programs["init"](stream(self._seed, LEARNER), self._hyper)
        carry, batch = self._programs["start"](learner, stream(self._seed, START))
        return State(learner, carry, batch, {}, self._seed)

    def untrained(self, first: Learner | None, watch: Watch = unwatched) -> State:
        """The learner alone of the state before the first iteration, with the arrays of ``first``; as ``compile``."""
        self.compile(watch)
        learner = self._programs["init"](stream(self._seed, LEARNER), self._hyper)
        return State(learner if first is None else with_arrays(learner, first), (), (), {}, self._seed)

    def iterate(
        self, state: State, progress: Progress, watch: Watch = unwatched, timed: bool = True
    ) -> tuple[State, Progress, bool]:
        """Run what is left of an iteration: (state, progress, whether ``watch`` asked for a stop before its end)."""
        self.compile(watch)
        self._programs.check()  # the evaluation's, which are compiled beside training
        for number, stage in list(enumerate(self.process.stages))[progress.stage :]:
            if (progress.iteration + 1) % stage.every == 0:
                state, progress, stop = self._run(stage, state, progress, watch, timed)
                if progress.unit < stage.units:
                    return state, progress, True
                if stop and stage is not self.process.stages[-1]:
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
            made = functools.partial(evaluation_programs, evaluation, self.process, self.spread, self.kept.shapes)
            self._sampled = compiling.Compiling(compiling.Aside(made).wait(TRACING, watch))
        began, programs = time.perf_counter(), self._sampled if sampled else self._programs
        ready = programs.wait(programs, watch)
        self.seconds["compile"] += time.perf_counter() - began
        if not ready:
            return None
        began, case = time.perf_counter(), Case(self._seed, iteration, asked, final)
        scores = evaluation.run(programs, self.process.acting(state.learner), case, self._data, watch)
        self.seconds["evaluate"] += time.perf_counter() - began
        return scores

    def sample(self, every: int) -> None:
        """Let a timed iteration stand for ``every`` ones."""
        self.every = every

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
        always = long or self.spread.num_devices > 1
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
                    self.seconds[stage.name] += (self.every if sampled else 1) * (self._synced - began)
            progress = progress._replace(unit=span.end)
            stop = watch(stage.name, progress.unit, stage.units)
            if progress.unit == stage.units:
                return state._replace(metrics=state.metrics | metrics), progress, stop
            if stop:
                return state, progress, True

    def _sync(self, state: State) -> None:
        jax.block_until_ready(state)
        self._synced = time.perf_counter()


def training(
    driver: Trainer,
    state: State,
    progress: Progress,
    run: Run,
    watch: Watch = unwatched,
    clock: Callable[[], float] = lambda: 0.0,
    healthy: Callable[[Metrics, int], None] = check_health,
) -> Generator[Event, Onward | None, None]:
    """Iterate until every seed has had its ``total_timesteps``; yields one ``Event`` per row of metrics.

    Everything that is yielded, but for the clock, follows from ``state`` and ``progress``: a run that is cut in two
    yields the same rows, and one at its end yields nothing. Where ``watch`` asks for a stop, the last event has a state
    to save and perhaps no row. A run ends earlier where ``early`` says so of an evaluation or of ``clock``, in seconds;
    when its time is over, the iteration under way is its last one and gets a row and an evaluation. It goes on as an
    ``Onward`` that is sent back says. ``healthy`` gets the flags of each iteration that must be true, and its number.

    Raises:
        LogpiError: an observation, a reward or a parameter is not finite (the state before is not lost: it is in the
            last checkpoint).
    """
    total, plan = driver.total(state), driver.process.plan or budget.plan(run, math.inf)
    every = max(1, math.ceil(total / driver.process.rows / run.log_points))
    # only a row ends a run: one that was stopped between two rows goes on to the next
    ended = bool(np.min(driver.timesteps(state)) >= total)
    finished = bool(progress.ended) or (ended and progress.stage == 0 and has_row(progress.iteration, every))
    health: list[Metrics] = []  # of each iteration since the last row
    onward: Onward | None = None
    while not finished:
        last = has_row(progress.iteration + 1, every)
        driver.sample(every if progress.iteration else 1)
        state, progress, stopped = driver.iterate(state, progress, watch, timed=last)
        late = "" if stopped else "finish" if onward and onward.last else early(run, None, clock())
        last = last or bool(late)
        health.append({name: x for name, x in driver.metrics(state).items() if name.startswith(HEALTH)})
        if not last and not stopped:
            state = driver.fresh(state)
            progress = progress._replace(iteration=progress.iteration + 1, stage=0)
            if not watch("", 0, 1):
                continue
        timesteps, flags = driver.timesteps(state), jax.device_get(health)
        newest = progress.iteration + (progress.seed + progress.stage + progress.unit > 0)  # counted from 1
        for number, checks in enumerate(flags, newest + 1 - len(flags)):
            healthy(checks, number)
        health.clear()
        done = int(np.min(timesteps))
        complete = last and progress.stage == len(driver.process.stages)
        row = _row(driver, state, progress, done, plan, total, watch, bool(late)) if complete else None
        if row is None:
            yield Event(state, progress, done, {}, None, True, False)
            return
        scores: Scores | None = row.pop("scores")
        reached = early(run, None if scores is None else scores.score.mean(-1), 0.0)
        reason = "" if done >= total else late or reached
        finished = done >= total or bool(reason)
        checkpoint = finished or math.floor(done / total * run.checkpoint_points) > progress.saved
        state = driver.fresh(state)
        progress = after_row(progress, done / total, plan, run, scores, reason)
        onward = yield Event(state, progress, done, row, None if scores is None else scores.score, checkpoint, finished)
        state = onward.state if onward else state


def _row(
    driver: Trainer, state: State, progress: Progress, done: int, plan: Plan, total: float, watch: Watch, late: bool
) -> dict[str, PyTree] | None:
    """Metrics of the iteration that is over, with ``scores`` of a periodic evaluation where one is due.

    None where ``watch`` stopped the evaluation.
    """
    iteration = progress.iteration + 1
    row: dict[str, PyTree] = {"time/total_timesteps": done, "time/iterations": iteration, "scores": None}
    values = jax.device_get(driver.metrics(state))
    row |= {name: x for name, x in values.items() if not name.startswith(HEALTH)}
    due = math.floor(done / total * plan.points) > progress.evaluated
    lately = float(np.max(row.get("rollout/ep_len_mean", math.nan)))  # of seeds the slowest
    afforded = plan.affords(done / total, progress.eval_steps, progress.last_eval_steps, lately)
    if done >= total or late or (due and afforded):
        found = driver.evaluate(state, iteration, plan.episodes, watch=watch)
        if found is None:
            return None
        row["scores"] = found
        row |= {"eval/mean_reward": found.score.mean(-1), "eval/mean_ep_length": found.length.mean(-1)}
    return row
