"""Where a run stands and when it ends: decisions on plain numbers, which look at no array of the state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from logpi.config.settings import Run
from logpi.driver.budget import Plan, points
from logpi.driver.process import Numbers, Scores, State
from logpi.errors import NotFiniteError
from logpi.types import AnyArray, PyTree

HEALTH = "finite/"  # begins the names of flags that must be true
CAUSES = {
    "finite/observation": "the environment gave an observation that is NaN or infinite; `logpi check-env` finds it",
    "finite/reward": "the environment gave a reward that is NaN or infinite; `logpi check-env` finds it",
    "finite/parameters": "the update made a parameter NaN or infinite; lower learning_rate or max_grad_norm (of an "
    "environment normalize_obs and normalize_reward help too)",
}


class Progress(NamedTuple):
    """Where a run stands; with the ``State`` it is all that continuing needs."""

    iteration: int = 0
    stage: int = 0  # stages of this iteration that are over
    unit: int = 0  # units of the stage after them that are over
    evaluated: int = 0  # periodic evaluations made
    saved: int = 0  # periodic checkpoints made
    seed: int = 0  # of seeds that take turns, those that are over in this iteration; stage and unit are the next one's
    ended: str = ""  # why the run ends before its length, once that is decided: as ``early`` says it, or "finish"
    eval_steps: int = 0  # of all periodic evaluations
    last_eval_steps: int = 0  # of the latest one


class Event(NamedTuple):
    """One row of the run, after the iteration that it describes; or, without a row, a stop between two of them."""

    state: State
    progress: Progress
    timesteps: int  # of the seed that has had fewest
    row: dict[str, PyTree]  # numbers, or one for each seed; {} where the loop was stopped before the row was complete
    scores: Numbers | None  # of a periodic evaluation, [cases] or [S, cases]
    checkpoint: bool  # now is the time to save
    finished: bool


class Onward(NamedTuple):
    """How a run goes on after an ``Event``."""

    state: State
    last: bool = False  # whether the next iteration is its last one, with a row and an evaluation


def has_row(iterations: int, every: int) -> bool:
    """Whether a row follows after this many ``iterations``: the first, a sign of life, and every ``every``-th."""
    return iterations == 1 or (iterations > 0 and iterations % every == 0)


def after_row(progress: Progress, done: float, plan: Plan, run: Run, scores: Scores | None, reason: str) -> Progress:
    """Where the next iteration begins, after a row at the fraction ``done`` of the run."""
    evaluated, saved = (math.floor(done * n) for n in (plan.points, run.checkpoint_points))
    spent, latest = progress.eval_steps, progress.last_eval_steps
    if scores is not None:
        spent, latest = spent + scores.steps, scores.steps
    return Progress(
        progress.iteration + 1,
        evaluated=max(evaluated, progress.evaluated),
        saved=saved,
        ended=reason,
        eval_steps=spent,
        last_eval_steps=latest,
    )


def rescaled(progress: Progress, done: int, total: float, run: Run) -> Progress:
    """``progress`` in a run whose length has become ``total``, of which ``done`` timesteps are over."""
    evaluated, saved = (math.floor(done / total * n) for n in (points(run), run.checkpoint_points))
    return progress._replace(evaluated=evaluated, saved=saved, ended="")


def early(run: Run, scores: AnyArray | None, seconds: float) -> str:
    """Why a run ends before its length: "stop_at", "minutes", or "" where it goes on.

    Args:
        run: its settings.
        scores: mean greedy score of a periodic evaluation, [] or [S]; None where there was none.
        seconds: of wall-clock time so far.
    """
    if scores is not None and bool(np.min(scores) >= run.stop_at):
        return "stop_at"
    return "minutes" if seconds >= 60 * run.minutes else ""


def check_health(checks: Mapping[str, PyTree], iteration: int) -> None:
    """Refuse to go on from numbers that are not finite, and say whose they are: the cause before what it spoils."""
    for name in [name for name in CAUSES if name in checks]:
        ok = np.atleast_1d(np.asarray(checks[name]))
        if not ok.all():
            which = f" (seed number {int(np.argmin(ok))} of this run)" if ok.size > 1 else ""
            raise NotFiniteError(f"iteration {iteration}{which}: {CAUSES[name]}")
