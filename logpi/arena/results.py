"""How a game of two stands at its end, in words and in points."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from logpi.arena.players.base import Position
from logpi.games.rules.game import Game
from logpi.games.rules.looks import Cells


class Area(NamedTuple):
    """The count of an ended game."""

    lead: float  # the first player's, in points
    owned: Cells | None  # [rows, columns]: 1 first player, 2 second, 0 neither; None: cells have no owners


def area_of(game: Game) -> Callable[[Position], Area] | None:
    """The points of a position where the game has ended, compiled; None for games that do not count any."""
    if game.margin is None:
        return None
    margin, ownership = game.margin, game.ownership
    compiled = jax.jit(lambda state: (margin(state), None if ownership is None else ownership(state)))

    def area(position: Position) -> Area:
        lead, owned = jax.device_get(compiled(position.state))
        sign = 1 if len(position.actions) % 2 == 0 else -1
        mine = None if owned is None else np.choose(sign * owned.reshape(game.shape) + 1, (2, 0, 1))
        return Area(sign * float(lead), mine)

    return area


def verdict(game: Game, cells: Cells, result: float, area: Area | None) -> str:
    """Who won and by what, such as ``White wins by 3.5 points``.

    Args:
        game: the rules.
        cells: [rows, columns] int8 of the last position.
        result: 1, 0 or -1 for the first player.
        area: of that position, where ``area_of`` counts it.
    """
    who = f"{game.looks.sides[0 if result > 0 else 1]} wins" if result else "a draw"
    return who + game.looks.ending(cells, result, area.lead if area else None)
