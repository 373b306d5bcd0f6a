"""What the methods that learn action values share: acting by them, and how much of it is exploration."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from logpi.config.settings import fraction
from logpi.errors import LogpiError
from logpi.ops.distributions import EpsilonGreedy
from logpi.ops.normalization import Statistics, normalize_obs
from logpi.types import Act, Array, Key, Learner, Policy, PyTree


@dataclasses.dataclass(frozen=True)
class Exploration:
    """Settings of ε-greedy acting, whose ε falls linearly."""

    exploration_initial_eps: float = fraction(1.0)  # Probability ε of a random action at the start
    exploration_final_eps: float = fraction(0.05)  # Probability ε of a random action after its decay
    exploration_fraction: float = fraction(0.1)  # Fraction of total_timesteps over which ε falls linearly


def epsilon(learner: Learner) -> Array:
    """ε now, by the timesteps learnt from."""
    h = learner.hyper
    passed = learner.timesteps / jnp.maximum(h.exploration_fraction * h.total_timesteps, 1.0)
    first, last = h.exploration_initial_eps, h.exploration_final_eps
    return first + (last - first) * jnp.clip(passed, 0.0, 1.0)


def values_at(policy: Policy, params: PyTree, statistics: Statistics, obs: PyTree) -> EpsilonGreedy:
    """Q(o, ·) of observations [*B, ...], as the greedy policy.

    Raises:
        LogpiError: the network says something else of an observation.
    """
    pi = policy.apply(params, (), normalize_obs(statistics, obs))[1].pi
    if not isinstance(pi, EpsilonGreedy):
        raise LogpiError(
            f"the network's Output has the pi {type(pi).__name__}; this method needs action values: "
            "logpi.ops.distributions.EpsilonGreedy(values, epsilon=0)"
        )
    return pi


def make_act(policy: Policy) -> Any:
    """``act(learner, memory, obs, key, greedy=False) -> Act`` for B environments: ε-greedy, or the best action."""

    def act(learner: Learner, memory: PyTree, obs: PyTree, key: Key, greedy: bool = False) -> Act:
        pi = values_at(policy, learner.params, learner.statistics, obs)
        action = pi.mode() if greedy else pi._replace(epsilon=epsilon(learner)).sample(key)
        return Act(action, None, memory)

    return act
