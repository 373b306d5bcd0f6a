"""Soft actor-critic for discrete actions (Christodoulou 2019).

Against its parent sac: with one probability for each action, expectations over actions are sums, so neither target nor
actor draws one, and nothing is reparametrised:

    V(o) = Σ_a π_θ(a | o) (min_i Q_φ̄i(o, a) - α log π_θ(a | o)),    y = r + γ V(o')         (eq. 10)
    J_π(θ) = E[Σ_a π_θ(a | o) (α log π_θ(a | o) - min_i Q_φi(o, a))]                         (eq. 12)
    J(α) = E[Σ_a π_θ(a | o) (-α (log π_θ(a | o) + H̄))]                                       (eq. 11)

Its actor's gradient is that of qac with all actions in place of one, Σ_a π Ψ ∇ log π, and an entropy bonus.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from logpi.algorithms.common.continuous import Replayed
from logpi.algorithms.common.critics import both, chosen, critics_of, followed, in_force, probabilities, seen
from logpi.algorithms.common.learning import improve, make_act, remaining, traced
from logpi.algorithms.common.soft import Soft, cooled, first_learner
from logpi.config.settings import Use, above, fraction
from logpi.methods import method
from logpi.nets.critics import ActorCriticNetwork, discrete_actor_critics
from logpi.ops import losses
from logpi.types import Algorithm, Array, EnvSpec, Key, Learner, Metrics, Policy, PyTree, Transitions


@dataclasses.dataclass(frozen=True)
class SACDiscrete(Replayed):
    """Soft actor-critic for discrete actions (Christodoulou 2019): expectations over actions are sums."""

    learning_rate: float = 3e-4  # Learning rate of the actor, and of the temperature where it is learnt
    ent_coef: float = above(0, 1.0)  # Temperature α, the reward of one nat of entropy; where it is learnt, its first
    auto_ent_coef: bool = True  # Learning of the temperature, so that the policy's entropy is target_entropy
    # Wanted entropy of the policy, as a fraction of the uniform one's (Christodoulou 2019: 0.98)
    target_entropy: float = fraction(0.3)

    uses = (Use(("target_entropy",), lambda c: c.auto_ent_coef, "auto_ent_coef is on"),)
    fixed = ("ent_coef",)  # the temperature is a parameter once learning has begun


@method(settings=SACDiscrete, parent="sac", network=ActorCriticNetwork, policy=discrete_actor_critics)
def sac_discrete(config: SACDiscrete, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """Discrete SAC as an ``Algorithm``; ``obs`` has the shapes of one environment's observation."""
    hyper, critics = traced(config), critics_of(policy, config.n_critics)
    acting = both(policy, critics)

    def init(key: Key) -> Learner:
        return first_learner(hyper, hyper.ent_coef, acting.init(key))

    def soft(theta: PyTree, obs: PyTree, q: Array, alpha: Array) -> tuple[Array, Array, Array]:
        """(V(o), the policy's entropy, the uniform policy's) [N], for min_i Q [N, n]."""
        chance = probabilities(policy.apply(theta, (), obs)[1])
        log_prob = jnp.log(jnp.where(chance > 0, chance, 1.0))
        value = (chance * (q - alpha * log_prob)).sum(-1)
        return value, -(chance * log_prob).sum(-1), jnp.log((chance > 0).sum(-1))

    def update(learner: Learner, b: Transitions, key: Key) -> tuple[Learner, Metrics]:
        h, params, optimizers = learner.hyper, learner.params, learner.opt_state
        alpha, anneal = jnp.exp(params.log_alpha), remaining(learner, config.lr_schedule)
        b = seen(learner, b)
        copy = learner.extra._replace(params=in_force(learner.extra, params.critics))
        ahead, _, _ = soft(params.actor, b.next_obs, critics.apply(copy.params, b.next_obs).min(0), alpha)
        y = b.reward + b.discount * ahead

        def critic_loss(phi: PyTree) -> tuple[Array, Metrics]:
            q = chosen(critics.apply(phi, b.obs), b.action)
            loss = losses.decision_mean(0.5 * losses.squared_error(q, jnp.broadcast_to(y, q.shape)).sum(0), b.mask)
            return loss, {"train/critic_loss": loss, "train/q": losses.decision_mean(q[0], b.mask)}

        phi, critic, metrics = improve(critic_loss, h, params.critics, optimizers.critics, anneal * h.qf_learning_rate)
        q = critics.apply(phi, b.obs).min(0)

        def actor_loss(theta: PyTree) -> tuple[Array, Metrics]:
            value, entropy, uniform = soft(theta, b.obs, q, alpha)
            loss, missing = -value, h.target_entropy * uniform - entropy
            loss, entropy, missing = (losses.decision_mean(x, b.mask) for x in (loss, entropy, missing))
            return loss, {"train/actor_loss": loss, "train/entropy_loss": -entropy, "missing": missing}

        theta, actor, more = improve(actor_loss, h, params.actor, optimizers.actor, anneal * h.learning_rate)
        missing = more.pop("missing")
        log_alpha, temperature = params.log_alpha, optimizers.log_alpha
        if config.auto_ent_coef:
            log_alpha, temperature = cooled(learner, missing, b.mask, anneal * h.learning_rate)
        return learner._replace(
            params=Soft(theta, phi, log_alpha),
            opt_state=Soft(actor, critic, temperature),
            extra=followed(copy, phi, h.tau),
        ), {**metrics, **more, "train/ent_coef": alpha, "train/learning_rate": anneal * h.learning_rate}

    act, reuse = make_act(acting), config.experience
    return Algorithm(init, act, update, acting, hyper, config.n_steps, passes=config.passes, experience=reuse)
