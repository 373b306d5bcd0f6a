"""Matches between two sides on the device, all games in parallel; a match can be played in pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.games.rules.game import Game
from logpi.ops.collectives import where
from logpi.types import Array, Key, PyTree

Choose = Callable[[PyTree, Key], Array]  # (states [B, ...] that have not ended, key) -> legal actions [B]


class Half(NamedTuple):
    """Half of the games, in which the same side is to move."""

    state: PyTree  # [B, ...]
    over: Array  # [B] bool
    result: Array  # [B] for the first side, once the game is over


class Match(NamedTuple):
    """2B games between ``one`` and ``other``; at every ply each side moves in one half of them, so neither waits."""

    start: PyTree  # [B, ...] positions, each played twice; none has ended
    plies: Array  # [B] int32, made so far: the same number in all games
    ours: Half  # in which ``one`` moves next
    theirs: Half  # in which ``other`` moves next; the halves change places at every ply


def start_match(start: PyTree) -> Match:
    """A match from the positions ``start`` [B, ...], none of which has ended."""
    count = len(jax.tree.leaves(start)[0])
    half = Half(start, jnp.zeros(count, bool), jnp.zeros(count))
    return Match(start, jnp.zeros(count, jnp.int32), half, half)


def advance_match(game: Game, one: Choose, other: Choose, match: Match, key: Key, until: Array | int) -> Match:
    """``match`` after ``until`` plies, or after its end if that comes first.

    Args:
        game: the rules.
        one: the side whose results are counted.
        other: the other side.
        match: under way, or over.
        key: of the match, the same for all its pieces.
        until: plies since the start.
    """

    def going(match: Match) -> Array:
        return ~match_over(match).all() & (match.plies[0] < until)

    def ply(match: Match) -> Match:
        start, plies, ours, theirs = match
        one_key, other_key = jax.random.split(jax.random.fold_in(key, plies[0]))
        # a game that is over has the start position as a legal dummy input; the answer is discarded
        asked, also_asked = (where(half.over, start, half.state) for half in (ours, theirs))
        action, answer = one(asked, one_key), other(also_asked, other_key)
        moved = _moved(game, _beside(theirs, ours), jnp.concatenate([answer, action]))
        return Match(start, plies + 1, *_apart(moved))

    return jax.lax.while_loop(going, ply, match)


def match_over(match: Match) -> Array:
    """[2B] bool: the game has ended."""
    return _interleaved(match, match.ours.over, match.theirs.over)


def results(match: Match) -> Array:
    """[2B] 1, 0 or -1 for ``one`` in each game that is over, else 0.

    ``one`` moves first in the even games and ``other`` in the odd ones, so that any even number of the results is fair
    to both.
    """
    return _interleaved(match, match.ours.result, match.theirs.result)


def versus(game: Game, one: Choose, other: Choose, start: PyTree, key: Key) -> Array:
    """``results`` of a whole match from the positions ``start`` [B, ...], none of which has ended: [2B]."""
    return results(advance_match(game, one, other, start_match(start), key, game.longest))


def _interleaved(match: Match, ours: Array, theirs: Array) -> Array:
    """[2B] from what the halves hold, [B] each: at even places the games in which ``one`` moved first."""
    swapped = match.plies % 2 == 1
    first, second = jnp.where(swapped, theirs, ours), jnp.where(swapped, ours, theirs)
    return jnp.stack([first, second], -1).reshape(-1)


def _moved(game: Game, games: Half, action: Array) -> Half:
    """2B games after a move each: those in which the first side is to move then, and the others."""
    state = where(games.over, games.state, jax.vmap(game.step)(games.state, action))
    ended = ~games.over & jax.vmap(game.ended)(state)
    sign = jnp.where(jnp.arange(len(ended)) < len(ended) // 2, 1.0, -1.0)
    result = jnp.where(ended, sign * jax.vmap(game.outcome)(state), games.result)
    return Half(state, games.over | ended, result)


def _beside(one: Half, other: Half) -> Half:
    """Both halves as one, so that the rules stand once in the program."""
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), one, other)


def _apart(both: Half) -> tuple[Half, Half]:
    count = len(both.over) // 2
    return jax.tree.map(lambda x: x[:count], both), jax.tree.map(lambda x: x[count:], both)
