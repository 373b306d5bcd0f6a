"""Trained and random agents in whole episodes: evaluated and filmed in Gymnasium's version of their environment."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium.vector import VectorEnv

from logpi.control.evaluation import evaluate_device, evaluate_host
from logpi.control.plan import LONGEST
from logpi.envs.checker.trial import Chooser
from logpi.envs.classic import CLASSIC
from logpi.envs.host import HostFactory, make_host
from logpi.envs.make import make, spec_of, vectorize
from logpi.envs.spaces import legal_in, to_env
from logpi.errors import LogpiError
from logpi.runs import scores
from logpi.tasks import Facts, Film, Question
from logpi.types import DeviceEnv
from logpi.view.film import render_episodes

EPISODES = 100  # of an evaluation
SEED = 10_000  # of the first environment in an evaluation; training used others


def evaluate_episodes(agent: Any, asked: Question) -> Facts:
    """Play full episodes of Gymnasium's own version of the agent's environment (the device's where it has no other).

    Raises:
        LogpiError: the environment cannot be made, or fails.
    """
    episodes, seed = asked.episodes or EPISODES, SEED if asked.seed is None else asked.seed
    source, key, calls = _source(agent), jax.random.key(seed), 0

    def decide(memory: Any, obs: Any) -> Any:
        nonlocal calls
        calls += 1
        return agent.decide(agent.learner, memory, obs, key, np.int32(calls), greedy=not asked.sampled)

    if isinstance(source, DeviceEnv):
        play = jax.jit(
            lambda learner: evaluate_device(
                vectorize(source), agent.policy, agent.act_on, learner, key, episodes, not asked.sampled
            )
        )
        returns, lengths = jax.device_get(play(agent.learner))
    else:
        made = make_host(source, min(episodes, 20), env_kwargs=_arguments(agent))
        with contextlib.closing(made) as vector:
            found = evaluate_host(vector, agent.policy, decide, episodes, seed)
        assert found is not None  # nothing watches
        returns, lengths = found.score, found.length
    return {
        "env": agent.spec.id,
        "on": "device" if isinstance(source, DeviceEnv) else "Gymnasium",
        "episodes": episodes,
        "seed": seed,
        "is_deterministic": not asked.sampled,
        "mean_reward": float(np.mean(returns)),
        "std_reward": float(np.std(returns)),
        "interval": scores.half_width(returns) if episodes > 1 else None,
        "mean_ep_length": float(np.mean(lengths)),
        "cut": int(np.sum(lengths >= LONGEST)) if agent.spec.max_episode_steps is None else 0,
        "returns": [float(x) for x in returns],
        "lengths": [float(x) for x in lengths],
    }


def film(agent: Any, wanted: Film) -> Path:
    """Film episodes of an agent in the environment that it is evaluated in; raises as ``logpi.film``."""

    def act(obs: Any) -> Any:
        return agent.act(obs, greedy=not wanted.sampled)

    name = agent.spec.id
    build = _drawn(_source(agent), name, _arguments(agent))
    episodes = 1 if wanted.episodes is None else wanted.episodes
    options = {"begin": agent.reset, "steps": wanted.steps, "tell": wanted.tell}
    return _filmed(name, build, act, wanted.path, episodes, wanted.seed, **options)


def film_random(env: str, wanted: Film) -> Path:
    """Film an agent that draws its actions, within the mask where there is one; raises as ``logpi.film_random``."""
    source = _gymnasium_version(env, {})
    spec = spec_of(source)
    space, choose = spec.action_space, Chooser(spec, seed=wanted.seed)
    space.seed(wanted.seed)

    def act(obs: Any) -> Any:
        return space.sample() if legal_in(spec.observation_space, obs) is None else to_env(space, choose(obs))

    episodes = 1 if wanted.episodes is None else wanted.episodes
    build, options = _drawn(source, env, {}), {"steps": wanted.steps, "tell": wanted.tell}
    return _filmed(env, build, act, wanted.path, episodes, wanted.seed, **options)


def _filmed(name: str, *arguments: Any, **options: Any) -> Path:
    try:
        return render_episodes(*arguments, **options)
    except LogpiError:
        raise
    except Exception as error:  # an environment may raise anything; what was filmed until then is on the disk
        raise LogpiError(
            f"filming {name} ended early: {type(error).__name__}: {error}. `logpi check-env` finds the cause"
        ) from error


def _source(agent: Any) -> DeviceEnv | HostFactory:
    """What an agent is evaluated and filmed in: what a program gave, else Gymnasium's environment of its name.

    Raises:
        LogpiError: it was trained in an object that has no name, and nothing was given.
    """
    if agent.env is not None and not isinstance(agent.env, VectorEnv):
        source: DeviceEnv | HostFactory = agent.env
        return source
    if "env" in agent.facts.get("objects", ()):
        raise LogpiError(
            f"this agent was trained in an object of a Python program, {agent.spec.id}, which its file cannot name: "
            "give a function that builds one such environment, logpi.load(path, env=...)"
        )
    return _gymnasium_version(agent.spec.id, _arguments(agent))


def _arguments(agent: Any) -> dict[str, Any]:
    """Arguments of the environment that ``_source`` gives."""
    kwargs: dict[str, Any] = {} if callable(agent.env) else agent.facts.get("env_kwargs", {})
    return kwargs


def _gymnasium_version(name: str, env_kwargs: dict[str, Any]) -> DeviceEnv | HostFactory:
    """Gymnasium's own environment of that name, or the device's where it has no other."""
    if name in CLASSIC:
        return functools.partial(gymnasium.make, name, disable_env_checker=True)
    return make(name, **env_kwargs)


def _drawn(source: DeviceEnv | HostFactory, name: str, env_kwargs: dict[str, Any]) -> Callable[[str], Any]:
    if isinstance(source, DeviceEnv):
        raise LogpiError(f"{name} is a device environment, which draws no pictures; there is nothing to film")
    return lambda render_mode: source(render_mode=render_mode, **env_kwargs)
