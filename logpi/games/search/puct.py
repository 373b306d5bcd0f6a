"""PUCT, the search of AlphaGo Zero and AlphaZero (Silver et al. 2017, 2018).

    a = argmax_a Q(s, a) + C(s) P(s, a) √N(s) / (1 + N(s, a)),    C(s) = log((1 + N(s) + c_base) / c_base) + c_init

N(s) counts the visit that made the node, as in the pseudocode of Silver et al. 2018 (else the first choice in a new
node would not heed the prior). A move without a visit has Q = 0, or its node's mean value less the first-play urgency
(FPU) reduction. With Q = 0 a player who is behind tries every move once before any twice: all moves tried so far look
worse than an even game.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.games.search.tree import (
    AtRoot,
    Edges,
    Expansion,
    Rule,
    Searched,
    Simulations,
    edges,
    grow,
    root_legal,
    spread,
)
from logpi.ops.distributions import ILLEGAL
from logpi.ops.draws import gumbel, key_of, words
from logpi.types import Array, Key, PyTree


class DirichletNoise(NamedTuple):
    """Noise in the root's prior: P(root, ·) = (1 - ε) p + ε η with η ~ Dirichlet(α) over the legal moves kept."""

    fraction: float | Array = 0.25  # ε
    alpha: float | Array = 0.0  # α; 0: 10 / the number of those moves, "in inverse proportion" (Silver et al. 2018)
    drawn: Array | bool = True  # [] bool: whether noise is mixed in; an array, so that one program serves both cases


class PuctConstants(NamedTuple):
    """Settings of the search. ``noise is None`` and ``max_children`` are static: they decide what is compiled."""

    noise: DirichletNoise | None = None  # None draws none: a draw for thousands of moves takes longer than the search
    max_children: int = 0  # moves that a node keeps, those of the largest prior; 0: all
    c_init: float | Array = 1.25  # of C(s)
    c_base: float | Array = 19652.0  # of C(s)
    fpu_reduction: float | Array = -1.0  # a move without a visit has its node's mean value less this; < 0: Q = 0
    forced_playouts_k: float | Array = 0.0  # k of the forced playouts, pruned from the policy (Wu 2019, §3.2); 0: none


DEFAULTS = PuctConstants()


def puct(
    state: PyTree,
    expansion: Expansion,
    key: Key,
    simulations: Simulations,
    temperature: Array,
    constants: PuctConstants = DEFAULTS,
) -> Searched:
    """Search from each of B positions, and draw a move by N(root, a) ^ (1 / temperature).

    Args:
        state: [B, ...] the positions; none has ended.
        expansion: rules and network.
        key: of the noise, and of the moves drawn.
        simulations: new leaves a position.
        temperature: [B]; 0 plays the most visited move.
        constants: settings.
    """
    b, a = expansion.shape(state)
    noise_words, move_words = words(key, (2,), (b, a))
    score, forced_k, noise = rule(constants), constants.forced_playouts_k, constants.noise
    mix = None if noise is None else lambda logits: mixed(logits, key_of(noise_words), noise)
    at_root = AtRoot(lambda e, _: forcing(e, score(e), forced_k), mix, noise is not None and noise.drawn)
    tree = grow(state, expansion, simulations, constants.max_children, at_root, score)
    e = edges(tree, jnp.zeros(b, jnp.int32), 0)
    visits, learnt = (spread(x, tree) for x in (e.visits, pruned(e, score, forced_k)))
    policy = learnt / learnt.sum(-1, keepdims=True)
    action, value, legal = by_visits(move_words, visits, temperature), tree.total[0] / tree.visits[0], root_legal(tree)
    return Searched(action, policy, value, visits, legal, tree)


class Terms(NamedTuple):
    """What a move's score Q(s, a) + U(s, a) / (1 + N(s, a)) is made of."""

    q: Array  # [B, K] Q(s, a)
    u: Array  # [B, K] C(s) P(s, a) √N(s)


def terms(constants: PuctConstants) -> Callable[[Edges], Terms]:
    """The terms of the score, of each move."""
    c_init, c_base, reduction = constants.c_init, constants.c_base, constants.fpu_reduction

    def of(e: Edges) -> Terms:
        n = 1.0 + e.visits.sum(-1, keepdims=True)
        c = jnp.log((1.0 + n + c_base) / c_base) + c_init
        prior = jax.nn.softmax(e.logits)
        mean = (e.value[:, None] + (e.q * e.visits).sum(-1, keepdims=True)) / n
        q = jnp.where(e.visits > 0, e.q, jnp.where(jnp.asarray(reduction) >= 0, mean - reduction, 0.0))
        return Terms(q, c * prior * jnp.sqrt(n))

    return of


def rule(constants: PuctConstants) -> Rule:
    """Q(s, a) + C(s) P(s, a) √N(s) / (1 + N(s, a))."""
    of = terms(constants)

    def score(e: Edges) -> Array:
        q, u = of(e)
        return q + u / (1.0 + e.visits)

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


def mixed(logits: Array, key: Key, noise: DirichletNoise) -> Array:
    """The logits [B, K] of (1 - ε) p + ε η, as ``DirichletNoise`` defines them."""
    legal = logits > ILLEGAL / 2
    alpha = jnp.where(jnp.asarray(noise.alpha) > 0, noise.alpha, 10.0 / legal.sum(-1, keepdims=True))
    eta = dirichlet(key, alpha, legal)
    prior = (1.0 - noise.fraction) * jax.nn.softmax(logits) + noise.fraction * eta
    return jnp.where(legal, jnp.log(prior + 1e-30), ILLEGAL)


def dirichlet(key: Key, alpha: float | Array, legal: Array) -> Array:
    """A draw from the symmetric Dirichlet distribution over the ``legal`` [B, A] moves of each position."""
    # of logarithms: for the small alpha of large games the gamma variates themselves would be 0
    log_gamma = jax.random.loggamma(key, jnp.broadcast_to(jnp.asarray(alpha, jnp.float32), legal.shape))
    return jax.nn.softmax(jnp.where(legal, log_gamma, -jnp.inf))


def by_visits(drawn: Array, visits: Array, temperature: Array) -> Array:
    """A move [B] drawn by ``visits`` [B, A] ^ (1 / ``temperature`` [B]); the most visited one where that is 0.

    ``drawn`` are random words [B, A].
    """
    log_visits = jnp.where(visits > 0, jnp.log(jnp.maximum(visits, 1.0)), -jnp.inf)
    warmth = jnp.maximum(temperature, 1e-3)[:, None]
    noisy = jnp.where(visits > 0, log_visits / warmth + gumbel(drawn), -jnp.inf)
    return jnp.where(temperature > 0, noisy.argmax(-1), visits.argmax(-1)).astype(jnp.int32)
