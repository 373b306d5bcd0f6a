"""A run on the disk: the training loop's events written into a run folder, started or resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.config.experiments import check_used
from logpi.config.lengths import going_on, limits
from logpi.config.settings import Experiment
from logpi.config.stored import HISTORY, check_objects, experiment_to_table
from logpi.driver import devices
from logpi.driver.driver import Driver, Progress
from logpi.driver.ending import rescaled
from logpi.driver.in_turn import InTurn, Trainer
from logpi.driver.loop import Event, training
from logpi.driver.process import State
from logpi.errors import LogpiError
from logpi.runs import folder as run_folders
from logpi.runs.cards import origin_of
from logpi.runs.folder import SEED, RunFolder
from logpi.runs.lookup import agent_folder
from logpi.runs.manage import outcome_so_far, reopen
from logpi.runs.metrics import MetricsWriter, read_rows
from logpi.runs.scores import significant, summary
from logpi.tasks import NOTHING, Band, Facts, Own, Work, task_of
from logpi.training import estimate
from logpi.training.best import Best
from logpi.training.best import from_json as best_from
from logpi.training.best import none as no_best
from logpi.training.remarks import Remarks
from logpi.training.signals import Stop, stop_on_signal
from logpi.types import Learner, PyTree
from logpi.view.live import View


class Trained(NamedTuple):
    """What a run has to show at its end."""

    folder: RunFolder
    scores: NDArray[np.floating]  # [S, cases] of the last agent's final evaluation
    timesteps: int
    iteration: int = 0  # timesteps that one iteration takes at most
    ended: str = ""  # why it ended before its length, as ``logpi.driver.ending.early`` says it
    lines: Sequence[str] = ()  # further lines of its outcome


class Session:
    """One process's work on one run folder."""

    def __init__(
        self, folder: RunFolder, experiment: Experiment, work: Work, view: View, before: Experiment | None = None
    ) -> None:
        """``before`` is what the run was until now, where it goes on with another length."""
        self.folder, self.experiment, self.work, self.view, self.before = folder, experiment, work, view, before
        self.scale: dict[str, float] = {}  # scores to compare with, by name

    def run(self, driver: Trainer, stop: Stop, resume: bool, first: Learner | None = None) -> Trained:
        """Train to the end, from the newest checkpoint where ``resume``, else with the parameters in ``first``.

        ``stop`` is what signals ask for.

        Raises:
            LogpiError: whatever went wrong; the folder is intact up to its last checkpoint.
            KeyboardInterrupt: ``stop`` was asked for; a checkpoint was saved, and the message tells how to go on.
        """
        began = time.perf_counter()
        run = self.experiment.run
        with self.folder.lock(), MetricsWriter(self.folder.path, run.tensorboard) as writer:
            state, progress, best = self._begin(driver, writer, resume, first, stop)
            remarks = self._remarks()
            before = int(np.min(driver.timesteps(state)))  # this process's speed is of its own work

            def clock() -> float:
                return time.perf_counter() - began

            for event in self._with_advice(training(driver, state, progress, run, stop.watch, clock)):
                state, progress = event.state, event.progress
                if event.row:
                    seconds = clock()
                    timing = {"time/time_elapsed": seconds, "time/fps": (event.timesteps - before) / seconds}
                    timing[estimate.MEMORY] = estimate.used()
                    writer.write(event.row | timing)
                    self.view.update(event.timesteps, event.row | timing, driver.seconds)
                    remarks.row(event.row)
                    spent = driver.seconds["evaluate"], seconds - driver.seconds["compile"]
                    remarks.evaluations(*spent, asked=run.eval_episodes > 0 or run.eval_points > 0)
                if event.scores is not None:
                    best = self._keep_best(driver, event, best)
                if event.checkpoint or stop:
                    self._save(driver, state, progress, best, writer)
                if stop and not event.finished:
                    raise KeyboardInterrupt(f"saved at {self._counted(event.timesteps)}; {self._advice}")
            return self._finish(driver, state, progress, stop, remarks)

    def _remarks(self) -> Remarks:
        total, rows = self.experiment.method.total_timesteps, read_rows(self.folder.metrics)
        return Remarks(self.view.tell, total, self.work.limits, rows)

    def _counted(self, timesteps: int) -> str:
        """Timesteps as people count them, such as "294,400 images"."""
        length = task_of(self.experiment.env).length(self.experiment)
        return f"{timesteps // length.each:,} {length.unit}"

    @property
    def _advice(self) -> str:
        return f"`logpi resume {self.folder.path}` goes on from the last checkpoint"

    def _with_advice(self, events: Iterator[Event]) -> Iterator[Event]:
        """``events``, whose errors also tell that the run is intact."""
        try:
            yield from events
        except LogpiError as error:
            raise LogpiError(f"{error}. The run is intact: once that is fixed, {self._advice}") from error

    def _begin(
        self, driver: Trainer, writer: MetricsWriter, resume: bool, first: Learner | None, stop: Stop
    ) -> tuple[State, Progress, Best]:
        if resume:
            found = self.folder.latest_checkpoint(lambda meta: driver.like(_progress(meta), meta.get("facts", {})))
            _, tree, meta, warning = found
            if warning:
                self.view.tell(warning)
            if meta.get("data", self.work.data) != self.work.data:
                raise LogpiError(
                    f"the images or labels of {self.experiment.method.data} are not those that this run began with: "
                    "put the old data back, or train anew with `logpi train`"
                )
            if meta["num_devices"] != self.work.num_devices:
                self.view.tell(
                    f"begun on {meta['num_devices']} devices, resumed on {self.work.num_devices}: it goes on, "
                    "but not bit for bit"
                )
            progress = _progress(meta)
            if self.before is not None:
                tree, progress = self._go_on(driver, tree, progress, meta["timesteps"])
            writer.rewind(meta["metrics_bytes"], meta["timesteps"])
            self.view.tell(f"resuming at {self._counted(meta['timesteps'])}")
            self.scale = dict(meta.get("scale", ()))
            self._compile(driver, stop)
            return driver.restored(tree, meta.get("facts", {})), progress, best_from(meta)
        self._compile(driver, stop)
        state = driver.init(stop.watch)
        if first is not None:
            state = driver.begun_with(state, first)
        progress, best = self._place(driver, state, stop), no_best(self.experiment.run.seeds)
        self._save(driver, state, progress, best, writer)
        return state, progress, best

    def _compile(self, driver: Trainer, stop: Stop) -> None:
        """Compile, and tell what that took when a run of the same settings last began here."""
        table = experiment_to_table(self.experiment) | {"run": {"seeds": self.experiment.run.seeds}}
        settings = f"{json.dumps(table, sort_keys=True)} {jax.__version__} {jax.local_devices()}"
        last = devices.last_start(settings)
        known = "once; the next start takes it from the cache" if last is None else f"the last start took {last:.0f} s"
        self.view.note(f"compiling ({known})")
        driver.compile(stop.watch)
        devices.remember_start(settings, driver.seconds["compile"])
        self.view.note("")

    def _place(self, driver: Trainer, state: State, stop: Stop) -> Progress:
        """Say where scores stand, before the first: the untrained agent's, and those of the task's scale."""
        plan = driver.plan(self.experiment.run)
        if self.work.scale is None or not plan.points:
            return Progress()
        found = driver.evaluate(state, 0, plan.episodes, watch=stop.watch)
        if found is None:
            raise KeyboardInterrupt("before training began: nothing has been learnt yet")
        before = "as begun" if self.experiment.init_from else "untrained"
        self.scale = {before: float(found.score.mean()), **self.work.scale}
        self.view.tell(f"scores to compare with: {scale_text(self.scale)}")
        return Progress(eval_steps=found.steps, last_eval_steps=found.steps)

    def _go_on(self, driver: Trainer, tree: State, progress: Progress, done: int) -> tuple[State, Progress]:
        """A checkpoint's state and progress under the new length, which the folder records."""
        assert self.before is not None
        horizon, total = task_of(self.experiment.env).horizon, self.experiment.method.total_timesteps
        if total <= done:
            raise LogpiError(
                f"{self.folder.path} has learnt from {self._counted(done)} already; {horizon} must be greater than that"
            )
        self.view.tell(going_on(self.before, self.experiment, done))
        was = {**limits(self.before), "timesteps": done, **outcome_so_far(self.folder)}
        history = {HISTORY: [*self.folder.config.get(HISTORY, []), was]}
        command = ["logpi", "resume", str(self.folder.path)]
        for name, value in limits(self.experiment).items():
            command += [f"--{name.replace('_', '-')}", f"{value:.17g}"]
        counted = task_of(self.experiment.env).length(self.experiment)._asdict()
        reopen(self.folder, experiment_to_table(self.experiment) | history, counted, command)
        return driver.with_settings(tree), rescaled(progress, done, total, self.experiment.run)

    def _keep_best(self, driver: Trainer, event: Event, best: Best) -> Best:
        assert event.scores is not None
        scores: NDArray[np.floating] = np.atleast_2d(event.scores)
        acting = driver.acting(event.state)
        if self.work.keeps_stages:
            stage = self.folder.stages / f"{event.timesteps:010}"
            for number, agent in enumerate(acting):
                self._save_agent(stage, agent, number, {"timesteps": event.timesteps})
        better = best.better(scores)
        for k in np.flatnonzero(better):
            facts = {"timesteps": event.timesteps, "eval/mean_reward": float(scores[k].mean())}
            self._save_agent(self.folder.best, acting[k], int(k), facts)
        return best.replaced(scores, better)

    def _save_agent(self, folder: Path, acting: PyTree, k: int, facts: Facts) -> None:
        """Agent number k: straight into ``folder``, or into ``folder/seed_<seed>`` where there are several."""
        run = self.experiment.run
        if run.seeds > 1:
            folder = folder / f"{SEED}{run.seed + k}"
        self.work.save_agent(folder, acting, {"algo": self.experiment.algo, **facts})

    def _save(self, driver: Trainer, state: State, progress: Progress, best: Best, writer: MetricsWriter) -> None:
        timesteps = int(np.min(driver.timesteps(state)))
        meta = {
            "progress": progress._asdict(),
            "timesteps": timesteps,
            "facts": driver.facts(state, progress),
            **best.to_json(),
            "scale": list(self.scale.items()),  # a list keeps its order
            "metrics_bytes": writer.offset(),
            "num_devices": self.work.num_devices,
            "data": self.work.data,
        }
        run = self.experiment.run
        # agents first: a kill in between is made good by the resumed run, which comes this way again
        for k, agent in enumerate(driver.acting(state)):
            self._save_agent(self.folder.last, agent, k, {"timesteps": timesteps})
        kept = driver.saved(state, progress)
        self.folder.save_checkpoint(progress.iteration, kept, meta, run.keep_checkpoints)

    def _finish(self, driver: Trainer, state: State, progress: Progress, stop: Stop, remarks: Remarks) -> Trained:
        run = self.experiment.run
        timesteps = int(np.min(driver.timesteps(state)))
        found = driver.evaluate(state, progress.iteration, run.final_episodes, final=True, watch=stop.watch)
        if found is None:
            raise KeyboardInterrupt(f"trained to the end; `logpi resume {self.folder.path}` evaluates the agent")
        scores: NDArray[np.floating] = np.atleast_2d(found.score)
        sampled, lines = self._sampled(driver, state, progress, stop, remarks, scores)
        if self.scale:
            lines.append(f"to compare with: {scale_text(self.scale)}")
        lines += self._closing(driver, state)
        self.folder.finish(
            {
                "timesteps": timesteps,
                "ended_by": progress.ended or task_of(self.experiment.env).horizon,
                "episodes": scores.shape[1],
                "greedy": not run.eval_sampled,
                "mean_reward": scores.mean(1).tolist(),
                "std_reward": scores.std(1).tolist(),
                "seeds": list(range(run.seed, run.seed + run.seeds)),
                **self._measured(scores),
                **({"scale": self.scale} if self.scale else {}),
                **sampled,
            }
        )
        return Trained(self.folder, scores, timesteps, driver.process.rows, progress.ended, lines)

    def _measured(self, scores: NDArray[np.floating]) -> Facts:
        """What final scores [S, cases] say beside their means; of several seeds, a list."""
        found = [self.work.measured(each) for each in scores]
        return found[0] if len(found) == 1 else {"measured": found} if found[0] else {}

    def _closing(self, driver: Trainer, state: State) -> list[str]:
        """What is said of the trained agents, one a seed."""
        agents = driver.acting(state)
        found = [(number, line) for number, acting in enumerate(agents) for line in self.work.closing(acting)]
        seed = self.experiment.run.seed
        return [line if len(agents) == 1 else f"seed {seed + number}: {line}" for number, line in found]

    def _sampled(
        self,
        driver: Trainer,
        state: State,
        progress: Progress,
        stop: Stop,
        remarks: Remarks,
        scores: NDArray[np.floating],
    ) -> tuple[Facts, list[str]]:
        """The score with sampled actions where the greedy policy lies far under training: as facts, and in words."""
        if driver.process.sampled is None or not remarks.greedy_lies_far_under(float(scores.mean())):
            return {}, []
        count = scores.shape[1]
        found = driver.evaluate(state, progress.iteration, count, final=True, watch=stop.watch, sampled=True)
        if found is None:
            raise KeyboardInterrupt(f"trained to the end; `logpi resume {self.folder.path}` evaluates the agent")
        drawn = np.atleast_2d(found.score)
        said = summary(drawn.mean(0), f"{count} episodes")
        line = (
            f"the greedy policy lies far under training; with sampled actions {said}. `logpi eval --sampled` and "
            "`logpi watch --sampled` show that; --eval-sampled evaluates it while training"
        )
        return {"sampled": {"mean_reward": drawn.mean(1).tolist(), "std_reward": drawn.std(1).tolist()}}, [line]


