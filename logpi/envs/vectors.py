"""``gymnasium.vector.VectorEnv`` objects that a Python program brings to ``logpi.train``."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import gymnasium
from gymnasium.vector import VectorEnv

from logpi.envs.gym_vector import GymVector
from logpi.envs.host import make_host
from logpi.errors import LogpiError

if TYPE_CHECKING:
    from logpi.config.settings import Experiment
    from logpi.types import EnvSpec

CHECKERS = (gymnasium.wrappers.PassiveEnvChecker, gymnasium.wrappers.OrderEnforcing)
OF_VECTORS = ("num_envs", "vectorization_mode", "vector_kwargs", "max_episode_steps")  # of ``gymnasium.make_vec``


def arguments_of(env: gymnasium.Env | VectorEnv) -> dict[str, object] | None:
    """Arguments with which the registered environment of the same id is this one; None where there are none.

    A single environment is compared with the registered one, wrapper by wrapper. Arguments must be plain values, which
    an agent's file can hold.
    """
    spec = getattr(env, "spec", None)
    if spec is None:
        return None
    kwargs = {name: value for name, value in spec.kwargs.items() if name not in (*OF_VECTORS, "render_mode")}
    try:
        json.dumps(kwargs, allow_nan=False)
        if isinstance(env, gymnasium.Env):
            with contextlib.closing(gymnasium.make(spec.id, **kwargs)) as registered:
                if _layers(registered) != _layers(env):
                    return None
    except (TypeError, ValueError, gymnasium.error.Error):
        return None
    return kwargs


def _layers(env: gymnasium.Env) -> list[object]:
    """Classes of the wrappers and of the environment inside; of a time limit its length too, of checkers nothing."""
    layers: list[object] = []
    while isinstance(env, gymnasium.Wrapper):
        if not isinstance(env, CHECKERS):
            layers.append((type(env), env.spec and env.spec.max_episode_steps))
        env = env.env
    return [*layers, type(env)]


def vector_spec(vector: VectorEnv, experiment: Experiment) -> EnvSpec:
    """Spaces and time limit of one of the vector's environments.

    Raises:
        LogpiError: an unsupported space, an unknown autoreset mode, or another number of environments than ``n_envs``.
    """
    if vector.num_envs != experiment.method.n_envs:
        raise LogpiError(
            f"n_envs is {experiment.method.n_envs}, but the vector has {vector.num_envs} environments: "
            f"leave n_envs out, or set it to {vector.num_envs}"
        )
    return GymVector(vector, experiment.env).spec


def pair(vector: VectorEnv, evaluation: VectorEnv | None, beside: int) -> tuple[GymVector, GymVector]:
    """The vectors to train and to evaluate in.

    Args:
        vector: to train in.
        evaluation: to evaluate in; if None, as many as ``beside`` new environments of the vector's registered id.
        beside: environments of an evaluation.

    Raises:
        LogpiError: neither an evaluation vector nor a registered id is there.
    """
    trained = GymVector(vector)
    if evaluation is vector:
        raise LogpiError(
            "eval_env is the vector that is trained in, whose episodes an evaluation would end; give another vector of "
            "the same environments"
        )
    if evaluation is not None:
        return trained, GymVector(evaluation)
    spec = getattr(vector, "spec", None)
    if spec is None:
        raise LogpiError(
            f"{type(vector).__name__} is registered under no id, so it cannot be built a second time to evaluate in: "
            "pass eval_env=, another vector of the same environments, or a function that builds one environment"
        )
    kwargs = {name: value for name, value in spec.kwargs.items() if name not in OF_VECTORS}
    return trained, make_host(spec.id, beside, env_kwargs=kwargs)
