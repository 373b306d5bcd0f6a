"""REINFORCE (Williams 1992): θ ← θ + α (1/m) Σ_i Σ_t Ψ_t ∇ log π_θ(a_t | o_t), over m complete trajectories.

The rung of the ladder is the only choice: what Ψ_t is. With ``rung="value"`` a baseline V_φ is fitted to the returns
by least squares, and Ψ_t = G_t - V_φ(o_t) (Sutton & Barto 2018, §13.4).
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, Literal

import jax.numpy as jnp

from logpi.algorithms.common.descents import Descent, Plan, in_columns, in_one
from logpi.algorithms.common.learning import init_optimizer, make_act, remaining, traced, whole_rows
from logpi.config.settings import ControlSettings, Use, at_least, not_negative
from logpi.methods import method
from logpi.ops import losses, psi
from logpi.ops.collectives import psum
from logpi.ops.normalization import Statistics
from logpi.types import Algorithm, Array, EnvSpec, Key, Learner, Metrics, Policy, PyTree, Trajectory


def ladder(rung: str, reward: Array, discount: Array, mask: Array, value: Array, average: Array) -> Array:
    """Ψ [T, B] of a rung; ``discount`` includes γ, ``value`` is [T+1, B], ``average`` the mean G_t of the past."""
    go = psi.reward_to_go(reward, discount, mask)
    match rung:
        case "total-reward":
            return psi.total_reward(reward, discount, mask)
        case "reward-to-go" | "discounted":
            return go
        case "moving-average":
            return psi.minus_constant(go, average)
        case "batch-mean":
            return psi.minus_batch_mean(go, mask)
        case "leave-one-out":
            return psi.minus_leave_one_out(go, mask)
        case _:
            return psi.minus_value(reward, discount, mask, value)


UNDISCOUNTED = ("total-reward", "reward-to-go")  # rungs
Rung = Literal[
    "total-reward",
    "reward-to-go",
    "discounted",
    "moving-average",
    "batch-mean",
    "leave-one-out",
    "value",
]


@dataclasses.dataclass(frozen=True)
class Reinforce(ControlSettings):
    """REINFORCE (Williams 1992): complete trajectories, any rung of the Ψ ladder."""

    rung: Rung = "value"  # Return or advantage Ψ_t that weighs ∇ log π; each is defined in docs/theme.md
    # Maximum trajectory length, in steps, of environments without a time limit or with one above 10,000 steps
    n_steps: int = at_least(1, 1000)
    learning_rate: float = 3e-3  # Learning rate α of the policy
    vf_learning_rate: float = not_negative(3e-3)  # Learning rate of the learned baseline V
    vf_steps: int = at_least(1, 1)  # Gradient steps on the baseline V per batch of trajectories
    normalize_psi: bool = False  # Normalization of the weights Ψ to mean 0 and standard deviation 1 over the batch

    uses = (
        Use(("vf_learning_rate", "vf_steps"), lambda c: c.rung == "value", "rung is value"),
        Use(
            ("gamma",),
            lambda c: c.rung not in UNDISCOUNTED or c.normalize_reward,
            f"rung is neither {' nor '.join(UNDISCOUNTED)}",
        ),
    )


@method(settings=Reinforce)
def reinforce(config: Reinforce, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """REINFORCE as an ``Algorithm``; ``obs`` has the shapes of one environment's observation."""
    undiscounted, learns = config.rung in UNDISCOUNTED, config.rung == "value"

    hyper = traced(config)

    def init(key: Key) -> Learner:
        params = policy.init(key)
        optimizers = {"actor": init_optimizer(hyper, params), "critic": init_optimizer(hyper, params)}
        average = {"sum": jnp.zeros(()), "count": jnp.zeros(())}  # of G_t, over all decisions so far
        return Learner(params, optimizers, Statistics(), hyper, jnp.int32(0), average)

    def plan(learner: Learner, trajectory: Trajectory, value: Array) -> Plan:
        h, mask, reward = learner.hyper, trajectory.mask, trajectory.reward
        discount = trajectory.discount * (1.0 if undiscounted else h.gamma)
        average = learner.extra["sum"] / jnp.maximum(learner.extra["count"], 1.0)
        weight = ladder(config.rung, reward, discount, mask, value, average)
        if config.normalize_psi:
            weight = losses.standardize(weight, mask)

        def actor_loss(pi: Any, v: Array) -> tuple[Array, Metrics]:
            loss = losses.policy_gradient(pi.log_prob(trajectory.action), weight)
            loss, bonus = losses.trajectory_mean(loss, mask), losses.trajectory_mean(pi.entropy(), mask)
            return loss - h.ent_coef * bonus, {
                "train/policy_gradient_loss": loss,
                "train/entropy_loss": -losses.decision_mean(pi.entropy(), mask),
            }

        def baseline_loss(pi: Any, v: Array) -> tuple[Array, Metrics]:
            loss = losses.decision_mean(losses.squared_error(v[:-1], target), mask)
            return loss, {"train/value_loss": loss}

        anneal = remaining(learner, config.lr_schedule)
        metrics: Metrics = {"train/learning_rate": anneal * h.learning_rate}
        descents = [Descent(actor_loss, anneal * h.learning_rate, "actor")]
        if learns:
            target = psi.minus_value(reward, discount, mask, value) + value[:-1]
            descents += [Descent(baseline_loss, anneal * h.vf_learning_rate, "critic")] * config.vf_steps
            metrics["train/explained_variance"] = losses.explained_variance(value[:-1], target, mask)

        go = psi.reward_to_go(reward, discount, mask)
        extra = {
            "sum": learner.extra["sum"] + psum((go * mask).sum()),
            "count": learner.extra["count"] + psum(mask.sum()),
        }
        return Plan(descents, metrics, extra)

    steps = partial(in_columns, policy, plan, 1 + learns * config.vf_steps)
    act, update, n_steps = make_act(policy), in_one(policy, plan), whole_rows(spec, config.n_steps)
    return Algorithm(init, act, update, policy, hyper, n_steps, whole_episodes=True, steps=steps)
