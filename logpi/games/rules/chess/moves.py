"""The legal moves of chess, by sets of cells: what guards the king is found first, so that no move has to be tried."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.rules import bitboards
from logpi.games.rules.bitboards import COMPASS, DIAGONALS, Bits, join, meet, moved, pick, some, without
from logpi.games.rules.chess.board import (
    BISHOP,
    KING,
    KNIGHT,
    KNIGHTS,
    LONG,
    MINE,
    PAWN,
    PROMOTED,
    ROOK,
    SHORT,
    UNDER,
    Board,
    Position,
)
from logpi.types import Array

CAPTURES = (7, 1)  # of the compass: a pawn's captures, to the left and to the right
AHEAD, EAST, WEST = 0, 2, 6  # of the compass
ON_DIAGONAL = np.isin(np.arange(8), DIAGONALS)
FULL = np.uint32(0xFFFFFFFF)


class Sight(NamedTuple):
    """What the king's safety asks of a move."""

    attacked: Bits  # cells where the king would be in check
    targets: Bits  # cells where a move of another man answers a check; all where there is none
    free: Bits  # [8] men that may move along this line: those that are not pinned, or pinned along it
    loose: Bits  # men that are not pinned
    check: Array  # [] bool


def origins(board: Board, position: Position) -> tuple[Bits, Sight]:
    """([planes] The cells from which each plane's move is legal, in the view of the player to move; the sight)."""
    grid, men, view = board.grid, position.men, sight(board, position)
    mine, occupied = men[MINE], board.occupied(position)
    empty, theirs = without(grid.all, occupied), without(occupied, mine)
    pawns = meet(men[PAWN], mine, view.free)  # [8]
    movers = meet(_sliders(board, men, mine), view.free)
    open_targets = without(view.targets, mine)
    slides = _slides(board, movers, empty, open_targets)
    back = -grid.amounts(COMPASS)
    safe = moved(without(without(grid.all, mine), view.attacked), back)
    walks = meet(men[KING], mine, grid.leaving(COMPASS), safe)
    steps = _pawn_steps(board, position, pawns, meet(empty, view.targets), theirs, view)
    near = [join(pick(slides, np.arange(8)), walks, steps)]
    if board.double_step or board.castling:
        near.append(pick(slides, np.arange(8, 16)))
    if board.double_step:
        ahead = moved(meet(empty, view.targets), 2 * back)
        jump = meet(pawns, board.second, grid.leaving(COMPASS, 2), moved(empty, back), ahead)
        near[1] = join(near[1], _only(board, (AHEAD,), jump))
    if board.castling:
        near[1] = join(near[1], _castles(board, position, occupied, view))
    far = pick(slides, np.arange(8 * len(near), 8 * board.far))
    jumpers = meet(men[KNIGHT], mine, view.loose)
    jumps = meet(jumpers, grid.leaving(KNIGHTS), moved(open_targets, -grid.amounts(KNIGHTS)))
    by_step = meet(pick(near[0], (7, 0, 1)), men[PAWN], board.last_but_one)  # in the order of UNDER
    found = [*near, far, jumps, *[by_step] * len(PROMOTED)]
    return tuple(jnp.concatenate([part[w] for part in found]) for w in range(grid.words)), view


def _slides(board: Board, movers: Bits, empty: Bits, targets: Bits) -> Bits:
    """[8 * far] The ``movers`` [8] that reach one of the ``targets`` along the compass, by one square, by two, …

    A loop over the distance: written out, it would be most of what there is to compile.
    """
    grid, back = board.grid, -board.grid.amounts(COMPASS)
    further = [grid.leaving(COMPASS, k) for k in range(2, board.far + 2)]

    def step(carry: tuple[Bits, ...], leaving: Bits) -> tuple[tuple[Bits, ...], Bits]:
        reach, there, free = carry
        there, free = moved(there, back), moved(free, back)
        return (meet(reach, free, leaving), there, free), meet(movers, reach, there)

    eight = jnp.zeros(8, jnp.uint32)
    begun = (grid.leaving(COMPASS), *(tuple(word | eight for word in bits) for bits in (targets, empty)))
    _, found = jax.lax.scan(step, begun, tuple(jnp.stack(words) for words in zip(*further, strict=True)))
    return tuple(word.reshape(-1) for word in found)


