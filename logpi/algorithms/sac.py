"""Soft actor-critic (Haarnoja et al. 2018a, and 2018b, arXiv 1812.05905, whose equations these are).

Against its parent qac: entropy is a part of the reward, α for each nat at every move. Actions are continuous, tanh of a
Gaussian, so that V = E[Q] is the Q of one draw instead of a sum over actions. And since Q can be differentiated by the
action, the actor climbs Q along its own draw (the reparametrised gradient), where Ψ ∇ log π only weighs what was drawn.
Of N critics the smallest is believed (Fujimoto et al. 2018).

    y = r + γ (min_i Q_φ̄i(o', ã') - α log π_θ(ã' | o')),   ã' ~ π_θ(· | o')            (eq. 2, 3)
    J_Q(φ) = E[½ Σ_i (Q_φi(o, a) - y)²]                                                 (eq. 5)
    J_π(θ) = E[α log π_θ(ã | o) - min_i Q_φi(o, ã)],   ã = tanh(μ_θ(o) + σ_θ(o) ε)      (eq. 7, 9)
    J(α) = E[-α (log π_θ(ã | o) + H̄)],   H̄ the wanted entropy                           (eq. 18)

``noise`` correlates ε from move to move while acting (Eberhard et al. 2023), where reward is rare and white noise gets
nowhere; what is learnt is the same.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from logpi.algorithms.common.continuous import Exploring, dimensions, warming
from logpi.algorithms.common.critics import both, critics_of, followed, in_force, seen
from logpi.algorithms.common.learning import improve, remaining, traced
from logpi.algorithms.common.soft import Soft, cooled, first_learner
from logpi.config.settings import Use, above, finite
from logpi.errors import LogpiError
from logpi.methods import method
from logpi.nets.critics import ActorCriticNetwork, squashed_actor_critics
from logpi.ops import losses
from logpi.ops.collectives import per_device_key
from logpi.ops.distributions import TanhGaussian
from logpi.ops.noise import make_noise
from logpi.ops.normalization import normalize_obs
from logpi.types import Act, Algorithm, Array, EnvSpec, Key, Learner, Metrics, Output, Policy, PyTree, Transitions


@dataclasses.dataclass(frozen=True)
class SAC(Exploring):
    """Soft actor-critic (Haarnoja et al. 2018): off-policy, reward and entropy, for continuous actions."""

    learning_rate: float = 3e-4  # Learning rate of the actor, and of the temperature where it is learnt
    ent_coef: float = above(0, 1.0)  # Temperature α, the reward of one nat of entropy; where it is learnt, its first
    auto_ent_coef: bool = True  # Learning of the temperature, so that the policy's entropy is target_entropy
    # Wanted entropy of the policy in nats, for each dimension of an action in [-1, 1] (Haarnoja et al. 2018b, app. D)
    target_entropy: float = finite(-1.0)

    uses = (Use(("target_entropy",), lambda c: c.auto_ent_coef, "auto_ent_coef is on"),)
    fixed = ("ent_coef",)  # the temperature is a parameter once learning has begun


@method(settings=SAC, parent="qac", network=ActorCriticNetwork, policy=squashed_actor_critics)
def sac(config: SAC, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """SAC as an ``Algorithm``; ``obs`` has the shapes of one environment's observation."""
    size, hyper, critics = dimensions(spec), traced(config), critics_of(policy, config.n_critics)
    noise = make_noise(config.noise, size)
    acting = both(policy, critics)._replace(memory=noise.memory)

    def init(key: Key) -> Learner:
        return first_learner(hyper, hyper.ent_coef, acting.init(key))

    def pi(params: PyTree, obs: PyTree) -> TanhGaussian:
        return squashed(policy.apply(params, (), obs)[1])

    def act(learner: Learner, memory: PyTree, obs: PyTree, key: Key, greedy: bool = False) -> Act:
        found = pi(learner.params.actor, normalize_obs(learner.statistics, obs))
        if greedy:
            return Act(found.mode(), None, memory)
        draw, other = jax.random.split(key)
        memory, epsilon = noise.draw(memory, draw, found.mean.shape[0])
        return Act(warming(learner, config.learning_starts, other, found.at(epsilon)[0]), None, memory)

    def drawn(params: PyTree, obs: PyTree, epsilon: Array) -> tuple[Array, Array]:
        """(ã, log π(ã | o)) by the white noise ``epsilon``."""
        return pi(params, obs).at(epsilon)

    def update(learner: Learner, b: Transitions, key: Key) -> tuple[Learner, Metrics]:
        h, params, optimizers = learner.hyper, learner.params, learner.opt_state
        alpha, anneal = jnp.exp(params.log_alpha), remaining(learner, config.lr_schedule)
        b = seen(learner, b)
        copy = learner.extra._replace(params=in_force(learner.extra, params.critics))
        next_epsilon, epsilon = jax.random.normal(per_device_key(key), (2, len(b.reward), size))
        action, log_prob = drawn(params.actor, b.next_obs, next_epsilon)
        y = b.reward + b.discount * (critics.apply(copy.params, b.next_obs, action).min(0) - alpha * log_prob)

        def critic_loss(phi: PyTree) -> tuple[Array, Metrics]:
            q = critics.apply(phi, b.obs, b.action)
            loss = losses.decision_mean(0.5 * losses.squared_error(q, jnp.broadcast_to(y, q.shape)).sum(0), b.mask)
            return loss, {"train/critic_loss": loss, "train/q": losses.decision_mean(q[0], b.mask)}

        phi, critic, metrics = improve(critic_loss, h, params.critics, optimizers.critics, anneal * h.qf_learning_rate)

        def actor_loss(theta: PyTree) -> tuple[Array, Metrics]:
            action, log_prob = drawn(theta, b.obs, epsilon)
            q = critics.apply(phi, b.obs, action).min(0)
            loss, entropy = (losses.decision_mean(x, b.mask) for x in (alpha * log_prob - q, -log_prob))
            return loss, {"train/actor_loss": loss, "train/entropy_loss": -entropy}

        theta, actor, more = improve(actor_loss, h, params.actor, optimizers.actor, anneal * h.learning_rate)
        log_alpha, temperature = params.log_alpha, optimizers.log_alpha
        if config.auto_ent_coef:
            missing = size * h.target_entropy + more["train/entropy_loss"]
            log_alpha, temperature = cooled(learner, missing, b.mask, anneal * h.learning_rate)
        return learner._replace(
            params=Soft(theta, phi, log_alpha),
            opt_state=Soft(actor, critic, temperature),
            extra=followed(copy, phi, h.tau),
        ), {**metrics, **more, "train/ent_coef": alpha, "train/learning_rate": anneal * h.learning_rate}

    reuse = config.experience
    return Algorithm(init, act, update, acting, hyper, config.n_steps, passes=config.passes, experience=reuse)


def squashed(out: Output) -> TanhGaussian:
    """The policy's distribution.

    Raises:
        LogpiError: it is another.
    """
    if not isinstance(out.pi, TanhGaussian):
        raise LogpiError(
            f"the policy's pi is a {type(out.pi).__name__}; sac needs logpi.ops.distributions.TanhGaussian"
        )
    return out.pi
