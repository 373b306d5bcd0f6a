"""The chessboard: positions as sets of cells, what the other player sees of them, and their hash."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from logpi.games.rules import bitboards
from logpi.games.rules.bitboards import COMPASS, Bits, Grid, join, meet, without
from logpi.types import Array

PAWN, KNIGHT, BISHOP, ROOK, KING, MINE = range(6)  # sets of a position; a queen is in the fourth and the third
KNIGHTS = ((2, 1), (1, 2), (-1, 2), (-2, 1), (-2, -1), (-1, -2), (1, -2), (2, -1))
UNDER = ((1, -1), (1, 0), (1, 1))  # steps of a pawn that becomes no queen
PROMOTED = (KNIGHT, BISHOP, ROOK)
CAPTURES = (7, 1)  # of the compass: a pawn's captures, to the left and to the right
AHEAD, EAST, WEST = 0, 2, 6  # of the compass
QUIET = 100  # plies without a capture or a pawn's move that end a game
REPEATED = 3  # times of a position that end a game
LONGEST = 512  # plies, as in Silver et al. 2018
SHORT, LONG = 1, 2  # rights to castle; those of the other player are four times as much


class ChessState(NamedTuple):
    """What the search keeps of a position."""

    men: Array  # [6, W] uint32
    numbers: Array  # [4] int32: rights to castle, cell where a pawn can be captured en passant or -1, quiet plies, ply
    past: Array  # [100, 2] uint32: hash of each position since the last capture or pawn's move; 0: none


class Position(NamedTuple):
    """The same, ready to be computed with."""

    men: tuple[Bits, ...]  # 6 sets
    rights: Array  # [] int32
    passant: Array  # [] int32
    quiet: Array  # [] int32
    ply: Array  # [] int32


class Board:
    """A board of one size, and its actions."""

    def __init__(self, size: int, double_step: bool, castling: bool, longest: int) -> None:
        """``double_step`` and ``castling``: whether a pawn may move two squares at first, and whether kings castle."""
        self.grid, self.double_step, self.castling, self.longest = Grid(size, size), double_step, castling, longest
        self.far = size - 1  # squares that a queen moves at most
        self.planes = 8 * self.far + len(KNIGHTS) + len(UNDER) * len(PROMOTED)
        self.actions = self.planes * self.grid.cells
        steps = [(up * k, right * k) for k in range(1, size) for up, right in COMPASS]
        steps += [*KNIGHTS, *(UNDER * len(PROMOTED))]
        self.steps = steps  # of each plane
        self.offset = jnp.asarray(self.grid.amounts(steps), jnp.int32)
        becomes = [0] * (8 * self.far + len(KNIGHTS)) + [kind for kind in PROMOTED for _ in UNDER]
        self.becomes = jnp.asarray(becomes, jnp.int32)
        self.turned_plane = np.array([self._mirrored(plane) for plane in range(self.planes)])
        self.turned_action = np.array(
            [
                self.turned_plane[plane] * self.grid.cells + self.turned_cell(cell)
                for plane in range(self.planes)
                for cell in range(self.grid.cells)
            ],
            np.int32,
        )
        rows = np.arange(self.grid.cells) // size
        self.second, self.last_but_one, self.last = (self.grid.bits(rows == row) for row in (1, size - 2, size - 1))
        dark = (rows + np.arange(self.grid.cells) % size) % 2 == 0
        self.dark = self.grid.bits(dark)

    def turned_cell(self, cell: int) -> int:
        """The cell as the other player sees it."""
        row, column = divmod(cell, self.grid.columns)
        return (self.grid.rows - 1 - row) * self.grid.columns + column

    def _mirrored(self, plane: int) -> int:
        """The plane as the other player sees it; promotions stay, since each player's go up the board."""
        if plane >= 8 * self.far + len(KNIGHTS):
            return plane
        up, right = self.steps[plane]
        return self.steps[: 8 * self.far + len(KNIGHTS)].index((-up, right))

    def unpacked(self, state: ChessState) -> Position:
        """The sets and numbers of a state."""
        men = tuple(tuple(state.men[kind, w] for w in range(self.grid.words)) for kind in range(6))
        return Position(men, *(state.numbers[k] for k in range(4)))

    def occupied(self, position: Position) -> Bits:
        """Cells with a man."""
        return join(*position.men[:MINE])

    def turned(self, bits: Bits) -> Bits:
        """A set as the other player sees it: the rows in reverse."""
        rows, columns = self.grid.rows, self.grid.columns
        found = [jnp.zeros_like(bits[0])] * self.grid.words
        row = np.uint32((1 << columns) - 1)
        for r in range(rows):
            (word, place), (to, back) = (divmod(k * columns, 32) for k in (r, rows - 1 - r))  # no row lies in two words
            found[to] = found[to] | (bits[word] >> np.uint32(place) & row) << np.uint32(back)
        return tuple(found)

    def hash(self, position: Position) -> Array:
        """[2] uint32 of men, rights, en passant and the player to move, by two seeds."""
        words = [word for kind in position.men for word in kind]
        words.append((position.rights | (position.passant + 1) << 4 | (position.ply & 1) << 12).astype(jnp.uint32))
        return bitboards.mixed(words, jnp.asarray([0x9747B28C, 0x3C6EF372], jnp.uint32))

    def state_of(self, position: Position, past: Array) -> ChessState:
        """The state of a position, with its own hash among those of the ``past``."""
        men = jnp.stack([jnp.stack(kind) for kind in position.men])
        numbers = jnp.stack([position.rights, position.passant, position.quiet, position.ply]).astype(jnp.int32)
        kept = jnp.where(position.quiet == 0, jnp.uint32(0), past)
        place = jnp.arange(QUIET)[:, None] == jnp.minimum(position.quiet, QUIET - 1)
        return ChessState(men, numbers, jnp.where(place, self.hash(position)[None], kept))

    def kinds(self, position: Position) -> tuple[Bits, ...]:
        """Pawns, knights, bishops, rooks, queens, kings of both players."""
        men = position.men
        queens = meet(men[BISHOP], men[ROOK])
        return men[PAWN], men[KNIGHT], without(men[BISHOP], queens), without(men[ROOK], queens), queens, men[KING]

    def sides(self, position: Position) -> tuple[Bits, Bits]:
        """The mover's men, and the other player's."""
        return position.men[MINE], without(self.occupied(position), position.men[MINE])
