"""The training loop: iterate, and say when to log, evaluate and checkpoint. It touches no file and no screen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.config.settings import Run
from logpi.driver.driver import Driver, Progress
from logpi.driver.process import State, Watch
from logpi.driver.stages import unwatched
from logpi.errors import LogpiError
from logpi.types import Metrics, PyTree

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
    scores: NDArray[np.float32] | None  # mean greedy score of a periodic evaluation, [] or [S]
    checkpoint: bool  # now is the time to save
    finished: bool


def training(driver: Driver, state: State, progress: Progress, run: Run, watch: Watch = unwatched) -> Iterator[Event]:
    """Iterate until every seed has had its ``total_timesteps``; yields one ``Event`` per row of metrics.

    Everything that is yielded, but for the clock, follows from ``state`` and ``progress``: a run that is cut in two
    yields the same rows, and one at its end yields nothing. Where ``watch`` asks for a stop, the last event has a state
    to save and perhaps no row.

    Raises:
        LogpiError: an observation, a reward or a parameter is not finite (the state before is not lost: it is in the
            last checkpoint).
    """
    total = float(np.max(jax.device_get(state.learner.hyper.total_timesteps)))
    every = max(1, math.ceil(total / driver.process.rows / run.log_points))
    finished = bool(np.min(jax.device_get(state.learner.timesteps)) >= total) and progress.stage == 0
    health: list[Metrics] = []  # of each iteration since the last row
    while not finished:
        last = (progress.iteration + 1) % every == 0
        state, progress, stopped = driver.iterate(state, progress, watch, timed=last)
        health.append({name: x for name, x in state.metrics.items() if name.startswith(HEALTH)})
        if not last and not stopped:
            state = state._replace(metrics={})
            progress = progress._replace(iteration=progress.iteration + 1, stage=0)
            stopped = watch("", 0, 1)
        if not last and not stopped:
            continue
        timesteps, flags = jax.device_get((state.learner.timesteps, health))
        for number, checks in enumerate(flags, progress.iteration + 2 - len(flags)):
            check_health(checks, number)
        health.clear()
        done = int(np.min(timesteps))
        complete = last and progress.stage == len(driver.process.stages)
        row = _row(driver, state, progress, done, run, total, watch) if complete else None
        if row is None:
            yield Event(state, progress, done, {}, None, True, False)
            return
        finished = done >= total
        evaluated, saved = (math.floor(done / total * n) for n in (run.eval_points, run.checkpoint_points))
        checkpoint = finished or saved > progress.saved
        state = state._replace(metrics={})
        progress = Progress(progress.iteration + 1, 0, 0, max(evaluated, progress.evaluated), saved)
        yield Event(state, progress, done, row, row.pop("scores"), checkpoint, finished)


def _row(
    driver: Driver, state: State, progress: Progress, done: int, run: Run, total: float, watch: Watch
) -> dict[str, PyTree] | None:
    """Metrics of the iteration that is over, with ``scores`` of a periodic evaluation where one is due.

    None where ``watch`` stopped the evaluation.
    """
    iteration = progress.iteration + 1
    row: dict[str, PyTree] = {"time/total_timesteps": done, "time/iterations": iteration}
    values = jax.device_get(state.metrics)
    row |= {name: x for name, x in values.items() if not name.startswith(HEALTH)}
    row["scores"] = None
    if done >= total or math.floor(done / total * run.eval_points) > progress.evaluated:
        found = driver.evaluate(state, iteration, run.eval_episodes, watch=watch)
        if found is None:
            return None
        row["scores"] = found.score.mean(-1)
        row |= {"eval/mean_reward": row["scores"], "eval/mean_ep_length": found.length.mean(-1)}
    return row


def check_health(checks: Mapping[str, PyTree], iteration: int) -> None:
    """Refuse to go on from numbers that are not finite, and say whose they are."""
    for name, flag in checks.items():
        ok = np.atleast_1d(np.asarray(flag))
        if not ok.all():
            which = f" (seed number {int(np.argmin(ok))} of this run)" if ok.size > 1 else ""
            raise LogpiError(f"iteration {iteration}{which}: {CAUSES[name]}")
