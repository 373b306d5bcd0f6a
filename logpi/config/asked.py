"""What a person asked for: names that nearly are, and settings that would do nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from logpi.config.experiments import resolve
from logpi.config.settings import Experiment, idle_because
from logpi.errors import LogpiError
from logpi.tasks import LAST, near_miss, task_of


def check_name(env: str) -> None:
    """Refuse a name that no kind of task has, where it is nearly one.

    Raises:
        LogpiError: with the right name.
    """
    task = task_of(env)
    if task.name == LAST and (meant := near_miss(env)) and env not in task.names():
        raise LogpiError(f"unknown environment {env!r}; {meant}")


def check_used(experiment: Experiment, idle: Mapping[str, str]) -> None:
    """Refuse settings that were asked for and do nothing.

    Args:
        experiment: a value that is the default, or the recipe's, was not asked for.
        idle: "section.setting" -> why it does nothing in the task of ``experiment``.

    Raises:
        LogpiError: with the reason.
    """
    usual = resolve(experiment.env, experiment.algo, {"env_kwargs": experiment.env_kwargs})[0]
    for where in ("run", "method", "network"):
        config, recipe = getattr(experiment, where), getattr(usual, where)
        for name, default in dataclasses.asdict(type(config)()).items():
            value, why = getattr(config, name), idle.get(f"{where}.{name}") or idle_because(config, name)
            if why and value not in (default, getattr(recipe, name)):
                raise LogpiError(f"{where}.{name} is {value}, which would do nothing: {why}; leave it out")
