"""The training loop: iterate, and say when to log, evaluate and checkpoint. It touches no file and no screen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from logpi.config.settings import Run
from logpi.driver.programs import Programs, State
from logpi.errors import LogpiError
from logpi.types import Metrics

CAUSES = {
    "finite/observation": "the environment gave an observation that is NaN or infinite; `logpi check-env` finds it",
    "finite/reward": "the environment gave a reward that is NaN or infinite; `logpi check-env` finds it",
    "finite/parameters": "the update made a parameter NaN or infinite; lower learning_rate or max_grad_norm (of an "
    "environment normalize_obs and normalize_reward help too)",
}


class Progress(NamedTuple):
    """Where the loop stands; with the ``State`` it is all that continuing needs."""

    iteration: int = 0
    evaluated: int = 0  # periodic evaluations made
    saved: int = 0  # checkpoints made


class Event(NamedTuple):
    """One row of the run, after the iteration that it describes."""

    state: State
    progress: Progress
    timesteps: int  # of the seed that has had fewest
    row: dict[str, Any]  # numbers, or one for each seed
    scores: np.ndarray[Any, Any] | None  # mean greedy return of a periodic evaluation, [] or [S]
    checkpoint: bool  # now is the time to save
    finished: bool


def training(programs: Programs, state: State, progress: Progress, run: Run, rows: int) -> Iterator[Event]:
    """Iterate until every seed has had its ``total_timesteps``; yields one ``Event`` a row of metrics.

    ``rows`` is T·B, the most moves that one iteration can hold. Everything that is yielded, but for the clock, follows
    from ``state`` and ``progress``: a run that is cut in two yields the same, and one at its end yields nothing.

    Raises:
        LogpiError: an observation, a reward or a parameter is not finite (the state before is not lost: it is in the
            last checkpoint).
    """
    total = float(np.max(jax.device_get(state.learner.hyper.total_timesteps)))
    every = max(1, math.ceil(total / rows / run.log_points))
    iteration, evaluated, saved = progress
    finished = bool(np.min(jax.device_get(state.learner.timesteps)) >= total)
    health: list[Metrics] = []  # of each iteration since the last row
    while not finished:
        last = (iteration + 1) % every == 0
        state, metrics = programs.iterate(state, iteration, timed=last)
        iteration += 1
        health.append({name: metrics[name] for name in CAUSES})
        if not last:
            continue
        timesteps, values, flags = jax.device_get((state.learner.timesteps, metrics, health))
        for number, checks in enumerate(flags, iteration - len(flags) + 1):
            check_health(checks, number)
        health.clear()
        done = int(np.min(timesteps))
        finished = done >= total
        row = {"time/total_timesteps": done, "time/iterations": iteration}
        row |= {name: x for name, x in values.items() if name not in CAUSES}
        scores = None
        if finished or math.floor(done / total * run.eval_points) > evaluated:
            evaluated = math.floor(done / total * run.eval_points)
            returns, lengths = programs.evaluate(state, iteration, run.eval_episodes)
            scores = returns.mean(-1)
            row |= {"eval/mean_reward": scores, "eval/mean_ep_length": lengths.mean(-1)}
        checkpoint = finished or math.floor(done / total * run.checkpoint_points) > saved
        saved = math.floor(done / total * run.checkpoint_points)
        progress = Progress(iteration, evaluated, saved)
        yield Event(state, progress, done, row, scores, checkpoint, finished)


def check_health(checks: Metrics, iteration: int) -> None:
    """Refuse to go on from numbers that are not finite, and say whose they are."""
    for name, cause in CAUSES.items():
        ok = np.atleast_1d(np.asarray(checks[name]))
        if not ok.all():
            which = f" (seed number {int(np.argmin(ok))} of this run)" if ok.size > 1 else ""
            raise LogpiError(f"iteration {iteration}{which}: {cause}")
