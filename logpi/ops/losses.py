"""Losses whose gradients are the methods' update directions; each is a masked mean over [T, B] (or [N]) rows.

Weights such as Ψ and value targets are data: no gradient flows through them, whatever made them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from logpi.ops.collectives import total
from logpi.types import Array


def decision_weights(mask: Array, axes: tuple[int, ...] | None = None) -> Array:
    """Weights of the rows, summed over which ``x`` gives its mean over the decisions (``mask`` 1) along ``axes``.

    Decisions on other devices count too: a sum over this device's rows is its *share* of the mean. Shares are added
    up with the gradient (``algorithms.learning.improve``), or by ``arrays.total``.
    """
    return mask / jnp.maximum(total(mask.sum(axes, keepdims=True)), 1.0)


def decision_mean(x: Array, mask: Array) -> Array:
    """This device's share of the mean of ``x`` over the decisions (the mean, where there is one device)."""
    return (x * decision_weights(mask)).sum()


def mean(x: Array, mask: Array) -> Array:
    """Mean of ``x`` over the decisions of all devices."""
    return total(decision_mean(x, mask))


def trajectory_mean(x: Array, mask: Array) -> Array:
    """(1/m) Σ_i Σ_t x_t over m = B trajectories, one a column: the textbook's sum over time, mean over trajectories.

    This device's share of it, as ``decision_mean``.
    """
    return (x * mask).sum() / total(mask.shape[1])


def policy_gradient(log_prob: Array, psi: Array) -> Array:
    """-Ψ_t log π(a_t | o_t) per row, whose gradient is minus the policy gradient's (Williams 1992)."""
    return -jax.lax.stop_gradient(psi) * log_prob


def clipped_surrogate(log_prob: Array, old_log_prob: Array, advantage: Array, clip_range: float | Array) -> Array:
    """-min(ρ A, clip(ρ, 1-ε, 1+ε) A) per row, ρ = π/π_old (Schulman et al. 2017, eq. 7)."""
    ratio = jnp.exp(log_prob - old_log_prob)
    clipped = jnp.clip(ratio, 1.0 - clip_range, 1.0 + clip_range)
    advantage = jax.lax.stop_gradient(advantage)
    return -jnp.minimum(ratio * advantage, clipped * advantage)


def ratio_metrics(log_prob: Array, old_log_prob: Array, weight: Array, clip_range: float | Array) -> dict[str, Array]:
    """How far π has moved from π_old: Schulman's k3 estimate of the KL divergence, and how many ratios are clipped.

    Shares of means, by ``decision_weights``.
    """
    log_ratio = log_prob - old_log_prob
    excess = jnp.expm1(log_ratio)
    return {
        "train/approx_kl": ((excess - log_ratio) * weight).sum(),
        "train/clip_fraction": ((jnp.abs(excess) > clip_range) * weight).sum(),
    }


def squared_error(value: Array, target: Array) -> Array:
    """(V(o_t) - G_t)² per row."""
    return jnp.square(value - jax.lax.stop_gradient(target))


def explained_variance(value: Array, target: Array, mask: Array) -> Array:
    """1 - Var[G - V] / Var[G] over the decisions: 1 is perfect, 0 no better than a constant, below 0 worse."""
    error = target - value
    unexplained = mean(jnp.square(error - mean(error, mask)), mask)
    variance = mean(jnp.square(target - mean(target, mask)), mask)
    return 1.0 - unexplained / jnp.maximum(variance, 1e-8)


def standardize(x: Array, mask: Array, axes: tuple[int, ...] | None = None) -> Array:
    """``x`` with mean 0 and standard deviation 1 over the decisions along ``axes``."""
    weight = decision_weights(mask, axes)
    centred = x - total((x * weight).sum(axes, keepdims=True))
    return centred * jax.lax.rsqrt(total((jnp.square(centred) * weight).sum(axes, keepdims=True)) + 1e-8)
