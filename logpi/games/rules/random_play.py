"""Random games under any rules, with all that the rules return at each position: the input of ``check_game``."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.games.rules.game import Game
from logpi.types import AnyArray, Array, Key, PyTree

Bools = NDArray[np.bool_]


class Seen(NamedTuple):
    """What the rules say of positions [...]."""

    legal: AnyArray  # [..., A] bool
    ended: AnyArray  # [...] bool
    outcome: AnyArray  # [...] float32
    observe: AnyArray  # [..., rows, columns, planes] float32
    cells: AnyArray  # [..., rows, columns] int8
    first_to_move: AnyArray  # [...] bool
    ownership: AnyArray | None  # [..., rows * columns] int8
    margin: AnyArray | None  # [...] float32
    observed_action: AnyArray | None  # [..., A] int32
    judged: AnyArray | None = (
        None  # [...] bool: whether ``judge`` says the same as ``legal``, ``ended`` and ``outcome``
    )


class Games(NamedTuple):
    """B games of T moves. After its end a game keeps its last position."""

    actions: AnyArray  # [T, B] int32
    seen: Seen  # [T + 1, B, ...]: before each move, and at the end

    @property
    def alive(self) -> Bools:
        """[T + 1, B]: the game has not ended there."""
        return ~np.asarray(self.seen.ended)

    @property
    def final(self) -> Bools:
        """[T + 1, B]: the first position where the game has ended."""
        ended = np.asarray(self.seen.ended)
        before = np.concatenate([np.zeros_like(ended[:1]), ended[:-1]])
        return ended & ~before


def seen_at(game: Game, state: PyTree) -> Seen:
    """Everything that the rules say of one position."""
    return Seen(
        game.legal(state),
        game.ended(state),
        game.outcome(state),
        game.observe(state),
        game.cells(state),
        game.first_to_move(state),
        None if game.ownership is None else game.ownership(state),
        None if game.margin is None else game.margin(state),
        None if game.observed_action is None else game.observed_action(state),
        None if game.judge is None else _judged(game, state),
    )


def _judged(game: Game, state: PyTree) -> Array:
    legal, ended, outcome = game.judged(state)
    over = game.ended(state)
    same = jnp.where(over, outcome == game.outcome(state), (legal == game.legal(state)).all())
    return same & (ended == over)


def random_games(game: Game, games: int) -> Callable[[Key], Games]:
    """A compiled function that plays ``games`` games of ``game.longest`` random legal moves."""

    @jax.jit
    def play(key: Key) -> Games:
        def move(states: PyTree, key: Key) -> tuple[PyTree, tuple[Array, Seen]]:
            seen = jax.vmap(lambda state: seen_at(game, state))(states)
            action = jax.random.categorical(key, jnp.where(seen.legal, 0.0, -jnp.inf)).astype(jnp.int32)
            return _moved(game, states, action), (action, seen)

        return _games(game, *jax.lax.scan(move, _start(game, games), jax.random.split(key, game.longest)))

    return play


def replayed(game: Game, games: int) -> Callable[[AnyArray], Games]:
    """A compiled function that plays the moves [T, B] that it is given, legal or not."""

    @jax.jit
    def play(actions: AnyArray) -> Games:
        def move(states: PyTree, action: Array) -> tuple[PyTree, tuple[Array, Seen]]:
            seen = jax.vmap(lambda state: seen_at(game, state))(states)
            return _moved(game, states, action), (action, seen)

        return _games(game, *jax.lax.scan(move, _start(game, games), jnp.asarray(actions)))

    return play


def _start(game: Game, games: int) -> PyTree:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (games, *jnp.shape(x))), game.init())


def _moved(game: Game, states: PyTree, actions: Array) -> PyTree:
    """The positions after one move each; those of ended games stay."""
    ended = jax.vmap(game.ended)(states)

    def chosen(before: Array, after: Array) -> Array:
        return jnp.where(ended.reshape(ended.shape + (1,) * (before.ndim - 1)), before, after)

    return jax.tree.map(chosen, states, jax.vmap(game.step)(states, actions))


def _games(game: Game, last: PyTree, rows: tuple[Array, Seen]) -> Games:
    actions, before = rows
    end = jax.vmap(lambda state: seen_at(game, state))(last)
    return Games(actions, jax.tree.map(lambda x, y: jnp.concatenate([x, y[None]]), before, end))
