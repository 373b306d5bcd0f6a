"""Losses whose gradients are the methods' update directions; each is a masked mean over the rows.

Weights such as Ψ and value targets are data: no gradient flows through them, whatever made them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float

from logpi.ops.collectives import psum
from logpi.types import Array, Metrics, Number

PerRow = Float[Array, "*rows"]  # [T, B], or any other shape that all arguments share
Scalar = Float[Array, ""]


def decision_weights(mask: PerRow, axes: tuple[int, ...] | None = None) -> PerRow:
    """Weights of the rows, summed over which ``x`` gives its mean over the decisions (``mask`` 1) along ``axes``.

    Decisions on other devices count too: a sum over this device's rows is its *share* of the mean. Shares are added
    up with the gradient (``algorithms.acting.improve``), or by ``ops.collectives.psum``.
    """
    return mask / jnp.maximum(psum(mask.sum(axes, keepdims=True)), 1.0)


def decision_mean(x: PerRow, mask: PerRow) -> Scalar:
    """This device's share of the mean of ``x`` over the decisions (the mean, where there is one device)."""
    return (x * decision_weights(mask)).sum()


def mean(x: PerRow, mask: PerRow) -> Scalar:
    """Mean of ``x`` over the decisions of all devices."""
    return psum(decision_mean(x, mask))


def trajectory_mean(x: Float[Array, "T B"], mask: Float[Array, "T B"]) -> Scalar:
    """(1/m) Σ_i Σ_t x_t over m = B trajectories, one a column: the textbook's sum over time, mean over trajectories.

    This device's share of it, as ``decision_mean``.
    """
    return (x * mask).sum() / psum(mask.shape[1])


def policy_gradient(log_prob: PerRow, psi: PerRow) -> PerRow:
    """-Ψ_t log π(a_t | o_t) per row, whose gradient is minus the policy gradient's (Williams 1992)."""
    return -jax.lax.stop_gradient(psi) * log_prob


def clipped_surrogate(log_prob: PerRow, old_log_prob: PerRow, advantage: PerRow, clip_range: Number) -> PerRow:
    """-min(ρ A, clip(ρ, 1-ε, 1+ε) A) per row, ρ = π/π_old (Schulman et al. 2017, eq. 7)."""
    ratio = jnp.exp(log_prob - old_log_prob)
    clipped = jnp.clip(ratio, 1.0 - clip_range, 1.0 + clip_range)
    advantage = jax.lax.stop_gradient(advantage)
    return -jnp.minimum(ratio * advantage, clipped * advantage)


def ratio_metrics(log_prob: PerRow, old_log_prob: PerRow, weight: PerRow, clip_range: Number) -> Metrics:
    """How far π has moved from π_old: Schulman's k3 estimate of the KL divergence, and how many ratios are clipped.

    Shares of means, by ``decision_weights``.
    """
    log_ratio = log_prob - old_log_prob
    excess = jnp.expm1(log_ratio)
    return {
        "train/approx_kl": ((excess - log_ratio) * weight).sum(),
        "train/clip_fraction": ((jnp.abs(excess) > clip_range) * weight).sum(),
    }


def squared_error(value: PerRow, target: PerRow) -> PerRow:
    """(V(o_t) - G_t)² per row."""
    return jnp.square(value - jax.lax.stop_gradient(target))


def huber(value: PerRow, target: PerRow, largest: Number) -> PerRow:
    """½ δ² per row up to the error δ = ``largest``, and linear beyond (Huber 1964): the gradient is δ, clipped.

    ``largest`` may be inf.
    """
    error = value - jax.lax.stop_gradient(target)
    clipped = jnp.clip(error, -largest, largest)
    return clipped * (error - 0.5 * clipped)


def explained_variance(value: PerRow, target: PerRow, mask: PerRow) -> Scalar:
    """1 - Var[G - V] / Var[G] over the decisions: 1 is perfect, 0 no better than a constant, below 0 worse."""
    error = target - value
    unexplained = mean(jnp.square(error - mean(error, mask)), mask)
    variance = mean(jnp.square(target - mean(target, mask)), mask)
    return 1.0 - unexplained / jnp.maximum(variance, 1e-8)


def standardize(x: PerRow, mask: PerRow, axes: tuple[int, ...] | None = None) -> PerRow:
    """``x`` with mean 0 and standard deviation 1 over the decisions along ``axes``."""
    weight = decision_weights(mask, axes)
    centred = x - psum((x * weight).sum(axes, keepdims=True))
    return centred * jax.lax.rsqrt(psum((jnp.square(centred) * weight).sum(axes, keepdims=True)) + 1e-8)
