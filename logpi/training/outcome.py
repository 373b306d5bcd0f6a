"""The end of a run: its final evaluation, ``result.json``, its pictures, and what is said of it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.config.lengths import ending
from logpi.config.settings import Experiment
from logpi.config.stored import Recipe
from logpi.driver import devices
from logpi.driver.compiling import Aside
from logpi.driver.in_turn import Trainer
from logpi.driver.process import State, Watch
from logpi.driver.progress import Progress
from logpi.errors import LogpiError
from logpi.runs.folder import RunFolder
from logpi.runs.scores import significant, summary
from logpi.tasks import NOTHING, Facts, Own, Verdict, Work, task_of
from logpi.training.remarks import Remarks
from logpi.types import Learner, PyTree
from logpi.view.live import View, live

OVERSHOT = 1.1  # times the length that was asked for: what a run took beyond it is told


class Trained(NamedTuple):
    """What a run has to show at its end."""

    folder: RunFolder
    scores: NDArray[np.floating]  # [S, cases] of the last agent's final evaluation
    timesteps: int
    iteration: int = 0  # timesteps that one iteration takes at most
    ended: str = ""  # why it ended before its length, as ``logpi.driver.progress.early`` says it
    lines: Sequence[str] = ()  # further lines of its outcome


Closing: TypeAlias = Callable[[PyTree], Verdict]  # the acting part of one learner -> last words on it


def prepared(driver: Trainer, work: Work) -> Closing:
    """What gives the last lines on a trained agent; what draws the curve is imported too.

    Both take longer than the end of a short run itself, and can be done beside its training.
    """
    from logpi.view.panels import ready

    ready()
    return work.closing(jax.eval_shape(driver.process.acting, driver.kept.one_learner))


class Finish(NamedTuple):
    """The final evaluation of a run's last agents, and ``result.json``."""

    folder: RunFolder
    experiment: Experiment
    work: Work
    scale: Mapping[str, float]  # scores to compare with, by name
    closing: Aside[Closing]

    def reached(self, driver: Trainer, state: State, progress: Progress, watch: Watch, remarks: Remarks) -> Trained:
        """Evaluate, and write that the run has finished.

        Raises:
            KeyboardInterrupt: ``watch`` asked for a stop.
            LogpiError: the disk refuses.
        """
        run = self.experiment.run
        timesteps = int(np.min(driver.timesteps(state)))
        scores = self._scores(driver, state, progress, watch, run.final_episodes)
        sampled, lines = self._sampled(driver, state, progress, watch, remarks, scores)
        if self.scale:
            lines.append(f"to compare with: {scale_text(self.scale)}")
        lines += self._closing(driver, state, watch)
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

    def _scores(
        self, driver: Trainer, state: State, progress: Progress, watch: Watch, count: int, sampled: bool = False
    ) -> NDArray[np.floating]:
        """Scores [S, cases] of ``count`` cases."""
        found = driver.evaluate(state, progress.iteration, count, final=True, watch=watch, sampled=sampled)
        if found is None:
            raise KeyboardInterrupt(f"trained to the end; `logpi resume {self.folder.path}` evaluates the agent")
        return np.atleast_2d(found.score)

    def _measured(self, scores: NDArray[np.floating]) -> Facts:
        """What final scores [S, cases] say beside their means; of several seeds, a list."""
        found = [self.work.measured(each) for each in scores]
        return found[0] if len(found) == 1 else {"measured": found} if found[0] else {}

    def _closing(self, driver: Trainer, state: State, watch: Watch) -> list[str]:
        """What is said of the trained agents, one a seed."""
        agents, closing = driver.acting(state), self.closing.wait("preparing the last lines", watch)
        found = [(number, line) for number, acting in enumerate(agents) for line in closing(acting).lines]
        seed = self.experiment.run.seed
        return [line if len(agents) == 1 else f"seed {seed + number}: {line}" for number, line in found]

    def _sampled(
        self,
        driver: Trainer,
        state: State,
        progress: Progress,
        watch: Watch,
        remarks: Remarks,
        scores: NDArray[np.floating],
    ) -> tuple[Facts, list[str]]:
        """The score with sampled actions where the greedy policy lies far under training: as facts, and in words."""
        if driver.process.sampled is None or not remarks.greedy_lies_far_under(float(scores.mean())):
            return {}, []
        count = scores.shape[1]
        drawn = self._scores(driver, state, progress, watch, count, sampled=True)
        said = summary(drawn.mean(0), f"{count} episodes")
        line = (
            f"the greedy policy lies far under training; with sampled actions {said}. `logpi eval --sampled` and "
            "`logpi watch --sampled` show that; --eval-sampled evaluates it while training"
        )
        return {"sampled": {"mean_reward": drawn.mean(1).tolist(), "std_reward": drawn.std(1).tolist()}}, [line]


