"""Environments of several agents that one policy acts for (PettingZoo), as a source of environments."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium

from logpi.config.settings import Run
from logpi.control.evaluation import Returns, evaluate_agent
from logpi.control.host_plan import host_plan, side_by_side
from logpi.control.on_host import on_host
from logpi.control.on_policy import Sizes
from logpi.control.variance.trajectories import Sampler
from logpi.driver.budget import Plan
from logpi.driver.process import Process
from logpi.envs.adapters.teams import Team, Teams, check_columns
from logpi.envs.gym_vector import GymVector
from logpi.errors import LogpiError
from logpi.tasks import VECTORS
from logpi.types import Algorithm, EnvSpec, PyTree

if TYPE_CHECKING:
    from logpi.config.settings import Experiment
    from logpi.control.agent import Agent

BESIDE = 20  # agents that an evaluation of an agent plays at once, at least


class OfTeams:
    """A parallel environment of PettingZoo: n_envs counts agents, and a score is the mean return of one."""

    place, in_turn, single = "PettingZoo", True, True
    idle: Mapping[str, str] = dict.fromkeys(VECTORS, "the agents of one environment step together, in this process")

    def __init__(self, team: Team) -> None:
        self._team = team
        self.notes: tuple[str, ...] = (
            f"{len(team.agents)} agents share one policy; a score is the mean return of one agent",
        )

    def settled(self, experiment: Experiment) -> tuple[Experiment, tuple[str, ...]]:
        return experiment, ()

    def packages(self, run: Run) -> tuple[str, ...]:
        return ("pettingzoo",)

    def given(self) -> Any:
        raise LogpiError(f"give the name, {self._team.spec.id!r}, in place of the object")

    def spec(self) -> EnvSpec:
        return self._team.spec

    def check(self, experiment: Experiment) -> None:
        check_columns(self._team, experiment.method.n_envs)

    def check_own(self, experiment: Experiment, algorithm: Algorithm) -> None:
        pass

    def longest(self, moves: int) -> int | None:
        return None

    def plan(self, run: Run, timesteps: float, longest: int, passes: int) -> Plan:
        return host_plan(run, timesteps, longest)

    def process(self, experiment: Experiment, algorithm: Algorithm, obs: PyTree, sizes: Sizes, seed: int) -> Process:
        seconds = experiment.run.env_timeout
        vector, evaluation = (self._vector(n, seconds) for n in (sizes.n_envs, side_by_side(sizes.episodes)))
        return on_host([vector], evaluation, algorithm, obs, seed, sizes)

    def evaluate(self, agent: Agent, episodes: int, seed: int, greedy: bool) -> Returns:
        with contextlib.closing(self._vector(min(episodes, BESIDE))) as vector:
            return evaluate_agent(vector, agent, episodes, seed, greedy)

    def sampler(self, algorithm: Algorithm, batch: int, lanes: int, seed: int) -> Sampler:
        raise LogpiError(
            f"{self._team.spec.id} has several agents; the variance is measured with one, as in CartPole-v1"
        )

    def drawn(self, render_mode: str) -> gymnasium.Env:
        return self._team.build(render_mode=render_mode)

    def alone(self) -> gymnasium.Env:
        raise LogpiError(f"{self._team.spec.id} has several agents; episodes are recorded with one")

    def _vector(self, columns: int, seconds: float = float("inf")) -> GymVector:
        """At least ``columns`` of them, in whole teams."""
        size = len(self._team.agents)
        spec = self._team.spec
        return GymVector(Teams(self._team, -(-columns // size) * size), spec.id, spec.max_episode_steps, seconds)
