"""Environments of other packages by their names there, each package an extra: ``gymnax:CartPole-v1``, ``brax:ant``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from logpi.envs.adapters.device import of_brax, of_gymnax, of_playground
from logpi.envs.adapters.teams import Team, of_pettingzoo
from logpi.errors import LogpiError
from logpi.types import DeviceEnv

Arguments = Mapping[str, object]  # of the environment, as ``--env-kwargs`` gives them


class Adapter(NamedTuple):
    """A package, and how its environments become logpi's."""

    title: str
    module: str  # that is imported
    make: Callable[[ModuleType, str, str, Arguments], DeviceEnv | Team]  # (module, whole name, its own name, arguments)


ADAPTERS = {  # what a name begins with, which is the extra too
    "gymnax": Adapter("gymnax", "gymnax", of_gymnax),
    "brax": Adapter("Brax", "brax.envs", of_brax),
    "playground": Adapter("MuJoCo Playground", "mujoco_playground", of_playground),
    "pettingzoo": Adapter("PettingZoo", "pettingzoo", of_pettingzoo),
}


def has_adapter(name: str) -> bool:
    """Whether ``name`` is that of an environment of one of these packages."""
    package, colon, own = name.partition(":")
    return bool(colon and own) and package in ADAPTERS


def adapted(name: str, env_kwargs: Arguments) -> DeviceEnv | Team:
    """The environment called ``PACKAGE:NAME``, with ``env_kwargs`` as the package takes them.

    Raises:
        LogpiError: the package is not installed (with the line that installs it), has no environment of that name
            (with those that it has), or raises (chained).
    """
    package, _, own = name.partition(":")
    adapter = ADAPTERS[package]
    try:
        module = import_module(adapter.module)
    except ImportError as error:
        raise LogpiError(
            f"environment {name} needs {adapter.title}: pip install 'logpi[{package}]' "
            f"({type(error).__name__}: {error})"
        ) from error
    try:
        return adapter.make(module, name, own, env_kwargs)
    except LogpiError:
        raise
    except Exception as error:
        given = f" with {dict(env_kwargs)}" if env_kwargs else ""
        raise LogpiError(f"environment {name} could not be built{given}: {type(error).__name__}: {error}") from error
