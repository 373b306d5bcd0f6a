"""Proximal policy optimization (Schulman et al. 2017).

Against its parent A2C: the rollout is used ``n_epochs`` times in shuffled minibatches, and log π is replaced by the
clipped ratio of eq. 7, whose gradient at π = π_old is the same. With one epoch, one minibatch and no clipping, PPO's
gradient *is* A2C's (tests/algorithms/test_theme.py).

    L(θ) = E[ -min(ρ A, clip(ρ, 1-ε, 1+ε) A) + c_v (V_θ - G)² - c_e H(π_θ) ],   ρ = π_θ(a|o) / π_old(a|o)

A is GAE(λ) under the value function that acted, standardised over each minibatch; G = A + V.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp

from logpi.algorithms.common.learning import (
    MinibatchRows,
    forward,
    improve,
    init_optimizer,
    make_act,
    minibatch,
    minibatch_count,
    remaining,
    shuffled,
    traced,
    unroll,
    value_of,
    weigh,
    whole,
)
from logpi.config.settings import ControlSettings, Schedule, above, at_least, fraction, not_negative
from logpi.methods import method
from logpi.ops import losses, psi
from logpi.ops.collectives import where
from logpi.ops.normalization import Statistics
from logpi.types import Algorithm, Array, Begun, EnvSpec, Key, Learner, Metrics, Policy, PyTree, Steps, Trajectory


@dataclasses.dataclass(frozen=True)
class PPO(ControlSettings):
    """Proximal policy optimization (Schulman et al. 2017)."""

    n_steps: int = at_least(1, 128)  # Rollout length T, in steps of each environment
    batch_size: int = at_least(1, 256)  # Minibatch size, in environment steps; must divide n_steps * n_envs
    n_epochs: int = at_least(1, 4)  # Number of passes over each rollout (epochs)
    # Parameter λ of GAE (Schulman et al. 2016): 0 is the one-step TD error, 1 the rollout's return minus the value
    gae_lambda: float = fraction(0.95)
    clip_range: float = not_negative(0.2)  # Clipping range ε of the probability ratio (eq. 7)
    clip_schedule: Schedule = "constant"  # Clipping range schedule: constant, or linear: decay to 0 at total_timesteps
    vf_coef: float = not_negative(0.5)  # Weight of the value loss
    max_grad_norm: float = 0.5
    # Target KL divergence in nats: a rollout's updates stop at 1.5 times it; inf: off
    target_kl: float = above(0, math.inf)
    normalize_advantage: bool = True  # Advantage normalization to mean 0 and standard deviation 1 over each minibatch


def loss(
    policy: Policy, statistics: Statistics, h: PPO, clip_range: Array, params: PyTree, b: MinibatchRows
) -> tuple[Array, Metrics]:
    """L(θ) of a minibatch, with what is logged of it."""
    out = unroll(policy, params, statistics, b.obs, b.mask, b.memory)
    log_prob = out.pi.log_prob(b.action)
    surrogate = losses.clipped_surrogate(log_prob, b.log_prob, b.advantage, clip_range)
    policy_loss = (surrogate * b.weight).sum()
    value_loss = (losses.squared_error(value_of(out), b.target) * b.weight).sum()
    entropy = (out.pi.entropy() * b.weight).sum()
    total = policy_loss + h.vf_coef * value_loss - h.ent_coef * entropy
    return total, {
        "train/loss": total,
        "train/policy_gradient_loss": policy_loss,
        "train/value_loss": value_loss,
        "train/entropy_loss": -entropy,
        **losses.ratio_metrics(log_prob, b.log_prob, b.weight, clip_range),
    }


@method(settings=PPO, parent="a2c")
def ppo(config: PPO, policy: Policy, spec: EnvSpec, obs: PyTree, own_psi: psi.Advantage | None = None) -> Algorithm:
    """PPO as an ``Algorithm``; ``obs`` has one observation's shapes, ``own_psi`` stands in GAE's place.

    Raises LogpiError where ``batch_size`` does not divide the rollout.
    """
    recurrent = bool(jax.tree.leaves(jax.eval_shape(lambda: policy.memory(1))))
    n_minibatches = minibatch_count(config.n_steps, config.n_envs, config.batch_size, recurrent)

    hyper = traced(config)

    def init(key: Key) -> Learner:
        params = policy.init(key)
        return Learner(params, init_optimizer(hyper, params), Statistics(), hyper, jnp.int32(0))

    def begin(learner: Learner, trajectory: Trajectory, key: Key) -> Begun:
        h, mask = learner.hyper, trajectory.mask
        _, value = forward(policy, learner.params, learner.statistics, trajectory)
        rewards = (trajectory.reward, h.gamma * trajectory.discount, mask, value, h.gae_lambda)
        advantage = psi.gae(*rewards)
        target = advantage + value[:-1]
        psi_t = weigh(own_psi, *rewards) if own_psi else advantage
        batches = shuffled(trajectory, psi_t, key, config.n_epochs, n_minibatches, config.normalize_advantage)
        return Begun(
            (target, batches),
            jnp.bool_(True),
            {
                "train/explained_variance": losses.explained_variance(value[:-1], target, mask),
                "train/clip_range": h.clip_range * remaining(learner, config.clip_schedule),
                "train/learning_rate": h.learning_rate * remaining(learner, config.lr_schedule),
            },
        )

    def step(learner: Learner, trajectory: Trajectory, begun: Begun, k: Array) -> tuple[Learner, Begun, Metrics]:
        h, going = learner.hyper, begun.rest
        clip_range, step_size = begun.metrics["train/clip_range"], begun.metrics["train/learning_rate"]
        target, batches = begun.rows
        b = minibatch(trajectory, target, batches, k)
        params, opt_state, metrics = improve(
            lambda p: loss(policy, learner.statistics, h, clip_range, p, b),
            h,
            learner.params,
            learner.opt_state,
            step_size,
        )
        going = going & (metrics["train/approx_kl"] <= 1.5 * h.target_kl)
        params, opt_state = where(going, (params, opt_state), (learner.params, learner.opt_state))
        return learner._replace(params=params, opt_state=opt_state), begun._replace(rest=going), metrics

    steps = Steps(config.n_epochs * n_minibatches, begin, step)
    act, sizes = make_act(policy), (config.batch_size, config.n_epochs)
    return Algorithm(init, act, whole(steps), policy, hyper, config.n_steps, False, *sizes, steps=lambda parts: steps)
