"""Runs on the disk; called, ``logpi.training(env, algo, **arguments)`` trains in a loop over the run's events.

    for event in logpi.training("CartPole-v1", "ppo", total_timesteps=50_000):
        if event.metrics["rollout/ep_rew_mean"] > 300:
            break

The arguments are those of ``logpi.train``, but for ``callback``. It returns a ``logpi.Training``: LogpiError is raised
where ``logpi.train`` raises it, when the loop begins.
"""

import importlib
import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A package with the name of a public function: once it is imported, ``logpi.training`` is the package."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return importlib.import_module("logpi.api.runs").training(*arguments, **named)


sys.modules[__name__].__class__ = _Callable
