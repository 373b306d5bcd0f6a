"""Shogi on 9 x 9, and animal shogi on 3 x 4.

A player without a legal move has lost. The fourth time of a position (the third in animal shogi) is a draw, unless one
player has given check with every move since the first time: that player has lost. Dropping a pawn to give mate is
illegal. A king that has entered the last three rows wins by declaration where the 27-point rule of the Computer Shogi
Association allows it; here that happens by itself, at the player's turn. In animal shogi a player wins who captures
the lion, or whose own stands in the last row where it cannot be captured; no move is illegal because of a check. A game
of more than ``longest`` moves is a draw.

Actions are plane * cells + the cell where the man arrives, as the first player sees the board. The planes are the
eight directions, as the mover sees them, and the knight's jumps to the right and to the left, by which the man comes;
the same with a promotion; and a drop of each kind of man. Of two men on a line only the nearer one can arrive, so that
a direction says which man moves.

A state is seen by the player to move, who plays up the board.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.rules import bitboards, shogi_notation
from logpi.games.rules.bitboards import COMPASS, DIAGONALS, LINES, Bits, Grid, join, meet, pick, some, without
from logpi.games.rules.game import Game
from logpi.games.rules.looks import Looks
from logpi.types import Array

GOLD = (7, 0, 1, 2, 4, 6)  # of the compass
SILVER = (7, 0, 1, 3, 5)
ALL = tuple(range(8))
JUMPS = ((2, 1), (2, -1))
FULL = np.uint32(0xFFFFFFFF)
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


class Sight(NamedTuple):
    """What the king's safety asks of a move."""

    attacked: Bits  # cells where the king would be in check
    targets: Bits  # cells where a move of another man answers a check; all where there is none
    free: Bits  # [8] men that may move along this line
    loose: Bits  # men that are not pinned
    check: Array  # [] bool


