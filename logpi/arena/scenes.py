"""``Scene``: what is on a board at one moment, however it is drawn: in a terminal, on the page, in a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.arena.players.base import Position, Referee
from logpi.arena.results import Area, area_of
from logpi.games.rules.game import Game
from logpi.games.rules.looks import Cell, Cells


class Scene(NamedTuple):
    """What is on a board."""

    cells: Cells
    last: Cell | None = None  # the stone placed last
    winning: frozenset[Cell] = frozenset()
    open: frozenset[Cell] = frozenset()  # where the player to move may place a stone, if that is to be shown
    owned: Cells | None = None  # whose each cell of a finished game is
    men: NDArray[np.str_] | None = None  # as ``Notation.men``, in games that have them


class Stage(NamedTuple):
    """The compiled rules of one game, and what is shown of its positions."""

    game: Game
    referee: Referee
    cells: Callable[[Position], Cells]
    area: Callable[[Position], Area] | None


def stage_of(game: Game) -> Stage:
    """The stage of ``game``; what it computes is compiled at its first use."""
    cells = jax.jit(game.cells)
    return Stage(game, Referee(game), lambda position: np.asarray(cells(position.state)), area_of(game))


def scene_of(stage: Stage, positions: Sequence[Position]) -> Scene:
    """What is on the board after the last of ``positions``, which follow each other."""
    now, looks = positions[-1], stage.game.looks
    cells, outcome = stage.cells(now), stage.referee.result(now)
    open_cells: frozenset[Cell] = frozenset()
    if looks.shows_legal and outcome is None:
        open_cells = frozenset(divmod(a, cells.shape[1]) for a in stage.referee.legal(now) if a < cells.size)
    last = _placed_last(stage.cells(positions[-2]), cells) if len(positions) > 1 else None
    owned = stage.area(now).owned if stage.area and outcome is not None else None
    notation = stage.game.notation
    men = notation.men(now.state) if notation else None
    return Scene(cells, last, looks.winning(cells, outcome or 0.0), open_cells, owned, men)


def _placed_last(before: Cells, cells: Cells) -> Cell | None:
    """The cell where the last move put a stone or a man."""
    placed = np.argwhere((before == 0) & (cells != 0))
    placed = placed if len(placed) else np.argwhere((before != cells) & (cells != 0))  # a man that captured
    return (int(placed[0][0]), int(placed[0][1])) if len(placed) else None


def counted(stage: Stage, position: Position) -> tuple[str, str]:
    """What stands beside each player: men in hand, or what the game counts."""
    notation = stage.game.notation
    if notation and notation.hands:
        return notation.hands(position.state)
    return stage.game.looks.scores(stage.cells(position), position.actions)


def coordinates(game: Game) -> tuple[list[str], list[str]]:
    """What stands over the columns and beside the rows, taken from the names of the moves."""
    rows, columns = game.shape
    if all(game.looks.labels):
        return list(game.looks.labels[0]), list(game.looks.labels[1])
    if game.actions == columns:
        return [game.name(column) for column in range(columns)], [""] * rows
    if game.actions < rows * columns or re.fullmatch(r"[A-Za-z]\d+", game.name(0)) is None:
        return [""] * columns, [""] * rows
    letters = [game.name(column)[0] for column in range(columns)]
    return letters, [game.name(row * columns)[1:] for row in range(rows)]


def hoshi(game: Game) -> frozenset[Cell]:
    """The points of a square board of crossing lines that are marked, as Go's boards of wood have them."""
    size, columns = game.shape
    if game.looks.ground != "grid" or size != columns:
        return frozenset()
    edge = 2 if size < 12 else 3
    lines = {edge, size - 1 - edge}
    middle = {size // 2} if size % 2 else set()
    corners = set(product(lines, lines)) if size > 6 else set()
    sides = {*product(lines, middle), *product(middle, lines)} if size > 14 else set()
    return frozenset(corners | sides | set(product(middle, middle)))
