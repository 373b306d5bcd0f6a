"""The periodic evaluations of a run in an environment, and what is done where it has no time limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gymnasium.vector import VectorEnv

from logpi.driver import budget
from logpi.driver.budget import Plan
from logpi.envs.host import HostFactory
from logpi.types import Algorithm, DeviceEnv, EnvSpec

if TYPE_CHECKING:
    from logpi.config.settings import Experiment

HOST_COST = 0.6  # time of an evaluation's step, in steps of training
CALL_COST = 3.5  # of the policy's call, which all episodes that are played at once share; measured with 4, 5 and 10
EVALUATION_ENVS = 16  # episodes that are played at once on the host, at most
UPDATE_COST = 1.5  # of one pass of the update over a step, in steps of an evaluation on the same device
LONGEST = 1_000  # moves of an evaluation episode in an environment without a time limit
TRIED = 1_000  # random moves in such an environment before training; at most a hundredth of the run
LONGER = 4  # a trained agent's episodes, in those of random moves: a guess


def evaluations(
    experiment: Experiment, env: DeviceEnv | HostFactory | VectorEnv, spec: EnvSpec, algorithm: Algorithm
) -> tuple[Plan, tuple[str, ...]]:
    """The periodic evaluations of a run, and what is to be said of them before it.

    How much time a step takes is estimated, so that no clock decides: on the host the environment's own step is most
    of the work, and the same in training; on a device the update is, and an evaluation has none.
    """
    total = experiment.method.total_timesteps
    longest, notes = spec.max_episode_steps, tuple[str, ...]()
    if longest is None:
        longest, notes = _without_limit(env, experiment, min(TRIED, int(total / 100)))
    if algorithm.whole_episodes and longest > algorithm.n_steps:
        notes = (
            *notes,
            f"{experiment.algo} learns from whole episodes, padded to one length; {experiment.env} allows {longest:,} "
            f"steps, so they are cut at --n-steps {algorithm.n_steps:,}",
        )
    if isinstance(env, DeviceEnv):
        return budget.plan(experiment.run, total, 1 / (1 + UPDATE_COST * algorithm.passes), longest), notes
    plan = budget.plan(experiment.run, total, HOST_COST + CALL_COST / budget.EPISODES[0], longest)
    for _ in budget.EPISODES:  # fewer episodes share a call of the policy, and each step costs more
        plan = budget.plan(experiment.run, total, HOST_COST + CALL_COST / side_by_side(plan.episodes), longest)
    return plan, notes


def side_by_side(episodes: int) -> int:
    """How many of ``episodes`` are played at once on the host: as many in each round, of the fewest rounds."""
    return -(-episodes // -(-episodes // EVALUATION_ENVS))


def _without_limit(
    env: DeviceEnv | HostFactory | VectorEnv, experiment: Experiment, tried: int
) -> tuple[int, tuple[str, ...]]:
    """(moves of an episode in an environment without a time limit, what is to be said of it)."""
    cut = f"{experiment.env} has no time limit: evaluation episodes are cut at {LONGEST:,} moves"
    if isinstance(env, DeviceEnv | VectorEnv):
        return LONGEST, (cut,)
    found = longest_episode(env, experiment.env_kwargs, tried)
    if found:
        return min(LONGEST, LONGER * found), ()
    if found is None:
        return LONGEST, (cut,)
    advice = "give it one (gymnasium.wrappers.TimeLimit, or max_episode_steps where it is registered)"
    return LONGEST, (f"{cut}; no episode ended in {tried:,} random moves: {advice}",)


def longest_episode(factory: HostFactory, env_kwargs: dict[str, object], moves: int) -> int | None:
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
