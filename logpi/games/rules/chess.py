"""Chess, and Gardner's minichess on 5 x 5, by FIDE's laws.

Draws are stalemate, the third time of a position, 50 moves of each side without a capture or a pawn's move, and
positions in which no series of moves can mate; the rules apply all of them by themselves. A game of more than
``longest`` moves is a draw too (Silver et al. 2018).

Actions are those of Silver et al. 2018 on the board as White sees it: plane * cells + from. The planes are the eight
directions of a queen, a square far, then two squares, and so on; then the eight jumps of a knight; then promotions to
knight, bishop and rook by a step left, ahead and right. A pawn that reaches the last row otherwise becomes a queen, and
a king that moves two squares castles.

A state is seen by the player to move, who plays up the board: sets of cells for the men (pawns, knights, bishops and
queens, rooks and queens, kings, the mover's men), four numbers, and the hashes of the positions since the last capture
or pawn's move.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.rules import bitboards, chess_notation
from logpi.games.rules.bitboards import COMPASS, DIAGONALS, Bits, Grid, join, meet, moved, pick, some, without
from logpi.games.rules.game import Game
from logpi.games.rules.looks import Looks
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
ON_DIAGONAL = np.isin(np.arange(8), DIAGONALS)
FULL = np.uint32(0xFFFFFFFF)
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


class Sight(NamedTuple):
    """What the king's safety asks of a move."""

    attacked: Bits  # cells where the king would be in check
    targets: Bits  # cells where a move of another man answers a check; all where there is none
    free: Bits  # [8] men that may move along this line: those that are not pinned, or pinned along it
    loose: Bits  # men that are not pinned
    check: Array  # [] bool


