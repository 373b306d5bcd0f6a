"""Where the men of a game of shogi stand, move by move, so far as files of games need to know: no rules are applied.

Squares are (file, rank), both from 1, as the moves of shogi are written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from logpi.errors import LogpiError

Square = tuple[int, int]
START = "lnsgkgsnl/1r5b1/ppppppppp/9/9/9/PPPPPPPPP/1B5R1/LNSGKGSNL b -"
DROPS = "PLNSGBR"  # kinds in the order of the planes of drops
COMPASS = {(1, 0): 0, (1, 1): 1, (0, 1): 2, (-1, 1): 3, (-1, 0): 4, (-1, -1): 5, (0, -1): 6, (1, -1): 7}
WAYS, CELLS = 10, 81


class Move(NamedTuple):
    """A move of either player."""

    origin: Square | None  # None: a drop
    end: Square
    man: str  # before the move: "P", or "+P" for a promoted one
    promotes: bool


class Men:
    """The board of a game."""

    def __init__(self, start: str = "") -> None:
        """``start`` is an SFEN; "" the usual position."""
        fields = (start or START).split()
        self.men: dict[Square, str] = {}  # upper case: Black's
        self.black = fields[1] == "b"
        for rank, line in enumerate(fields[0].split("/"), 1):
            file = 9
            for man in re.findall(r"\+?.", line):
                if man.isdigit():
                    file -= int(man)
                else:
                    self.men[file, rank] = man
                    file -= 1

    def moved(self, move: Move) -> None:
        """Make a move."""
        if move.origin is not None:
            self.men.pop(move.origin, None)
        man = f"+{move.man}" if move.promotes else move.man
        self.men[move.end] = man if self.black else man.lower()
        self.black = not self.black

    def move_of(self, action: int) -> Move:
        """What an action of the rules does here.

        Raises:
            LogpiError: no man of the player to move could make it.
        """
        plane, cell = divmod(action, CELLS)
        end = 9 - cell % 9, 9 - cell // 9
        if plane >= 2 * WAYS:
            return Move(None, end, DROPS[plane - 2 * WAYS], False)
        way = plane % WAYS
        origin = self._first_behind(end, way)
        man = self.men.get(origin, "")
        if not man or man.strip("+").isupper() != self.black:
            raise LogpiError(f"no man can make the move to {end[0]}{end[1]}")
        return Move(origin, end, man.upper(), plane >= WAYS)

    def action_of(self, move: Move) -> int:
        """The action of the rules that a move is.

        Raises:
            LogpiError: no man moves so.
        """
        (file, rank) = move.end
        cell = (9 - rank) * 9 + 9 - file
        if move.origin is None:
            if move.man not in DROPS:
                raise LogpiError(f"{move.man} cannot be dropped")
            return (2 * WAYS + DROPS.index(move.man)) * CELLS + cell
        up, right = move.origin[1] - rank, move.origin[0] - file
        if not self.black:
            up, right = -up, -right
        if abs(right) == 1 and up == 2:
            way = 8 if right > 0 else 9
        elif (up, right) == (0, 0) or (up and right and abs(up) != abs(right)):
            raise LogpiError(f"no man moves from {move.origin[0]}{move.origin[1]} to {file}{rank}")
        else:
            way = COMPASS[(up > 0) - (up < 0), (right > 0) - (right < 0)]
        return (way + WAYS * move.promotes) * CELLS + cell

    def _first_behind(self, end: Square, way: int) -> Square:
        """The first square with a man back along a way, as the player to move sees it."""
        sign = 1 if self.black else -1
        if way >= len(COMPASS):
            return end[0] + sign * (1 if way == 8 else -1), end[1] + 2 * sign
        up, right = list(COMPASS)[way]
        for k in range(1, 9):
            square = end[0] + sign * k * right, end[1] + sign * k * up
            if square in self.men or not (0 < square[0] < 10 and 0 < square[1] < 10):
                return square
        return end


def moves_of(start: str, actions: Sequence[int]) -> list[Move]:
    """The moves that the actions of a record are."""
    men, found = Men(start), list[Move]()
    for action in actions:
        found.append(men.move_of(action))
        men.moved(found[-1])
    return found
