"""How a game of two stands at its end, in words, and the stones that show it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import jax
import numpy as np

from logpi.arena.players.base import Position
from logpi.arena.terminal.board import Cell, Cells, family, skin
from logpi.games.rules.game import Game

IN_A_ROW = {"tic-tac-toe": 3, "connect-four": 4}
BESIDE = ((-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0))  # a cell's neighbours in Hex
WORDS = {3: "three", 4: "four"}


class Area(NamedTuple):
    """The count of a position of Go, if all stones on the board are alive."""

    lead: float  # the first player's, in points, komi counted
    owned: Cells  # [rows, columns]: 1 the first player's, 2 the second's, 0 nobody's


def winning(game: Game, cells: Cells, result: float) -> frozenset[Cell]:
    """The stones that won: lines, a chain from edge to edge, or none where a game is counted.

    Args:
        game: the rules.
        cells: [rows, columns] int8 of the last position.
        result: 1, 0 or -1 for the first player.
    """
    if not result:
        return frozenset()
    own = cells == (1 if result > 0 else 2)
    if family(game) == "hex":
        return _chain(own) if result > 0 else frozenset((row, column) for column, row in _chain(own.T))
    if length := IN_A_ROW.get(family(game)):
        return frozenset(cell for line in _lines(game.shape, length) if all(own[c] for c in line) for cell in line)
    return frozenset()


def area_of(game: Game) -> Callable[[Position], Area] | None:
    """What each player owns in a position, compiled; None for games that do not count it."""
    if family(game) != "go":
        return None
    from logpi.games.rules.go import ownership, score

    compiled = jax.jit(lambda state: (score(state), ownership(state).reshape(game.shape)))

    def area(position: Position) -> Area:
        lead, owned = jax.device_get(compiled(position.state))
        sign = 1 if len(position.actions) % 2 == 0 else -1
        return Area(sign * float(lead), np.choose(sign * owned + 1, (2, 0, 1)))

    return area


def verdict(game: Game, cells: Cells, result: float, area: Area | None) -> str:
    """Who won and by what, such as ``White wins by 3.5 points``.

    Args:
        game: the rules.
        cells: [rows, columns] int8 of the last position.
        result: 1, 0 or -1 for the first player.
        area: of that position, where ``area_of`` counts it.
    """
    counts = np.bincount(cells.ravel(), minlength=3)
    score = f", {counts[1]} : {counts[2]}" if family(game) == "othello" else ""
    if not result:
        return f"a draw{score}"
    wins = f"{skin(game).sides[0 if result > 0 else 1]} wins"
    if area:
        return f"{wins} by {abs(area.lead):g} points (area, komi)"
    if length := IN_A_ROW.get(family(game)):
        return f"{wins} with {WORDS[length]} in a row"
    if family(game) == "hex":
        return f"{wins}: {'top and bottom' if result > 0 else 'left and right'} are connected"
    return f"{wins}{score}"


def _lines(shape: tuple[int, int], length: int) -> Iterator[list[Cell]]:
    """All rows, columns and diagonals of ``length`` cells."""
    rows, columns = shape
    for (row, column), (down, across) in product(
        product(range(rows), range(columns)), ((0, 1), (1, 0), (1, 1), (1, -1))
    ):
        line = [(row + down * k, column + across * k) for k in range(length)]
        if line[-1][0] < rows and 0 <= line[-1][1] < columns:
            yield line


def _chain(own: Cells) -> frozenset[Cell]:
    """A shortest chain of stones from the top row to the bottom row; the transposed board has the same neighbours."""
    size = own.shape[0]
    before: dict[Cell, Cell | None] = {(0, int(column)): None for column in np.flatnonzero(own[0])}
    waiting = deque(before)
    while waiting:
        cell = waiting.popleft()
        if cell[0] == size - 1:
            return frozenset(_back(before, cell))
        for down, across in BESIDE:
            near = cell[0] + down, cell[1] + across
            if 0 <= near[0] < size and 0 <= near[1] < size and own[near] and near not in before:
                before[near] = cell
                waiting.append(near)
    return frozenset()


def _back(before: dict[Cell, Cell | None], cell: Cell | None) -> Iterator[Cell]:
    while cell is not None:
        yield cell
        cell = before[cell]
