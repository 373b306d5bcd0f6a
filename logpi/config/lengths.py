"""The length of a run, and another one for a run that goes on. Importing this module does not import JAX."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from logpi.config.settings import Experiment, check_ranges
from logpi.errors import LogpiError
from logpi.tasks import task_of


def lengthened(experiment: Experiment, asked: Mapping[str, float]) -> Experiment:
    """``experiment`` with another training length.

    Args:
        experiment: what a run was started with.
        asked: the setting that counts the length (``Task.horizon``) and its new value; empty: as it is.

    Raises:
        LogpiError: the run's length is counted by another setting, or the value is out of range.
    """
    horizon, method = task_of(experiment.env).horizon, experiment.method
    for name, value in asked.items():
        if name != horizon:
            raise LogpiError(f"{name}={value:,.0f}: the length of {experiment.env} is its {horizon}; give that")
        method = dataclasses.replace(method, **{name: float(value)})
    check_ranges("method", method)
    return dataclasses.replace(experiment, method=method)


def going_on(before: Experiment, after: Experiment, done: int) -> str:
    """One sentence on a run that goes on from ``done`` timesteps to another length, and on what depends on it."""
    task = task_of(after.env)
    old, new = task.length(before), task.length(after)
    at = f"at {done / new.timesteps:.0%} of it, no longer at {done / old.timesteps:.0%}"
    schedules = task.schedules(after.method)
    depends = f"{', '.join(schedules)}: {at}" if schedules else "no schedule of it does"
    return (
        f"going on from {done // new.each:,} to {new.timesteps // new.each:,} {new.unit} (the length was "
        f"{old.timesteps // old.each:,}); what depends on the length follows the new one: {depends}"
    )
