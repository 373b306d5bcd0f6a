"""``Looks``: how a game is shown to people, as data and functions of NumPy arrays. ``logpi.arena.terminal`` draws it.

``cells`` is [rows, columns] int8: 0 empty, 1 the first player's stone, 2 the second's. ``result`` is 1, 0 or -1 for the
first player. Colours are hexadecimal, close to the 256 that simple terminals have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Cell = tuple[int, int]  # row, column; row 0 is drawn at the top
Cells = NDArray[np.int8]
Ground = Literal[
    "tiles",  # chequered squares
    "holes",  # an upright board with round holes
    "hash",  # lines between the cells, none around them
    "grid",  # stones on the crossings of lines, with Go's marked points
    "bricks",  # each row half a cell to the right of the one above: six neighbours; edges in the players' colours
]
DARK, WHITE = "#121212", "#ffffff"
NUMBERS = {3: "three", 4: "four", 5: "five", 6: "six"}


class Touch(NamedTuple):
    """Where on the board a move is played, for people who point at it."""

    to: Cell | None  # the cell where a stone or a man arrives; None: the board stays as it is, as by a pass
    start: Cell | None = None  # the cell that a man leaves
    drop: str = ""  # letters of the man, where it comes from the hand


def no_stones(cells: Cells, result: float) -> frozenset[Cell]:
    """No stones are marked as the winning ones."""
    return frozenset()


def by_points(cells: Cells, result: float, lead: float | None) -> str:
    """Such as `` by 3.5 points``, where points are counted."""
    return f" by {abs(lead):g} points" if lead else ""


def no_scores(cells: Cells, actions: tuple[int, ...]) -> tuple[str, str]:
    """Nothing is counted beside the players."""
    return "", ""


class Looks(NamedTuple):
    """How the board is drawn, and what is said of it."""

    sides: tuple[str, str] = ("First", "Second")  # names of the players
    colours: tuple[str, str] = ("#5fd7ff", "#ffaf5f")  # of stones 1 and 2
    ground: Ground = "tiles"
    board: tuple[str, ...] = ("#3a3a3a", "#444444")  # shades of the board, in turn
    lines: str = "#8a8a8a"  # colour of what is drawn on the board
    last: str = WHITE  # colour of the brackets around the last stone
    pitch: tuple[int, int] = (3, 1)  # characters from cell to cell, lines from row to row
    stones: tuple[str, str] = ("●", "○")  # without colours
    ascii: tuple[str, str] = ("X", "O")  # without colours and Unicode
    figures: Mapping[str, str] = MappingProxyType({})  # a man's letters (``Notation.men``) -> its sign in Unicode
    labels: tuple[str, str] = ("", "")  # of the columns from the left, of the rows from the top; "": by names of moves
    falls: bool = False  # a stone falls from the top row to its cell
    shows_legal: bool = False  # dots mark the cells where the player to move may place a stone
    winning: Callable[[Cells, float], frozenset[Cell]] = no_stones  # (cells, result) of the last position
    # (cells, result, points by which the first player leads or None) -> what follows "Black wins" or "a draw"
    ending: Callable[[Cells, float, float | None], str] = by_points
    scores: Callable[[Cells, tuple[int, ...]], tuple[str, str]] = no_scores  # (cells, moves) -> beside each player
    refusal: Callable[[Cells, int], str] | None = None  # (cells, illegal action) -> the rule; None: a general answer
    # (cells, legal action) -> where it is played; None: actions are the cells row by row and perhaps a pass, or unknown
    touch: Callable[[Cells, int], Touch] | None = None


def in_a_row(length: int) -> Callable[[Cells, float], frozenset[Cell]]:
    """``Looks.winning`` of games that ``length`` stones in a row, column or diagonal win."""

    def winning(cells: Cells, result: float) -> frozenset[Cell]:
        if not result:
            return frozenset()
        own = cells == (1 if result > 0 else 2)
        full = [line for line in lines(cells.shape[0], cells.shape[1], length) if own[line].all()]
        return frozenset((int(row), int(column)) for line in full for row, column in np.argwhere(line))

    return winning


def ended_in_a_row(length: int) -> Callable[[Cells, float, float | None], str]:
    """``Looks.ending`` of the same games."""

    def ending(cells: Cells, result: float, lead: float | None) -> str:
        return f" with {NUMBERS.get(length, length)} in a row" if result else ""

    return ending


def cell_refusal(otherwise: str, beyond: str = "no such move now") -> Callable[[Cells, int], str]:
    """``Looks.refusal`` of games whose actions are the cells and perhaps a pass.

    Args:
        otherwise: why an empty cell is forbidden.
        beyond: why the pass is.
    """

    def refusal(cells: Cells, action: int) -> str:
        if action >= cells.size:
            return beyond
        return "a stone is there" if cells.ravel()[action] else otherwise

    return refusal


def falling(cells: Cells, column: int) -> Touch:
    """``Looks.touch`` of games whose actions are the columns: a stone falls to the lowest empty cell."""
    return Touch((int(np.flatnonzero(cells[:, column] == 0)[-1]), column))


def lines(rows: int, columns: int, length: int) -> NDArray[np.bool_]:
    """[L, rows, columns] bool: every row, column and diagonal of ``length`` cells on the board."""
    found = []
    for row, column, (down, across) in product(range(rows), range(columns), ((0, 1), (1, 0), (1, 1), (1, -1))):
        if row + down * (length - 1) < rows and 0 <= column + across * (length - 1) < columns:
            steps = np.arange(length)
            line = np.zeros((rows, columns), bool)
            line[row + down * steps, column + across * steps] = True
            found.append(line)
    return np.array(found)
