"""The actor-critic algorithm of the textbooks, with an actor π_θ and a critic V_φ.

Against its parent REINFORCE: the critic is a second learner with its own step size, and actor and critic move
together, on the same advantage. For m trajectories under the current policy:

    A_t = Σ_{t' ≥ t} γ^{t'-t} r_{t'} - V_φ(o_t)
    θ ← θ + α (1/m) Σ_i Σ_t A_t ∇ log π_θ(a_t | o_t)
    φ ← φ - β (1/m) Σ_i Σ_t ∇_φ ‖A_t‖²                     (Sutton & Barto 2018, §13.4-13.5)

A truncated trajectory's missing rewards are V_φ of its last observation.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax.numpy as jnp

from logpi.algorithms.common.descents import Descent, Plan, in_columns, in_one
from logpi.algorithms.common.learning import init_optimizer, make_act, remaining, traced, whole_rows
from logpi.config.settings import ControlSettings, at_least, not_negative
from logpi.methods import method
from logpi.ops import losses, psi
from logpi.ops.normalization import Statistics
from logpi.types import Algorithm, Array, EnvSpec, Key, Learner, Metrics, Policy, PyTree, Trajectory


@dataclasses.dataclass(frozen=True)
class ActorCritic(ControlSettings):
    """The textbook actor-critic: m = n_envs trajectories, A_t = Σ γ^{t'-t} r - V_φ, two step sizes α and β."""

    # Maximum trajectory length, in steps, of environments without a time limit or with one above 10,000 steps
    n_steps: int = at_least(1, 1000)
    learning_rate: float = 3e-3  # Learning rate α of the actor θ
    vf_learning_rate: float = not_negative(3e-3)  # Learning rate β of the critic φ


@method(settings=ActorCritic, parent="reinforce")
def actor_critic(config: ActorCritic, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """Actor-critic as an ``Algorithm``; ``obs`` has the shapes of one environment's observation."""

    hyper = traced(config)

    def init(key: Key) -> Learner:
        params = policy.init(key)
        optimizers = {"actor": init_optimizer(hyper, params), "critic": init_optimizer(hyper, params)}
        return Learner(params, optimizers, Statistics(), hyper, jnp.int32(0))

    def plan(learner: Learner, trajectory: Trajectory, value: Array) -> Plan:
        h, mask = learner.hyper, trajectory.mask
        advantage = psi.minus_value(trajectory.reward, h.gamma * trajectory.discount, mask, value)
        returns = advantage + value[:-1]

        def actor_loss(pi: Any, v: Array) -> tuple[Array, Metrics]:
            loss = losses.policy_gradient(pi.log_prob(trajectory.action), advantage)
            loss, bonus = losses.trajectory_mean(loss, mask), losses.trajectory_mean(pi.entropy(), mask)
            return loss - h.ent_coef * bonus, {
                "train/policy_gradient_loss": loss,
                "train/entropy_loss": -losses.decision_mean(pi.entropy(), mask),
            }

        def critic_loss(pi: Any, v: Array) -> tuple[Array, Metrics]:
            error = losses.squared_error(v[:-1], returns)
            return losses.trajectory_mean(error, mask), {"train/value_loss": losses.decision_mean(error, mask)}

        anneal = remaining(learner, config.lr_schedule)
        actor = Descent(actor_loss, anneal * h.learning_rate, "actor")
        critic = Descent(critic_loss, anneal * h.vf_learning_rate, "critic")
        explained = losses.explained_variance(value[:-1], returns, mask)
        metrics = {"train/explained_variance": explained, "train/learning_rate": actor.step_size}
        return Plan([actor, critic], metrics, learner.extra)

    n_steps, steps = whole_rows(spec, config.n_steps), partial(in_columns, policy, plan, 2)
    act, update = make_act(policy), in_one(policy, plan)
    return Algorithm(init, act, update, policy, hyper, n_steps, whole_episodes=True, steps=steps)
