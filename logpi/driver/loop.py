"""The training loop: it iterates, and says when to log, evaluate and checkpoint. It touches no file and no screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from logpi.config.settings import Run
from logpi.driver.budget import Plan
from logpi.driver.driver import Progress
from logpi.driver.ending import early
from logpi.driver.process import Numbers, Scores, State, Watch
from logpi.driver.stages import unwatched
from logpi.errors import LogpiError
from logpi.types import Metrics, PyTree

if TYPE_CHECKING:
    from logpi.driver.in_turn import Trainer

HEALTH = "finite/"  # begins the names of flags that must be true
CAUSES = {
    "finite/observation": "the environment gave an observation that is NaN or infinite; `logpi check-env` finds it",
    "finite/reward": "the environment gave a reward that is NaN or infinite; `logpi check-env` finds it",
    "finite/parameters": "the update made a parameter NaN or infinite; lower learning_rate or max_grad_norm (of an "
    "environment normalize_obs and normalize_reward help too)",
}


class Event(NamedTuple):
    """One row of the run, after the iteration that it describes; or, without a row, a stop between two of them."""

    state: State
    progress: Progress
    timesteps: int  # of the seed that has had fewest
    row: dict[str, PyTree]  # numbers, or one for each seed; {} where the loop was stopped before the row was complete
    scores: Numbers | None  # of a periodic evaluation, [cases] or [S, cases]
    checkpoint: bool  # now is the time to save
    finished: bool


def training(
    driver: Trainer,
    state: State,
    progress: Progress,
    run: Run,
    watch: Watch = unwatched,
    clock: Callable[[], float] = lambda: 0.0,
) -> Iterator[Event]:
    """Iterate until every seed has had its ``total_timesteps``; yields one ``Event`` per row of metrics.

    Everything that is yielded, but for the clock, follows from ``state`` and ``progress``: a run that is cut in two
    yields the same rows, and one at its end yields nothing. Where ``watch`` asks for a stop, the last event has a state
    to save and perhaps no row. A run ends earlier where ``early`` says so of an evaluation or of ``clock``, in seconds;
    when its time is over, the iteration under way is its last one and gets a row and an evaluation.

    Raises:
        LogpiError: an observation, a reward or a parameter is not finite (the state before is not lost: it is in the
            last checkpoint).
    """
    total, plan = driver.total(state), driver.plan(run)
    every = max(1, math.ceil(total / driver.process.rows / run.log_points))
    driver.sample(every)
    # only a row ends a run: one that was stopped between two rows goes on to the next
    ended = bool(np.min(driver.timesteps(state)) >= total)
    finished = bool(progress.ended) or (ended and progress.stage == 0 and progress.iteration % every == 0)
    health: list[Metrics] = []  # of each iteration since the last row
    while not finished:
        last = (progress.iteration + 1) % every == 0
        state, progress, stopped = driver.iterate(state, progress, watch, timed=last)
        late = not stopped and bool(early(run, None, clock()))
        last = last or late
        health.append({name: x for name, x in driver.metrics(state).items() if name.startswith(HEALTH)})
        if not last and not stopped:
            state = driver.fresh(state)
            progress = progress._replace(iteration=progress.iteration + 1, stage=0)
            stopped = watch("", 0, 1)
        if not last and not stopped:
            continue
        timesteps, flags = driver.timesteps(state), jax.device_get(health)
        newest = progress.iteration + (progress.seed + progress.stage + progress.unit > 0)  # counted from 1
        for number, checks in enumerate(flags, newest + 1 - len(flags)):
            check_health(checks, number)
        health.clear()
        done = int(np.min(timesteps))
        complete = last and progress.stage == len(driver.process.stages)
        row = _row(driver, state, progress, done, plan, total, watch, late) if complete else None
        if row is None:
            yield Event(state, progress, done, {}, None, True, False)
            return
        scores: Scores | None = row.pop("scores")
        reason = "minutes" if late else early(run, None if scores is None else scores.score.mean(-1), 0.0)
        reason = "" if done >= total else reason
        finished = done >= total or bool(reason)
        checkpoint = finished or math.floor(done / total * run.checkpoint_points) > progress.saved
        state = driver.fresh(state)
        progress = _next(progress, done / total, plan, run, scores, reason)
        yield Event(state, progress, done, row, None if scores is None else scores.score, checkpoint, finished)


def _next(progress: Progress, done: float, plan: Plan, run: Run, scores: Scores | None, reason: str) -> Progress:
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


def _row(
    driver: Trainer, state: State, progress: Progress, done: int, plan: Plan, total: float, watch: Watch, late: bool
) -> dict[str, PyTree] | None:
    """Metrics of the iteration that is over, with ``scores`` of a periodic evaluation where one is due.

    None where ``watch`` stopped the evaluation.
    """
    iteration = progress.iteration + 1
    row: dict[str, PyTree] = {"time/total_timesteps": done, "time/iterations": iteration}
    values = jax.device_get(driver.metrics(state))
    row |= {name: x for name, x in values.items() if not name.startswith(HEALTH)}
    row["scores"] = None
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


def check_health(checks: Mapping[str, PyTree], iteration: int) -> None:
    """Refuse to go on from numbers that are not finite, and say whose they are: the cause before what it spoils."""
    for name in [name for name in CAUSES if name in checks]:
        ok = np.atleast_1d(np.asarray(checks[name]))
        if not ok.all():
            which = f" (seed number {int(np.argmin(ok))} of this run)" if ok.size > 1 else ""
            raise LogpiError(f"iteration {iteration}{which}: {CAUSES[name]}")