def scale_of(
    driver: Trainer, work: Work, experiment: Experiment, first: Learner | None, view: View, watch: Watch
) -> dict[str, float]:
    """Scores to compare with, told and by name: the untrained agent's, and those of the task's scale; {} after a stop.

    They are found after the first training, so that the first row need not wait for the evaluation to be compiled. The
    untrained agent's evaluation comes on top of those that were planned. ``first`` is what a new run began with.
    """
    plan, origin, scale = driver.process.plan, experiment.init_from, work.scale
    if scale is None or plan is None or not plan.points:
        return {}
    try:
        if origin and first is None:  # of a resumed run
            first = work.adopt(driver.kept.one_learner, Path(origin))
    except LogpiError as error:
        view.tell(f"the agent that this run began with is not evaluated: {error}")
        return dict(scale)
    found = driver.evaluate(driver.untrained(first, watch), 0, plan.episodes, watch=watch)
    if found is None:
        return {}
    scale = {"as begun" if origin else "untrained": float(found.score.mean()), **scale}
    view.tell(f"scores to compare with: {scale_text(scale)}")
    return scale


def scale_text(scale: Mapping[str, float]) -> str:
    """Scores to compare with, in words."""
    return ", ".join(f"{name} {significant(value)}" for name, value in scale.items())


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A finished run: its folder, its scores and its pictures."""

    folder: RunFolder
    scores: NDArray[np.floating]  # [S, cases] of the last agent's final evaluation
    timesteps: int  # learnt from
    pictures: Mapping[str, Path]  # what is drawn -> file
    text: str  # what `logpi train` says at the end

    def __repr__(self) -> str:
        means = ", ".join(significant(mean) for mean in self.scores.mean(1))
        return f"Outcome({str(self.folder.path)!r}, score {means}, {self.timesteps:,} timesteps)"

    def to_json(self) -> Facts:
        """The last line of ``logpi train --json``: what ``result.json`` has, the folder and the pictures."""
        return {"event": "end", "folder": self.folder.path, **self.folder.result, "pictures": dict(self.pictures)}

    def _repr_html_(self) -> str:
        """What a notebook shows: the outcome in words, the curve and the film."""
        from logpi.view.inline import html

        return html(self.text, self.pictures)


@contextlib.contextmanager
def presented(
    experiment: Experiment, recipe: Recipe | None, quiet: bool = False, own: Own = NOTHING
) -> Iterator[Presenter]:
    """The display of a run, and what shows it when it has finished; JAX is made ready before.

    Args:
        experiment: of the run.
        recipe: the one whose expected score holds for the experiment, or None.
        quiet: no display.
        own: what a Python program brought instead of a standard part.
    """
    devices.prepare()
    task, seeds = task_of(experiment.env), experiment.run.seeds
    title = f"{experiment.env} · {experiment.algo}" + (f" · {seeds} seeds" if seeds > 1 else "")
    band = recipe.band if recipe else None
    expected = task.expected(recipe.tables.get("method", {}), band) if recipe and band else None
    with live(task.length(experiment), title, expected, quiet) as view:
        yield Presenter(experiment, band, own, view, time.perf_counter())


class Presenter(NamedTuple):
    """Shows a finished run: draws its curve, films its agent, and says how it went."""

    experiment: Experiment
    band: tuple[float, float] | None  # scores that its recipe expects
    own: Own
    view: View
    began: float  # by ``time.perf_counter``

    def __call__(self, trained: Trained) -> Outcome:
        """Draw what a finished run has to show; a run without pictures is still a good run."""
        from logpi.view.curves import draw, titled

        folder, experiment, task = trained.folder, self.experiment, task_of(self.experiment.env)
        pictures: dict[str, Path] = {}
        try:
            pictures["curve"] = draw([folder], folder.curve, titled(experiment.env, experiment.algo))
        except LogpiError as error:
            self.view.tell(f"no curve: {error}; `logpi plot {folder.path}` draws it")
        if experiment.run.video and task.films:
            self.view.note("filming the trained agent")
            try:
                pictures |= task.pictures(task.load(folder.best_agent, self.own), folder)
            except LogpiError as error:
                self.view.tell(f"no video: {error}")
        text = "\n".join(report(trained, experiment, self.band, time.perf_counter() - self.began, pictures))
        self.view.done(text)
        return Outcome(folder, trained.scores, trained.timesteps, pictures, text)


def report(
    trained: Trained,
    experiment: Experiment,
    band: tuple[float, float] | None,
    seconds: float,
    pictures: Mapping[str, Path],
) -> list[str]:
    """What is said at the end of a run, line by line."""
    task = task_of(experiment.env)
    lines, length = [*task.report(trained.scores, experiment), *trained.lines], task.length(experiment)
    if trained.ended:
        lines.append(ending(experiment, trained.ended))
    elif band and trained.scores.mean() < band[0]:
        lines.append(f"{task.missed(band)} that this recipe reaches: try another --seed, or train for longer")
    made = f"{trained.timesteps // length.each:,} {length.unit}"
    lines.append(f"{made} in {seconds:.1f} s; everything is in {trained.folder.path}")
    if trained.timesteps > OVERSHOT * length.timesteps:
        asked, whole = (f"{steps // length.each:,}" for steps in (length.timesteps, trained.iteration))
        more = f"{trained.timesteps / length.timesteps - 1:.0%} more than the {asked} {length.unit} asked for"
        lines.append(f"that is {more}: an iteration takes up to {whole}, and a run ends with a whole one")
    lines += [f"{what:7} {picture}" for what, picture in pictures.items()]
    return [*lines, f"next    {task.next_step(experiment, trained.folder.path)}"]
