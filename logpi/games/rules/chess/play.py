"""Play: a move made, the ends of a game, and what is seen of it."""

from __future__ import annotations

import jax.numpy as jnp

from logpi.games.rules import bitboards
from logpi.games.rules.bitboards import Bits, join, meet, some, without
from logpi.games.rules.chess import moves
from logpi.games.rules.chess.board import (
    BISHOP,
    KING,
    KNIGHT,
    LONG,
    MINE,
    PAWN,
    PROMOTED,
    QUIET,
    REPEATED,
    ROOK,
    SHORT,
    Board,
    ChessState,
    Position,
)
from logpi.types import Array


def legal(board: Board, state: ChessState) -> Array:
    """[A] bool."""
    return judge(board, state)[0]


def judge(board: Board, state: ChessState) -> tuple[Array, Array, Array]:
    """(``legal``, ``ended``, ``outcome``): the moves are found once."""
    position = board.unpacked(state)
    sets, view = moves.origins(board, position)
    turned = tuple(word[board.turned_plane] for word in board.turned(sets))
    mask = board.grid.cells_of(bitboards.where(first(board, state), sets, turned)).reshape(board.actions)
    stuck = ~some(bitboards.union(sets))
    over = (position.quiet >= QUIET) | (position.ply >= board.longest) | (times(board, state) >= REPEATED)
    return mask, stuck | over | barren(board, position), -(view.check & stuck).astype(jnp.float32)


def step(board: Board, state: ChessState, action: Array) -> ChessState:
    """The other player's view of the position after a legal action."""
    own = jnp.where(first(board, state), action, jnp.asarray(board.turned_action)[action])
    position, grid = board.unpacked(state), board.grid
    plane, start = own // grid.cells, own % grid.cells
    end = start + board.offset[plane]
    here, there = grid.cell(start), grid.cell(end)
    is_pawn, is_king = (some(meet(position.men[kind], here)) for kind in (PAWN, KING))
    passing = is_pawn & (end == position.passant)
    victim = grid.cell(jnp.where(passing, end - grid.columns, -1))
    taken = some(meet(board.occupied(position), there)) | passing
    gone = join(here, there, victim)
    becomes = jnp.where(is_pawn & some(meet(there, board.last)), board.becomes[plane], -1)  # 0: a queen
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
    if board.castling:
        men, rights = _castled(board, men, rights, is_king, start, end)
    doubled = is_pawn & (end - start == 2 * grid.columns) if board.double_step else jnp.bool_(False)
    return _turned_state(board, state, position, men, rights, doubled, start, end, is_pawn | taken)


def _castled(
    board: Board, men: list[Bits], rights: Array, is_king: Array, start: Array, end: Array
) -> tuple[list[Bits], Array]:
    """The rook's part of castling, and the rights after a move."""
    grid = board.grid
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
    board: Board,
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
    grid = board.grid
    theirs = without(join(*men[:MINE]), men[MINE])
    turned = board.turned(tuple(jnp.stack(words) for words in zip(*men[:MINE], theirs, strict=True)))
    seen = tuple(tuple(words[kind] for words in turned) for kind in range(len(men)))
    # the cell that a pawn has passed: a row further for the other player
    middle = (start + end) // 2
    passed = (grid.rows - 1 - middle // grid.columns) * grid.columns + middle % grid.columns
    passed = jnp.where(doubled, passed, -1)
    rights = rights >> 2 | (rights & 3) << 2
    quiet = jnp.where(resets, 0, position.quiet + 1)
    after = Position(seen, rights, passed, quiet, position.ply + 1)
    if board.double_step:  # a square where no pawn can capture makes no other position
        possible = some(bitboards.union(moves.passing(board, after, grid.cell(passed))))
        after = after._replace(passant=jnp.where(possible, passed, -1))
    return board.state_of(after, state.past)


def times(board: Board, state: ChessState) -> Array:
    """[] int32: how often the position has been on the board, now included."""
    now = state.past[jnp.minimum(state.numbers[2], QUIET - 1)]
    return (state.past == now[None]).all(-1).sum()


def ended(board: Board, state: ChessState) -> Array:
    """[] bool."""
    return judge(board, state)[1]


def barren(board: Board, position: Position) -> Array:
    """[] bool: whether no series of moves can mate."""
    men = position.men
    knights, bishops = bitboards.count(men[KNIGHT]), without(men[BISHOP], men[ROOK])
    one_colour = ~some(meet(bishops, board.dark)) | ~some(without(bishops, board.dark))
    few = (knights == 0) & one_colour | (knights == 1) & ~some(bishops)
    return ~some(join(men[PAWN], men[ROOK])) & few


def outcome(board: Board, state: ChessState) -> Array:
    """[] float32 of an ended game: -1 where the player to move is mated, else 0."""
    return judge(board, state)[2]


def first(board: Board, state: ChessState) -> Array:
    """[] bool."""
    return state.numbers[3] % 2 == 0


def observe(board: Board, state: ChessState) -> Array:
    """[rows, columns, planes]: the mover's six kinds of men, the other's; what else counts, on all cells."""
    position = board.unpacked(state)
    kinds = board.kinds(position)
    men = [meet(kind, side) for side in board.sides(position) for kind in kinds]
    planes = [board.grid.cells_of(bits).astype(jnp.float32) for bits in men]
    rights = position.rights
    castles = [rights & 1 << k > 0 for k in range(4)] if board.castling else []
    numbers = [times(board, state) >= 2, *castles, position.quiet / QUIET]
    if board.double_step:
        planes.append(board.grid.cells_of(board.grid.cell(position.passant)).astype(jnp.float32))
    planes += [jnp.full(board.grid.cells, number, jnp.float32) for number in numbers]
    return jnp.stack(planes, -1).reshape(board.grid.rows, board.grid.columns, -1)


def cells(board: Board, state: ChessState) -> Array:
    """[rows, columns] int8, the eighth row first: 0 empty, 1 White's, 2 Black's."""
    mine, theirs = (board.grid.cells_of(side) for side in board.sides(board.unpacked(state)))
    white = first(board, state)
    whose = jnp.where(mine, jnp.where(white, 1, 2), jnp.where(theirs, jnp.where(white, 2, 1), 0))
    shown = whose.reshape(board.grid.rows, board.grid.columns).astype(jnp.int8)
    return jnp.where(white, shown[::-1], shown)
