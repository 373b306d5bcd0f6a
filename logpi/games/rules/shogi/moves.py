"""The legal moves of shogi, by sets of cells: what guards the king is found first, so that no move has to be tried."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from logpi.games.rules import bitboards
from logpi.games.rules.bitboards import COMPASS, Bits, join, meet, pick, some, without
from logpi.games.rules.shogi.board import ALL, JUMPS, PAWN, Board, Movers, Position, stacked
from logpi.types import Array


class Sight(NamedTuple):
    """What the king's safety asks of a move."""

    attacked: Bits  # cells where the king would be in check
    targets: Bits  # cells where a move of another man answers a check; all where there is none
    free: Bits  # [8] men that may move along this line
    loose: Bits  # men that are not pinned
    check: Array  # [] bool


def destinations(board: Board, position: Position) -> tuple[Bits, Sight]:
    """([planes] The cells where each plane's move arrives legally, in the mover's view; the sight)."""
    grid, mine, view = board.grid, position.mine, sight(board, position)
    occupied = board.occupied(position)
    empty = without(grid.all, occupied)
    king = meet(position.kinds[-1], mine)
    others = position._replace(kinds=(*position.kinds[:-1], grid.none))
    targets = without(view.targets, mine)
    plain, better = _moves(board, others, empty, targets, view)
    walks = meet(grid.neighbours(king, COMPASS), without(without(grid.all, mine), view.attacked))
    parts = [join(pick(plain, ALL), walks)]
    if board.jumps:
        parts.append(pick(plain, (8, 9)))
    parts += [better, _drops(board, position, meet(empty, view.targets))]
    return tuple(jnp.concatenate([part[w] for part in parts]) for w in range(grid.words)), view


def sight(board: Board, position: Position) -> Sight:
    """What the king's safety asks of each move; in animal shogi it asks nothing."""
    grid, mine = board.grid, position.mine
    if not board.shogi:
        everywhere = tuple(jnp.broadcast_to(word, (8,)) for word in grid.all)
        return Sight(grid.none, grid.all, everywhere, grid.all, jnp.bool_(False))
    occupied = board.occupied(position)
    theirs, empty = without(occupied, mine), without(grid.all, occupied)
    king = meet(position.kinds[-1], mine)
    movers = board.movers(position, theirs, away=True)
    attacked = guarded(board, movers, join(empty, king), away=True)  # it does not stand in its own way
    opposite = np.roll(np.arange(8), -4)
    steps, slides = (pick(men, opposite) for men in movers[:2])  # towards the king, by the direction where they are
    seen = grid.attacks(king, empty)
    first = meet(seen, occupied)
    near = meet(grid.neighbours(king, COMPASS), steps)
    sliding = some(meet(first, slides))
    lines = join(bitboards.where(sliding, seen, grid.none), near)
    number = (sliding | some(near)).sum()
    answers = bitboards.union(lines)
    if board.jumps:
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


def arrivals(board: Board, movers: Movers, empty: Bits) -> Bits:
    """[8] The cells where men arrive along the compass, or guard a man of their own."""
    return join(board.grid.neighbours(movers.steps, COMPASS), board.grid.attacks(movers.slides, empty))


def jumped(board: Board, jumpers: Bits, away: bool) -> Bits:
    """[2] The cells where knights arrive."""
    return board.grid.neighbours(jumpers, [(-up, -right) for up, right in JUMPS] if away else JUMPS)


def guarded(board: Board, movers: Movers, empty: Bits, away: bool) -> Bits:
    """The cells where a man of a side could arrive."""
    found = bitboards.union(arrivals(board, movers, empty))
    return join(found, bitboards.union(jumped(board, movers.jumpers, away))) if board.jumps else found


