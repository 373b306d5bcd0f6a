"""A run on the disk: the training loop's events written into a run folder, started or resumed."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from logpi.config.experiments import experiment_from_table, experiment_to_table
from logpi.config.settings import Experiment, SelfPlaySettings
from logpi.driver.driver import Driver, Progress
from logpi.driver.loop import Event, training
from logpi.driver.process import State, Watch
from logpi.errors import LogpiError
from logpi.runs import folder as run_folders
from logpi.runs.folder import SEED, RunFolder
from logpi.runs.metrics import MetricsWriter
from logpi.training import build
from logpi.training.build import NOTHING, Own
from logpi.types import Learner
from logpi.view.live import View


class Outcome(NamedTuple):
    """What a finished run has to show."""

    folder: RunFolder
    scores: np.ndarray[Any, Any]  # [S, episodes] returns of the last agent's final greedy evaluation
    timesteps: int
    seconds: float
    shares: dict[str, float]


class Session:
    """One process's work on one run folder."""

    def __init__(self, folder: RunFolder, experiment: Experiment, view: View, own: Own = NOTHING) -> None:
        self.folder, self.experiment, self.view = folder, experiment, view
        self.work = build.work(experiment, own)

    def run(self, resume: bool) -> Outcome:
        """Train to the end, from the newest checkpoint where ``resume``.

        Raises:
            LogpiError: whatever went wrong; the folder is intact up to its last checkpoint.
            KeyboardInterrupt: an interrupt or SIGTERM came; a checkpoint was saved, and the message tells how to go on.
        """
        began = time.perf_counter()
        process, run = self.work.process(), self.experiment.run
        seeds = list(range(run.seed, run.seed + run.seeds))
        with (
            contextlib.closing(Driver(process, seeds)) as driver,
            self.folder.lock(),
            MetricsWriter(self.folder.path, run.tensorboard) as writer,
            stop_on_signal() as stop,
        ):
            watch = self._watch(stop)
            state, progress, best = self._begin(driver, writer, resume, watch)
            before = int(np.min(jax.device_get(state.learner.timesteps)))  # this process's speed is of its own work
            for event in self._with_advice(training(driver, state, progress, run, watch)):
                state, progress = event.state, event.progress
                if event.row:
                    seconds = time.perf_counter() - began
                    clock = {"time/time_elapsed": seconds, "time/fps": (event.timesteps - before) / seconds}
                    writer.write(event.row | clock)
                    self.view.update(event.timesteps, event.row | clock, driver.seconds)
                if event.scores is not None:
                    best = self._keep_best(driver, event, best)
                if event.checkpoint or stop:
                    self._save(driver, state, progress, best, writer)
                if stop and not event.finished:
                    raise KeyboardInterrupt(f"saved at {event.timesteps:,} steps; {self._advice}")
            return self._finish(driver, state, progress, began)

    def _watch(self, stop: Stop) -> Watch:
        """What long work tells between two pieces: the display hears of it, and a signal is obeyed."""

        def watch(what: str, done: int, total: int) -> bool:
            return bool(stop)

        return watch

    @property
    def _advice(self) -> str:
        return f"`logpi resume {self.folder.path}` goes on from the last checkpoint"

    def _with_advice(self, events: Iterator[Event]) -> Iterator[Event]:
        """``events``, whose errors also tell that the run is intact."""
        try:
            yield from events
        except LogpiError as error:
            raise LogpiError(f"{error}. The run is intact: once that is mended, {self._advice}") from error

    def _begin(
        self, driver: Driver, writer: MetricsWriter, resume: bool, watch: Watch
    ) -> tuple[State, Progress, np.ndarray[Any, Any]]:
        if resume:
            _, tree, meta, warning = self.folder.latest_checkpoint(
                lambda meta: driver.like(Progress(**meta["progress"]))
            )
            if warning:
                self.view.note(warning)
            if meta.get("data", self.work.data) != self.work.data:
                raise LogpiError(
                    f"the images or labels of {self.experiment.method.data} are not those that this run began with: "
                    "put the old data back, or train anew with `logpi train`"
                )
            if meta["num_devices"] != self.work.num_devices:
                self.view.note(
                    f"begun on {meta['num_devices']} devices, resumed on {self.work.num_devices}: it goes on, "
                    "but not bit for bit"
                )
            writer.rewind(meta["metrics_bytes"], meta["timesteps"])
            self.view.note(f"resuming at {meta['timesteps']:,} steps")
            driver.compile(watch)
            return driver.restored(tree), Progress(**meta["progress"]), np.asarray(meta["best"])
        self.view.note("compiling (once; the next start takes it from the cache)")
        state, progress = driver.init(watch), Progress()
        self.view.note("")
        best = np.full(self.experiment.run.seeds, -np.inf)
        self._save(driver, state, progress, best, writer)
        return state, progress, best

    def _keep_best(self, driver: Driver, event: Event, best: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        assert event.scores is not None
        scores, learner = np.atleast_1d(event.scores), jax.device_get(driver.process.acting(event.state.learner))
        if isinstance(self.experiment.method, SelfPlaySettings):  # what a ladder is made of
            stage = self.folder.stages / f"{event.timesteps:010}"
            self._save_agent(stage, learner, 0, {"timesteps": event.timesteps})
        for k in np.flatnonzero(scores >= best):  # of equals the later one: it has learnt from more
            facts = {"timesteps": event.timesteps, "eval/mean_reward": float(scores[k])}
            self._save_agent(self.folder.best, learner, int(k), facts)
        return np.maximum(scores, best)

    def _save_agent(self, folder: Path, learner: Learner, k: int, facts: dict[str, Any]) -> None:
        """Agent number k: straight into ``folder``, or into ``folder/seed_<seed>`` where there are several."""
        run = self.experiment.run
        if run.seeds > 1:
            folder, learner = folder / f"{SEED}{run.seed + k}", jax.tree.map(lambda x: x[k], learner)
        self.work.save_agent(folder, learner, {"algo": self.experiment.algo, **facts})

    def _save(
        self, driver: Driver, state: State, progress: Progress, best: np.ndarray[Any, Any], writer: MetricsWriter
    ) -> None:
        timesteps = int(np.min(jax.device_get(state.learner.timesteps)))
        meta = {
            "progress": progress._asdict(),
            "timesteps": timesteps,
            "best": best.tolist(),
            "metrics_bytes": writer.offset(),
            "num_devices": self.work.num_devices,
            "data": self.work.data,
        }
        run, learner = self.experiment.run, jax.device_get(driver.process.acting(state.learner))
        # agents first: a kill in between is made good by the resumed run, which comes this way again
        for k in range(run.seeds):
            self._save_agent(self.folder.last, learner, k, {"timesteps": timesteps})
        self.folder.save_checkpoint(
            progress.iteration, jax.device_get(driver.saved(state, progress)), meta, run.keep_checkpoints
        )

    def _finish(self, driver: Driver, state: State, progress: Progress, began: float) -> Outcome:
        run = self.experiment.run
        timesteps = int(np.min(jax.device_get(state.learner.timesteps)))
        found = driver.evaluate(state, progress.iteration, run.final_episodes, final=True)
        assert found is not None  # nobody watches
        scores = np.atleast_2d(found.score)
        seconds = time.perf_counter() - began
        self.folder.finish(
            {
                "timesteps": timesteps,
                "episodes": scores.shape[1],
                "greedy": True,
                "mean_reward": scores.mean(1).tolist(),
                "std_reward": scores.std(1).tolist(),
                "seeds": list(range(run.seed, run.seed + run.seeds)),
                **self.work.measured(scores[0]),
            }
        )
        return Outcome(self.folder, scores, timesteps, seconds, dict(driver.seconds))


class Stop:
    """True once somebody has asked for the run to end."""

    def __init__(self) -> None:
        self._asked = False

    def ask(self, number: int, frame: Any) -> None:
        """A signal handler: the first signal asks, a second one interrupts at once."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def __bool__(self) -> bool:
        return self._asked


@contextlib.contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Within it, Ctrl-C and SIGTERM ask for a stop at the next row, where everything is consistent."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start(experiment: Experiment, command: list[str], view: View, own: Own = NOTHING) -> Outcome:
    """Make a new run folder for ``experiment`` and train.

    Raises:
        LogpiError, KeyboardInterrupt: as ``Session.run``; a folder is made only when all the parts fit together.
    """
    run = experiment.run
    session = Session(RunFolder(Path()), experiment, view, own)
    seeds = range(run.seed, run.seed + run.seeds)
    table = experiment_to_table(experiment)
    session.folder = run_folders.create(run.log_dir, experiment.algo, experiment.env, table, command, seeds)
    view.note(f"run folder {session.folder.path}")
    return session.run(resume=False)


def resume(path: str | Path, view: View, own: Own = NOTHING, root: str = "runs") -> Outcome:
    """Continue the run at ``path`` from its newest good checkpoint, exactly where that stood.

    Raises:
        LogpiError: no such run, it has finished, or none of its checkpoints can be used.
    """
    folder = run_folders.open_run(path, root)
    if folder.status == "finished":
        raise LogpiError(f"{folder.path} has finished: there is nothing to resume. `logpi eval {folder.path}` plays it")
    return Session(folder, experiment_from_table(folder.config), view, own).run(resume=True)