def scale_text(scale: Mapping[str, float]) -> str:
    """Scores to compare with, in words."""
    return ", ".join(f"{name} {significant(value)}" for name, value in scale.items())


def _progress(meta: Facts) -> Progress:
    return Progress(**meta["progress"])


def start(
    experiment: Experiment, command: str | list[str], view: View, own: Own = NOTHING, expected: Band | None = None
) -> Trained:
    """Make a new run folder for ``experiment`` and train.

    ``expected`` are the lowest and the highest score that a recipe expects of it.

    Raises:
        LogpiError, KeyboardInterrupt: as ``Session.run``; a folder is made only when all the parts fit together.
    """
    run, task, origin = experiment.run, task_of(experiment.env), None
    if experiment.init_from:
        origin = agent_folder(experiment.init_from).resolve()
        experiment = dataclasses.replace(experiment, init_from=str(origin))
    work, score = task.build(experiment, own), task.score(experiment.env)._asdict()
    if expected is not None:
        score |= {"expected_low": expected[0], "expected_high": expected[1]}
    check_used(experiment, work.idle, own)
    experiment = work.experiment or experiment
    with _driving(experiment, work, view) as (driver, stop):
        first = work.adopt(driver.one_learner(), origin) if origin else None
        takes = estimate.room(driver, experiment, work.keeps_stages)
        warning = estimate.check_disk(takes, run.log_dir)
        view.tell(estimate.told(takes, estimate.pace(experiment)))
        if warning:
            view.tell(warning)
        if len(driver.parts) > 1:
            view.tell(f"{run.seeds} seeds take turns in each iteration: about {run.seeds} times the time of one")
        seeds, table = range(run.seed, run.seed + run.seeds), experiment_to_table(experiment)
        length, begun = task.length(experiment)._asdict(), origin_of(origin) if origin else None
        names = (run.log_dir, experiment.algo, experiment.env)
        folder = run_folders.create(*names, table, command, seeds, score, length, begun)
        view.tell(f"run folder {folder.path}" + (f", begun with the agent in {origin}" if origin else ""))
        for text in work.notes:
            view.tell(text)
        with _discarded_if_nothing_is_saved(folder):
            return Session(folder, experiment, work, view).run(driver, stop, resume=False, first=first)


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
    folder: RunFolder, experiment: Experiment, view: View, own: Own = NOTHING, before: Experiment | None = None
) -> Trained:
    """Continue the run in ``folder`` from its newest good checkpoint, exactly where that stood.

    Args:
        folder: of the run.
        experiment: its own, or with another length.
        view: where the progress is shown.
        own: what a Python program brought instead of a standard part.
        before: the run's own experiment, where ``experiment`` has another length.

    Raises:
        LogpiError: it has finished and no other length is asked for, none of its checkpoints can be used, or it has
            learnt for longer than the new length already.
    """
    if folder.status == "finished" and before is None:
        flag = task_of(experiment.env).horizon.replace("_", "-")
        raise LogpiError(
            f"{folder.path} has finished: `logpi resume {folder.path} --{flag} N` trains it for longer, "
            f"`logpi eval {folder.path}` plays it"
        )
    check_objects(experiment.objects, own.given, f"logpi.resume({str(folder.path)!r}, ARGUMENTS)")
    work = task_of(experiment.env).build(experiment, own)
    with _driving(experiment, work, view) as (driver, stop):
        return Session(folder, experiment, work, view, before).run(driver, stop, resume=True)
