"""Notation of Go moves, for people and in SGF, and the look of the board."""

from __future__ import annotations

import re
from string import ascii_lowercase

import numpy as np

from logpi.errors import LogpiError
from logpi.games.rules.looks import DARK, WHITE, Cells, Looks, cell_refusal
from logpi.games.rules.protocols import Sgf

COLUMNS = "ABCDEFGHJKLMNOPQRST"  # there is no I
RULES = {  # by superko, as the property RU says it
    "positional": "Tromp-Taylor without suicide",
    "situational": "Tromp-Taylor without suicide, situational superko",
}


def name_of(action: int, size: int) -> str:
    """``A1`` is the bottom left point, and there is no column I; ``size ** 2`` is the pass."""
    if not 0 <= action <= size**2:
        raise LogpiError(f"go: action {action} is not a move on {size}x{size}; they go from 0 to {size**2}, the pass")
    row, column = divmod(action, size)
    return "pass" if row == size else f"{COLUMNS[column]}{size - row}"


def action_of(text: str, size: int) -> int:
    """The action called ``text``, in either case; LogpiError where there is none."""
    action = {name_of(action, size).upper(): action for action in range(size**2 + 1)}.get(text.strip().upper())
    if action is None:
        raise LogpiError(
            f"go: {text!r} is not a move on {size}x{size}; type a column A to {COLUMNS[size - 1]} without I and a row "
            f"1 to {size} counted from below, such as C3, or pass"
        )
    return action


def sgf(size: int, superko: str = "positional") -> Sgf:
    """SGF's coding of moves: two letters, column and row from the top left, and nothing for a pass."""

    def write(action: int) -> str:
        row, column = divmod(action, size)
        return "" if row == size else ascii_lowercase[column] + ascii_lowercase[row]

    def read(point: str) -> int:
        if point in ("", "tt"):  # the latter as older programs wrote a pass
            return size * size
        letters = ascii_lowercase[:size]
        if not re.fullmatch(f"[{letters}]{{2}}", point):
            wanted = f"two letters, a to {letters[-1]}"
            raise LogpiError(f"{point!r} is not a point of go-{size}x{size}; wanted: {wanted}")
        return letters.index(point[1]) * size + letters.index(point[0])

    return Sgf(1, "go-{0}x{0}", 19, write, read, RULES[superko], size * size)


def _captives(cells: Cells, actions: tuple[int, ...]) -> tuple[str, str]:
    placed = [sum(action < cells.size for action in actions[player::2]) for player in (0, 1)]
    first, second = int(np.sum(cells == 1)), int(np.sum(cells == 2))
    return f"took {placed[1] - second}", f"took {placed[0] - first}"


LOOKS = Looks(
    sides=("Black", "White"),
    colours=(DARK, WHITE),
    ground="grid",
    board=("#d7af5f",),
    lines="#875f00",
    last="#af0000",
    pitch=(2, 1),
    ending=lambda cells, result, lead: f" by {abs(lead):g} points (area, komi)" if lead else "",
    scores=_captives,
    refusal=cell_refusal("it is suicide, or repeats an earlier position (superko)"),
)