class Rules:
    """The rules of one of the games."""

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
        self._row_of = row
        self._promotes = self.grid.bits(row >= rows - zone)
        self._last = {k: self.grid.bits(row >= rows - k) for k in (1, 2, 3)}
        self._column = self.grid.bits(np.arange(self.grid.cells) % columns == np.arange(columns)[:, None])
        self._back = [-amount for amount in self.grid.amounts([*COMPASS, *JUMPS])]

    # -- positions -----------------------------------------------------------------------------------------------------

    def unpacked(self, state: ShogiState) -> Position:
        """The sets of a state."""
        sets = [tuple(state.men[k, w] for w in range(self.grid.words)) for k in range(len(self.kinds) + 2)]
        return Position(tuple(sets[:-2]), sets[-2], sets[-1], state.hands)

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
        """[] uint32 of men, hands and the player to move: MurmurHash3 (Appleby 2011)."""
        base = jnp.asarray([19**k for k in range(self.held)], jnp.uint32)  # no kind has more than 18 men
        counts = (hands.astype(jnp.uint32) * base[None]).sum(1)
        words = [*men.reshape(-1), *counts, second.astype(jnp.uint32)]
        h = jnp.uint32(0x9747B28C)
        for word in words:
            k = word * np.uint32(0xCC9E2D51)
            k = (k << np.uint32(15) | k >> np.uint32(17)) * np.uint32(0x1B873593)
            h = h ^ k
            h = (h << np.uint32(13) | h >> np.uint32(19)) * np.uint32(5) + np.uint32(0xE6546B64)
        h = (h ^ h >> np.uint32(16)) * np.uint32(0x85EBCA6B)
        h = (h ^ h >> np.uint32(13)) * np.uint32(0xC2B2AE35)
        return h ^ h >> np.uint32(16)

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
        return Movers(_stacked(steps), _stacked(slides), jumpers)

    # -- moves ---------------------------------------------------------------------------------------------------------

    def arrivals(self, movers: Movers, empty: Bits) -> Bits:
        """[8] The cells where men arrive along the compass, or guard a man of their own."""
        return join(self.grid.neighbours(movers.steps, COMPASS), self.grid.attacks(movers.slides, empty))

    def jumped(self, jumpers: Bits, away: bool) -> Bits:
        """[2] The cells where knights arrive."""
        return self.grid.neighbours(jumpers, [(-up, -right) for up, right in JUMPS] if away else JUMPS)

    def guarded(self, movers: Movers, empty: Bits, away: bool) -> Bits:
        """The cells where a man of a side could arrive."""
        found = bitboards.union(self.arrivals(movers, empty))
        return join(found, bitboards.union(self.jumped(movers.jumpers, away))) if self.jumps else found

    def sight(self, position: Position) -> Sight:
        """What the king's safety asks of each move; in animal shogi it asks nothing."""
        grid, mine = self.grid, position.mine
        if not self.shogi:
            everywhere = tuple(jnp.broadcast_to(word, (8,)) for word in grid.all)
            return Sight(grid.none, grid.all, everywhere, grid.all, jnp.bool_(False))
        occupied = self.occupied(position)
        theirs, empty = without(occupied, mine), without(grid.all, occupied)
        king = meet(position.kinds[-1], mine)
        movers = self.movers(position, theirs, away=True)
        attacked = self.guarded(movers, join(empty, king), away=True)  # it does not stand in its own way
        opposite = np.roll(np.arange(8), -4)
        slides, steps = (pick(men, opposite) for men in movers[:2])  # towards the king, by the direction where they are
        seen = grid.attacks(king, empty)
        first = meet(seen, occupied)
        near = meet(grid.neighbours(king, COMPASS), steps)
        sliding = some(meet(first, slides))
        lines = join(bitboards.where(sliding, seen, grid.none), near)
        number = (sliding | some(near)).sum()
        answers = bitboards.union(lines)
        if self.jumps:
            jumpers = meet(bitboards.union(grid.neighbours(king, JUMPS)), movers.jumpers)
            number = number + bitboards.count(jumpers)
            answers = join(answers, jumpers)
        targets = bitboards.where(number == 0, grid.all, bitboards.where(number == 1, answers, grid.none))
        shields = meet(first, mine)
        behind = meet(grid.attacks(shields, empty), slides)
        pinned = bitboards.where(some(behind), shields, grid.none)
        loose = without(grid.all, bitboards.union(pinned))
        free = join(loose, pinned, pick(pinned, opposite))
        return Sight(attacked, targets, free, loose, number > 0)

    def destinations(self, position: Position) -> tuple[Bits, Sight]:
        """([planes] The cells where each plane's move arrives legally, in the mover's view; the sight)."""
        grid, mine, sight = self.grid, position.mine, self.sight(position)
        occupied = self.occupied(position)
        empty = without(grid.all, occupied)
        king = meet(position.kinds[-1], mine)
        others = position._replace(kinds=(*position.kinds[:-1], grid.none))
        targets = without(sight.targets, mine)
        plain, better = self._moves(others, empty, targets, sight)
        walks = meet(grid.neighbours(king, COMPASS), without(without(grid.all, mine), sight.attacked))
        parts = [join(pick(plain, ALL), walks)]
        if self.jumps:
            parts.append(pick(plain, (8, 9)))
        parts += [better, self._drops(position, meet(empty, sight.targets))]
        return tuple(jnp.concatenate([part[w] for part in parts]) for w in range(grid.words)), sight

    def _moves(self, position: Position, empty: Bits, targets: Bits, sight: Sight) -> tuple[Bits, Bits]:
        """([ways] without a promotion, [ways] with one) where the men but the king arrive."""
        mine = position.mine
        raw = without(mine, position.promoted)
        able = join(*(cells for kind, cells in zip(self.kinds, position.kinds, strict=True) if kind.promoted))
        able = meet(able, raw)
        ways = []
        for side in (mine, able, meet(able, self._promotes)):
            men = self.movers(position, side, away=False)
            men = Movers(meet(men.steps, sight.free), meet(men.slides, sight.free), meet(men.jumpers, sight.loose))
            found = self.arrivals(men, empty)
            if self.jumps:
                jumped = self.jumped(men.jumpers, away=False)
                found = tuple(jnp.concatenate([a, b]) for a, b in zip(found, jumped, strict=True))
            ways.append(meet(found, targets))
        better = join(meet(ways[1], self._promotes), ways[2])
        return without(ways[0], self._stuck(position, empty)), better

    def _stuck(self, position: Position, empty: Bits) -> Bits:
        """[ways] Where a man that does not promote could not move any more."""
        stuck = [self.grid.none] * self.ways
        raw = without(position.mine, position.promoted)
        for kind, cells in zip(self.kinds, position.kinds, strict=True):
            if not kind.last:
                continue
            own, rows = meet(cells, raw), self._last[kind.last]
            if kind.jumps:
                for k, way in enumerate((8, 9)):
                    stuck[way] = join(stuck[way], meet(pick(self.jumped(own, away=False), k), rows))
            else:
                ahead = self.grid.attacks(own, empty if kind.slides else self.grid.none)
                stuck[0] = join(stuck[0], meet(pick(ahead, 0), rows))
        return _stacked(stuck)

    def _drops(self, position: Position, free: Bits) -> Bits:
        """[held] Where a man of each kind may be dropped."""
        found = []
        for k, kind in enumerate(self.kinds[:-1]):
            cells = free if kind.drops_there or not kind.last else without(free, self._last[kind.last])
            if kind is PAWN:
                pawns = meet(position.kinds[k], without(position.mine, position.promoted))
                files = bitboards.where(some(meet(_each(pawns), self._column)), self._column, self.grid.none)
                cells = without(cells, bitboards.union(files))
                cells = without(cells, self._mating_drop(position, cells))
            found.append(bitboards.where(position.hands[0, k] > 0, cells, self.grid.none))
        return _stacked(found)

    def _mating_drop(self, position: Position, cells: Bits) -> Bits:
        """The cell among ``cells`` where a pawn in front of the other king would give mate, or none."""
        grid, mine = self.grid, position.mine
        occupied = self.occupied(position)
        theirs = without(occupied, mine)
        king = meet(position.kinds[-1], theirs)
        front = pick(grid.neighbours(king, ((-1, 0),)), 0)
        after = without(without(grid.all, occupied), front)  # empty cells
        own = self.movers(position, mine, away=False)
        guarded = self.guarded(own, join(after, king), away=False)
        escapes = without(without(bitboards.union(grid.neighbours(king, COMPASS)), theirs), guarded)
        rest = self.movers(position, without(theirs, king), away=True)
        opposite = np.roll(np.arange(8), -4)
        pins = self._pinned(king, theirs, after, pick(own.slides, opposite))
        takers = join(
            meet(grid.attacks(front, after), pick(rest.slides, opposite)),
            meet(grid.neighbours(front, COMPASS), pick(rest.steps, opposite)),
        )
        taken = some(without(bitboards.union(takers), pins))
        if self.jumps:
            taken |= some(without(meet(bitboards.union(grid.neighbours(front, JUMPS)), rest.jumpers), pins))
        mate = ~some(escapes) & ~taken
        return bitboards.where(mate, meet(front, cells), grid.none)

    def _pinned(self, king: Bits, side: Bits, empty: Bits, slides: Bits) -> Bits:
        """The men of ``side`` that shield ``king`` from ``slides`` [8]."""
        shields = meet(self.grid.attacks(king, empty), side)
        behind = meet(self.grid.attacks(shields, empty), slides)
        return bitboards.union(bitboards.where(some(behind), shields, self.grid.none))

    def legal(self, state: ShogiState) -> Array:
        """[A] bool."""
        sets, _ = self.destinations(self.unpacked(state))
        sets = bitboards.where(self.first(state), sets, self.turned(sets))
        return self.grid.cells_of(sets).reshape(self.actions)

    def step(self, state: ShogiState, action: Array) -> ShogiState:
        """The other player's view of the position after a legal action."""
        position, grid = self.unpacked(state), self.grid
        plane, shown = action // grid.cells, action % grid.cells
        end = jnp.where(self.first(state), shown, grid.cells - 1 - shown)
        there = grid.cell(end)
        drops = plane >= 2 * self.ways
        dropped = jnp.where(drops, plane - 2 * self.ways, -1)
        better = ~drops & (plane >= self.ways)
        here = bitboards.where(drops, grid.none, self._origin(position, there, plane % self.ways))
        was_better = some(meet(position.promoted, here))
        kinds, taken = [], []
        for k, cells in enumerate(position.kinds):
            arrives = some(meet(cells, here)) | (dropped == k)
            taken.append(some(meet(cells, there)))
            kinds.append(join(without(cells, join(here, there)), bitboards.where(arrives, there, grid.none)))
        promoted = without(position.promoted, join(here, there))
        promoted = join(promoted, bitboards.where(better | was_better, there, grid.none))
        mine = join(without(position.mine, here), there)
        gain = jnp.stack(taken[:-1]).astype(jnp.int8)
        loss = (jnp.arange(self.held) == dropped).astype(jnp.int8)
        hands = jnp.stack([position.hands[1], position.hands[0] + gain - loss])
        theirs = without(join(*kinds), mine)
        men = jnp.stack([jnp.stack(self.turned(cells)) for cells in (*kinds, promoted, theirs)])
        return self._followed(state, men, hands)

    def _origin(self, position: Position, there: Bits, way: Array) -> Bits:
        """The man that comes to a cell by one of the ``ways``: the first one back along the line."""
        grid = self.grid
        mine = position.mine
        seen = meet(grid.attacks(there, without(grid.all, self.occupied(position))), mine)  # [8]
        back = pick(seen, np.roll(np.arange(8), -4))  # by the direction in which it comes
        if self.jumps:
            jumpers = grid.neighbours(there, [(-up, -right) for up, right in JUMPS])
            back = tuple(jnp.concatenate([a, b]) for a, b in zip(back, meet(jumpers, mine), strict=True))
        return tuple(word[way] for word in back)

    def _followed(self, state: ShogiState, men: Array, hands: Array) -> ShogiState:
        """The state of a position, turned already, after ``state``."""
        made, second = state.numbers[0] + 1, 1 - state.numbers[1]
        position = Position(*self._sets(men), hands)
        check = self.sight(position).check
        numbers = jnp.stack([made, second, state.numbers[3], jnp.where(check, state.numbers[2] + 1, 0)])
        place = jnp.arange(self.longest + 1) == made
        return ShogiState(men, hands, numbers, jnp.where(place, self.hash(men, hands, second), state.past))

    def _sets(self, men: Array) -> tuple[tuple[Bits, ...], Bits, Bits]:
        sets = [tuple(men[k, w] for w in range(self.grid.words)) for k in range(len(self.kinds) + 2)]
        return tuple(sets[:-2]), sets[-2], sets[-1]

    # -- ends ----------------------------------------------------------------------------------------------------------

    def times(self, state: ShogiState) -> tuple[Array, Array]:
        """([] int32 how often the position has been on the board, now included; [] int32 moves since the first)."""
        made = state.numbers[0]
        same = (state.past == state.past[made]) & (jnp.arange(self.longest + 1) <= made)
        return same.sum(), made - jnp.argmax(same)

    def ended(self, state: ShogiState) -> Array:
        """[] bool."""
        position = self.unpacked(state)
        sets, sight = self.destinations(position)
        again = self.times(state)[0] >= self.repeated
        over = ~some(bitboards.union(sets)) | ~some(self._king(position)) | again | (state.numbers[0] >= self.longest)
        return over | self.arrived(position) | self.enthroned(position, sight, state.numbers[1])

    def outcome(self, state: ShogiState) -> Array:
        """[] float32 of an ended game, for the player to move."""
        position = self.unpacked(state)
        sets, sight = self.destinations(position)
        mated = ~some(bitboards.union(sets)) | ~some(self._king(position))
        times, since = self.times(state)
        again = times >= self.repeated
        by_mover, by_other = (again & (2 * state.numbers[k] >= since) for k in (2, 3))
        wins = self.enthroned(position, sight, state.numbers[1])
        loses = mated | self.arrived(position)
        perpetual = jnp.where(by_other, 1.0, jnp.where(by_mover, -1.0, 0.0)) if self.shogi else jnp.float32(0)
        return jnp.where(loses, -1.0, jnp.where(wins, 1.0, perpetual)).astype(jnp.float32)

    def _king(self, position: Position) -> Bits:
        return meet(position.kinds[-1], position.mine)

    def arrived(self, position: Position) -> Array:
        """[] bool: whether the other player's lion is safe in its last row, in animal shogi."""
        if self.shogi:
            return jnp.bool_(False)
        return self._safe(position, without(position.kinds[-1], position.mine), position.mine, 0, away=False)

    def _safe(self, position: Position, lion: Bits, hunters: Bits, row: int, away: bool) -> Array:
        """[] bool: whether a ``lion`` stands in a ``row`` where none of the ``hunters`` can capture it."""
        empty = without(self.grid.all, self.occupied(position))
        guarded = self.guarded(self.movers(position, hunters, away), empty, away)
        return some(without(meet(lion, self.grid.bits(self._row_of == row)), guarded))

    def enthroned(self, position: Position, sight: Sight, second: Array) -> Array:
        """[] bool: whether the player to move has won by its own king: by the 27-point rule, or the lion's last row."""
        if not self.shogi:
            hunters = without(self.occupied(position), position.mine)
            return self._safe(position, self._king(position), hunters, self.grid.rows - 1, away=True)
        if self.grid.rows < 9:
            return jnp.bool_(False)
        there = meet(position.mine, self._last[3])
        entered = some(meet(there, position.kinds[-1]))
        worth = [WORTH.get(kind.letter, 1) for kind in self.kinds[:-1]]
        inside = jnp.stack([bitboards.count(meet(cells, there)) for cells in position.kinds[:-1]])
        points = ((inside + position.hands[0].astype(jnp.int32)) * jnp.asarray(worth)).sum()
        enough = points >= jnp.where(second > 0, DECLARED[1], DECLARED[0])
        return entered & (inside.sum() >= INVADERS) & enough & ~sight.check

    def first(self, state: ShogiState) -> Array:
        """[] bool."""
        return state.numbers[1] == 0

    # -- views ---------------------------------------------------------------------------------------------------------

    def observe(self, state: ShogiState) -> Array:
        """[rows, columns, planes]: men of the mover and of the other by kind and promotion; hands and repetition."""
        position, cells = self.unpacked(state), self.grid.cells
        planes = []
        for side in (position.mine, without(self.occupied(position), position.mine)):
            for kind, men in zip(self.kinds, position.kinds, strict=True):
                own = meet(men, side)
                parts = (without(own, position.promoted), meet(own, position.promoted))
                planes += [self.grid.cells_of(part) for part in (parts if kind.promoted else (own,))]
        numbers = [*(position.hands.astype(jnp.float32) / 4).reshape(-1), self.times(state)[0] / self.repeated]
        planes = [plane.astype(jnp.float32) for plane in planes]
        planes += [jnp.full(cells, number, jnp.float32) for number in numbers]
        return jnp.stack(planes, -1).reshape(self.grid.rows, self.grid.columns, -1)

    def cells(self, state: ShogiState) -> Array:
        """[rows, columns] int8, the first player's last row first: 0 empty, 1 the first player's, 2 the second's."""
        position = self.unpacked(state)
        sides = position.mine, without(self.occupied(position), position.mine)
        mine, theirs = (self.grid.cells_of(side) for side in sides)
        first = self.first(state)
        whose = jnp.where(mine, jnp.where(first, 1, 2), jnp.where(theirs, jnp.where(first, 2, 1), 0)).astype(jnp.int8)
        board = jnp.where(first, whose, whose[::-1])
        return board.reshape(self.grid.rows, self.grid.columns)[::-1]


