"""A run on the disk: the training loop's events written into a run folder, started or resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeAlias, TypeVar

import jax
import numpy as np

from logpi.config.changes import METHOD
from logpi.config.experiments import check_used, without_recipe
from logpi.config.settings import NO_TRACKER, Experiment
from logpi.config.stored import check_objects, experiment_to_table
from logpi.driver import compiling
from logpi.driver.driver import Driver, training
from logpi.driver.in_turn import InTurn, Trainer
from logpi.driver.process import State
from logpi.driver.progress import Event, Onward, Progress
from logpi.errors import LogpiError, NotFiniteError
from logpi.runs.cards import origin_of, other_versions
from logpi.runs.create import create
from logpi.runs.files import atomic_write
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import agent_folder
from logpi.runs.metrics import SECONDS, SPENT, MetricsWriter, Row, Sink, mean, read_rows
from logpi.tasks import NOTHING, Band, Facts, Own, Work, task_of
from logpi.training import estimate, hooks
from logpi.training.newest import Earlier, Resumed
from logpi.training.outcome import Closing, Finish, Trained, prepared, scale_of
from logpi.training.remarks import Remarks
from logpi.training.saving import CHANGES, Saves, from_json, none
from logpi.training.signals import Stop, stop_on_signal
from logpi.types import Learner
from logpi.view.live import View

T = TypeVar("T")
Events: TypeAlias = Generator[hooks.Event, None, T]  # of a run; what it gives at its end
Rows: TypeAlias = Generator[Event, Onward | None, None]  # of ``logpi.driver.driver.training``


class Session:
    """One process's work on one run folder."""

    def __init__(
        self, folder: RunFolder, experiment: Experiment, work: Work, view: View, before: Earlier | None = None
    ) -> None:
        self.folder, self.experiment, self.work, self.view, self.before = folder, experiment, work, view, before
        self.scale: dict[str, float] = {}  # scores to compare with, by name
        self.changes: list[Facts] = []  # of settings while the run is under way, as ``changes.json`` has them
        self.closing: compiling.Aside[Closing] | None = None  # under way from the first row on

    def run(self, driver: Trainer, stop: Stop, resume: bool, first: Learner | None = None) -> Events[Trained]:
        """Train to the end, from the newest checkpoint where ``resume``, else with the parameters in ``first``.

        ``stop`` is what signals ask for. Yields after each row; where the generator is closed then, the run is saved.

        Raises:
            LogpiError: whatever went wrong; the folder is intact up to its last checkpoint.
            KeyboardInterrupt: ``stop`` was asked for; a checkpoint was saved, and the message tells how to go on.
        """
        began = time.perf_counter()
        run = self.experiment.run
        with self.folder.lock(), MetricsWriter(self.folder.path, run.tensorboard, self._tracker(resume)) as writer:
            state, progress, saves = self._begin(driver, writer, resume, first, stop)
            remarks = self._remarks()
            earlier = self._spent() if resume and self.before is None else 0.0
            before = int(np.min(driver.timesteps(state)))  # this process's speed is of its own work

            def clock() -> float:
                return time.perf_counter() - began

            rows = training(driver, state, progress, run, stop.watch, lambda: earlier + clock())
            advised, onward = self._with_advice(rows), None
            while (sent := _sent(advised, onward)) is not None:
                event = self._proven(driver, sent)
                state, progress, onward, values = event.state, event.progress, None, {}
                if event.row:
                    self._prepare(driver)
                    seconds = clock()
                    timing = {"time/time_elapsed": seconds, "time/fps": (event.timesteps - before) / seconds}
                    timing |= {SPENT: earlier + seconds, estimate.MEMORY: estimate.used()}
                    timing |= {f"{SECONDS}{name}": spent for name, spent in driver.seconds.items()}
                    values = writer.write(event.row | timing)
                    self.view.update(event.timesteps, event.row | timing, driver.seconds)
                    remarks.row(event.row)
                    spent = driver.seconds["evaluate"], seconds - driver.seconds["compile"]
                    remarks.evaluations(*spent, asked=run.eval_episodes > 0 or run.eval_points > 0)
                if event.scores is not None:
                    self._tell_scale(driver, first, stop)
                    saves.best_of(driver, event)
                if values:
                    save = functools.partial(self._save, driver, saves, progress, writer)
                    state, last = yield from self._heard(driver, event, values, save)
                    onward = Onward(state, last)
                if event.checkpoint or stop:
                    self._save(driver, saves, progress, writer, state)
                if stop and not event.finished:
                    raise KeyboardInterrupt(f"saved at {self._counted(event.timesteps)}; {self._advice}")
                if event.finished:
                    advised.close()
            self._tell_scale(driver, first, stop)  # where a stop came between
            end = Finish(self.folder, self.experiment, self.work, self.scale, self._prepare(driver))
            return end.reached(driver, state, progress, stop.watch, remarks)

    def _proven(self, driver: Trainer, event: Event) -> Event:
        """``event``, as the last one where training is to end with unbeatable agents and they are found to be so."""
        if not self.experiment.run.stop_unbeatable or event.scores is None or event.finished:
            return event
        closing = self._prepare(driver).wait("preparing to walk through the game")  # a stop is looked at after it
        if not all(closing(acting).unbeatable for acting in driver.acting(event.state)):
            return event
        ended = event.progress._replace(ended="stop_unbeatable")
        return event._replace(progress=ended, checkpoint=True, finished=True)

    def _heard(
        self, driver: Trainer, event: Event, values: Row, save: Callable[[State], None]
    ) -> Generator[hooks.Event, None, tuple[State, bool]]:
        """Let a program hear of a row: the state with what it changed, and whether the next iteration is the last one.

        Where the generator is closed, or an error thrown into it, the run is saved.
        """
        check = functools.partial(hooks.allowed, self.experiment, self.work.idle, self.changes, driver.kept.arrays)
        shown = hooks.Event(self.folder.path, event.timesteps, values, event.finished, check)
        state = event.state
        try:
            yield shown
        except BaseException:
            save(self._changed(driver, state, shown))
            self.view.tell(f"left and saved at {self._counted(event.timesteps)}; {self._advice}")
            raise
        return self._changed(driver, state, shown), bool(shown.last)

    def _changed(self, driver: Trainer, state: State, shown: hooks.Event) -> State:
        """``state`` with the settings that a program has changed, which the folder then tells."""
        if not shown.changes:
            return state
        self.changes.append({"timesteps": shown.timesteps, METHOD: dict(sorted(shown.changes.items()))})
        hooks.record(self.folder, self.changes)
        return driver.kept.changed(state, shown.changes)

    def _save(self, driver: Trainer, saves: Saves, progress: Progress, writer: MetricsWriter, state: State) -> None:
        saves.checkpoint(driver, state, progress, self.scale, writer.offset(), self.changes)

    def _tracker(self, resume: bool) -> list[Sink]:
        """The sink that the run asks for beside its own files."""
        name = self.experiment.run.tracker
        if name == NO_TRACKER:
            return []
        from logpi.runs.trackers import open_tracker

        return [open_tracker(name, self.folder, resume)]

    def _prepare(self, driver: Trainer) -> compiling.Aside[Closing]:
        """Have the end prepared beside the training, once."""
        self.closing = self.closing or compiling.Aside(functools.partial(prepared, driver, self.work))
        return self.closing

    def _remarks(self) -> Remarks:
        total, rows = self.experiment.method.total_timesteps, read_rows(self.folder.metrics)
        return Remarks(self.view.tell, total, self.work.limits, rows)

    def _spent(self) -> float:
        """Seconds that earlier commands took of the run's ``minutes``, up to their last row."""
        rows = read_rows(self.folder.path / "timing.jsonl")
        return mean(rows[-1].get(SPENT, 0.0)) if rows else 0.0

    def _counted(self, timesteps: int) -> str:
        """Timesteps as people count them, such as "294,400 images"."""
        length = task_of(self.experiment.env).length(self.experiment)
        return f"{timesteps // length.each:,} {length.unit}"

    @property
    def _advice(self) -> str:
        return f"`logpi resume {self.folder.path}` goes on from the last checkpoint"

    def _with_advice(self, events: Rows) -> Rows:
        """``events``, whose errors also tell that the run is intact."""
        try:
            yield from events
        except NotFiniteError as error:
            self.folder.fail(str(error))
            raise NotFiniteError(
                f"{error}. The run is intact up to there: once that is fixed, {self._advice}"
            ) from error
        except LogpiError as error:
            raise LogpiError(f"{error}. The run is intact: once that is fixed, {self._advice}") from error

    def _begin(
        self, driver: Trainer, writer: MetricsWriter, resume: bool, first: Learner | None, stop: Stop
    ) -> tuple[State, Progress, Saves]:
        if resume:
            resumed = Resumed(self.folder, self.experiment, self.work, self.before, self.view.tell)
            tree, progress, meta = resumed.newest(driver)
            writer.rewind(meta["metrics_bytes"], meta["timesteps"])
            self.view.tell(f"resuming at {self._counted(meta['timesteps'])}")
            self.scale, self.changes = dict(meta.get("scale", ())), list(meta.get(CHANGES, ()))
            self._compile(driver, stop)
            saves = Saves(self.folder, self.experiment, self.work, from_json(meta))
            return driver.kept.restored(tree, meta.get("facts", {})), progress, saves
        self._compile(driver, stop)
        state = driver.init(stop.watch)
        if first is not None:
            state = driver.kept.begun_with(state, first)
        progress = Progress()
        saves = Saves(self.folder, self.experiment, self.work, none(self.experiment.run.seeds))
        self._save(driver, saves, progress, writer, state)
        return state, progress, saves

    def _compile(self, driver: Trainer, stop: Stop) -> None:
        """Compile, and tell what that took when a run of the same settings last began here."""
        table = experiment_to_table(self.experiment) | {"run": {"seeds": self.experiment.run.seeds}}
        settings = f"{json.dumps(table, sort_keys=True)} {jax.__version__} {jax.local_devices()}"
        last = compiling.last_start(settings)
        known = "once; the next start takes it from the cache" if last is None else f"the last start took {last:.0f} s"
        self.view.note(f"compiling ({known})")
        driver.compile(stop.watch)
        compiling.remember_start(settings, driver.seconds["compile"])
        self.view.note("")

    def _tell_scale(self, driver: Trainer, first: Learner | None, stop: Stop) -> None:
        """Say where scores stand, once there is one; after a stop it is left to the resumed run."""
        if not self.scale:
            self.scale = scale_of(driver, self.work, self.experiment, first, self.view, stop.watch)


