"""Actor-critic with a Q-function for a critic: Ψ_t = Q_φ(o_t, a_t) - V_φ(o_t), V_φ(o) = E_{a~π}[Q_φ(o, a)].

Against its parent actor-critic: Ψ needs no reward that lies ahead. The critic learns from single moves, by expected
SARSA (van Seijen et al. 2009; Sutton & Barto 2018, eq. 6.9), whose target asks what the policy *would* do next:

    y = r + γ V_φ̄(o'),    V_φ̄(o') = Σ_a' π_θ(a' | o') Q_φ̄(o', a')
    φ ← φ - β ∇_φ E[(Q_φ(o, a) - y)²]
    θ ← θ + α E[Ψ ∇ log π_θ(a | o)]

An old move therefore teaches as well as a new one: with ``replay`` both steps learn from moves of a replay (Lin 1992),
and the actor's are on actions drawn anew at the stored observations, as those of an older policy would be another's
(Degris et al. 2012 leave out the same term, the change of where the policy comes to be). φ̄ follows φ slowly.

For a critic that does not depend on the moves it is taken over, ∇J's estimate is off by E[Σ_t (Q_φ - Q^π)(o_t, a_t)
∇ log π] and by nothing else (tests/algorithms/test_qac.py). Here the critic has just learnt from these moves, so that
its errors and their actions are correlated: a bias of its own, which is not in that formula.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp

from logpi.algorithms.common.critics import (
    Params,
    both,
    chosen,
    critics_of,
    decisions,
    first_copy,
    followed,
    in_force,
    probabilities,
    seen,
)
from logpi.algorithms.common.learning import improve, init_optimizer, make_act, remaining, traced
from logpi.config.settings import ControlSettings, Use, at_least, fraction, not_negative
from logpi.methods import method
from logpi.nets.critics import ActorCriticNetwork, discrete_actor_critics
from logpi.ops import losses, psi
from logpi.ops.collectives import per_device_key
from logpi.ops.normalization import Statistics
from logpi.types import (
    Algorithm,
    Array,
    Critics,
    EnvSpec,
    Experience,
    Key,
    Learner,
    Metrics,
    Policy,
    PyTree,
    Trajectory,
    Transitions,
)


@dataclasses.dataclass(frozen=True)
class QACNetwork(ActorCriticNetwork):
    """The networks of actor and critic: one torso of the same shape for each."""

    hidden: tuple[int, ...] = (64, 64)
    activation: Literal["tanh", "relu", "silu"] = "tanh"


@dataclasses.dataclass(frozen=True)
class QAC(ControlSettings):
    """Actor-critic with a learnt Q-function: Ψ = Q - V, V = E[Q] under π; on-policy, or from a replay."""

    n_steps: int = at_least(1, 16)  # Steps of each environment between two updates, or rounds of updates
    learning_rate: float = 1e-3  # Learning rate α of the actor θ
    qf_learning_rate: float = not_negative(1e-3)  # Learning rate β of the critic φ
    # Target of the critic: the value of the next observation under the policy, or that of its best action
    target: Literal["expected-sarsa", "q-learning"] = "expected-sarsa"
    tau: float = fraction(0.05)  # Fraction τ of the critic in each update of its slow copy; 1: no copy
    qf_steps: int = at_least(1, 4)  # Number of the critic's steps in an update without a replay
    replay: bool = False  # Experience replay: minibatches of past moves, instead of all those just collected
    buffer_size: int = at_least(1, 100_000)  # Replay size, in environment steps
    batch_size: int = at_least(1, 128)  # Minibatch size of an update, in environment steps
    gradient_steps: int = at_least(1, 16)  # Number of updates in each round
    # Frames that the environment stacks along an observation's first axis; the replay stores each once. 1: no stack
    stacked_frames: int = at_least(1, 1)
    learning_starts: int = at_least(0, 1_000)  # Environment steps before the first update

    uses = (
        Use(("qf_steps",), lambda c: not c.replay, "replay is off"),
        Use(
            ("buffer_size", "batch_size", "gradient_steps", "stacked_frames", "learning_starts"),
            lambda c: c.replay,
            "replay is on",
        ),
    )


def target(config: QAC, policy: Policy, critics: Critics, learner: Learner, copy: PyTree, b: Transitions) -> Array:
    """y [N]."""
    _, out = policy.apply(learner.params.actor, (), b.next_obs)
    chance, q = probabilities(out), critics.apply(copy, b.next_obs)[0]
    best = jnp.where(chance > 0, q, -jnp.inf).max(-1)
    return b.reward + b.discount * ((chance * q).sum(-1) if config.target == "expected-sarsa" else best)


def actor_loss(
    policy: Policy, critics: Critics, learner: Learner, b: Transitions, params: PyTree
) -> tuple[Array, Metrics]:
    """-Ψ log π of the actions of ``b``."""
    _, out = policy.apply(params, (), b.obs)
    q = critics.apply(learner.params.critics, b.obs)[0]
    psi_t = psi.action_advantage(q, probabilities(out), b.action)
    loss = losses.decision_mean(losses.policy_gradient(out.pi.log_prob(b.action), psi_t), b.mask)
    entropy = losses.decision_mean(out.pi.entropy(), b.mask)
    return loss - learner.hyper.ent_coef * entropy, {
        "train/policy_gradient_loss": loss,
        "train/entropy_loss": -entropy,
    }


@method(settings=QAC, parent="actor_critic", network=QACNetwork, policy=discrete_actor_critics)
def qac(config: QAC, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """Actor-critic with a Q-function as an ``Algorithm``; ``obs`` has the shapes of one environment's observation."""
    hyper, critics = traced(config), critics_of(policy, 1)
    acting = both(policy, critics)

    def init(key: Key) -> Learner:
        params = acting.init(key)
        optimizers = Params(init_optimizer(hyper, params.actor), init_optimizer(hyper, params.critics))
        return Learner(params, optimizers, Statistics(), hyper, jnp.int32(0), first_copy(params.critics))

    def learn(learner: Learner, b: Transitions, fresh: Key | None, steps: int) -> tuple[Learner, Metrics]:
        """Critic, then actor: on the actions of ``b``, or on ones drawn with the key ``fresh``."""
        anneal, h = remaining(learner, config.lr_schedule), learner.hyper
        copy = learner.extra._replace(params=in_force(learner.extra, learner.params.critics))
        y = target(config, policy, critics, learner, copy.params, b)

        def critic_loss(params: PyTree) -> tuple[Array, Metrics]:
            q = chosen(critics.apply(params, b.obs)[0], b.action)
            loss = losses.decision_mean(losses.squared_error(q, y), b.mask)
            return loss, {"train/value_loss": loss, "train/q": losses.decision_mean(q, b.mask)}

        phi, critic = learner.params.critics, learner.opt_state.critics
        for _ in range(steps):
            phi, critic, metrics = improve(critic_loss, h, phi, critic, anneal * h.qf_learning_rate)
        learner = learner._replace(params=learner.params._replace(critics=phi), extra=followed(copy, phi, h.tau))
        if fresh is not None:
            _, out = policy.apply(learner.params.actor, (), b.obs)
            b = b._replace(action=out.pi.sample(per_device_key(fresh)))
        theta, actor, more = improve(
            lambda params: actor_loss(policy, critics, learner, b, params),
            h,
            learner.params.actor,
            learner.opt_state.actor,
            anneal * h.learning_rate,
        )
        return learner._replace(
            params=Params(theta, phi),
            opt_state=Params(actor, critic),
        ), metrics | more | {"train/learning_rate": anneal * h.learning_rate}

    def update(learner: Learner, trajectory: Trajectory, key: Key) -> tuple[Learner, Metrics]:
        b = seen(learner, decisions(trajectory, learner.hyper.gamma))
        return learn(learner, b, None, config.qf_steps)

    def update_from_replay(learner: Learner, b: Transitions, key: Key) -> tuple[Learner, Metrics]:
        return learn(learner, seen(learner, b), key, 1)

    act = make_act(acting)
    if not config.replay:
        return Algorithm(init, act, update, acting, hyper, config.n_steps, passes=config.qf_steps)
    sizes = (config.buffer_size, config.batch_size, config.gradient_steps, config.learning_starts)
    reuse = Experience(*sizes, frames=config.stacked_frames)
    passes = reuse.passes(config.n_steps * config.n_envs)
    return Algorithm(init, act, update_from_replay, acting, hyper, config.n_steps, passes=passes, experience=reuse)
