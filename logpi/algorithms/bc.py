"""Behaviour cloning (Pomerleau 1991): supervised learning of the decisions that another agent made.

    L(θ) = E_{(o, a) ~ D}[ -log π_θ(a | o) ] - c_e H(π_θ)

D are recorded decisions, each with the same probability; the environment only tells the score. Where -Ψ log π has the
weight Ψ = 1 on every decision of the expert, this is the policy gradient's loss. Errors add up along an episode: a
policy that errs with probability ε in the expert's states may lose ε T² in T moves (Ross & Bagnell 2010).
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from logpi.algorithms.common.learning import improve, init_optimizer, make_act, remaining, traced, unroll
from logpi.config.settings import ControlSettings, Use, at_least, timesteps
from logpi.errors import LogpiError
from logpi.methods import method
from logpi.ops import losses
from logpi.ops.normalization import Statistics
from logpi.types import Algorithm, Array, Decisions, EnvSpec, Key, Learner, Metrics, Policy, PyTree, Records

COLLECTS = "a method collects: behaviour cloning learns from records"


@dataclasses.dataclass(frozen=True)
class BC(ControlSettings):
    """Behaviour cloning (Pomerleau 1991): π by maximum likelihood on the recorded decisions of another agent."""

    dataset: str = ""  # Minari data set on this machine, by its id; `logpi eval AGENT --record ID` makes one
    total_timesteps: float = timesteps(5e5)  # Training length in recorded decisions, summed over minibatches
    batch_size: int = at_least(1, 256)  # Minibatch size, in recorded decisions
    gradient_steps: int = at_least(1, 50)  # Number of gradient steps (minibatches) per iteration
    learning_rate: float = 1e-3

    uses = (Use(("n_envs", "gamma", "normalize_reward"), lambda c: False, COLLECTS),)


@method(settings=BC)
def bc(config: BC, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """Behaviour cloning as an ``Algorithm`` with ``records``.

    Raises:
        LogpiError: the policy has a memory, which single decisions do not show.
    """
    if jax.tree.leaves(jax.eval_shape(lambda: policy.memory(1))):
        raise LogpiError("bc learns from single decisions, which a memory needs the past of; choose memory none")
    hyper = traced(config)

    def init(key: Key) -> Learner:
        params = policy.init(key)
        return Learner(params, init_optimizer(hyper, params), Statistics(), hyper, jnp.int32(0))

    def update(learner: Learner, batch: Decisions, key: Key) -> tuple[Learner, Metrics]:
        h, every = learner.hyper, jnp.ones(config.batch_size)

        def loss(params: PyTree) -> tuple[Array, Metrics]:
            pi = unroll(policy, params, learner.statistics, batch.obs, every, ()).pi
            likelihood = losses.decision_mean(pi.log_prob(batch.action), every)
            entropy = losses.decision_mean(pi.entropy(), every)
            total = -likelihood - h.ent_coef * entropy
            return total, {
                "train/loss": total,
                "train/log_likelihood": likelihood,
                "train/entropy_loss": -entropy,
            }

        step_size = h.learning_rate * remaining(learner, config.lr_schedule)
        params, opt_state, metrics = improve(loss, h, learner.params, learner.opt_state, step_size)
        return learner._replace(params=params, opt_state=opt_state), {**metrics, "train/learning_rate": step_size}

    records = Records(config.dataset, config.batch_size, config.gradient_steps)
    return Algorithm(init, make_act(policy), update, policy, hyper, n_steps=1, records=records)
