"""Trained and random agents in whole episodes: evaluated and filmed in Gymnasium's version of their environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from logpi.config.wrappers import wrappings
from logpi.control.agent import Agent
from logpi.control.evaluation import LONGEST
from logpi.control.records import record
from logpi.control.sources import Source, source_of
from logpi.envs.checker.trial import Chooser
from logpi.envs.make import make_gymnasium
from logpi.envs.spaces import legal_in, to_env
from logpi.errors import LogpiError
from logpi.runs import scores
from logpi.tasks import Facts, Film, Question, Wrappers
from logpi.view.film import render_episodes

EPISODES = 100  # of an evaluation
SEED = 10_000  # of the first environment in an evaluation; training used others


def evaluate_episodes(agent: Agent, asked: Question) -> Facts:
    """Play full episodes of Gymnasium's own version of the agent's environment (the device's where it has no other).

    Episodes that are recorded are played one by one, each on a seed of its own.

    Raises:
        LogpiError: the environment cannot be made, or fails.
    """
    episodes, seed = asked.episodes or EPISODES, SEED if asked.seed is None else asked.seed
    source = source_in(agent)
    if asked.record:
        found = record(agent, source.alone, episodes, seed, not asked.sampled, asked.record)
    else:
        found = source.evaluate(agent, episodes, seed, not asked.sampled)
    returns, lengths = found
    return {
        "env": agent.spec.id,
        "on": source.place,
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


def film(agent: Agent, wanted: Film) -> Path:
    """Film episodes of an agent in the environment that it is evaluated in; raises as ``logpi.film``."""

    def act(obs: Any) -> Any:
        return agent.act(obs, greedy=not wanted.sampled)

    name = agent.spec.id
    build = source_in(agent).drawn
    episodes = 1 if wanted.episodes is None else wanted.episodes
    options = {"begin": agent.reset, "steps": wanted.steps, "tell": wanted.tell}
    return _filmed(name, build, act, wanted.path, episodes, wanted.seed, **options)


def film_random(env: str, wrappers: Wrappers, wanted: Film) -> Path:
    """Film an agent that draws its actions, within the mask where there is one; raises as ``logpi.film_random``."""
    source = source_of(make_gymnasium(env), {}, wrappers=wrappers)
    spec = source.spec()
    space, choose = spec.action_space, Chooser(spec, seed=wanted.seed)
    space.seed(wanted.seed)

    def act(obs: Any) -> Any:
        return space.sample() if legal_in(spec.observation_space, obs) is None else to_env(space, choose(obs))

    episodes = 1 if wanted.episodes is None else wanted.episodes
    options = {"steps": wanted.steps, "tell": wanted.tell}
    return _filmed(env, source.drawn, act, wanted.path, episodes, wanted.seed, **options)


def _filmed(name: str, *arguments: Any, **options: Any) -> Path:
    try:
        return render_episodes(*arguments, **options)
    except LogpiError:
        raise
    except Exception as error:  # an environment may raise anything; what was filmed until then is on the disk
        raise LogpiError(
            f"filming {name} ended early: {type(error).__name__}: {error}. `logpi check-env` finds the cause"
        ) from error


def source_in(agent: Agent) -> Source:
    """What an agent is evaluated and filmed in: what a program gave, else Gymnasium's environment of its name.

    Raises:
        LogpiError: it was trained in an object that has no name, and nothing was given.
    """
    wrappers = wrappings(agent.facts.get("wrappers", ()))
    given = None if agent.env is None else source_of(agent.env, {}, wrappers=wrappers)
    if given is not None and given.single:
        return given
    if "env" in agent.facts.get("objects", ()):
        raise LogpiError(
            f"this agent was trained in an object of a Python program, {agent.spec.id}, which its file cannot name: "
            "give a function that builds one such environment, logpi.load(path, env=...)"
        )
    env_kwargs = agent.facts.get("env_kwargs", {})
    return source_of(make_gymnasium(agent.spec.id, **env_kwargs), env_kwargs, wrappers=wrappers)