def sight(board: Board, position: Position) -> Sight:
    """What the king's safety asks of each move."""
    grid, men = board.grid, position.men
    occupied, king = board.occupied(position), meet(men[KING], men[MINE])
    theirs = without(occupied, men[MINE])
    empty = without(grid.all, occupied)
    sliders = _sliders(board, men, theirs)
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


def _sliders(board: Board, men: tuple[Bits, ...], side: Bits) -> Bits:
    """[8] The men of ``side`` that move along each line."""
    return tuple(
        jnp.where(jnp.asarray(ON_DIAGONAL), bishop & own, rook & own)
        for bishop, rook, own in zip(men[BISHOP], men[ROOK], side, strict=True)
    )


def _only(board: Board, directions: tuple[int, ...], bits: Bits) -> Bits:
    """[8] ``bits`` in some of the directions, nothing in the others."""
    chosen = jnp.asarray(np.where(np.isin(np.arange(8), directions), FULL, 0), jnp.uint32)
    return tuple(word & chosen for word in bits)


def _pawn_steps(board: Board, position: Position, pawns: Bits, empty: Bits, theirs: Bits, sight: Sight) -> Bits:
    """[8] Pawns that may move one square, or capture; ``empty`` are the cells where that answers a check."""
    back = -board.grid.amounts(COMPASS)
    leaving = meet(pawns, board.grid.leaving(COMPASS))
    ahead = _only(board, (AHEAD,), meet(leaving, moved(empty, back)))
    capturing = _only(board, CAPTURES, meet(leaving, moved(meet(theirs, sight.targets), back)))
    if not board.double_step:
        return join(ahead, capturing)
    en_passant = passing(board, position, board.grid.cell(position.passant))
    left, right = pick(en_passant, 0), pick(en_passant, 1)
    return join(ahead, capturing, _only(board, CAPTURES[:1], _each(left)), _only(board, CAPTURES[1:], _each(right)))


def passing(board: Board, position: Position, target: Bits) -> Bits:
    """[2] The pawns that may capture en passant on ``target``, to the left and to the right.

    Two men leave the row at once, so that the king's safety is looked at anew.
    """
    grid, men = board.grid, position.men
    king, theirs = meet(men[KING], men[MINE]), without(board.occupied(position), men[MINE])
    steps = [COMPASS[d] for d in CAPTURES]
    back = -grid.amounts(steps)
    pawn = meet(men[PAWN], men[MINE], grid.leaving(steps), moved(target, back))  # [2]
    victim = moved(target, np.array([-grid.columns]))
    before = board.occupied(position)
    after = join(without(without(before, pawn), victim), target)  # [2]
    seen = grid.attacks(king, _each(without(grid.all, after)))  # [2, 8]
    attackers = meet(seen, _each(after), _sliders(board, men, theirs))
    others = join(
        meet(bitboards.union(grid.neighbours(king, KNIGHTS)), men[KNIGHT], theirs),
        without(meet(bitboards.union(grid.neighbours(king, UNDER[::2])), men[PAWN], theirs), pick(victim, 0)),
    )
    safe = ~some(bitboards.union(attackers)) & ~some(others)
    return bitboards.where(safe, pawn, grid.none)


def _castles(board: Board, position: Position, occupied: Bits, sight: Sight) -> Bits:
    """[8] The king, where it may castle that way."""
    first = np.arange(board.grid.cells)

    def row(*cells: int) -> Bits:
        return board.grid.bits(np.isin(first, cells))

    def may(right: int, between: Bits, path: Bits) -> Array:
        return (position.rights & right > 0) & ~some(meet(occupied, between)) & ~some(meet(sight.attacked, path))

    short, long = may(SHORT, row(5, 6), row(4, 5, 6)), may(LONG, row(1, 2, 3), row(2, 3, 4))
    by = jnp.asarray(np.where(np.arange(8) == EAST, FULL, 0), jnp.uint32) * short.astype(jnp.uint32)
    by = by | jnp.asarray(np.where(np.arange(8) == WEST, FULL, 0), jnp.uint32) * long.astype(jnp.uint32)
    return tuple(word & by for word in row(4))


def _each(bits: Bits) -> Bits:
    """With an axis of steps at the end."""
    return tuple(word[..., None] for word in bits)
