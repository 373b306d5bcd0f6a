"""Deep Q-network (Mnih et al. 2015).

Against its parent Q-learning: a network takes the table's place; decisions are stored in a replay and learnt from in
random minibatches, again and again (Lin 1992); and what they are compared with comes from an older copy θ⁻ of the
network, so that it stands still for a while. The error's gradient is clipped to [-c, c], which is Huber's loss H_c.

    L(θ) = E[ w_i H_c(δ_i) ],    δ = y - Q_θ(o, a),    y = Σ_{k<n} γ^k r_{t+k} + γ^n max_a' Q_θ⁻(o_{t+n}, a')

Each a setting: ``double`` (the best action by θ, its value by θ⁻: van Hasselt et al. 2016, eq. 4), dueling streams (a
setting of the network: Wang et al. 2016), n rewards in place of one (``n_step``: Sutton & Barto 2018, eq. 7.1, without
correction for what acted), and a replay in proportion to |δ|^α with weights w_i (``prioritized``: Schaul et al. 2016).
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.algorithms.common.learning import improve, init_optimizer, remaining, traced
from logpi.algorithms.common.values import Exploration, epsilon, make_act, values_at
from logpi.config.settings import GradientSettings, Use, above, at_least, fraction
from logpi.methods import method
from logpi.nets.q import QNetwork, make_q
from logpi.ops import losses
from logpi.ops.collectives import where
from logpi.ops.normalization import Statistics
from logpi.types import (
    Algorithm,
    Array,
    EnvSpec,
    Experience,
    Key,
    Learner,
    Metrics,
    Policy,
    Priority,
    PyTree,
    Transitions,
)

LEAST = 1e-6  # added to |δ|, so that no decision is lost for ever (Schaul et al. 2016, §3.3)


@dataclasses.dataclass(frozen=True)
class DQN(Exploration, GradientSettings):
    """Deep Q-network (Mnih et al. 2015): Q-learning with a network, a replay and a target network."""

    n_steps: int = at_least(1, 4)  # Steps of each environment between two rounds of updates
    buffer_size: int = at_least(1, 100_000)  # Replay size, in environment steps
    batch_size: int = at_least(1, 64)  # Minibatch size of an update, in environment steps
    gradient_steps: int = at_least(1, 8)  # Number of updates in each round
    # Frames that the environment stacks along an observation's first axis; the replay stores each once. 1: no stack
    stacked_frames: int = at_least(1, 1)
    learning_starts: int = at_least(0, 1_000)  # Environment steps before the first update
    target_update_interval: int = at_least(1, 500)  # Updates between two updates of the target network
    tau: float = fraction(1.0)  # Fraction of the network in each update of the target network; 1: a copy
    double: bool = False  # Double Q-learning: the network chooses the next action, the target network values it
    # Largest TD error c whose square is the loss; beyond it the gradient is clipped (1 in the paper); inf: none
    max_td_error: float = above(0, 1.0)
    n_step: int = at_least(1, 1)  # Number of rewards n in a target, before the value of what follows
    prioritized: bool = False  # Prioritized replay (Schaul et al. 2016), in proportion to the TD error
    priority_alpha: float = fraction(0.6)  # Exponent α of the priorities: 0 is uniform
    priority_beta: float = fraction(0.4)  # First exponent β of the importance weights; it rises to 1 at total_timesteps
    max_grad_norm: float = 10.0

    uses = (Use(("priority_alpha", "priority_beta"), lambda c: c.prioritized, "prioritized is on"),)


class Target(NamedTuple):
    """The target network, in ``Learner.extra``."""

    params: PyTree  # θ⁻
    updates: Array  # [] int32, of θ so far


def target_of(learner: Learner, interval: int) -> PyTree:
    """θ⁻ of the update that follows: the first and then every ``interval``-th begins with a new one."""
    new = jnp.where(learner.extra.updates == 0, 1.0, learner.hyper.tau)
    mixed = jax.tree.map(lambda theta, old: old + new * (theta - old), learner.params, learner.extra.params)
    return where(learner.extra.updates % interval == 0, mixed, learner.extra.params)


def returns(policy: Policy, double: bool, learner: Learner, target: PyTree, b: Transitions) -> Array:
    """y [N]."""
    following = values_at(policy, target, learner.statistics, b.next_obs)
    chooser = values_at(policy, learner.params, learner.statistics, b.next_obs) if double else following
    return b.reward + b.discount * following.value_of(chooser.mode())


@method(settings=DQN, parent="q_learning", network=QNetwork, policy=make_q)
def dqn(config: DQN, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """DQN as an ``Algorithm``; ``obs`` has the shapes of one environment's observation."""
    hyper, interval = traced(config), config.target_update_interval

    def init(key: Key) -> Learner:
        params = policy.init(key)
        target = Target(params, jnp.int32(0))
        return Learner(params, init_optimizer(hyper, params), Statistics(), hyper, jnp.int32(0), target)

    def update(learner: Learner, b: Transitions, key: Key) -> tuple[Learner, Metrics]:
        target = target_of(learner, interval)
        y = returns(policy, config.double, learner, target, b)

        def loss(params: PyTree) -> tuple[Array, Metrics]:
            q = values_at(policy, params, learner.statistics, b.obs).value_of(b.action)
            value = losses.decision_mean(b.weight * losses.huber(q, y, learner.hyper.max_td_error), b.mask)
            return value, {
                "train/loss": value,
                "train/td_error": losses.decision_mean(jnp.abs(y - q), b.mask),
                "train/q": losses.decision_mean(q, b.mask),
            }

        step_size = learner.hyper.learning_rate * remaining(learner, config.lr_schedule)
        params, opt_state, metrics = improve(loss, learner.hyper, learner.params, learner.opt_state, step_size)
        return learner._replace(
            params=params,
            opt_state=opt_state,
            extra=Target(target, learner.extra.updates + 1),
        ), {**metrics, "rollout/exploration_rate": epsilon(learner), "train/learning_rate": step_size}

    def priority(learner: Learner, b: Transitions) -> Array:
        y = returns(policy, config.double, learner, target_of(learner, interval), b)
        error = y - values_at(policy, learner.params, learner.statistics, b.obs).value_of(b.action)
        return (jnp.abs(error) + LEAST) ** learner.hyper.priority_alpha

    def beta(learner: Learner) -> Array:
        first = learner.hyper.priority_beta
        return 1.0 - (1.0 - first) * remaining(learner, "linear")

    experience = Experience(
        config.buffer_size,
        config.batch_size,
        config.gradient_steps,
        config.learning_starts,
        config.n_step,
        Priority(priority, beta) if config.prioritized else None,
        config.stacked_frames,
    )
    passes = experience.passes(config.n_steps * config.n_envs)
    return Algorithm(
        init, make_act(policy), update, policy, hyper, config.n_steps, passes=passes, experience=experience
    )
