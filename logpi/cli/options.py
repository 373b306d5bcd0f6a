"""Flags that several verbs share, their allowed ranges, and the default run."""

from __future__ import annotations

from typing import Annotated

import tyro

from logpi.config.settings import SEEDS as SEEDS
from logpi.errors import LogpiError

NO_OFF = (tyro.conf.FlagCreatePairsOff,)
Json = Annotated[bool, tyro.conf.arg(help="Output as JSON")]
LogDir = Annotated[str, tyro.conf.arg(help="Folder that holds the runs")]
Target = Annotated[
    tyro.conf.Positional[str],
    tyro.conf.arg(
        help="Run, an agent's folder, or a name of `logpi agents`; by default the newest run in runs/", metavar="AGENT"
    ),
]

WRAPPER_HELP = "Wrapper around the environment, repeatable, innermost first: a short name, module:Class, "
WRAPPER_HELP += "path/file.py:Class, or none: no wrapper. Those given take the place of the default ones"
STACK_HELP = "Number of newest frames in an observation, newest last; 1: no stack. In place of an outermost frame-stack"
# for the help alone: ``logpi.config.wrappers.split`` has read them
Wrapper = Annotated[tuple[str, ...], tyro.conf.arg(help=WRAPPER_HELP, metavar="NAME [KEY=VALUE ...]")]
FrameStack = Annotated[int | None, tyro.conf.arg(help=STACK_HELP)]


def within(flag: str, value: float, low: float, high: float) -> None:
    """Refuse a value of ``flag`` outside ``low`` to ``high``, NaN included.

    Raises:
        LogpiError: the value is outside.
    """
    if not low <= value <= high:
        raise LogpiError(f"{flag} {value}; allowed: {low} to {high}")


def newest_run() -> str:
    """The newest run in ``runs``.

    Raises:
        LogpiError: there is none.
    """
    from logpi.runs.lookup import find_runs

    found = find_runs()
    if not found:
        raise LogpiError("no run in runs/ to take; name one, or train: logpi train CartPole-v1")
    return str(found[-1].path)
