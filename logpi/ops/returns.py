"""The one backward recursion from which every return, advantage and value target is made.

    G_t = r_t + γ_t [ (1 - λ_t) V(o_{t+1}) + λ_t G_{t+1} ],    G_T = V(o_T)

(Sutton & Barto 2018, eq. 12.18, with the discount a property of the transition.) ``γ_t = γ · discount[t]``: 0 on
termination, so nothing is bootstrapped through it; γ on truncation, so V of the true final observation is; negative
where the turn passes to an opponent (negamax). ``λ_t`` is λ, but 0 before a void row: no trace leaves its episode.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from logpi.types import Array, Number, Rows, Values


def lambda_returns(reward: Rows, discount: Rows, mask: Rows, value: Values, lam: Number, *, unroll: int = 1) -> Rows:
    """λ-returns G, from each row's reward, discount and mask and from V of all T+1 observations.

    ``discount`` includes γ. λ = 1 gives Monte-Carlo returns bootstrapped only at truncations and at the cut T,
    λ = 0 one-step targets. What stands in void rows (``mask`` 0) has no meaning.
    """
    trace = lam * jnp.concatenate([mask[1:], jnp.ones_like(mask[:1])])

    def back(g: Array, row: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        r, d, v_next, lam_t = row
        g = r + d * ((1.0 - lam_t) * v_next + lam_t * g)
        return g, g

    _, returns = jax.lax.scan(back, value[-1], (reward, discount, value[1:], trace), reverse=True, unroll=unroll)
    return returns


def n_step_returns(reward: Rows, discount: Rows, mask: Rows, value: Values, n: int) -> Rows:
    """n-step returns (Sutton & Barto 2018, eq. 7.1): n rewards, then V; fewer where an episode or T ends.

    Raises:
        ValueError: ``n`` < 1.
    """
    if n < 1:
        raise ValueError(f"n-step returns need n >= 1, not {n}")
    trace = jnp.concatenate([mask[1:], jnp.zeros_like(mask[:1])])  # at the cut only V is known
    returns = reward + discount * value[1:]
    for _ in range(n - 1):
        following = jnp.concatenate([returns[1:], value[-1:]])
        returns = reward + discount * (trace * following + (1.0 - trace) * value[1:])
    return returns


def first_of_episode(x: Rows, mask: Rows) -> Rows:
    """Each row of ``x`` replaced by its value at the first row of that row's episode (or of the column)."""

    def forward(carry: tuple[Array, Array], row: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        first, fresh = carry
        x_t, mask_t = row
        first = jnp.where(fresh, x_t, first)
        return (first, mask_t == 0), first

    start = (x[0], jnp.ones_like(mask[0], dtype=bool))
    return jax.lax.scan(forward, start, (x, mask))[1]
