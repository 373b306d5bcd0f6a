"""Environments that a Python program brings to ``logpi.train`` as objects: what they are, and what suits them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium
from gymnasium.vector import VectorEnv

from logpi.envs.gym_vector import describe
from logpi.envs.load import device
from logpi.envs.presets import suited
from logpi.envs.vectors import arguments_of
from logpi.errors import LogpiError
from logpi.types import DeviceEnv

WANTED = (
    "a name such as 'CartPole-v1', a function that builds a gymnasium.Env or a JAX environment, or a "
    "gymnasium.vector.VectorEnv; a board game is given by its name, such as 'path/file.py:NAME'"
)


class Described(NamedTuple):
    """An environment that is an object."""

    name: str
    env: DeviceEnv | VectorEnv | Callable[..., gymnasium.Env]  # that environments are made of
    suited: Mapping[str, Mapping[str, Any]]  # settings by section that suit its spaces
    env_kwargs: Mapping[str, object] | None = None  # as ``arguments_of`` has them
    n_envs: int | None = None  # of a vector


def described(given: object) -> Described:
    """What ``given`` is: a ``DeviceEnv``, a vector, or a class or function that builds one environment.

    Raises:
        LogpiError: it is something else, a single environment, or it cannot be built (chained).
    """
    if isinstance(given, DeviceEnv):
        return Described(given.spec.id, given, suited(given.spec.observation_space, given.spec.action_space))
    if isinstance(given, gymnasium.Env):
        name = _name(given)
        raise LogpiError(
            f"a single environment object ({name}) cannot be copied; give its name, train({name!r}), a function that "
            f"builds it, train(lambda: gymnasium.make({name!r})), or a gymnasium.vector.VectorEnv"
        )
    if isinstance(given, VectorEnv):
        fit = suited(given.single_observation_space, given.single_action_space)
        return Described(_name(given), given, fit, arguments_of(given), given.num_envs)
    if not callable(given):
        raise LogpiError(f"env is a {type(given).__name__}; allowed: {WANTED}")
    name = getattr(given, "__name__", type(given).__name__)
    try:
        built = given()
    except Exception as error:
        raise LogpiError(f"env: {name}() raised {describe(error)}; allowed: {WANTED}") from error
    if not isinstance(built, gymnasium.Env):
        if not (hasattr(built, "reset") and hasattr(built, "step")):
            raise LogpiError(f"env: {name}() returned a {type(built).__name__}; allowed: {WANTED}")
        return described(device(name, built))
    with contextlib.closing(built):
        name = built.spec.id if built.spec else name
        return Described(name, given, suited(built.observation_space, built.action_space), arguments_of(built))


def _name(env: gymnasium.Env | VectorEnv) -> str:
    return env.spec.id if env.spec else type(env.unwrapped).__name__
