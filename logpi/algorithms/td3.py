"""Twin delayed deep deterministic policy gradient (Fujimoto et al. 2018).

Against its parent ddpg three cures of values that are too high, each a setting. Of two critics the smaller is believed
(``n_critics``). The actor and the slow copies follow once in ``policy_delay`` updates of the critics. And the target's
action is blurred, so that a narrow peak of Q pays nothing (``target_noise``, clipped at ``target_noise_clip``):

    y = r + γ min_i Q_φ̄i(o', clip(π_θ̄(o') + clip(ε, ±c), ±1)),   ε ~ N(0, σ̃)           (algorithm 1)
    φ_i ← argmin E[(Q_φi(o, a) - y)²]
    ∇J(θ) = E[∇_a Q_φ1(o, a)|_{a=π_θ(o)} ∇_θ π_θ(o)]                                   (Silver et al. 2014, eq. 7)

No log π and no Ψ: this is the deterministic policy gradient, the limit of ∇J as the deviation of π goes to 0 (Silver et
al. 2014, theorem 2). It acts by π_θ(o) plus noise, white, or correlated from move to move (``noise``).
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from logpi.algorithms.common.continuous import Exploring, dimensions, warming
from logpi.algorithms.common.critics import Params, both, critics_of, first_copy, followed, in_force, seen
from logpi.algorithms.common.learning import improve, init_optimizer, remaining, traced
from logpi.config.settings import Use, at_least, not_negative
from logpi.methods import method
from logpi.nets.critics import ActorCriticNetwork, deterministic_actor_critics
from logpi.ops import losses
from logpi.ops.collectives import per_device_key, where
from logpi.ops.noise import make_noise
from logpi.ops.normalization import Statistics, normalize_obs
from logpi.types import Act, Algorithm, Array, EnvSpec, Key, Learner, Metrics, Policy, PyTree, Transitions


@dataclasses.dataclass(frozen=True)
class TD3(Exploring):
    """TD3 (Fujimoto et al. 2018): a deterministic policy that climbs the smaller of two critics, more seldom."""

    learning_rate: float = 1e-3
    # Fraction τ of actor and critics in each update of their slow copies, once in policy_delay updates; 1: no copy
    tau: float = 0.005
    policy_delay: int = at_least(1, 2)  # Updates of the critics for each one of the actor and of the slow copies
    # Standard deviation of the noise while acting, for actions in [-1, 1]
    action_noise: float = not_negative(0.1)
    # Standard deviation of the noise on the target's action, for actions in [-1, 1]
    target_noise: float = not_negative(0.2)
    target_noise_clip: float = not_negative(0.5)  # Largest absolute noise on the target's action

    uses = (Use(("target_noise_clip",), lambda c: c.target_noise > 0, "target_noise is above 0"),)


@method(settings=TD3, parent="ddpg", network=ActorCriticNetwork, policy=deterministic_actor_critics)
def td3(config: TD3, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """TD3 as an ``Algorithm``; ``obs`` has the shapes of one environment's observation."""
    size, hyper, critics = dimensions(spec), traced(config), critics_of(policy, config.n_critics)
    noise = make_noise(config.noise, size)
    acting = both(policy, critics)._replace(memory=noise.memory)

    def init(key: Key) -> Learner:
        params = Params(*acting.init(key))
        optimizers = Params(init_optimizer(hyper, params.actor), init_optimizer(hyper, params.critics))
        return Learner(params, optimizers, Statistics(), hyper, jnp.int32(0), first_copy(params))

    def pi(params: PyTree, obs: PyTree) -> Array:
        return policy.apply(params, (), obs)[1].pi.mode()

    def act(learner: Learner, memory: PyTree, obs: PyTree, key: Key, greedy: bool = False) -> Act:
        action = pi(learner.params.actor, normalize_obs(learner.statistics, obs))
        if greedy:
            return Act(action, None, memory)
        draw, other = jax.random.split(key)
        memory, epsilon = noise.draw(memory, draw, action.shape[0])
        moved = jnp.clip(action + learner.hyper.action_noise * epsilon, -1.0, 1.0)
        return Act(warming(learner, config.learning_starts, other, moved), None, memory)

    def update(learner: Learner, b: Transitions, key: Key) -> tuple[Learner, Metrics]:
        h, params, anneal = learner.hyper, learner.params, remaining(learner, config.lr_schedule)
        b = seen(learner, b)
        copy = learner.extra._replace(params=in_force(learner.extra, params))
        blur = h.target_noise * jax.random.normal(per_device_key(key), b.action.shape)
        blur = jnp.clip(blur, -h.target_noise_clip, h.target_noise_clip)
        action = jnp.clip(pi(copy.params.actor, b.next_obs) + blur, -1.0, 1.0)
        y = b.reward + b.discount * critics.apply(copy.params.critics, b.next_obs, action).min(0)

        def critic_loss(phi: PyTree) -> tuple[Array, Metrics]:
            q = critics.apply(phi, b.obs, b.action)
            loss = losses.decision_mean(losses.squared_error(q, jnp.broadcast_to(y, q.shape)).sum(0), b.mask)
            return loss, {"train/critic_loss": loss, "train/q": losses.decision_mean(q[0], b.mask)}

        phi, critic, metrics = improve(
            critic_loss, h, params.critics, learner.opt_state.critics, anneal * h.qf_learning_rate
        )

        def actor_loss(theta: PyTree) -> tuple[Array, Metrics]:
            loss = losses.decision_mean(-critics.apply(phi, b.obs, pi(theta, b.obs))[0], b.mask)
            return loss, {"train/actor_loss": loss}

        climbed = improve(actor_loss, h, params.actor, learner.opt_state.actor, anneal * h.learning_rate)
        due = (copy.updates + 1) % config.policy_delay == 0
        theta, actor = where(due, climbed[:2], (params.actor, learner.opt_state.actor))
        learnt = Params(theta, phi)
        return learner._replace(
            params=learnt,
            opt_state=Params(actor, critic),
            extra=followed(copy, learnt, h.tau, due),
        ), {**metrics, **climbed[2], "train/learning_rate": anneal * h.learning_rate}

    reuse = config.experience
    return Algorithm(init, act, update, acting, hyper, config.n_steps, passes=config.passes, experience=reuse)
