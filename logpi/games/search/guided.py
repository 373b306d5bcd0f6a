"""Search guided by a network: rules, network and settings make the leaves of PUCT or Gumbel search."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from logpi.games.rules.game import Game
from logpi.games.search.gumbel import GumbelConstants, gumbel
from logpi.games.search.puct import DirichletNoise, PuctConstants, puct
from logpi.games.search.tree import Expansion, Leaf, Searched, Simulations
from logpi.games.settings import GameSettings, SelfPlaySettings
from logpi.ops.distributions import ILLEGAL
from logpi.types import Array, Key, PyTree

SearchFn = Callable[[PyTree, PyTree, Key, int], Searched]  # (params, states [B, ...], key, simulations)
# (params, obs [B, ...]) -> logits [B, A], value [B], ownership [B, cells] (or None)
Apply = Callable[[PyTree, Array], tuple[Array, Array, Array | None]]


Evaluate = Callable[["SearchProblem[Any]", PyTree], Leaf]  # (problem, B states [B, ...]) -> what they are worth

H_co = TypeVar("H_co", bound=GameSettings, covariant=True)


class Exploration(NamedTuple):
    """How a search of self-play explores."""

    temperature: Array  # [B] PUCT draws its move by the visits ^ (1 / temperature)
    noisy: Array | bool = True  # [] bool; False: PUCT has neither Dirichlet noise nor forced playouts


def terminal_value(game: Game, state: PyTree, score_utility_weight: float | Array) -> Array:
    """Value of an ended game for the player to move, in [-1, 1], as ``with_margin`` has it."""
    return with_margin(game, state, game.outcome(state), score_utility_weight)


def with_margin(game: Game, state: PyTree, outcome: Array, score_utility_weight: float | Array) -> Array:
    """Value of an ended game for the player to move, in [-1, 1].

    It is the outcome, mixed with the score utility 2/π atan(points / 2√cells) in games with points (Wu 2019), which
    tells better moves from worse ones in decided games.
    """
    if game.margin is None:
        return outcome
    points = game.margin(state)
    scaled = jnp.arctan(points / (2.0 * math.sqrt(math.prod(game.shape)))) * (2.0 / math.pi)
    return (1.0 - score_utility_weight) * outcome + score_utility_weight * scaled


def permute_actions(game: Game, state: PyTree, of_actions: Array) -> Array:
    """Per-action values [B, A] of B positions, from the order of the rules to that of the observed board.

    The permutation is its own inverse.
    """
    if game.observed_action is None:
        return of_actions
    return jnp.take_along_axis(of_actions, jax.vmap(game.observed_action)(state), axis=1)


def evaluate_leaf(problem: SearchProblem[GameSettings], state: PyTree) -> Leaf:
    """B positions as the rules and the network evaluate them."""
    game, weight = problem.game, problem.settings.score_utility_weight
    logits, value, _ = problem.apply(problem.params, jax.vmap(game.observe)(state))
    legal, ended, outcome = jax.vmap(game.judged)(state)
    logits = jnp.where(legal, permute_actions(game, state, logits), ILLEGAL)
    result = jax.vmap(lambda state, outcome: with_margin(game, state, outcome, weight))(state, outcome)
    return Leaf(logits, jnp.where(ended, result, value), ended)


class SearchProblem(NamedTuple, Generic[H_co]):
    """Rules, network and settings of a search, and what evaluates its leaves."""

    game: Game
    apply: Apply
    params: PyTree
    settings: H_co
    leaf: Evaluate = evaluate_leaf


def best_move(problem: SearchProblem[GameSettings], state: PyTree, key: Key, simulations: Simulations) -> Searched:
    """Search B positions that have not ended, to play the best move of each."""
    h, expansion = problem.settings, _expansion(problem)
    if h.play_search == "gumbel":
        return gumbel(state, expansion, key, simulations, _gumbel_constants(h, None))
    still = jnp.zeros(expansion.shape(state)[0])
    return puct(state, expansion, key, simulations, still, _puct_constants(h))


def search(
    problem: SearchProblem[SelfPlaySettings],
    state: PyTree,
    key: Key,
    simulations: Simulations,
    exploration: Exploration | None = None,
) -> Searched:
    """Search B positions that have not ended: to explore, or without an ``exploration`` to play the best move."""
    if exploration is None:
        return best_move(problem, state, key, simulations)
    h, expansion = problem.settings, _expansion(problem)
    if h.search == "gumbel":
        return gumbel(state, expansion, key, simulations, _gumbel_constants(h, 1.0))
    noise = DirichletNoise(h.dirichlet_fraction, h.dirichlet_alpha, exploration.noisy)
    forced = jnp.where(exploration.noisy, h.forced_playouts_k, 0.0)
    noisy = _puct_constants(h)._replace(noise=noise, forced_playouts_k=forced)
    return puct(state, expansion, key, simulations, exploration.temperature, noisy)


def _expansion(problem: SearchProblem[GameSettings]) -> Expansion:
    return Expansion(jax.vmap(problem.game.step), jax.jit(lambda state: problem.leaf(problem, state)))


def _gumbel_constants(h: GameSettings, scale: float | None) -> GumbelConstants:
    return GumbelConstants(h.max_considered_actions, h.rescale_values, h.max_children, scale, h.c_visit, h.c_scale)


def _puct_constants(h: GameSettings) -> PuctConstants:
    return PuctConstants(None, h.max_children, h.c_init, h.c_base, h.fpu_reduction)
