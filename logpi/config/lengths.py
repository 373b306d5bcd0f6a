"""How long a run trains, and for how long a run that goes on does. Importing this module does not import JAX."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from logpi.config.settings import Experiment, check_ranges
from logpi.errors import LogpiError
from logpi.tasks import Facts, task_of


def lengthened(
    experiment: Experiment, asked: Mapping[str, float], stop_at: float = math.inf, minutes: float = math.inf
) -> Experiment:
    """``experiment`` with another training length.

    Args:
        experiment: what a run was started with.
        asked: the setting that counts the length (``Task.horizon``) and its new value; empty: as it is.
        stop_at: as ``Run.stop_at``, in place of what the run had.
        minutes: as ``Run.minutes``, in place of what the run had.

    Raises:
        LogpiError: the run's length is counted by another setting, or a value is out of range.
    """
    horizon, method = task_of(experiment.env).horizon, experiment.method
    for name, value in asked.items():
        if name != horizon:
            raise LogpiError(f"{name}={value:,.0f}: the length of {experiment.env} is its {horizon}; give that")
        method = dataclasses.replace(method, **{name: float(value)})
    run = dataclasses.replace(experiment.run, stop_at=float(stop_at), minutes=float(minutes), stop_unbeatable=False)
    check_ranges("method", method)
    check_ranges("run", run)
    return dataclasses.replace(experiment, method=method, run=run)


def limits(experiment: Experiment) -> Facts:
    """What ends a run of ``experiment``: its length, and the score and the minutes where they are limited."""
    horizon, run = task_of(experiment.env).horizon, experiment.run
    found = {horizon: getattr(experiment.method, horizon), "stop_at": run.stop_at, "minutes": run.minutes}
    return {name: value for name, value in found.items() if value != math.inf}


def going_on(before: Experiment, after: Experiment, done: int) -> str:
    """One sentence on a run that goes on from ``done`` timesteps, and on what depends on its length."""
    task, run = task_of(after.env), after.run
    old, new = task.length(before), task.length(after)
    said = f"going on from {done // new.each:,} to {new.timesteps // new.each:,} {new.unit}"
    said += f", until an evaluation reaches {run.stop_at:g}" if run.stop_at != math.inf else ""
    said += f", for at most {run.minutes:g} minutes" if run.minutes != math.inf else ""
    if old == new:
        return said
    said += f" (the length was {old.timesteps // old.each:,})"
    schedules = task.schedules(after.method)
    if not schedules:
        return f"{said}; no schedule depends on the length"
    at = f"at {done / new.timesteps:.0%} instead of {done / old.timesteps:.0%}"
    return f"{said}; {', '.join(schedules)} follows the new length: it continues {at}"


def ending(experiment: Experiment, ended: str) -> str:
    """Why a run ended before its length, in words; ``ended`` as ``logpi.driver.progress.early`` says it."""
    run = experiment.run
    return {
        "stop_at": f"ended early: an evaluation reached the score {run.stop_at:g} (stop_at)",
        "stop_unbeatable": "ended early: no play of an opponent wins against it (stop_unbeatable)",
        "minutes": f"ended early: its {run.minutes:g} minutes were over",
        "finish": "ended early: the program asked for it (Event.finish)",
    }.get(ended, "")
