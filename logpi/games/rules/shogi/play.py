"""Play: a move made, the ends of a game, and what is seen of it."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from logpi.games.rules import bitboards
from logpi.games.rules.bitboards import Bits, join, meet, pick, some, without
from logpi.games.rules.shogi import moves
from logpi.games.rules.shogi.board import DECLARED, INVADERS, JUMPS, WORTH, Board, Position, ShogiState
from logpi.games.rules.shogi.moves import Sight
from logpi.types import Array


def legal(board: Board, state: ShogiState) -> Array:
    """[A] bool."""
    return judge(board, state)[0]


def judge(board: Board, state: ShogiState) -> tuple[Array, Array, Array]:
    """(``legal``, ``ended``, ``outcome``): the moves are found once."""
    position = board.unpacked(state)
    sets, sight = moves.destinations(board, position)
    shown = bitboards.where(board.first(state), sets, board.turned(sets))
    loses = ~some(bitboards.union(sets)) | ~some(king(position)) | arrived(board, position)
    wins = enthroned(board, position, sight, state.numbers[1])
    number, since = times(board, state)
    again = number >= board.repeated
    by_mover, by_other = (again & (2 * state.numbers[k] >= since) for k in (2, 3))
    perpetual = jnp.where(by_other, 1.0, jnp.where(by_mover, -1.0, 0.0)) if board.shogi else jnp.float32(0)
    result = jnp.where(loses, -1.0, jnp.where(wins, 1.0, perpetual)).astype(jnp.float32)
    over = loses | wins | again | (state.numbers[0] >= board.longest)
    return board.grid.cells_of(shown).reshape(board.actions), over, result


def step(board: Board, state: ShogiState, action: Array) -> ShogiState:
    """The other player's view of the position after a legal action."""
    position, grid = board.unpacked(state), board.grid
    plane, shown = action // grid.cells, action % grid.cells
    end = jnp.where(board.first(state), shown, grid.cells - 1 - shown)
    there = grid.cell(end)
    drops = plane >= 2 * board.ways
    dropped = jnp.where(drops, plane - 2 * board.ways, -1)
    better = ~drops & (plane >= board.ways)
    here = bitboards.where(drops, grid.none, origin(board, position, there, plane % board.ways))
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
    loss = (jnp.arange(board.held) == dropped).astype(jnp.int8)
    hands = jnp.stack([position.hands[1], position.hands[0] + gain - loss])
    theirs = without(join(*kinds), mine)
    men = jnp.stack([jnp.stack(board.turned(cells)) for cells in (*kinds, promoted, theirs)])
    return _followed(board, state, men, hands)


def origin(board: Board, position: Position, there: Bits, way: Array) -> Bits:
    """The man that comes to a cell by one of the ``ways``: the first one back along the line."""
    grid = board.grid
    mine = position.mine
    seen = meet(grid.attacks(there, without(grid.all, board.occupied(position))), mine)  # [8]
    back = pick(seen, np.roll(np.arange(8), -4))  # by the direction in which it comes
    if board.jumps:
        jumpers = grid.neighbours(there, [(-up, -right) for up, right in JUMPS])
        back = tuple(jnp.concatenate([a, b]) for a, b in zip(back, meet(jumpers, mine), strict=True))
    return tuple(word[way] for word in back)


def _followed(board: Board, state: ShogiState, men: Array, hands: Array) -> ShogiState:
    """The state of a position, turned already, after ``state``."""
    made, second = state.numbers[0] + 1, 1 - state.numbers[1]
    position = Position(*board.sets(men), hands)
    check = moves.sight(board, position).check
    numbers = jnp.stack([made, second, state.numbers[3], jnp.where(check, state.numbers[2] + 1, 0)])
    place = jnp.arange(board.longest + 1) == made
    return ShogiState(men, hands, numbers, jnp.where(place, board.hash(men, hands, second), state.past))


