"""PUCT, the search of AlphaGo Zero and AlphaZero (Silver et al. 2017, 2018).

    a = argmax_a Q(s, a) + C(s) P(s, a) √N(s) / (1 + N(s, a)),    C(s) = log((1 + N(s) + c_base) / c_base) + c_init

N(s) counts the visit that made the node, as in the pseudocode of Silver et al. 2018 (else the first choice in a new
node would not heed the prior). A move without a visit has Q = 0, or its node's mean value less a reduction: with
Q = 0 a player who is behind, to whom all moves look worse than an even game, tries every move once before any twice.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.games.search.tree import Edges, Expand, Leaf, Rule, Tree, edges, grow, plant
from logpi.ops.distributions import ILLEGAL
from logpi.types import Array, Key


class Searched(NamedTuple):
    """What a search says of B positions."""

    action: Array  # [B] int32, to be played
    policy: Array  # [B, A] to learn from: it sums to 1 over the legal moves
    value: Array  # [B] for the player to move
    visits: Array  # [B, A] of the root's moves
    tree: Tree | None = None  # left out where it would only be carried about


def puct(
    root: Leaf,
    expand: Expand,
    key: Key,
    simulations: int,
    temperature: Array,
    *,
    noise: float | Array = 0.0,
    alpha: float | Array = 1.0,
    c_init: float | Array = 1.25,
    c_base: float | Array = 19652.0,
    reduction: float | Array = -1.0,
    forced: float | Array = 0.0,
    kept: int = 0,
) -> Searched:
    """Search ``simulations`` leaves below each of B positions, and draw a move by N(root, a) ^ (1 / temperature).

    Args:
        root: the positions; none has ended.
        expand: rules and network.
        key: of the noise, and of the moves drawn.
        simulations: new leaves a position.
        temperature: [B]; 0 plays the most visited move.
        noise: ε of P(root, ·) = (1 - ε) p + ε η with η ~ Dirichlet(alpha) over the legal moves that are kept.
        alpha: of the Dirichlet distribution; 0: 10 / the number of those moves (0.3 for chess, 0.03 for Go in Silver et
            al. 2018, "in inverse proportion to the approximate number of legal moves").
        c_init, c_base: of C(s).
        forced: k of the forced playouts, of which the policy is pruned again (Wu 2019, §3.2); 0: none.
        reduction: what a move without a visit is worth less than its node; below 0: such moves have Q = 0.
        kept: moves that a node keeps, those of the largest prior; 0: all.
    """
    noise_key, move_key = jax.random.split(key)
    score = rule(c_init, c_base, reduction)
    tree = plant(root, simulations, kept)
    if not (isinstance(noise, float) and noise == 0.0):  # a draw of thousands takes longer than the search
        tree = tree._replace(logits=tree.logits.at[0].set(mixed(tree.logits[0], noise_key, noise, alpha)))
    tree = grow(tree, expand, lambda e, _: forcing(e, score(e), forced), score)
    b, a = root.logits.shape
    e = edges(tree, jnp.zeros(b, jnp.int32), 0)
    visits, learnt = (spread(x, tree, a) for x in (e.visits, pruned(e, score, forced)))
    policy = learnt / learnt.sum(-1, keepdims=True)
    return Searched(by_visits(move_key, visits, temperature), policy, tree.total[0] / tree.visits[0], visits, tree)


def rule(c_init: float | Array, c_base: float | Array, reduction: float | Array) -> Rule:
    """Q(s, a) + U(s, a)."""

    def score(e: Edges) -> Array:
        n = 1.0 + e.visits.sum(-1, keepdims=True)
        c = jnp.log((1.0 + n + c_base) / c_base) + c_init
        prior = jax.nn.softmax(e.logits)
        mean = (e.value[:, None] + (e.q * e.visits).sum(-1, keepdims=True)) / n
        q = jnp.where(e.visits > 0, e.q, jnp.where(jnp.asarray(reduction) >= 0, mean - reduction, 0.0))
        return q + c * prior * jnp.sqrt(n) / (1.0 + e.visits)

    return score


def forced_playouts(e: Edges, k: float | Array) -> Array:
    """n_forced [B, K] = √(k P(a) Σ_b N(b)) of the moves that were visited (Wu 2019, §3.2)."""
    n = jnp.sqrt(k * jax.nn.softmax(e.logits) * e.visits.sum(-1, keepdims=True))
    return jnp.where(e.visits > 0, n, 0.0)


def forcing(e: Edges, score: Array, k: float | Array) -> Array:
    """``score`` [B, K], but with the moves first that have fewer visits than are forced."""
    return jnp.where(e.visits < forced_playouts(e, k), 1e6, score)


def pruned(e: Edges, score: Rule, k: float | Array) -> Array:
    """The visits [B, K] without those that were only forced (Wu 2019, §3.2).

    Of every move but the most visited one up to n_forced are taken off, as long as its score stays below that one's;
    a move that is left with one visit or less loses that too.
    """
    best = jax.nn.one_hot(e.visits.argmax(-1), e.visits.shape[-1], dtype=bool)
    limit = jnp.where(best, score(e), -jnp.inf).max(-1, keepdims=True)
    # the visits at which Q + c P √N / (1 + visits) would reach the limit
    bonus = (score(e) - e.q) * (1.0 + e.visits)
    needed = bonus / jnp.maximum(limit - e.q, 1e-6) - 1.0
    left = jnp.minimum(e.visits, jnp.maximum(jnp.ceil(needed), e.visits - jnp.floor(forced_playouts(e, k))))
    left = jnp.where(left <= 1.0, 0.0, left)
    return jnp.where(best | (jnp.asarray(k) == 0), e.visits, left)


def mixed(logits: Array, key: Key, noise: float | Array, alpha: float | Array) -> Array:
    """The logits [B, K] of (1 - noise) p + noise η, with η ~ Dirichlet(alpha) over the legal moves.

    ``alpha`` 0 is 10 / their number.
    """
    legal = logits > ILLEGAL / 2
    alpha = jnp.where(jnp.asarray(alpha) > 0, alpha, 10.0 / legal.sum(-1, keepdims=True))
    eta = dirichlet(key, alpha, legal)
    return jnp.where(legal, jnp.log((1.0 - noise) * jax.nn.softmax(logits) + noise * eta + 1e-30), ILLEGAL)


def dirichlet(key: Key, alpha: float | Array, legal: Array) -> Array:
    """A draw from the symmetric Dirichlet distribution over the ``legal`` [B, A] moves of each position."""
    # of logarithms: for the small alpha of large games the gamma variates themselves would be 0
    log_gamma = jax.random.loggamma(key, jnp.broadcast_to(jnp.asarray(alpha, jnp.float32), legal.shape))
    return jax.nn.softmax(jnp.where(legal, log_gamma, -jnp.inf))


def by_visits(key: Key, visits: Array, temperature: Array) -> Array:
    """A move [B] drawn by ``visits`` [B, A] ^ (1 / ``temperature`` [B]); the most visited one where that is 0."""
    log_visits = jnp.where(visits > 0, jnp.log(jnp.maximum(visits, 1.0)), -jnp.inf)
    warmth = jnp.maximum(temperature, 1e-3)[:, None]
    drawn = jax.random.categorical(key, jnp.where(visits > 0, log_visits / warmth, -jnp.inf))
    return jnp.where(temperature > 0, drawn, visits.argmax(-1)).astype(jnp.int32)


def spread(of_slots: Array, tree: Tree, actions: int) -> Array:
    """[B, A] from the root's slots [B, K]; 0 for the moves that were not kept."""
    if tree.move is None:
        return of_slots
    row = jnp.arange(len(of_slots))[:, None]
    return jnp.zeros((len(of_slots), actions)).at[row, tree.move[0]].set(of_slots)
