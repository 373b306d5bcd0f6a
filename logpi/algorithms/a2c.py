"""Advantage actor-critic (Mnih et al. 2016, §4 and supplement; the synchronous form).

Against its parent actor-critic: rollouts are short and cut anywhere, V bootstraps what lies beyond the cut, and one
optimizer steps down one loss for actor and critic. With ``gae_lambda`` 1 each row's advantage uses all the rewards up
to the cut (n-step returns of the paper); a smaller λ is GAE.

    L(θ) = E[ -A_t log π_θ(a_t | o_t) + c_v (V_θ(o_t) - G_t)² - c_e H(π_θ) ],   G_t = A_t + V_θ_old(o_t)
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax.numpy as jnp

from logpi.algorithms.common.descents import Descent, Plan, in_columns, in_one
from logpi.algorithms.common.learning import init_optimizer, make_act, remaining, traced, weigh
from logpi.config.settings import ControlSettings, Optimizer, at_least, fraction, not_negative
from logpi.methods import method
from logpi.ops import losses, psi
from logpi.ops.normalization import Statistics
from logpi.types import Algorithm, Array, EnvSpec, Key, Learner, Metrics, Policy, PyTree, Trajectory


@dataclasses.dataclass(frozen=True)
class A2C(ControlSettings):
    """Advantage actor-critic (Mnih et al. 2016): short rollouts, bootstrapped."""

    n_envs: int = 16
    n_steps: int = at_least(1, 8)  # Rollout length T, in steps of each environment
    learning_rate: float = 7e-4
    # Parameter λ of GAE (Schulman et al. 2016); 1: n-step returns up to the rollout's end (Mnih et al. 2016)
    gae_lambda: float = fraction(1.0)
    vf_coef: float = not_negative(0.5)  # Weight of the value loss
    max_grad_norm: float = 0.5
    optimizer: Optimizer = "rmsprop"
    normalize_advantage: bool = False  # Advantage normalization to mean 0 and standard deviation 1 over the batch


@method(settings=A2C, parent="actor_critic")
def a2c(config: A2C, policy: Policy, spec: EnvSpec, obs: PyTree, own_psi: psi.Advantage | None = None) -> Algorithm:
    """A2C as an ``Algorithm``; ``obs`` has one observation's shapes, ``own_psi`` stands in GAE's place."""

    hyper = traced(config)

    def init(key: Key) -> Learner:
        params = policy.init(key)
        return Learner(params, init_optimizer(hyper, params), Statistics(), hyper, jnp.int32(0))

    def plan(learner: Learner, trajectory: Trajectory, value: Array) -> Plan:
        h, mask = learner.hyper, trajectory.mask
        rewards = (trajectory.reward, h.gamma * trajectory.discount, mask, value, h.gae_lambda)
        advantage = psi.gae(*rewards)
        returns = advantage + value[:-1]
        psi_t = weigh(own_psi, *rewards) if own_psi else advantage
        weight = losses.standardize(psi_t, mask) if config.normalize_advantage else psi_t

        def loss(pi: Any, v: Array) -> tuple[Array, Metrics]:
            policy_loss = losses.decision_mean(losses.policy_gradient(pi.log_prob(trajectory.action), weight), mask)
            value_loss = losses.decision_mean(losses.squared_error(v[:-1], returns), mask)
            entropy = losses.decision_mean(pi.entropy(), mask)
            total = policy_loss + h.vf_coef * value_loss - h.ent_coef * entropy
            return total, {
                "train/loss": total,
                "train/policy_gradient_loss": policy_loss,
                "train/value_loss": value_loss,
                "train/entropy_loss": -entropy,
            }

        step_size = h.learning_rate * remaining(learner, config.lr_schedule)
        explained = losses.explained_variance(value[:-1], returns, mask)
        metrics = {"train/explained_variance": explained, "train/learning_rate": step_size}
        return Plan([Descent(loss, step_size)], metrics, learner.extra)

    steps = partial(in_columns, policy, plan, 1)
    return Algorithm(init, make_act(policy), in_one(policy, plan), policy, hyper, config.n_steps, steps=steps)
