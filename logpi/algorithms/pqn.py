"""Parallelised Q-network (Gallici et al. 2025).

Against its parent DQN: no replay and no target network. Many environments are collected from side by side, layer
normalization keeps the values from running away (§4), and each rollout is learnt from at once, in ``n_epochs`` passes
of shuffled minibatches. The target is the λ-return of Q(λ) (Peng & Williams 1994; eq. 10 and algorithm 1 of the paper),
the same recursion as GAE's with the greedy value in V's place:

    G_t = r_t + γ [ (1 - λ) max_a Q(o_{t+1}, a) + λ G_{t+1} ],    L(θ) = E[ ½ (Q_θ(o_t, a_t) - G_t)² ]

Traces are not cut where an action was explored. G is computed once, with the network that collected.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from logpi.algorithms.common.learning import (
    improve,
    init_optimizer,
    minibatch,
    minibatch_count,
    remaining,
    shuffled,
    traced,
    whole,
)
from logpi.algorithms.common.values import Exploration, epsilon, make_act, values_at
from logpi.config.settings import GradientSettings, at_least, fraction
from logpi.methods import method
from logpi.nets.q import QNetwork, make_q
from logpi.ops import losses, psi
from logpi.ops.normalization import Statistics
from logpi.types import Algorithm, Array, Begun, EnvSpec, Key, Learner, Metrics, Policy, PyTree, Steps, Trajectory


@dataclasses.dataclass(frozen=True)
class PQNetwork(QNetwork):
    """The network of action values, with layer normalization."""

    layer_norm: bool = True


@dataclasses.dataclass(frozen=True)
class PQN(Exploration, GradientSettings):
    """Parallelised Q-network (Gallici et al. 2025): Q-learning without replay and target network."""

    n_envs: int = 32
    n_steps: int = at_least(1, 64)  # Rollout length T, in steps of each environment
    batch_size: int = at_least(1, 128)  # Minibatch size, in environment steps; must divide n_steps * n_envs
    n_epochs: int = at_least(1, 4)  # Number of passes over each rollout (epochs)
    # Parameter λ of the targets: 0 is the one-step target of Q-learning, 1 the rollout's return
    q_lambda: float = fraction(0.95)
    max_grad_norm: float = 10.0
    exploration_fraction: float = 0.2


@method(settings=PQN, parent="dqn", network=PQNetwork, policy=make_q)
def pqn(config: PQN, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """PQN as an ``Algorithm``; ``obs`` has the shapes of one environment's observation.

    Raises LogpiError where ``batch_size`` does not divide the rollout.
    """
    n_minibatches = minibatch_count(config.n_steps, config.n_envs, config.batch_size, recurrent=False)
    hyper = traced(config)

    def init(key: Key) -> Learner:
        params = policy.init(key)
        return Learner(params, init_optimizer(hyper, params), Statistics(), hyper, jnp.int32(0))

    def begin(learner: Learner, trajectory: Trajectory, key: Key) -> Begun:
        h, mask = learner.hyper, trajectory.mask
        q = values_at(policy, learner.params, learner.statistics, trajectory.obs)
        target = psi.lambda_returns(
            trajectory.reward, h.gamma * trajectory.discount, mask, q.values.max(-1), h.q_lambda
        )
        batches = shuffled(trajectory, target, key, config.n_epochs, n_minibatches, normalize_advantage=False)
        return Begun(
            (target, batches),
            (),
            {
                "rollout/exploration_rate": epsilon(learner),
                "train/learning_rate": h.learning_rate * remaining(learner, config.lr_schedule),
            },
        )

    def step(learner: Learner, trajectory: Trajectory, begun: Begun, k: Array) -> tuple[Learner, Begun, Metrics]:
        target, batches = begun.rows
        b = minibatch(trajectory, target, batches, k)

        def loss(params: PyTree) -> tuple[Array, Metrics]:
            q = values_at(policy, params, learner.statistics, b.obs).value_of(b.action)
            value = 0.5 * (losses.squared_error(q, b.target) * b.weight).sum()
            error = (jnp.abs(q - b.target) * b.weight).sum()
            return value, {"train/loss": value, "train/td_error": error, "train/q": (q * b.weight).sum()}

        step_size = begun.metrics["train/learning_rate"]
        params, opt_state, metrics = improve(loss, learner.hyper, learner.params, learner.opt_state, step_size)
        return learner._replace(params=params, opt_state=opt_state), begun, metrics

    steps = Steps(config.n_epochs * n_minibatches, begin, step)
    act, sizes = make_act(policy), (config.batch_size, config.n_epochs)
    return Algorithm(init, act, whole(steps), policy, hyper, config.n_steps, False, *sizes, steps=lambda parts: steps)
