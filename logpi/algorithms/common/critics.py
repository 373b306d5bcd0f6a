"""What the methods with an actor and action-value critics share: networks, decisions, and the critics' slow copy."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.errors import LogpiError
from logpi.ops.collectives import where
from logpi.ops.distributions import Categorical
from logpi.ops.normalization import normalize_obs
from logpi.types import Array, Critics, Key, Learner, Number, Output, Policy, PyTree, Trajectory, Transitions


class Params(NamedTuple):
    """Parameters of actor and critics, in ``Learner.params``."""

    actor: PyTree
    critics: PyTree


class Copy(NamedTuple):
    """A slow copy of parameters, in ``Learner.extra``."""

    params: PyTree
    updates: Array  # [] int32: updates made so far


def critics_of(policy: Policy, count: int) -> Critics:
    """``count`` critics beside ``policy``.

    Raises:
        LogpiError: the policy is one of the user's own, which builds none.
    """
    if policy.critics is None:
        raise LogpiError(
            "this method learns action values, and the policy of your own builds no critics: give its logpi.Policy "
            "the field critics, a function (N) -> logpi.types.Critics, or leave the policy out"
        )
    return policy.critics(count)


def probabilities(out: Output) -> Array:
    """π(a | o) of each action of a discrete policy, [*B, n].

    Raises:
        LogpiError: the policy is another.
    """
    if not isinstance(out.pi, Categorical):
        raise LogpiError(
            f"the policy's pi is a {type(out.pi).__name__}; this method needs logpi.ops.distributions.Categorical"
        )
    return jax.nn.softmax(out.pi.logits)


def both(policy: Policy, critics: Critics) -> Policy:
    """``policy`` on the parameters of actor and critics together."""

    def init(key: Key) -> Params:
        actor_key, critic_key = jax.random.split(key)
        return Params(policy.init(actor_key), critics.init(critic_key))

    return policy._replace(init=init, apply=lambda params, memory, obs: policy.apply(params.actor, memory, obs))


def first_copy(params: PyTree) -> Copy:
    """The copy before the first update."""
    return Copy(params, jnp.int32(0))


def in_force(copy: Copy, params: PyTree) -> PyTree:
    """The copied parameters that an update learns with; in the first update ``params``.

    A run may begin with the parameters of an agent, which has no copy.
    """
    return where(copy.updates > 0, copy.params, params)


def followed(copy: Copy, params: PyTree, tau: Number, now: Array | bool = True) -> Copy:
    """The copy after an update that began with ``copy`` and ended with ``params``: φ̄ ← τ φ + (1 - τ) φ̄.

    Args:
        copy: with the parameters ``in_force``.
        params: of the critics, φ.
        tau: fraction of them, τ.
        now: whether the copy follows in this update.
    """
    mixed = jax.tree.map(lambda new, old: old + tau * (new - old), params, copy.params)
    return Copy(where(jnp.asarray(now), mixed, copy.params), copy.updates + 1)


def decisions(trajectory: Trajectory, gamma: Number) -> Transitions:
    """The T x B decisions of a trajectory, each with the observation that followed it."""

    def flat(tree: PyTree, rows: slice) -> PyTree:
        return jax.tree.map(lambda x: x[rows].reshape(-1, *x.shape[2:]), tree)

    action, reward, discount, mask = flat((*trajectory[1:2], *trajectory[3:6]), slice(None))
    obs, next_obs = flat(trajectory.obs, slice(None, -1)), flat(trajectory.obs, slice(1, None))
    return Transitions(obs, action, reward, gamma * discount, next_obs, mask, jnp.ones(mask.shape))


def seen(learner: Learner, b: Transitions) -> Transitions:
    """``b`` with its observations as the networks see them."""
    obs, following = (normalize_obs(learner.statistics, x) for x in (b.obs, b.next_obs))
    return b._replace(obs=obs, next_obs=following)


def chosen(q: Array, action: Array) -> Array:
    """Q(o, a) [*N, B] of the action [B] taken, from ``q`` [*N, B, n]."""
    taken = jax.nn.one_hot(action, q.shape[-1], dtype=q.dtype)
    return (q * jnp.broadcast_to(taken, q.shape)).sum(-1)
