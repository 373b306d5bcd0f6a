"""Environments from Python: whether one is ready to be trained in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from logpi.config.experiments import wrappers_of
from logpi.config.wrappers import combined
from logpi.driver import devices
from logpi.own_code import name_code
from logpi.tasks import LAST, Wrappers, record

if TYPE_CHECKING:
    from logpi.envs.checker.check import Report
    from logpi.types import DeviceEnv


def check_env(
    env: str | DeviceEnv | Callable[..., Any],
    *,
    steps: int = 1000,
    num_envs: int = 4,
    wrappers: Sequence[object] | None = None,
    frame_stack: int | None = None,
) -> Report:
    """Try an environment with random moves, within the wrappers that training would use, and report what to fix.

    A mistake of the environment is a finding of the report, never an exception.

    Args:
        env: a Gymnasium id, ``module:EnvId``, ``path/file.py:Class``, a ``DeviceEnv``, or a function that builds a
            ``gymnasium.Env``.
        steps: about how many moves.
        num_envs: copies that are stepped side by side.
        wrappers: as of ``logpi.train``: names, or pairs of a name and arguments, innermost first; None: the default
            ones of the environment.
        frame_stack: frames of a stack around them; None: as it is.

    Raises:
        LogpiError: unknown wrappers.
    """
    from logpi.envs.checker.check import check_env as check

    devices.prepare()
    return check(env, steps=steps, num_envs=num_envs, wrappers=around(env, wrappers, frame_stack))


def around(env: object, wrappers: Sequence[object] | None, frame_stack: int | None) -> Wrappers:
    """The wrappers around ``env``, innermost first, where a caller asks for these; arguments as of ``check_env``."""
    asked = {"wrappers": wrappers, "frame_stack": frame_stack}
    named, frames = combined([asked])
    name_code(*(name for name, _ in named or ()))
    if isinstance(env, str):
        return wrappers_of(env, asked)
    return record(LAST).wrapping("", named or (), frames) if named or frames else ()
