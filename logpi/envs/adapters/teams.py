"""Parallel environments of PettingZoo by parameter sharing: one policy acts for every agent, each a column of a vector.

A column is an agent. It ends where its environment's episode ends: *terminated* if the agent was, *truncated* if the
agent was cut by a time limit. An agent that is gone before the others sees zeros, earns 0 and is not heard until then
(the "black death" of SuperSuit; Terry et al. 2020), so its return is the same.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate

from logpi.envs.spaces import MASK, check_spaces
from logpi.errors import LogpiError
from logpi.own_code import import_file, import_module
from logpi.types import EnvSpec, PyTree, Space

PARALLEL = "parallel_env"  # name of the function that builds an environment, in a module of PettingZoo's form
FAMILIES = ("atari", "butterfly", "classic", "sisl")


@dataclass(frozen=True)
class Team:
    """A parallel environment whose agents share one policy: ``build()`` makes one copy."""

    spec: EnvSpec  # of one agent
    agents: tuple[Any, ...]  # their names
    make: Callable[..., Any]  # of ``env_kwargs``
    env_kwargs: Mapping[str, object]

    def build(self, **more: object) -> Members:
        """One copy, all agents together."""
        return Members(self.make(**{**self.env_kwargs, **more}), self)


def of_pettingzoo(pettingzoo: ModuleType, name: str, own: str, env_kwargs: Mapping[str, object]) -> Team:
    """The environment ``own``, ``FAMILY.NAME`` of PettingZoo.

    Raises:
        LogpiError: no such environment, or as ``_team``.
    """
    if own.partition(".")[0] not in FAMILIES:
        raise LogpiError(
            f"environment {name}: write pettingzoo:FAMILY.NAME with a family of {', '.join(FAMILIES)}; that of another "
            "package or of your own is MODULE:parallel_env, such as mpe2.simple_spread_v3:parallel_env"
        )
    path = f"{pettingzoo.__name__}.{own}"
    try:
        module = importlib.import_module(path)
    except ImportError as error:
        raise LogpiError(
            f"environment {name}: importing {path} raised {type(error).__name__}: {error}. What a family needs is "
            "installed with pip install 'pettingzoo[FAMILY]'"
        ) from error
    return _team(name, module, env_kwargs)


def of_module(name: str, env_kwargs: Mapping[str, object]) -> Team:
    """The parallel environment ``module:parallel_env`` or ``path/file.py:parallel_env``.

    Raises:
        LogpiError: code that is not trusted here, a module that cannot be imported (chained), or as ``_team``.
    """
    place = name.rpartition(":")[0]
    try:
        module = import_file(place, PARALLEL) if place.endswith(".py") else import_module(place)
    except LogpiError:
        raise
    except Exception as error:
        raise LogpiError(f"environment {name}: importing {place} raised {type(error).__name__}: {error}") from error
    return _team(name, module, env_kwargs)


def _team(name: str, module: ModuleType, env_kwargs: Mapping[str, object]) -> Team:
    """The parallel environment of a module.

    Raises:
        LogpiError: it has none, cannot be built (chained), or its agents have different spaces.
    """
    if not hasattr(module, PARALLEL):
        raise LogpiError(
            f"environment {name}: {module.__name__} has no {PARALLEL}; agents that take turns are not supported, "
            "two-player board games are by their own names (`logpi envs`)"
        )
    try:
        made = getattr(module, PARALLEL)(**env_kwargs)
    except Exception as error:
        raise LogpiError(f"environment {name} could not be built: {type(error).__name__}: {error}") from error
    try:
        agents = tuple(getattr(made, "possible_agents", ()))
        if not agents:
            raise LogpiError(f"environment {name} names no possible_agents, so its columns cannot be laid out")
        spec = EnvSpec(name, *_shared(name, made, agents), _limit(made))
    finally:
        made.close()
    check_spaces(spec)
    return Team(spec, agents, getattr(module, PARALLEL), env_kwargs)


def _shared(name: str, made: Any, agents: Sequence[Any]) -> tuple[Space, Space]:
    """The spaces of observations and actions that all agents have.

    Raises:
        LogpiError: they differ.
    """
    found = []
    for what, space_of in (("observe", made.observation_space), ("act in", made.action_space)):
        first = space_of(agents[0])
        if other := next((agent for agent in agents if space_of(agent) != first), None):
            raise LogpiError(
                f"environment {name}: {agents[0]} and {other} {what} different spaces, {first} and {space_of(other)}; "
                "one policy for all needs the same (SuperSuit's pad_observations_v0 and pad_action_space_v0 make them)"
            )
        found.append(first)
    return found[0], found[1]


def _limit(made: Any) -> int | None:
    """Moves after which an episode is truncated; None where nothing says so."""
    found = getattr(made.unwrapped, "max_cycles", None)
    return int(found) if isinstance(found, int) else None


class Members(gymnasium.Env):
    """All agents of one parallel environment: observations and actions of N agents, [N, ...], the mean of rewards."""

    def __init__(self, env: Any, team: Team) -> None:
        self._env, self._agents, self._space = env, team.agents, team.spec.observation_space
        self._absent = _nothing(self._space)
        self.metadata = getattr(env, "metadata", {})
        self.observation_space = batch_space(self._space, len(team.agents))
        self.action_space = batch_space(team.spec.action_space, len(team.agents))
        self.max_episode_steps = team.spec.max_episode_steps
        self.over = True
        self._present: list[Any] = []
        self.terminated, self.truncated = (np.zeros(len(team.agents), bool) for _ in range(2))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[PyTree, dict[str, Any]]:
        """First observations [N, ...]."""
        self.terminated[:], self.truncated[:] = False, False
        obs, _ = self._env.reset(seed=seed)
        self._present, self.over = list(self._env.agents), False
        return self._beside(self.shown(obs)), {}

    def step(self, action: PyTree) -> tuple[PyTree, float, bool, bool, dict[str, Any]]:
        """A move of all; the flags are True where the episode is over for every agent."""
        obs, rewards = self.move(list(iterate(self.action_space, action)))
        ended, cut = self.over and bool(self.terminated.all()), self.over and bool(self.truncated.any())
        return self._beside(obs), float(np.mean(rewards)), ended, cut, {}

    def move(self, actions: Sequence[Any]) -> tuple[list[PyTree], list[float]]:
        """One move by ``actions``, one an agent: (observations, rewards) of N agents, in their order."""
        given = {agent: act for agent, act in zip(self._agents, actions, strict=True) if agent in self._present}
        obs, rewards, terminated, truncated, _ = self._env.step(given)
        self._present = list(self._env.agents)
        self.over = not self._present
        for flags, now in ((self.terminated, terminated), (self.truncated, truncated)):
            flags |= np.array([bool(now.get(agent, False)) for agent in self._agents])
        if self.over:  # an agent that was never cut has nothing to come
            self.terminated |= ~self.truncated
        return self.shown(obs), [float(rewards.get(agent, 0.0)) for agent in self._agents]

    def shown(self, obs: Mapping[Any, PyTree]) -> list[PyTree]:
        """Observations of N agents; zeros of those that are gone."""
        return [obs.get(agent, self._absent) for agent in self._agents]

    def render(self) -> Any:
        return self._env.render()

    def close(self) -> None:
        self._env.close()

    def _beside(self, obs: Sequence[PyTree]) -> PyTree:
        return concatenate(self._space, obs, create_empty_array(self._space, n=len(obs)))


def _nothing(space: Space) -> PyTree:
    """What an agent sees that is gone: zeros, with every action legal, as no action counts."""
    zeros: PyTree = create_empty_array(space, n=1)
    (first,) = iterate(batch_space(space, 1), zeros)
    if isinstance(space, spaces.Dict) and MASK in space.spaces:
        return {**first, MASK: np.ones_like(first[MASK])}
    return first


class Teams(VectorEnv):
    """K copies of a parallel environment of N agents as K·N environments, copy by copy, with next-step autoreset."""

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, team: Team, num_envs: int) -> None:
        check_columns(team, num_envs)
        self._size, self.num_envs = len(team.agents), num_envs
        self._copies = [team.build() for _ in range(num_envs // self._size)]
        self.single_observation_space, self.single_action_space = team.spec.observation_space, team.spec.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[PyTree, dict[str, Any]]:
        """New episodes; copy i gets ``seed + i``."""
        seen: list[PyTree] = []
        for number, copy in enumerate(self._copies):
            seen += _rows(copy, copy.reset(seed=None if seed is None else seed + number)[0])
        return self._beside(seen), {}

    def step(self, actions: PyTree) -> tuple[Any, ...]:
        """One move of every agent; a copy whose episode is over begins the next one instead."""
        each = list(iterate(self.action_space, actions))
        seen: list[PyTree] = []
        rewards: list[float] = []
        terminated, truncated = (np.zeros(self.num_envs, bool) for _ in range(2))
        for number, copy in enumerate(self._copies):
            columns = slice(number * self._size, (number + 1) * self._size)
            if copy.over:
                seen += _rows(copy, copy.reset()[0])
                rewards += [0.0] * self._size
                continue
            obs, earned = copy.move(each[columns])
            seen += obs
            rewards += earned
            if copy.over:
                terminated[columns], truncated[columns] = copy.terminated, copy.truncated
        return self._beside(seen), np.array(rewards), terminated, truncated, {}

    def close_extras(self, **kwargs: Any) -> None:
        for copy in self._copies:
            copy.close()

    def _beside(self, seen: Sequence[PyTree]) -> PyTree:
        space = self.single_observation_space
        return concatenate(space, seen, create_empty_array(space, n=self.num_envs))


def _rows(copy: Members, obs: PyTree) -> list[PyTree]:
    return list(iterate(copy.observation_space, obs))


def check_columns(team: Team, number: int, what: str = "n_envs") -> None:
    """Refuse a number of columns that is not a whole number of teams.

    Raises:
        LogpiError: with the nearest number that is.
    """
    size = len(team.agents)
    if number % size:
        raise LogpiError(
            f"{what} is {number}, and each of the {size} agents of {team.spec.id} is one: take a multiple of {size}, "
            f"such as {-(-number // size) * size}"
        )
