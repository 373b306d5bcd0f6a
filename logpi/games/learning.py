"""AlphaGo Zero's and AlphaZero's target, loss and update.

    (p, v) = f_θ(s),    l = (z - v)² - πᵀ log p + c ‖θ‖²       (Silver et al. 2017, eq. 1)

π is the policy of the search at the root and z the outcome of the game for the player to move. ``target`` is z,
``loss`` is l and ``update`` is a step of θ down the gradient of l. The term c ‖θ‖² is a decoupled weight decay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from logpi.algorithms.common.learning import improve
from logpi.games.replay import UNKNOWN, Moves, Samples
from logpi.games.search.guided import Apply
from logpi.games.settings import GameSettings, SampledSettings, SelfPlaySettings
from logpi.ops.distributions import masked
from logpi.ops.losses import decision_mean, squared_error
from logpi.ops.psi import lambda_returns
from logpi.types import Array, Learner, Metrics, PyTree


class Player(NamedTuple):
    """The network that plays; a learner of games keeps it in ``Learner.extra``, next to the newest parameters."""

    params: PyTree
    match: Metrics  # results of the last gating match; {} where there is no gate


def target(moves: Moves, following: Array, td_lambda: float | Array) -> Array:
    """z [T, B], the target of v: the λ-return with discount -1 where the turn passes; λ = 1: the game's outcome.

    Args:
        moves: [T, B].
        following: [B] value of the positions after the last row, for the player to move.
        td_lambda: λ.
    """
    # what followed a random move does not measure the move of the search: there the search's own value is the target
    searched = 1.0 - moves.random_move
    value = jnp.concatenate([moves.value, following[None]])
    z = lambda_returns(moves.reward, moves.discount, searched, value, td_lambda)
    return jnp.where(searched > 0, z, moves.value)


def loss(apply: Apply, params: PyTree, samples: Samples, h: SelfPlaySettings) -> tuple[Array, Metrics]:
    """l without the weight decay: (scalar, metrics), this device's share of both (``losses.decision_mean``)."""
    logits, value, ownership = apply(params, samples.obs)
    p = masked(logits, samples.legal)
    log_p = jnp.where(samples.legal, jax.nn.log_softmax(p.logits), 0.0)
    cross_entropy = -(samples.policy * log_p).sum(-1)
    value_loss = decision_mean(squared_error(value, samples.target), samples.weight)
    policy_loss = decision_mean(cross_entropy, samples.weight)
    metrics = {
        "train/policy_loss": policy_loss,
        "train/value_loss": value_loss,
        "train/entropy": decision_mean(p.entropy(), samples.weight),
    }
    whole = policy_loss + h.vf_coef * value_loss
    if ownership is not None and samples.ownership is not None:
        metrics["train/ownership_loss"] = ownership_loss(ownership, samples.ownership, samples.weight)
        whole += h.ownership_coef * metrics["train/ownership_loss"]
    return whole, metrics


def ownership_loss(predicted: Array, ownership: Array, weight: Array) -> Array:
    """Ownership and score loss (Wu 2019, §4.1): squared error of each cell, and of the score, their mean.

    Args:
        predicted: [N, cells] in [-1, 1].
        ownership: [N, cells] as ``Samples.ownership``.
        weight: [N] as ``Samples.weight``.
    """
    played_out = weight * (jnp.abs(ownership[:, 0]) < UNKNOWN)
    cells = squared_error(predicted, ownership).mean(-1)
    score = squared_error(predicted.mean(-1), ownership.mean(-1))
    return decision_mean(cells + score, played_out)


def learning_rate(h: GameSettings, timesteps: Array) -> Array:
    """Half a cosine from ``learning_rate`` to ``final_learning_rate`` at ``total_timesteps``."""
    progress = jnp.minimum(timesteps / h.total_timesteps, 1.0)
    cosine = 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
    return h.final_learning_rate + (h.learning_rate - h.final_learning_rate) * cosine


NextPlayer = Callable[[PyTree, PyTree, Any], PyTree]  # (player's params, newest params, settings)
Loss = Callable[[Apply, PyTree, Samples, Any], tuple[Array, Metrics]]  # (network, params, samples, settings)


def update(
    apply: Apply, next_player: NextPlayer, learner: Learner, samples: Samples, loss: Loss = loss
) -> tuple[Learner, Metrics]:
    """One gradient step on ``samples``, the weight decay, and the parameters of the player after it."""
    h: GameSettings = learner.hyper
    step_size = learning_rate(h, learner.timesteps)
    params, opt_state, metrics = improve(
        lambda params: loss(apply, params, samples, h), h, learner.params, learner.opt_state, step_size
    )
    params = jax.tree.map(lambda x: x * (1.0 - step_size * h.weight_decay), params)
    player = learner.extra._replace(params=next_player(learner.extra.params, params, h))
    return learner._replace(params=params, opt_state=opt_state, extra=player), metrics


def moving_average(player: PyTree, newest: PyTree, h: SampledSettings) -> PyTree:
    """The exponential moving average of the parameters, with ``h.ema_decay`` per update."""
    return jax.tree.map(lambda old, new: h.ema_decay * old + (1 - h.ema_decay) * new, player, newest)
