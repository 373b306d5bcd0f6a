"""Copies of a Gymnasium environment as one vector, in this process or in one each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import gymnasium

from logpi.envs.gym_vector import GymVector, describe
from logpi.envs.limits import time_limit
from logpi.envs.load import registered, warned_once
from logpi.envs.near import extra_for
from logpi.envs.spaces import check_spaces
from logpi.envs.text import readable, texts
from logpi.envs.vectorization import MODES, NEXT_STEP, Wanted, choose
from logpi.envs.watchdog import watched
from logpi.errors import MAIN_GUARD, LogpiError
from logpi.types import EnvSpec

HostFactory = Callable[..., gymnasium.Env]  # of env_kwargs
SECONDS = 600.0  # that a call may take


def make_host(
    env: str | HostFactory,
    num_envs: int,
    *,
    vectorization: str = "sync",
    autoreset: str = NEXT_STEP,
    env_kwargs: Mapping[str, object] | None = None,
    seconds: float = SECONDS,
) -> GymVector:
    """B = ``num_envs`` copies of a Gymnasium environment, stepped in one of the ways of ``logpi.envs.vectorization``.

    ``env`` is a Gymnasium id (``CartPole-v1``, ``module:EnvId``) or what ``logpi.envs.load.load_own`` returns
    for a host environment; for "async" any other factory must survive cloudpickle. Workers are spawned, never
    forked: JAX's threads do not survive a fork.

    Args:
        env: id or factory.
        num_envs: B.
        vectorization: "sync" (in this process), "async" (one process each), "ale", "envpool", or "auto".
        autoreset: "next_step", "same_step" or "disabled".
        env_kwargs: arguments of the environment.
        seconds: after which a call that has not returned is given up.

    Raises:
        LogpiError: unknown id or option, that way does not serve it, or it cannot be built (chained).
    """
    if num_envs < 1:
        raise LogpiError(f"num_envs is {num_envs}; it must be at least 1")
    if autoreset not in MODES:
        raise LogpiError(f"autoreset is {autoreset!r}; allowed: {', '.join(map(repr, MODES))}")
    factory = registered(env) if isinstance(env, str) else env
    spec = host_spec(factory, env_kwargs)
    wanted = Wanted(factory, env_kwargs or {}, spec, autoreset)
    way = choose(vectorization, wanted)
    try:
        with warned_once(), watched(spec.id, "its constructor"):
            vector = way.make(wanted, num_envs)
    except (EOFError, ConnectionError) as error:
        raise LogpiError(
            f"a worker process of environment {spec.id} ended before it answered: {MAIN_GUARD}; or see the cause "
            "with vectorization 'sync'"
        ) from error
    except Exception as error:
        raise LogpiError(f"environment {spec.id} could not be vectorized: {describe(error)}") from error
    return GymVector(vector, spec.id, spec.max_episode_steps, seconds)


def host_spec(factory: HostFactory, env_kwargs: Mapping[str, object] | None = None) -> EnvSpec:
    """Build one environment, read its spaces and time limit, and close it.

    Raises:
        LogpiError: it cannot be built (chained), or a space is not supported.
    """
    name = str(getattr(factory, "id", "") or getattr(factory, "__name__", type(factory).__name__))
    try:
        with warned_once(), watched(name, "its constructor"):
            env = factory(**(env_kwargs or {}))
        spec = EnvSpec(name, readable(env.observation_space), env.action_space, time_limit(env))
        if left := list(texts(env.observation_space)):
            with warned_once():
                warnings.warn(f"environment {name}: {', '.join(left)} is text, which is left out", stacklevel=2)
        env.close()
    except Exception as error:
        extra = ""
        if isinstance(error, ImportError | gymnasium.error.DependencyNotInstalled):
            extra = f". Install what it needs: {extra_for(error)}"
        kwargs = f" with {env_kwargs}" if env_kwargs else ""
        raise LogpiError(f"environment {name} could not be built{kwargs}: {describe(error)}{extra}") from error
    check_spaces(spec)
    return spec
