"""Q-learning in a table (Watkins 1989; Watkins & Dayan 1992).

No policy is learnt, and no log π occurs: the values of the best policy are, from whatever acted. For each decision, in
the order in which they were made (Sutton & Barto 2018, eq. 6.8),

    Q(s, a) ← Q(s, a) + α_n [ r + γ max_a' Q(s', a') - Q(s, a) ],    α_n = α / n(s, a)^ω

n(s, a) is the number of updates that the pair has had, this one included. With ω = 0 the step size is constant. With ω
in (1/2, 1] and every pair visited again and again, Q converges to Q* with probability 1 (Even-Dar & Mansour 2003).
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.algorithms.common.learning import remaining, traced
from logpi.algorithms.common.values import Exploration, epsilon, make_act
from logpi.config.settings import EnvironmentSettings, at_least, fraction, not_negative
from logpi.methods import method
from logpi.nets.q import Table, make_table
from logpi.ops.collectives import all_gather
from logpi.ops.normalization import Statistics
from logpi.types import Algorithm, Array, EnvSpec, Key, Learner, Metrics, Number, Policy, PyTree, Trajectory


@dataclasses.dataclass(frozen=True)
class QLearning(Exploration, EnvironmentSettings):
    """Q-learning in a table (Watkins 1989), for Discrete observations and actions."""

    n_steps: int = at_least(1, 16)  # Rollout length T, in steps of each environment
    learning_rate: float = not_negative(0.1)  # Step size α of a pair's first update
    rate_decay: float = fraction(0.0)  # Exponent ω of a pair's number of updates in its step size; 0: constant


class Decision(NamedTuple):
    """One decision, or a leading axis of them in the order in which they were made."""

    state: Array
    action: Array
    reward: Array
    discount: Array
    following: Array  # the next state
    mask: Array


def learn(q: Array, visits: Array, d: Decision, alpha: Array, gamma: Number, omega: Number) -> tuple[Array, ...]:
    """(Q [S, A], n [S, A], TD error) after one decision."""
    at = (d.state, d.action)
    visits = visits.at[at].add(d.mask)
    error = d.mask * (d.reward + gamma * d.discount * q[d.following].max() - q[at])
    return q.at[at].add(alpha * jnp.maximum(visits[at], 1.0) ** -omega * error), visits, error


@method(settings=QLearning, network=Table, policy=make_table)
def q_learning(config: QLearning, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """Q-learning as an ``Algorithm``; ``obs`` has the shapes of one environment's observation."""
    hyper, start = traced(config), int(getattr(spec.observation_space, "start", 0))

    def init(key: Key) -> Learner:
        params = policy.init(key)
        return Learner(params, (), Statistics(), hyper, jnp.int32(0), extra=jnp.zeros_like(params["q"]))

    def update(learner: Learner, trajectory: Trajectory, key: Key) -> tuple[Learner, Metrics]:
        h, alpha = learner.hyper, learner.hyper.learning_rate * remaining(learner, config.lr_schedule)
        state = trajectory.obs - start
        rows = Decision(
            state[:-1], trajectory.action, trajectory.reward, trajectory.discount, state[1:], trajectory.mask
        )
        # of all devices, so that each makes the same updates; row by row, and environment by environment in each
        rows = jax.tree.map(lambda x: all_gather(x, axis=1).reshape(-1), rows)

        def one(made: tuple[Array, Array], d: Decision) -> tuple[tuple[Array, Array], Array]:
            q, visits, error = learn(*made, d, alpha, h.gamma, h.rate_decay)
            return (q, visits), error

        (q, visits), error = jax.lax.scan(one, (learner.params["q"], learner.extra), rows)
        return learner._replace(params={"q": q}, extra=visits), {
            "train/td_error": (jnp.abs(error)).sum() / jnp.maximum(rows.mask.sum(), 1.0),
            "rollout/exploration_rate": epsilon(learner),
            "train/learning_rate": alpha,
        }

    return Algorithm(init, make_act(policy), update, policy, hyper, config.n_steps)
