"""Ψ_t, the weight of ∇ log π(a_t | o_t): the ladder from a trajectory's total reward to GAE.

    ∇J(θ) = E[ Σ_t Ψ_t ∇ log π_θ(a_t | o_t) ]        (Schulman et al. 2016, eq. 1)

All of it rests on one backward recursion (Sutton & Barto 2018, eq. 12.18, with the discount a property of the
transition):

    G_t = r_t + γ_t [ (1 - λ_t) V(o_{t+1}) + λ_t G_{t+1} ],    G_T = V(o_T)

``γ_t = γ · discount[t]``: 0 on termination, so nothing is bootstrapped through it; γ on truncation, so V of the true
final observation is; negative where the turn passes to an opponent (negamax). ``λ_t`` is λ, but 0 before a void row: no
trace leaves its episode.

Every function takes ``Rows`` [T, B] and ``Values`` [T+1, B] and returns Ψ [T, B]; void rows have no meaning, and every
loss masks them. ``discount`` includes γ: pass ``trajectory.discount`` itself for the undiscounted rungs. The rungs up
to ``minus_value`` are unbiased for complete episodes and γ = 1; each later one's docstring says what it trades for its
lower variance.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from logpi.ops.collectives import psum
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


# (reward, discount with γ, mask, V, λ) -> Ψ: what a2c and ppo take in gae's place
Advantage = Callable[[Rows, Rows, Rows, Values, Number], Rows]


def reward_to_go(reward: Rows, discount: Rows, mask: Rows) -> Rows:
    """Σ_{t' ≥ t} r_{t'} of the row's own episode; with γ in ``discount``, Σ γ^{t'-t} r_{t'}.

    An action cannot change rewards that came before it (Sutton et al. 2000, thm. 1). Discounting is biased against
    the undiscounted J, by exactly the rewards that γ hides.
    """
    zero = jnp.zeros((reward.shape[0] + 1, *reward.shape[1:]), reward.dtype)
    return lambda_returns(reward, discount, mask, zero, 1.0)


def total_reward(reward: Rows, discount: Rows, mask: Rows) -> Rows:
    """r(τ), the whole episode's reward, the same for each of its rows (Williams 1992)."""
    return first_of_episode(reward_to_go(reward, discount, mask), mask)


def minus_constant(returns: Rows, baseline: Number) -> Rows:
    """G_t - b with one number b that knows nothing of these trajectories, such as the mean over all before them.

    E[b ∇ log π] = 0 (Williams 1992, §4), so any such b is unbiased.
    """
    return returns - baseline


def minus_batch_mean(returns: Float[Array, "T B"], mask: Float[Array, "T B"]) -> Float[Array, "T B"]:
    """G_t - b_t with b_t the mean of G_t over the episodes of this batch that are alive at t.

    Each episode takes part in its own baseline, so with m of them alive the expected gradient shrinks by 1 - 1/m.
    Columns must be aligned in time: one episode a column, from its start.
    """
    alive = jnp.maximum(psum(mask.sum(1, keepdims=True)), 1.0)
    return returns - psum((returns * mask).sum(1, keepdims=True)) / alive


def minus_leave_one_out(returns: Float[Array, "T B"], mask: Float[Array, "T B"]) -> Float[Array, "T B"]:
    """G_t - b_t with b_t the mean over the *other* episodes alive at t (0 if none); unbiased (Kool et al. 2019).

    Columns must be aligned in time: one episode a column, from its start.
    """
    others = (psum(mask.sum(1, keepdims=True)) - mask).clip(min=0.0)
    theirs = psum((returns * mask).sum(1, keepdims=True)) - returns * mask
    return returns - jnp.where(others > 0, theirs / jnp.maximum(others, 1.0), 0.0)


def minus_value(reward: Rows, discount: Rows, mask: Rows, value: Values) -> Rows:
    """G_t - V(o_t): rewards to the episode's end, V(o) only beyond truncation and the cut T.

    Unbiased for any V where episodes terminate. The textbook advantage of the actor-critic algorithm.
    """
    return lambda_returns(reward, discount, mask, value, 1.0) - value[:-1]


def n_step_advantage(reward: Rows, discount: Rows, mask: Rows, value: Values, n: int) -> Rows:
    """n rewards, then V, minus V(o_t) (Mnih et al. 2016, §4); biased by the error of V, γⁿ times."""
    return n_step_returns(reward, discount, mask, value, n) - value[:-1]


def gae(reward: Rows, discount: Rows, mask: Rows, value: Values, lam: Number) -> Rows:
    """Generalised advantage estimate, Σ (γλ)^k δ_{t+k} (Schulman et al. 2016, eq. 16).

    Equal to the λ-return minus V(o_t); λ = 1 is ``minus_value``, λ = 0 the one-step TD error.
    """
    return lambda_returns(reward, discount, mask, value, lam) - value[:-1]


def action_advantage(
    q: Float[Array, "*B n"], chance: Float[Array, "*B n"], action: Int[Array, "*B"]
) -> Float[Array, "*B"]:
    """Q(o_t, a_t) - V(o_t), V(o) = Σ_a π(a|o) Q(o, a), by a learnt Q-function; needs no reward that lies ahead.

    Biased by the error of Q alone, E[Σ_t (Q - Q^π)(o_t, a_t) ∇ log π]; V is a baseline (Sutton et al. 2000, thm. 1).

    Args:
        q: action values of each action.
        chance: probability of each action.
        action: the action taken.
    """
    taken = jax.nn.one_hot(action, q.shape[-1], dtype=q.dtype)
    return (q * (taken - chance)).sum(-1)
