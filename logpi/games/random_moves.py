"""Uniformly random moves in self-play and matches: openings, and moves in place of those of the search."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from logpi.games.rules.game import Game
from logpi.ops.collectives import where
from logpi.types import Array, Key, PyTree


def any_legal(legal: Array, key: Key) -> Array:
    """[B] int32: a uniformly random move of the ``legal`` [B, A] ones."""
    return jax.random.categorical(key, jnp.where(legal, 0.0, -jnp.inf)).astype(jnp.int32)


def random_openings(game: Game, key: Key, games: int, fraction: float | Array, max_plies: int) -> tuple[PyTree, Array]:
    """(states [games, ...], moves made [games]): a ``fraction`` of them after 1 to ``max_plies`` random moves."""
    share_key, count_key, move_key = jax.random.split(key, 3)
    state = jax.tree.map(lambda x: jnp.broadcast_to(x, (games, *jnp.shape(x))), game.init())
    count = jax.random.randint(count_key, (games,), 1, max(max_plies, 1) + 1)
    count = jnp.where(jax.random.uniform(share_key, (games,)) < fraction, count, 0)

    def move(i: Array, carry: tuple[PyTree, Array]) -> tuple[PyTree, Array]:
        state, made = carry
        legal = jax.vmap(game.legal)(state)
        action = any_legal(legal, jax.random.fold_in(move_key, i))
        after = jax.vmap(game.step)(state, action)
        going = (i < count) & ~jax.vmap(game.ended)(after)  # an opening stops before a move that would end the game
        return where(going, after, state), made + going

    return jax.lax.fori_loop(0, max_plies, move, (state, jnp.zeros(games, jnp.int32)))


def random_move(action: Array, legal: Array, key: Key, allowed: Array, fraction: float | Array) -> tuple[Array, Array]:
    """(moves to make [B], [B] bool whether it is another one) where the search chose ``action`` [B].

    A ``fraction`` of the moves where it is ``allowed`` [B] is drawn at random: a side learns to answer only the moves
    that the other side makes.
    """
    whether_key, which_key = jax.random.split(key)
    drawn = any_legal(legal, which_key)
    was_random = allowed & (jax.random.uniform(whether_key, action.shape) < fraction) & (drawn != action)
    return jnp.where(was_random, drawn, action), was_random