def _moves(board: Board, position: Position, empty: Bits, targets: Bits, sight: Sight) -> tuple[Bits, Bits]:
    """([ways] without a promotion, [ways] with one) where the men but the king arrive."""
    mine = position.mine
    raw = without(mine, position.promoted)
    able = join(*(cells for kind, cells in zip(board.kinds, position.kinds, strict=True) if kind.promoted))
    able = meet(able, raw)
    ways = []
    for side in (mine, able, meet(able, board.promotes)):
        men = board.movers(position, side, away=False)
        men = Movers(meet(men.steps, sight.free), meet(men.slides, sight.free), meet(men.jumpers, sight.loose))
        found = arrivals(board, men, empty)
        if board.jumps:
            leaps = jumped(board, men.jumpers, away=False)
            found = tuple(jnp.concatenate([a, b]) for a, b in zip(found, leaps, strict=True))
        ways.append(meet(found, targets))
    better = join(meet(ways[1], board.promotes), ways[2])
    return without(ways[0], _stuck(board, position, empty)), better


def _stuck(board: Board, position: Position, empty: Bits) -> Bits:
    """[ways] Where a man that does not promote could not move any more."""
    stuck = [board.grid.none] * board.ways
    raw = without(position.mine, position.promoted)
    for kind, cells in zip(board.kinds, position.kinds, strict=True):
        if not kind.last:
            continue
        own, rows = meet(cells, raw), board.last[kind.last]
        if kind.jumps:
            for k, way in enumerate((8, 9)):
                stuck[way] = join(stuck[way], meet(pick(jumped(board, own, away=False), k), rows))
        else:
            ahead = board.grid.attacks(own, empty if kind.slides else board.grid.none)
            stuck[0] = join(stuck[0], meet(pick(ahead, 0), rows))
    return stacked(stuck)


def _drops(board: Board, position: Position, free: Bits) -> Bits:
    """[held] Where a man of each kind may be dropped."""
    found = []
    for k, kind in enumerate(board.kinds[:-1]):
        cells = free if kind.drops_there or not kind.last else without(free, board.last[kind.last])
        if kind is PAWN:
            pawns = meet(position.kinds[k], without(position.mine, position.promoted))
            files = bitboards.where(some(meet(_each(pawns), board.column)), board.column, board.grid.none)
            cells = without(cells, bitboards.union(files))
            cells = without(cells, _mating_drop(board, position, cells))
        found.append(bitboards.where(position.hands[0, k] > 0, cells, board.grid.none))
    return stacked(found)


def _mating_drop(board: Board, position: Position, cells: Bits) -> Bits:
    """The cell among ``cells`` where a pawn in front of the other king would give mate, or none."""
    grid, mine = board.grid, position.mine
    occupied = board.occupied(position)
    theirs = without(occupied, mine)
    king = meet(position.kinds[-1], theirs)
    front = pick(grid.neighbours(king, ((-1, 0),)), 0)
    after = without(without(grid.all, occupied), front)  # empty cells
    own = board.movers(position, mine, away=False)
    watched = guarded(board, own, join(after, king), away=False)
    escapes = without(without(bitboards.union(grid.neighbours(king, COMPASS)), theirs), watched)
    rest = board.movers(position, without(theirs, king), away=True)
    opposite = np.roll(np.arange(8), -4)
    pins = _pinned(board, king, theirs, after, pick(own.slides, opposite))
    takers = join(
        meet(grid.attacks(front, after), pick(rest.slides, opposite)),
        meet(grid.neighbours(front, COMPASS), pick(rest.steps, opposite)),
    )
    taken = some(without(bitboards.union(takers), pins))
    if board.jumps:
        taken |= some(without(meet(bitboards.union(grid.neighbours(front, JUMPS)), rest.jumpers), pins))
    mate = ~some(escapes) & ~taken
    return bitboards.where(mate, meet(front, cells), grid.none)


def _pinned(board: Board, king: Bits, side: Bits, empty: Bits, slides: Bits) -> Bits:
    """The men of ``side`` that shield ``king`` from ``slides`` [8]."""
    shields = meet(board.grid.attacks(king, empty), side)
    behind = meet(board.grid.attacks(shields, empty), slides)
    return bitboards.union(bitboards.where(some(behind), shields, board.grid.none))


def _each(bits: Bits) -> Bits:
    """With an axis of steps at the end."""
    return tuple(word[..., None] for word in bits)
