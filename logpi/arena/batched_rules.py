"""The rules for many games at a time: one compiled call where ``Referee`` makes three for each game."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from logpi.arena.players.base import Position
from logpi.games.rules.game import Game
from logpi.types import Array, PyTree


class Played(NamedTuple):
    """What a move led to."""

    position: Position
    result: float | None  # 1, 0 or -1 for the first player; None while the game goes on
    margin: float | None = None  # points by which the winner won; None: no points in this game, or not over


class BatchedRules:
    """Plays moves in up to ``width`` games at a time."""

    def __init__(self, game: Game, width: int) -> None:
        count_points = game.margin

        def move(state: PyTree, action: Array) -> tuple[Array, PyTree, Array, Array, Array | None]:
            after = game.step(state, action)
            points = None if count_points is None else count_points(after)
            return game.legal(state)[action], after, game.ended(after), game.outcome(after), points

        self._game, self._width = game, width
        self._move = jax.jit(jax.vmap(move))

    def play(self, positions: Sequence[Position], actions: Sequence[int]) -> list[Played | None]:
        """The outcome of an action in each of at most ``width`` positions; None where it is illegal."""
        if not positions:
            return []
        count = len(positions)
        fill = [0] * (self._width - count)  # always of one size, so that it is compiled once
        states = jax.tree.map(lambda *rows: np.stack(rows), *(positions[k].state for k in (*range(count), *fill)))
        known = [action if 0 <= action < self._game.actions else -1 for action in actions]
        tried = np.array([*known, *fill], np.int32)
        legal, after, ended, outcome, points = jax.device_get(self._move(states, np.maximum(tried, 0)))

        def played(k: int) -> Played | None:
            if tried[k] < 0 or not legal[k]:
                return None
            moves = (*positions[k].actions, known[k])
            # a copy: a view would keep the states of all games
            position = positions[k]._replace(actions=moves, state=jax.tree.map(lambda rows: rows[k].copy(), after))
            sign = 1 if len(moves) % 2 == 0 else -1
            if not ended[k]:
                return Played(position, None)
            return Played(position, sign * float(outcome[k]), None if points is None else abs(float(points[k])))

        return [played(k) for k in range(count)]
