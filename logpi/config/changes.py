"""Settings that change while a run is under way. Importing this module does not import JAX."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from logpi.config.settings import check_ranges, fixed_settings, idle_because
from logpi.config.values import checked, plain
from logpi.errors import LogpiError, near
from logpi.runs.files import Json
from logpi.tasks import Facts

METHOD = "method"  # in an entry of ``changes.json``: the settings that changed, with their values from there on


def changeable(method: Any, arrays: Sequence[str], horizon: str) -> list[str]:
    """Names of the settings of ``method`` that may change: those that its program takes as arrays at each call.

    Args:
        method: settings of a method.
        arrays: names of those that are arrays in its learner.
        horizon: the one that is the length of a run (``Task.horizon``).
    """
    fixed = fixed_settings(type(method)) | {horizon}
    return [name for name in arrays if name not in fixed]


def changed(
    method: Any, given: Mapping[str, object], names: Sequence[str], idle: Mapping[str, str]
) -> dict[str, float]:
    """The numbers that ``given`` sets from now on.

    Args:
        method: settings of the method as they are now.
        given: new values by name.
        names: what may change (``changeable``).
        idle: "section.setting" -> why it does nothing in this task.

    Raises:
        LogpiError: a name is not one of ``names``, a value is out of its range, or it would do nothing.
    """
    for name in given:
        if name not in names:
            known = name in {field.name for field in dataclasses.fields(method)}
            why = "is decided when the run begins" if known else "is unknown"
            raise LogpiError(f"setting {name} {why}; a run may change {', '.join(names) or 'none'}{near(name, names)}")
    values: dict[str, float] = {name: checked(f"method.{name}", float, plain(value)) for name, value in given.items()}
    after = dataclasses.replace(method, **values)
    check_ranges("method", after)
    for name in values:
        if why := idle.get(f"method.{name}") or idle_because(after, name):
            raise LogpiError(f"method.{name} would do nothing: {why}")
    return values


def in_force(changes: Sequence[Facts]) -> Json:
    """The settings that earlier ``changes`` of a run have set, with the values that hold now."""
    return {name: value for change in changes for name, value in change[METHOD].items()}