def _sent(rows: Rows, onward: Onward | None) -> Event | None:
    """The next event of ``rows``, which go on as ``onward`` says; None at the end."""
    try:
        return rows.send(onward)
    except StopIteration:
        return None


def heard(events: Events[T], hear: Callable[[hooks.Event], object] | None = None) -> T:
    """What a run gives at its end; ``hear`` gets each of its events. Where that raises, the run is saved."""
    with contextlib.closing(events):
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                found: T = end.value
                return found
            if hear is not None:
                hear(event)


def start(
    experiment: Experiment, command: str | list[str], view: View, own: Own = NOTHING, expected: Band | None = None
) -> Trained:
    """``starting`` without a program that hears of it."""
    return heard(starting(experiment, command, view, own, expected))


def starting(
    experiment: Experiment, command: str | list[str], view: View, own: Own = NOTHING, expected: Band | None = None
) -> Events[Trained]:
    """Make a new run folder for ``experiment`` and train.

    ``expected`` are the lowest and the highest score that a recipe expects of it.

    Raises:
        LogpiError, KeyboardInterrupt: as ``Session.run``; a folder is made only when all the parts fit together.
    """
    remark = without_recipe(experiment, own)
    experiment = dataclasses.replace(experiment, objects=own.given)
    run, task, origin = experiment.run, task_of(experiment.env), None
    if experiment.init_from:
        origin = agent_folder(experiment.init_from).resolve()
        experiment = dataclasses.replace(experiment, init_from=str(origin))
    work, score = task.build(experiment, own), task.score(experiment.env)._asdict()
    if remark:
        view.tell(remark)
    if expected is not None:
        score |= {"expected_low": expected[0], "expected_high": expected[1]}
    check_used(experiment, work.idle, own)
    _check_tracker(experiment)
    experiment = work.experiment or experiment
    with _driving(experiment, work, view) as (driver, stop):
        first = work.adopt(driver.kept.one_learner, origin) if origin else None
        takes = estimate.room(driver, experiment, work.keeps_stages)
        estimate.check_memory(takes)
        warning = estimate.check_disk(takes, run.log_dir)
        view.tell(estimate.told(takes, estimate.pace(experiment)))
        if warning:
            view.tell(warning)
        if len(driver.parts) > 1:
            view.tell(f"{run.seeds} seeds take turns in each iteration: about {run.seeds} times the time of one")
        seeds, table = range(run.seed, run.seed + run.seeds), experiment_to_table(experiment)
        length, begun = task.length(experiment)._asdict(), origin_of(origin) if origin else None
        names = (run.log_dir, experiment.algo, experiment.env)
        folder = create(*names, table, command, seeds, score, length, begun)
        view.tell(f"run folder {folder.path}" + (f", begun with the agent in {origin}" if origin else ""))
        for name, text in work.files.items():
            atomic_write(folder.path / name, text.encode())
        for text in work.notes:
            view.tell(text)
        with _discarded_if_nothing_is_saved(folder):
            return (yield from Session(folder, experiment, work, view).run(driver, stop, resume=False, first=first))