class Rules:
    """The rules on a board of one size."""

    def __init__(self, size: int, double_step: bool, castling: bool, longest: int) -> None:
        """``double_step`` and ``castling``: whether a pawn may move two squares at first, and whether kings castle."""
        self.grid, self.double_step, self.castling, self.longest = Grid(size, size), double_step, castling, longest
        self.far = size - 1  # squares that a queen moves at most
        self.planes = 8 * self.far + len(KNIGHTS) + len(UNDER) * len(PROMOTED)
        self.actions = self.planes * self.grid.cells
        steps = [(up * k, right * k) for k in range(1, size) for up, right in COMPASS]
        steps += [*KNIGHTS, *(UNDER * len(PROMOTED))]
        self.steps = steps  # of each plane
        self._offset = jnp.asarray(self.grid.amounts(steps), jnp.int32)
        becomes = [0] * (8 * self.far + len(KNIGHTS)) + [kind for kind in PROMOTED for _ in UNDER]
        self._becomes = jnp.asarray(becomes, jnp.int32)
        self._turned_plane = np.array([self._mirrored(plane) for plane in range(self.planes)])
        self.turned_action = np.array(
            [
                self._turned_plane[plane] * self.grid.cells + self.turned_cell(cell)
                for plane in range(self.planes)
                for cell in range(self.grid.cells)
            ],
            np.int32,
        )
        rows = np.arange(self.grid.cells) // size
        self._second, self._last_but_one, self._last = (self.grid.bits(rows == row) for row in (1, size - 2, size - 1))
        dark = (rows + np.arange(self.grid.cells) % size) % 2 == 0
        self._dark = self.grid.bits(dark)

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

    # -- positions -----------------------------------------------------------------------------------------------------

    def unpacked(self, state: ChessState) -> Position:
        """The sets and numbers of a state."""
        men = tuple(tuple(state.men[kind, w] for w in range(self.grid.words)) for kind in range(6))
        return Position(men, *(state.numbers[k] for k in range(4)))

    def state_of(self, position: Position, past: Array) -> ChessState:
        """The state of a position, with its own hash among those of the ``past``."""
        men = jnp.stack([jnp.stack(kind) for kind in position.men])
        numbers = jnp.stack([position.rights, position.passant, position.quiet, position.ply]).astype(jnp.int32)
        kept = jnp.where(position.quiet == 0, jnp.uint32(0), past)
        place = jnp.arange(QUIET)[:, None] == jnp.minimum(position.quiet, QUIET - 1)
        return ChessState(men, numbers, jnp.where(place, self.hash(position), kept))

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
        """[2] uint32 of men, rights, en passant and the player to move: MurmurHash3 with two seeds (Appleby 2011)."""
        words = [word for kind in position.men for word in kind]
        words.append((position.rights | (position.passant + 1) << 4 | (position.ply & 1) << 12).astype(jnp.uint32))
        h = jnp.asarray([0x9747B28C, 0x3C6EF372], jnp.uint32)
        for word in words:
            k = word * np.uint32(0xCC9E2D51)
            k = (k << np.uint32(15) | k >> np.uint32(17)) * np.uint32(0x1B873593)
            h = h ^ k
            h = (h << np.uint32(13) | h >> np.uint32(19)) * np.uint32(5) + np.uint32(0xE6546B64)
        h = (h ^ h >> np.uint32(16)) * np.uint32(0x85EBCA6B)
        h = (h ^ h >> np.uint32(13)) * np.uint32(0xC2B2AE35)
        return h ^ h >> np.uint32(16)

    # -- moves ---------------------------------------------------------------------------------------------------------

    def sight(self, position: Position) -> Sight:
        """What the king's safety asks of each move."""
        grid, men = self.grid, position.men
        occupied, king = self.occupied(position), meet(men[KING], men[MINE])
        theirs = without(occupied, men[MINE])
        empty = without(grid.all, occupied)
        sliders = self._sliders(men, theirs)
        knights, pawns = meet(men[KNIGHT], theirs), meet(men[PAWN], theirs)
        attacked = bitboards.union(grid.attacks(sliders, join(empty, king)))  # it does not stand in its own way
        attacked = join(
            attacked,
            bitboards.union(grid.neighbours(knights, KNIGHTS)),
            bitboards.union(grid.neighbours(pawns, ((-1, -1), (-1, 1)))),
            bitboards.union(grid.neighbours(meet(men[KING], theirs), COMPASS)),
        )
        seen = grid.attacks(king, empty)  # [8] lines from the king, up to the first man
        first = meet(seen, occupied)
        checks = some(meet(first, sliders))
        lines = bitboards.where(checks, seen, grid.none)
        jumpers = meet(bitboards.union(grid.neighbours(king, KNIGHTS)), knights)
        fronts = meet(bitboards.union(grid.neighbours(king, UNDER[::2])), pawns)
        number = checks.sum() + bitboards.count(jumpers) + bitboards.count(fronts)
        answers = join(bitboards.union(lines), jumpers, fronts)
        targets = bitboards.where(number == 0, grid.all, bitboards.where(number == 1, answers, grid.none))
        shields = meet(first, men[MINE])
        behind = meet(grid.attacks(shields, empty), sliders)
        pinned = bitboards.where(some(behind), shields, grid.none)  # [8]
        loose = without(grid.all, bitboards.union(pinned))
        opposite = np.roll(np.arange(8), 4)
        return Sight(attacked, targets, join(loose, pinned, pick(pinned, opposite)), loose, number > 0)

    def _sliders(self, men: tuple[Bits, ...], side: Bits) -> Bits:
        """[8] The men of ``side`` that move along each line."""
        return tuple(
            jnp.where(jnp.asarray(ON_DIAGONAL), bishop & own, rook & own)
            for bishop, rook, own in zip(men[BISHOP], men[ROOK], side, strict=True)
        )

    def origins(self, position: Position) -> tuple[Bits, Sight]:
        """([planes] The cells from which each plane's move is legal, in the view of the player to move; the sight)."""
        grid, men, sight = self.grid, position.men, self.sight(position)
        mine, occupied = men[MINE], self.occupied(position)
        empty, theirs = without(grid.all, occupied), without(occupied, mine)
        pawns = meet(men[PAWN], mine, sight.free)  # [8]
        movers = meet(self._sliders(men, mine), sight.free)
        open_targets = without(sight.targets, mine)
        found: list[Bits] = []
        reach = grid.leaving(COMPASS)
        for k in range(1, self.far + 1):
            back = -grid.amounts(COMPASS, k)
            own = meet(movers, reach, moved(open_targets, back))
            if k == 1:
                safe = moved(without(without(grid.all, mine), sight.attacked), back)
                own = join(own, meet(men[KING], mine, reach, safe))
                own = join(own, self._pawn_steps(position, pawns, meet(empty, sight.targets), theirs, sight))
            if k == 2 and self.double_step:
                jump = meet(pawns, self._second, reach, moved(meet(empty, sight.targets), back))
                own = join(own, self._only((AHEAD,), jump))
            if k == 2 and self.castling:
                own = join(own, self._castles(position, occupied, sight))
            found.append(own)
            if k < self.far:
                reach = meet(reach, moved(empty, back), grid.leaving(COMPASS, k + 1))
        jumpers = meet(men[KNIGHT], mine, sight.loose)
        back = -grid.amounts(KNIGHTS)
        found.append(meet(jumpers, grid.leaving(KNIGHTS), moved(open_targets, back)))
        by_step = meet(pick(found[0], (7, 0, 1)), men[PAWN], self._last_but_one)  # in the order of UNDER
        found += [by_step] * len(PROMOTED)
        return tuple(jnp.concatenate([part[w] for part in found]) for w in range(grid.words)), sight

    def _only(self, directions: tuple[int, ...], bits: Bits) -> Bits:
        """[8] ``bits`` in some of the directions, nothing in the others."""
        chosen = jnp.asarray(np.where(np.isin(np.arange(8), directions), FULL, 0), jnp.uint32)
        return tuple(word & chosen for word in bits)

    def _pawn_steps(self, position: Position, pawns: Bits, empty: Bits, theirs: Bits, sight: Sight) -> Bits:
        """[8] Pawns that may move one square, or capture; ``empty`` are the cells where that answers a check."""
        back = -self.grid.amounts(COMPASS)
        leaving = meet(pawns, self.grid.leaving(COMPASS))
        ahead = self._only((AHEAD,), meet(leaving, moved(empty, back)))
        capturing = self._only(CAPTURES, meet(leaving, moved(meet(theirs, sight.targets), back)))
        if not self.double_step:
            return join(ahead, capturing)
        passing = self._passing(position, self.grid.cell(position.passant))
        left, right = pick(passing, 0), pick(passing, 1)
        return join(ahead, capturing, self._only(CAPTURES[:1], _each(left)), self._only(CAPTURES[1:], _each(right)))

    def _passing(self, position: Position, target: Bits) -> Bits:
        """[2] The pawns that may capture en passant on ``target``, to the left and to the right.

        Two men leave the row at once, so that the king's safety is looked at anew.
        """
        grid, men = self.grid, position.men
        king, theirs = meet(men[KING], men[MINE]), without(self.occupied(position), men[MINE])
        steps = [COMPASS[d] for d in CAPTURES]
        back = -grid.amounts(steps)
        pawn = meet(men[PAWN], men[MINE], grid.leaving(steps), moved(target, back))  # [2]
        victim = moved(target, np.array([-grid.columns]))
        before = self.occupied(position)
        after = join(without(without(before, pawn), victim), target)  # [2]
        seen = grid.attacks(king, _each(without(grid.all, after)))  # [2, 8]
        attackers = meet(seen, _each(after), self._sliders(men, theirs))
        others = join(
            meet(bitboards.union(grid.neighbours(king, KNIGHTS)), men[KNIGHT], theirs),
            without(meet(bitboards.union(grid.neighbours(king, UNDER[::2])), men[PAWN], theirs), pick(victim, 0)),
        )
        safe = ~some(bitboards.union(attackers)) & ~some(others)
        return bitboards.where(safe, pawn, grid.none)

    def _castles(self, position: Position, occupied: Bits, sight: Sight) -> Bits:
        """[8] The king, where it may castle that way."""
        first = np.arange(self.grid.cells)

        def row(*cells: int) -> Bits:
            return self.grid.bits(np.isin(first, cells))

        def may(right: int, between: Bits, path: Bits) -> Array:
            return (position.rights & right > 0) & ~some(meet(occupied, between)) & ~some(meet(sight.attacked, path))

        short, long = may(SHORT, row(5, 6), row(4, 5, 6)), may(LONG, row(1, 2, 3), row(2, 3, 4))
        by = jnp.asarray(np.where(np.arange(8) == EAST, FULL, 0), jnp.uint32) * short.astype(jnp.uint32)
        by = by | jnp.asarray(np.where(np.arange(8) == WEST, FULL, 0), jnp.uint32) * long.astype(jnp.uint32)
        return tuple(word & by for word in row(4))

    def legal(self, state: ChessState) -> Array:
        """[A] bool."""
        position = self.unpacked(state)
        sets, _ = self.origins(position)
        turned = tuple(word[self._turned_plane] for word in self.turned(sets))
        return self.grid.cells_of(bitboards.where(self.first(state), sets, turned)).reshape(self.actions)

    def step(self, state: ChessState, action: Array) -> ChessState:
        """The other player's view of the position after a legal action."""
        own = jnp.where(self.first(state), action, jnp.asarray(self.turned_action)[action])
        position, grid = self.unpacked(state), self.grid
        plane, start = own // grid.cells, own % grid.cells
        end = start + self._offset[plane]
        here, there = grid.cell(start), grid.cell(end)
        is_pawn, is_king = (some(meet(position.men[kind], here)) for kind in (PAWN, KING))
        passing = is_pawn & (end == position.passant)
        victim = grid.cell(jnp.where(passing, end - grid.columns, -1))
        taken = some(meet(self.occupied(position), there)) | passing
        gone = join(here, there, victim)
        becomes = jnp.where(is_pawn & some(meet(there, self._last)), self._becomes[plane], -1)  # 0: a queen
        promotes = becomes >= 0
        men = []
        for kind, cells in enumerate(position.men):
            stays = some(meet(cells, here)) if kind != MINE else jnp.bool_(True)
            if kind == PAWN:
                stays &= ~promotes
            elif kind in PROMOTED:
                stays |= promotes & ((becomes == kind) | (becomes == 0) & (kind != KNIGHT))
            men.append(join(without(cells, gone), bitboards.where(stays, there, grid.none)))
        rights = position.rights
        if self.castling:
            men, rights = self._castled(men, rights, is_king, start, end)
        doubled = is_pawn & (end - start == 2 * grid.columns) if self.double_step else jnp.bool_(False)
        return self._turned_state(state, position, men, rights, doubled, start, end, is_pawn | taken)

    def _castled(
        self, men: list[Bits], rights: Array, is_king: Array, start: Array, end: Array
    ) -> tuple[list[Bits], Array]:
        """The rook's part of castling, and the rights after a move."""
        grid = self.grid
        corner = grid.cells - grid.columns  # the other player's first cell
        for by, old, new in ((2, 7, 5), (-2, 0, 3)):
            castles = is_king & (end - start == by)
            away, to = (grid.cell(jnp.where(castles, cell, -1)) for cell in (old, new))
            men[ROOK], men[MINE] = (join(without(men[kind], away), to) for kind in (ROOK, MINE))
        lost = jnp.where(is_king, SHORT | LONG, 0)
        for cell, right in ((7, SHORT), (0, LONG), (corner + 7, 4 * SHORT), (corner, 4 * LONG)):
            lost |= jnp.where((start == cell) | (end == cell), right, 0)
        return men, rights & ~lost

    def _turned_state(
        self,
        state: ChessState,
        position: Position,
        men: list[Bits],
        rights: Array,
        doubled: Array,
        start: Array,
        end: Array,
        resets: Array,
    ) -> ChessState:
        """The state after a move, as the other player sees it."""
        grid = self.grid
        theirs = without(join(*men[:MINE]), men[MINE])
        seen = tuple(self.turned(kind) for kind in (*men[:MINE], theirs))
        # the cell that a pawn has passed: a row further for the other player
        middle = (start + end) // 2
        passed = (grid.rows - 1 - middle // grid.columns) * grid.columns + middle % grid.columns
        passed = jnp.where(doubled, passed, -1)
        rights = rights >> 2 | (rights & 3) << 2
        quiet = jnp.where(resets, 0, position.quiet + 1)
        after = Position(seen, rights, passed, quiet, position.ply + 1)
        if self.double_step:  # a square where nobody can capture makes no other position
            possible = some(bitboards.union(self._passing(after, grid.cell(passed))))
            after = after._replace(passant=jnp.where(possible, passed, -1))
        return self.state_of(after, state.past)

    # -- ends ----------------------------------------------------------------------------------------------------------

    def times(self, state: ChessState) -> Array:
        """[] int32: how often the position has been on the board, now included."""
        now = state.past[jnp.minimum(state.numbers[2], QUIET - 1)]
        return (state.past == now).all(-1).sum()

    def ended(self, state: ChessState) -> Array:
        """[] bool."""
        position = self.unpacked(state)
        stuck = ~some(bitboards.union(self.origins(position)[0]))
        over = (position.quiet >= QUIET) | (position.ply >= self.longest) | (self.times(state) >= REPEATED)
        return stuck | over | self.barren(position)

    def barren(self, position: Position) -> Array:
        """[] bool: whether no series of moves can mate."""
        men = position.men
        knights, bishops = bitboards.count(men[KNIGHT]), without(men[BISHOP], men[ROOK])
        one_colour = ~some(meet(bishops, self._dark)) | ~some(without(bishops, self._dark))
        few = (knights == 0) & one_colour | (knights == 1) & ~some(bishops)
        return ~some(join(men[PAWN], men[ROOK])) & few

    def outcome(self, state: ChessState) -> Array:
        """[] float32 of an ended game: -1 where the player to move is mated, else 0."""
        position = self.unpacked(state)
        sets, sight = self.origins(position)
        return -(sight.check & ~some(bitboards.union(sets))).astype(jnp.float32)

    def first(self, state: ChessState) -> Array:
        """[] bool."""
        return state.numbers[3] % 2 == 0

    # -- views ---------------------------------------------------------------------------------------------------------

    def observe(self, state: ChessState) -> Array:
        """[rows, columns, planes]: the mover's six kinds of men, the other's; what else counts, on all cells."""
        position = self.unpacked(state)
        kinds = self.kinds(position)
        men = [meet(kind, side) for side in self.sides(position) for kind in kinds]
        planes = [self.grid.cells_of(bits).astype(jnp.float32) for bits in men]
        times, rights = self.times(state), position.rights
        castles = [rights & 1 << k > 0 for k in range(4)] if self.castling else []
        numbers = [times >= 2, *castles, position.quiet / QUIET]
        if self.double_step:
            planes.append(self.grid.cells_of(self.grid.cell(position.passant)).astype(jnp.float32))
        planes += [jnp.full(self.grid.cells, number, jnp.float32) for number in numbers]
        return jnp.stack(planes, -1).reshape(self.grid.rows, self.grid.columns, -1)

    def kinds(self, position: Position) -> tuple[Bits, ...]:
        """Pawns, knights, bishops, rooks, queens, kings of both players."""
        men = position.men
        queens = meet(men[BISHOP], men[ROOK])
        return men[PAWN], men[KNIGHT], without(men[BISHOP], queens), without(men[ROOK], queens), queens, men[KING]

    def sides(self, position: Position) -> tuple[Bits, Bits]:
        """The mover's men, and the other player's."""
        return position.men[MINE], without(self.occupied(position), position.men[MINE])

    def cells(self, state: ChessState) -> Array:
        """[rows, columns] int8, the eighth row first: 0 empty, 1 White's, 2 Black's."""
        mine, theirs = (self.grid.cells_of(side) for side in self.sides(self.unpacked(state)))
        first = self.first(state)
        whose = jnp.where(mine, jnp.where(first, 1, 2), jnp.where(theirs, jnp.where(first, 2, 1), 0))
        board = whose.reshape(self.grid.rows, self.grid.columns).astype(jnp.int8)
        return jnp.where(first, board[::-1], board)


def _each(bits: Bits) -> Bits:
    """With an axis of steps at the end."""
    return tuple(word[..., None] for word in bits)


def chess() -> Game:
    """Chess on 8 x 8."""
    return _game("chess", Rules(8, double_step=True, castling=True, longest=LONGEST), chess_notation.CHESS)


def gardner_chess() -> Game:
    """Gardner's minichess on 5 x 5: a pawn has no double step, and no king castles."""
    return _game("gardner-chess", Rules(5, double_step=False, castling=False, longest=256), chess_notation.GARDNER)


def _game(name: str, rules: Rules, start: str) -> Game:
    state = jax.tree.map(np.asarray, chess_notation.from_fen(rules, start))
    identity = [np.arange(n, dtype=np.int32)[None] for n in (rules.grid.cells, rules.actions)]
    turned = jnp.asarray(rules.turned_action)
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
        name=lambda action: chess_notation.name(rules, action),
        parse=lambda text: chess_notation.parse(rules, text, name),
        observed_action=lambda state: jnp.where(rules.first(state), identity[1][0], turned),
        looks=Looks(sides=("White", "Black")),
    )