def _facing(direction: int, away: bool) -> int:
    return (direction + 4) % 8 if away else direction


def _stacked(sets: Sequence[Bits]) -> Bits:
    """Sets [] as one with an axis of steps."""
    return tuple(jnp.stack(words) for words in zip(*sets, strict=True))


def _each(bits: Bits) -> Bits:
    """With an axis of steps at the end."""
    return tuple(word[..., None] for word in bits)


def _reversed(word: Array) -> Array:
    """The 32 bits in reverse."""
    for by, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        some_bits = np.uint32(mask)
        word = word >> np.uint32(by) & some_bits | (word & some_bits) << np.uint32(by)
    return word >> np.uint32(16) | word << np.uint32(16)


def shogi() -> Game:
    """Shogi on 9 x 9."""
    kinds = (PAWN, LANCE, KNIGHT, SILVERS, GOLDS, BISHOP, ROOK, KING)
    return _game("shogi", Rules(9, 9, kinds, zone=3, longest=512), shogi_notation.SHOGI)


def animal_shogi() -> Game:
    """Animal shogi (dobutsu shogi) on 3 x 4."""
    rules = Rules(4, 3, (CHICK, ELEPHANT, GIRAFFE, LION), zone=1, longest=256, repeated=3, shogi=False)
    return _game("animal-shogi", rules, shogi_notation.ANIMAL)


def _game(name: str, rules: Rules, start: str) -> Game:
    state = jax.tree.map(np.asarray, shogi_notation.from_sfen(rules, start))
    identity = [np.arange(n, dtype=np.int32)[None] for n in (rules.grid.cells, rules.actions)]
    turned = np.arange(rules.actions, dtype=np.int32).reshape(rules.planes, -1)[:, ::-1].ravel()
    return Game(
        id=name,
        shape=(rules.grid.rows, rules.grid.columns),
        actions=rules.actions,
        longest=rules.longest,
        init=lambda: jax.tree.map(jnp.asarray, state),
        step=rules.step,
        legal=rules.legal,
        ended=rules.ended,
        outcome=rules.outcome,
        observe=rules.observe,
        cells=rules.cells,
        first_to_move=rules.first,
        symmetries=identity[0],
        action_symmetries=identity[1],
        name=lambda action: shogi_notation.name(rules, action),
        parse=lambda text: shogi_notation.parse(rules, text, name),
        observed_action=lambda state: jnp.where(rules.first(state), identity[1][0], turned),
        looks=Looks(sides=("Black", "White")),
    )