@contextlib.contextmanager
def _discarded_if_nothing_is_saved(folder: RunFolder) -> Iterator[None]:
    """Leave no run folder behind where the block ends before the first checkpoint."""
    try:
        yield
    except BaseException as error:
        if folder.has_checkpoint:
            raise
        folder.discard()
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt("before the first checkpoint: nothing was saved") from error
        raise


@contextlib.contextmanager
def _driving(experiment: Experiment, work: Work, view: View) -> Iterator[tuple[Trainer, Stop]]:
    """The driver of an experiment, with its shapes known, and what signals ask for from here on."""
    with (
        contextlib.closing(_driver(experiment, work)) as driver,
        stop_on_signal(view.working, view.note) as stop,
    ):
        driver.trace(stop.watch)
        yield driver, stop


def _driver(experiment: Experiment, work: Work) -> Trainer:
    run = experiment.run
    seeds = list(range(run.seed, run.seed + run.seeds))
    if work.in_turn and run.seeds > 1:
        return InTurn([work.process(seed) for seed in seeds], seeds)
    return Driver(work.process(run.seed), seeds)


def resume(
    folder: RunFolder, experiment: Experiment, view: View, own: Own = NOTHING, before: Earlier | None = None
) -> Trained:
    """``resuming`` without a program that hears of it."""
    return heard(resuming(folder, experiment, view, own, before))


