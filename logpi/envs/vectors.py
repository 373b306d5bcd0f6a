"""``gymnasium.vector.VectorEnv`` objects that a Python program brings to ``logpi.train``."""

from __future__ import annotations

import contextlib
import json

import gymnasium
from gymnasium.envs.registration import EnvSpec as RegisteredSpec
from gymnasium.vector import VectorEnv

from logpi.envs.gym_vector import GymVector
from logpi.envs.host import make_host
from logpi.errors import LogpiError

CHECKERS = (gymnasium.wrappers.PassiveEnvChecker, gymnasium.wrappers.OrderEnforcing)
OF_VECTORS = ("num_envs", "vectorization_mode", "vector_kwargs", "max_episode_steps")  # of ``gymnasium.make_vec``


def arguments_of(spec: RegisteredSpec | None) -> dict[str, object] | None:
    """Arguments of a registered environment or vector; None without a registration, or where no file can hold them."""
    if spec is None:
        return None
    kwargs = {name: value for name, value in spec.kwargs.items() if name not in (*OF_VECTORS, "render_mode")}
    try:
        json.dumps(kwargs, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return kwargs


def as_registered(env: gymnasium.Env) -> bool:
    """Whether ``env`` is the registered environment of its id, wrapper by wrapper."""
    kwargs = arguments_of(env.spec)
    if env.spec is None or kwargs is None:
        return False
    try:
        with contextlib.closing(gymnasium.make(env.spec.id, **kwargs)) as registered:
            return _layers(registered) == _layers(env)
    except (TypeError, ValueError, gymnasium.error.Error):
        return False


def _layers(env: gymnasium.Env) -> list[object]:
    """Classes of the wrappers and of the environment inside; of a time limit its length too, of checkers nothing."""
    layers: list[object] = []
    while isinstance(env, gymnasium.Wrapper):
        if not isinstance(env, CHECKERS):
            layers.append((type(env), env.spec and env.spec.max_episode_steps))
        env = env.env
    return [*layers, type(env)]


def check_size(vector: VectorEnv, n_envs: int) -> None:
    """Refuse another number of environments than the vector has.

    Raises:
        LogpiError: with the number.
    """
    if vector.num_envs != n_envs:
        raise LogpiError(
            f"n_envs is {n_envs}, but the vector has {vector.num_envs} environments: leave n_envs out, or set it to "
            f"{vector.num_envs}"
        )


def pair(vector: VectorEnv, evaluation: VectorEnv | None, beside: int, seconds: float) -> tuple[GymVector, GymVector]:
    """The vectors to train and to evaluate in.

    Args:
        vector: to train in.
        evaluation: to evaluate in; if None, as many as ``beside`` new environments of the vector's registered id.
        beside: environments of an evaluation.
        seconds: after which a call of either that has not returned is given up.

    Raises:
        LogpiError: neither an evaluation vector nor a registered id is there.
    """
    trained = GymVector(vector, seconds=seconds)
    if evaluation is vector:
        raise LogpiError(
            "eval_env is the vector that is trained in, whose episodes an evaluation would end; give another vector of "
            "the same environments"
        )
    if evaluation is not None:
        return trained, GymVector(evaluation, seconds=seconds)
    spec = getattr(vector, "spec", None)
    if spec is None:
        raise LogpiError(
            f"{type(vector).__name__} is registered under no id, so it cannot be built a second time to evaluate in: "
            "pass eval_env=, another vector of the same environments, or a function that builds one environment"
        )
    kwargs = {name: value for name, value in spec.kwargs.items() if name not in OF_VECTORS}
    return trained, make_host(spec.id, beside, env_kwargs=kwargs, seconds=seconds)
