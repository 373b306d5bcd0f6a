"""The shogi board: kinds of men, positions as sets of cells, what the other player sees of them, and their hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from logpi.games.rules import bitboards
from logpi.games.rules.bitboards import COMPASS, DIAGONALS, LINES, Bits, Grid, join, meet, without
from logpi.types import Array

GOLD = (7, 0, 1, 2, 4, 6)  # of the compass
SILVER = (7, 0, 1, 3, 5)
ALL = tuple(range(8))
JUMPS = ((2, 1), (2, -1))
WORTH = {"B": 5, "R": 5}  # points of the declaration; other men are worth 1
DECLARED = (28, 27)  # points that the first and the second player need
INVADERS = 10  # men that have to be in the last three rows beside the king


class Kind(NamedTuple):
    """How a kind of man moves."""

    letter: str
    steps: tuple[int, ...] = ()  # directions of one square
    slides: tuple[int, ...] = ()  # directions of any number
    jumps: bool = False
    promoted: tuple[int, ...] | None = None  # its steps after a promotion; None: it does not promote
    keeps: bool = False  # whether its slides stay then
    last: int = 0  # last rows where it has to promote, as it could not move any more
    drops_there: bool = False  # whether it may be dropped on those rows all the same


PAWN = Kind("P", steps=(0,), promoted=GOLD, last=1)
LANCE = Kind("L", slides=(0,), promoted=GOLD, last=1)
KNIGHT = Kind("N", jumps=True, promoted=GOLD, last=2)
SILVERS = Kind("S", steps=SILVER, promoted=GOLD)
GOLDS = Kind("G", steps=GOLD)
BISHOP = Kind("B", slides=DIAGONALS, promoted=LINES, keeps=True)
ROOK = Kind("R", slides=LINES, promoted=DIAGONALS, keeps=True)
KING = Kind("K", steps=ALL)
CHICK = Kind("C", steps=(0,), promoted=GOLD, last=1, drops_there=True)
ELEPHANT = Kind("E", steps=DIAGONALS)
GIRAFFE = Kind("G", steps=LINES)
LION = Kind("L", steps=ALL)


class ShogiState(NamedTuple):
    """What the search keeps of a position."""

    men: Array  # [kinds + 2, W] uint32: cells of each kind; of the promoted men; of the mover's
    hands: Array  # [2, kinds - 1] int8: men in hand of the mover and of the other player
    numbers: Array  # [4] int32: moves made, whether the second player is to move, checks in a row of mover and other
    past: Array  # [longest + 1] uint32: hash of each position so far


class Position(NamedTuple):
    """The same, ready to be computed with."""

    kinds: tuple[Bits, ...]
    promoted: Bits
    mine: Bits
    hands: Array


class Movers(NamedTuple):
    """The men of one side, by how they move on the board."""

    steps: Bits  # [8]
    slides: Bits  # [8]
    jumpers: Bits  # []


class Board:
    """The board and the men of one of the games."""

    def __init__(
        self,
        rows: int,
        columns: int,
        kinds: Sequence[Kind],
        zone: int,
        longest: int,
        repeated: int = 4,
        shogi: bool = True,
    ) -> None:
        """The last of ``kinds`` is the king.

        Args:
            rows: of the board.
            columns: of the board.
            kinds: of men; those but the king can be in hand.
            zone: last rows where men promote.
            longest: moves of a game.
            repeated: times of a position that end a game.
            shogi: shogi's rules of check, of perpetual check and of entering kings; else those of animal shogi.
        """
        self.grid, self.kinds, self.zone, self.longest = Grid(rows, columns), tuple(kinds), zone, longest
        self.repeated, self.shogi = repeated, shogi
        self.jumps = any(kind.jumps for kind in kinds)
        self.ways = 8 + (len(JUMPS) if self.jumps else 0)  # by which a man comes
        self.held = len(kinds) - 1
        self.planes = 2 * self.ways + self.held
        self.actions = self.planes * self.grid.cells
        row = np.arange(self.grid.cells) // columns
        self.row_of = row
        self.promotes = self.grid.bits(row >= rows - zone)
        self.last = {k: self.grid.bits(row >= rows - k) for k in (1, 2, 3)}
        self.column = self.grid.bits(np.arange(self.grid.cells) % columns == np.arange(columns)[:, None])
        self.back = [-amount for amount in self.grid.amounts([*COMPASS, *JUMPS])]

    def unpacked(self, state: ShogiState) -> Position:
        """The sets of a state."""
        sets = [tuple(state.men[k, w] for w in range(self.grid.words)) for k in range(len(self.kinds) + 2)]
        return Position(tuple(sets[:-2]), sets[-2], sets[-1], state.hands)

    def sets(self, men: Array) -> tuple[tuple[Bits, ...], Bits, Bits]:
        sets = [tuple(men[k, w] for w in range(self.grid.words)) for k in range(len(self.kinds) + 2)]
        return tuple(sets[:-2]), sets[-2], sets[-1]

    def occupied(self, position: Position) -> Bits:
        """Cells with a man."""
        return join(*position.kinds)

    def turned(self, bits: Bits) -> Bits:
        """A set as the other player sees it: the board turned by half."""
        words = [_reversed(word) for word in bits[::-1]]
        spare = np.uint32(self.grid.words * bitboards.WORD - self.grid.cells)
        above = [*words[1:], jnp.zeros_like(words[0])]
        return tuple(a >> spare | b << (np.uint32(32) - spare) for a, b in zip(words, above, strict=True))

    def hash(self, men: Array, hands: Array, second: Array) -> Array:
        """[] uint32 of men, hands and the player to move."""
        base = jnp.asarray([19**k for k in range(self.held)], jnp.uint32)  # no kind has more than 18 men
        counts = (hands.astype(jnp.uint32) * base[None]).sum(1)
        words = [*men.reshape(-1), *counts, second.astype(jnp.uint32)]
        return bitboards.mixed(words, jnp.uint32(0x9747B28C))

    def movers(self, position: Position, side: Bits, away: bool) -> Movers:
        """The men of ``side`` by how they move; ``away``: they play down the board."""
        steps, slides, jumpers = [self.grid.none] * 8, [self.grid.none] * 8, self.grid.none
        for kind, cells in zip(self.kinds, position.kinds, strict=True):
            own = meet(cells, side)
            plain, better = without(own, position.promoted), meet(own, position.promoted)
            for d in kind.steps:
                steps[_facing(d, away)] = join(steps[_facing(d, away)], own if kind.promoted is None else plain)
            for d in kind.promoted or ():
                steps[_facing(d, away)] = join(steps[_facing(d, away)], better)
            for d in kind.slides:
                slides[_facing(d, away)] = join(slides[_facing(d, away)], own if kind.keeps else plain)
            if kind.jumps:
                jumpers = join(jumpers, plain)
        return Movers(stacked(steps), stacked(slides), jumpers)

    def first(self, state: ShogiState) -> Array:
        """[] bool."""
        return state.numbers[1] == 0


def _facing(direction: int, away: bool) -> int:
    return (direction + 4) % 8 if away else direction


def stacked(sets: Sequence[Bits]) -> Bits:
    """Sets [] as one with an axis of steps."""
    return tuple(jnp.stack(words) for words in zip(*sets, strict=True))


def _reversed(word: Array) -> Array:
    """The 32 bits in reverse."""
    for by, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        some_bits = np.uint32(mask)
        word = word >> np.uint32(by) & some_bits | (word & some_bits) << np.uint32(by)
    return word >> np.uint32(16) | word << np.uint32(16)