def resuming(
    folder: RunFolder, experiment: Experiment, view: View, own: Own = NOTHING, before: Earlier | None = None
) -> Events[Trained]:
    """Continue the run in ``folder`` from its newest good checkpoint, exactly where that stood.

    Args:
        folder: of the run.
        experiment: its own, or with another length.
        view: where the progress is shown.
        own: what a Python program brought instead of a standard part.
        before: what the run was, where ``experiment`` has another length.

    Raises:
        LogpiError: it has finished and no other length is asked for, none of its checkpoints can be used, it has learnt
            for longer than the new length already, or this machine has not the memory for it.
    """
    if folder.status == "finished" and before is None:
        flag = task_of(experiment.env).horizon.replace("_", "-")
        raise LogpiError(
            f"{folder.path} has finished: `logpi resume {folder.path} --{flag} N` trains it for longer, "
            f"`logpi eval {folder.path}` plays it"
        )
    check_objects(experiment.objects, own.given, f"logpi.resume({str(folder.path)!r}, ARGUMENTS)")
    _check_tracker(experiment)
    work = task_of(experiment.env).build(experiment, own)
    with _driving(experiment, work, view) as (driver, stop):
        estimate.check_memory(estimate.room(driver, experiment, work.keeps_stages), "resume it where there is more")
        for text in other_versions(folder.manifest, work.packages):
            view.tell(text)
        return (yield from Session(folder, experiment, work, view, before).run(driver, stop, resume=True))


def _check_tracker(experiment: Experiment) -> None:
    """Refuse a tracker that is not installed before anything is made."""
    if experiment.run.tracker != NO_TRACKER:
        from logpi.runs.trackers import check

        check(experiment.run.tracker)
