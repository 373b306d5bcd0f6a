"""Periodic evaluations in stateful (host) environments: what they cost, and how long their episodes are."""

from __future__ import annotations

from collections.abc import Mapping

from logpi.config.settings import Run
from logpi.driver import budget
from logpi.driver.budget import Plan
from logpi.envs.host import HostFactory

HOST_COST = 0.6  # time of an evaluation's step, in steps of training
CALL_COST = 3.5  # of the policy's call, which all episodes that are played at once share; measured with 4, 5 and 10
EVALUATION_ENVS = 16  # episodes that are played at once on the host, at most


def host_plan(run: Run, timesteps: float, longest: int, faster: float = 1.0) -> Plan:
    """Periodic evaluations in stateful environments, whose own step is most of the work, and the same in training.

    ``faster`` is the rate of training's vector in that of the evaluations'.
    """
    plan = budget.plan(run, timesteps, faster * (HOST_COST + CALL_COST / budget.EPISODES[0]), longest)
    for _ in budget.EPISODES:  # fewer episodes share a call of the policy, and each step costs more
        plan = budget.plan(run, timesteps, faster * (HOST_COST + CALL_COST / side_by_side(plan.episodes)), longest)
    return plan


def side_by_side(episodes: int) -> int:
    """How many of ``episodes`` are played at once on the host: as many in each round, of the fewest rounds."""
    return -(-episodes // -(-episodes // EVALUATION_ENVS))


def longest_episode(factory: HostFactory, env_kwargs: Mapping[str, object], moves: int) -> int | None:
    """Moves of the longest episode that ended within ``moves`` random actions; 0 if none did.

    The environment is one of its own, seeded, so that training is as if it had not been. What it raises is training's
    to tell: the answer is None then.
    """
    longest = length = 0
    try:
        env = factory(**env_kwargs)
        try:
            env.action_space.seed(0)
            env.reset(seed=0)
            for _ in range(moves):
                _, _, terminated, truncated, _ = env.step(env.action_space.sample())
                length += 1
                if terminated or truncated:
                    longest, length = max(longest, length), 0
                    env.reset()
        finally:
            env.close()
    except Exception:
        return None
    return longest
