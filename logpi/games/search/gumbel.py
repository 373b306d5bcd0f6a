"""Gumbel search: policy improvement by planning with few simulations (Danihelka et al. 2022).

At the root, m moves are drawn without replacement by the Gumbel-top-m trick, and sequential halving spends the
simulations on those of the largest g(a) + logits(a) + σ(q(a)) (§3, algorithm 2). Elsewhere moves are chosen without any
noise, so that their visits follow the improved policy (§5, eq. 14)

    π' = softmax(logits + σ(completed q)),    σ(q) = (c_visit + max_b N(b)) c_scale q   (eq. 8, 11)

where a move without a visit gets the mixed value estimate (appendix D, eq. 33). σ takes q from [0, 1]: in the paper's
board games all of [-1, 1] is mapped there, or with ``rescale_values`` the range of the node's own moves, as mctx
does. The latter needs a smaller c_scale, and amplifies meaningless differences where all moves are about equally good.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.search.tree import (
    AtRoot,
    Edges,
    Expansion,
    Rule,
    Searched,
    Simulations,
    edges,
    grow,
    root_logits,
    spread,
)
from logpi.types import Array, Key, PyTree

LAST = -1e30  # of a move whose turn it is not; finite, since -inf is for what is illegal


class GumbelConstants(NamedTuple):
    """Settings of the search. The first three, and None, are static: they decide what is compiled."""

    max_considered_actions: int = 16  # m, moves that sequential halving begins with
    rescale_values: bool = True  # σ scales q by its node's least and greatest value; False: from [-1, 1], as the paper
    max_children: int = 0  # moves that a node keeps, those of the largest prior (root: g + logits); 0: all
    noise_scale: float | Array | None = 1.0  # of the Gumbel noise g; None or 0: none, the move of the best estimate
    c_visit: float | Array = 50.0  # of σ
    c_scale: float | Array = 0.1  # of σ


DEFAULTS = GumbelConstants()


def gumbel(
    state: PyTree, expansion: Expansion, key: Key, simulations: Simulations, constants: GumbelConstants = DEFAULTS
) -> Searched:
    """Search from each of B positions.

    Args:
        state: [B, ...] the positions; none has ended.
        expansion: rules and network.
        key: of the Gumbel noise.
        simulations: new leaves a position.
        constants: settings.
    """
    c, (b, a) = constants, expansion.shape(state)
    noise = None if c.noise_scale is None else c.noise_scale * jax.random.gumbel(key, (b, a))
    considered = min(c.max_considered_actions, c.max_children or a, a)
    table = considered_visits(considered, simulations)

    def first(e: Edges, made: Array) -> Array:
        g = 0.0 if noise is None else noise if e.move is None else jnp.take_along_axis(noise, e.move, 1)
        begun_with = jnp.minimum(considered, e.legal.sum(-1))  # [B]
        return jnp.where(e.visits == table[begun_with, made][:, None], g + e.logits + sigma(e, c), LAST)

    tree = grow(state, expansion, simulations, c.max_children, AtRoot(first, order=noise), rule(c))
    at_root = edges(tree, jnp.zeros(b, jnp.int32), 0)
    visits, q = (spread(x, tree) for x in (at_root.visits, at_root.q))
    e = Edges(root_logits(tree), visits, q, at_root.value)
    policy, g = improved(e, c), 0.0 if noise is None else noise
    score = jnp.where(visits == visits.max(-1, keepdims=True), e.logits + g + sigma(e, c), LAST)
    action = jnp.where(e.legal, score, -jnp.inf).argmax(-1).astype(jnp.int32)
    return Searched(action, policy, (policy * completed(e)).sum(-1), visits, e.legal, tree)


def rule(c: GumbelConstants) -> Rule:
    """π'(a) - N(a) / (1 + Σ_b N(b)): the move whose visits lag behind the improved policy the most (eq. 14)."""

    def score(e: Edges) -> Array:
        return improved(e, c) - e.visits / (1.0 + e.visits.sum(-1, keepdims=True))

    return score


def improved(e: Edges, c: GumbelConstants) -> Array:
    """π' [B, K] (eq. 11)."""
    return jax.nn.softmax(e.logits + sigma(e, c))


def completed(e: Edges) -> Array:
    """q(a) [B, K], and the mixed value estimate where there was no visit (eq. 10 and 33)."""
    visited = e.visits > 0
    prior = jnp.maximum(jax.nn.softmax(e.logits), jnp.finfo(jnp.float32).tiny)
    weight = jnp.where(visited, prior, 0.0)
    weighted = (weight * e.q).sum(-1) / jnp.where(visited.any(-1), weight.sum(-1), 1.0)
    made = e.visits.sum(-1)
    mixed = (e.value + made * weighted) / (1.0 + made)
    return jnp.where(visited, e.q, mixed[:, None])


def sigma(e: Edges, c: GumbelConstants) -> Array:
    """σ of the completed q [B, K], scaled to [0, 1] (eq. 8)."""
    q = completed(e)
    low, high = (q.min(-1, keepdims=True), q.max(-1, keepdims=True)) if c.rescale_values else (-1.0, 1.0)
    unit = (q - low) / jnp.maximum(high - low, 1e-8)
    return (c.c_visit + e.visits.max(-1, keepdims=True)) * c.c_scale * unit


def considered_visits(considered: int, simulations: Simulations) -> Array:
    """[considered + 1, room] int32: for m moves to begin with, how often the move of each simulation was visited.

    Sequential halving (algorithm 2): the rounds are of about equal length, and each spends its simulations evenly on
    the better half of the moves of the round before. A move of the best score among those of that many visits is next.
    """
    usual, other = (
        np.asarray([np.pad(_halving(m, n), (0, simulations.room - n)) for m in range(considered + 1)], np.int32)
        for n in (simulations.usual, simulations.other)
    )
    return jnp.where(simulations.use_other, other, usual)


def _halving(m: int, simulations: int) -> list[int]:
    if m <= 1:
        return list(range(simulations))
    rounds, left, visits, table = math.ceil(math.log2(m)), m, 0, list[int]()
    while len(table) < simulations:
        for _ in range(max(1, simulations // (rounds * left))):
            table += [visits] * left
            visits += 1
        left = max(2, left // 2)
    return table[:simulations]
