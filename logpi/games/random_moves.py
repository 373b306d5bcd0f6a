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

    def move(i: Array, carry: tuple[PyTree, Array]) -> tuple[PyTree, Array]:
        state, made = carry
        after = jax.vmap(game.step)(state, one_of(moves[i], jax.vmap(game.legal)(state)))
        going = (i < count) & ~jax.vmap(game.ended)(after)  # an opening stops before a move that would end the game
        return where(going, after, state), made + going

    return jax.lax.fori_loop(0, max_plies, move, (state, jnp.zeros(games, jnp.int32)))


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