def times(board: Board, state: ShogiState) -> tuple[Array, Array]:
    """([] int32 how often the position has been on the board, now included; [] int32 moves since the first)."""
    made = state.numbers[0]
    same = (state.past == state.past[made]) & (jnp.arange(board.longest + 1) <= made)
    return same.sum(), made - jnp.argmax(same)


def ended(board: Board, state: ShogiState) -> Array:
    """[] bool."""
    return judge(board, state)[1]


def outcome(board: Board, state: ShogiState) -> Array:
    """[] float32 of an ended game, for the player to move."""
    return judge(board, state)[2]


def king(position: Position) -> Bits:
    """The mover's king."""
    return meet(position.kinds[-1], position.mine)


def arrived(board: Board, position: Position) -> Array:
    """[] bool: whether the other player's lion is safe in its last row, in animal shogi."""
    if board.shogi:
        return jnp.bool_(False)
    return _safe(board, position, without(position.kinds[-1], position.mine), position.mine, 0, away=False)


def _safe(board: Board, position: Position, lion: Bits, hunters: Bits, row: int, away: bool) -> Array:
    """[] bool: whether a ``lion`` stands in a ``row`` where none of the ``hunters`` can capture it."""
    empty = without(board.grid.all, board.occupied(position))
    guarded = moves.guarded(board, board.movers(position, hunters, away), empty, away)
    return some(without(meet(lion, board.grid.bits(board.row_of == row)), guarded))


def enthroned(board: Board, position: Position, sight: Sight, second: Array) -> Array:
    """[] bool: whether the player to move has won by its own king: by the 27-point rule, or the lion's last row."""
    if not board.shogi:
        hunters = without(board.occupied(position), position.mine)
        return _safe(board, position, king(position), hunters, board.grid.rows - 1, away=True)
    if board.grid.rows < 9:
        return jnp.bool_(False)
    there = meet(position.mine, board.last[3])
    entered = some(meet(there, position.kinds[-1]))
    worth = [WORTH.get(kind.letter, 1) for kind in board.kinds[:-1]]
    inside = jnp.stack([bitboards.count(meet(cells, there)) for cells in position.kinds[:-1]])
    points = ((inside + position.hands[0].astype(jnp.int32)) * jnp.asarray(worth)).sum()
    enough = points >= jnp.where(second > 0, DECLARED[1], DECLARED[0])
    return entered & (inside.sum() >= INVADERS) & enough & ~sight.check


def observe(board: Board, state: ShogiState) -> Array:
    """[rows, columns, planes]: men of the mover and of the other by kind and promotion; hands and repetition."""
    position, cells = board.unpacked(state), board.grid.cells
    planes = []
    for side in (position.mine, without(board.occupied(position), position.mine)):
        for kind, men in zip(board.kinds, position.kinds, strict=True):
            own = meet(men, side)
            parts = (without(own, position.promoted), meet(own, position.promoted))
            planes += [board.grid.cells_of(part) for part in (parts if kind.promoted else (own,))]
    numbers = [*(position.hands.astype(jnp.float32) / 4).reshape(-1), times(board, state)[0] / board.repeated]
    planes = [plane.astype(jnp.float32) for plane in planes]
    planes += [jnp.full(cells, number, jnp.float32) for number in numbers]
    return jnp.stack(planes, -1).reshape(board.grid.rows, board.grid.columns, -1)


def cells(board: Board, state: ShogiState) -> Array:
    """[rows, columns] int8, the first player's last row first: 0 empty, 1 the first player's, 2 the second's."""
    position = board.unpacked(state)
    sides = position.mine, without(board.occupied(position), position.mine)
    mine, theirs = (board.grid.cells_of(side) for side in sides)
    first = board.first(state)
    whose = jnp.where(mine, jnp.where(first, 1, 2), jnp.where(theirs, jnp.where(first, 2, 1), 0)).astype(jnp.int8)
    shown = jnp.where(first, whose, whose[::-1])
    return shown.reshape(board.grid.rows, board.grid.columns)[::-1]
