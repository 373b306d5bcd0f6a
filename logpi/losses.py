"""Losses whose gradients are the methods' update directions; each is a masked mean over [T, B] (or [N]) rows.

Weights such as Ψ and value targets are data: no gradient flows through them, whatever made them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from logpi.types import Array


def decision_mean(x: Array, mask: Array) -> Array:
    """Mean of ``x`` over the rows that are decisions (``mask`` 1)."""
    return (x * mask).sum() / jnp.maximum(mask.sum(), 1.0)


def trajectory_mean(x: Array, mask: Array) -> Array:
    """(1/m) Σ_i Σ_t x_t over m = B trajectories, one a column: the textbook's sum over time, mean over trajectories."""
    return (x * mask).sum() / mask.shape[1]


def policy_gradient(log_prob: Array, psi: Array) -> Array:
    """-Ψ_t log π(a_t | o_t) per row, whose gradient is minus the policy gradient's (Williams 1992)."""
    return -jax.lax.stop_gradient(psi) * log_prob


def clipped_surrogate(log_prob: Array, old_log_prob: Array, advantage: Array, clip_range: float | Array) -> Array:
    """-min(ρ A, clip(ρ, 1-ε, 1+ε) A) per row, ρ = π/π_old (Schulman et al. 2017, eq. 7)."""
    ratio = jnp.exp(log_prob - old_log_prob)
    clipped = jnp.clip(ratio, 1.0 - clip_range, 1.0 + clip_range)
    advantage = jax.lax.stop_gradient(advantage)
    return -jnp.minimum(ratio * advantage, clipped * advantage)


def ratio_metrics(log_prob: Array, old_log_prob: Array, mask: Array, clip_range: float | Array) -> dict[str, Array]:
    """How far π has moved from π_old: Schulman's k3 estimate of the KL divergence, and the share of clipped ratios."""
    log_ratio = log_prob - old_log_prob
    excess = jnp.expm1(log_ratio)
    return {
        "train/approx_kl": decision_mean(excess - log_ratio, mask),
        "train/clip_fraction": decision_mean(jnp.abs(excess) > clip_range, mask),
    }


def squared_error(value: Array, target: Array) -> Array:
    """(V(o_t) - G_t)² per row."""
    return jnp.square(value - jax.lax.stop_gradient(target))


def explained_variance(value: Array, target: Array, mask: Array) -> Array:
    """1 - Var[G - V] / Var[G] over the decisions: 1 is perfect, 0 no better than a constant, below 0 worse."""
    error = target - value
    unexplained = decision_mean(jnp.square(error - decision_mean(error, mask)), mask)
    variance = decision_mean(jnp.square(target - decision_mean(target, mask)), mask)
    return 1.0 - unexplained / jnp.maximum(variance, 1e-8)


def standardize(x: Array, mask: Array) -> Array:
    """``x`` with mean 0 and standard deviation 1 over the decisions."""
    mean = decision_mean(x, mask)
    return (x - mean) * jax.lax.rsqrt(decision_mean(jnp.square(x - mean), mask) + 1e-8)
