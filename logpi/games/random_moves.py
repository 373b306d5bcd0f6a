"""Uniformly random moves in self-play and matches: openings, and moves in place of those of the search."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from logpi.games.rules.game import Game
from logpi.ops.collectives import where
from logpi.ops.draws import below, one_of, uniform, words
from logpi.types import Array, Key, PyTree


def random_openings(game: Game, key: Key, games: int, fraction: float | Array, max_plies: int) -> tuple[PyTree, Array]:
    """(states [games, ...], moves made [games]): a ``fraction`` of them after 1 to ``max_plies`` random moves."""
    share, plies, moves = words(key, (games,), (games,), (max(max_plies, 1), games))
    state = jax.tree.map(lambda x: jnp.broadcast_to(x, (games, *jnp.shape(x))), game.init())
    count = jnp.where(uniform(share) < fraction, 1 + below(plies, max(max_plies, 1)), 0)
    if not max_plies:
        return state, jnp.zeros(games, jnp.int32)

    def move(i: Array, carry: tuple[PyTree, ...]) -> tuple[PyTree, ...]:
        """Keep the positions after the moves made before, or not, and make move ``i``: the rules stand here once."""
        state, legal, after, made = carry
        ended, ahead = jax.vmap(game.ended)(after), jax.vmap(game.legal)(after)
        going = (i > 0) & (i <= count) & ~ended  # an opening stops before a move that would end the game
        state, legal = where(going | (i == 0), (after, ahead), (state, legal))
        following = jax.vmap(game.step)(state, one_of(moves[jnp.minimum(i, max_plies - 1)], legal))
        return state, legal, following, made + going

    begun = (state, jnp.zeros((games, game.actions), bool), state, jnp.zeros(games, jnp.int32))
    state, _, _, made = jax.lax.fori_loop(0, max_plies + 1, move, begun)
    return state, made


def random_move(
    action: Array, legal: Array, drawn: Sequence[Array], allowed: Array, fraction: float | Array
) -> tuple[Array, Array]:
    """(moves to make [B], [B] bool whether it is another one) where the search chose ``action`` [B].

    A ``fraction`` of the moves where it is ``allowed`` [B] is drawn at random: a side learns to answer only the moves
    that the other side makes. ``drawn`` are two arrays of random words [B].
    """
    whether, which = drawn
    other = one_of(which, legal)
    was_random = allowed & (uniform(whether) < fraction) & (other != action)
    return jnp.where(was_random, other, action), was_random
