"""Hex on N x N without the swap rule. Actions are the cells, row by row; ``a1`` is the top left (obtuse) corner.

As in OpenSpiel, the first player connects top and bottom, the second left and right. A cell touches its row neighbours,
the cell above and the one to the right of that, the cell below and the one to the left of that. There are no draws.

A state is [6, N] unsigned, a row of the board in each word: the mover's stones, those of them that are connected to
the mover's first edge, those connected to the last edge, and the same of the other player. The second player's board
is transposed, which changes no neighbourhood, so that both go from the first word to the last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.games.rules import boards
from logpi.games.rules.game import Game
from logpi.games.rules.looks import DARK, Cell, Cells, Looks, cell_refusal
from logpi.games.rules.protocols import Gtp, Protocols, Sgf
from logpi.types import Array

BESIDE = ((-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0))  # a cell's neighbours: rows, columns away


def hex_game(size: int) -> Game:
    """The rules on a board of ``size`` x ``size``, 3 to 19.

    ``observe`` is transposed where the second player is to move, so that the mover always goes from top to bottom and a
    network learns one side's play, not two. Its planes: the mover's stones, the other's, then those of the mover's
    that are connected to the top and to the bottom, then those of the other's that are to the left and to the right.
    """
    symmetries = boards.half_turn(size, size)
    word = jnp.uint16 if size <= 16 else jnp.uint32
    last = boards.last_cell(size, size)

    def parse(text: str) -> int:
        cell = boards.parse_cell(text, size, size)
        if cell is None:
            raise boards.no_action(text, f"hex-{size}x{size}", f"a cell, a1 (top left) to {last}")
        return cell

    return Game(
        id=f"hex-{size}x{size}",
        shape=(size, size),
        actions=size * size,
        longest=size * size,
        init=lambda: jnp.zeros((6, size), word),
        step=_step,
        legal=_legal,
        ended=_lost,
        outcome=lambda state: -_lost(state).astype(jnp.float32),
        observe=_observe,
        cells=_cells,
        first_to_move=_first_to_move,
        symmetries=symmetries,
        action_symmetries=symmetries,
        name=lambda action: boards.cell_name(action, size),
        parse=parse,
        plane_symmetries=np.array([[0, 1, 2, 3, 4, 5], [0, 1, 3, 2, 5, 4]], np.int32),
        observed_action=_observed_action,
        looks=_looks(),
        protocols=Protocols(sgf=Sgf(11, "hex-{0}x{0}", 11), gtp=Gtp("hex"), open_spiel=f"hex(board_size={size})"),
    )


def _step(state: Array, action: Array) -> Array:
    size = state.shape[1]
    row, column = action // size, action % size
    first = _first_to_move(state)
    row, column = jnp.where(first, row, column), jnp.where(first, column, row)
    at_row = jnp.arange(size) == row
    stone = jnp.where(at_row, state.dtype.type(1) << column.astype(state.dtype), 0)
    mine, *joined = state[:3]
    mine = mine | stone
    edges = (jnp.where(jnp.arange(size) == edge, stone, 0) for edge in (0, size - 1))
    return jnp.stack([*state[3:], mine, *(_flood(mine, old | new) for old, new in zip(joined, edges, strict=True))])


def _flood(stones: Array, joined: Array) -> Array:
    """``joined`` and all of ``stones`` that touch it, over any number of neighbours.

    All but the last stone were joined before, so the loop runs once, or as often as the newly joined group is deep.
    """

    def grown(rows: Array) -> Array:
        down, up = rows | rows >> 1, rows | rows << 1
        beside = rows << 1 | rows >> 1
        return stones & (rows | beside | jnp.pad(down[:-1], (1, 0)) | jnp.pad(up[1:], (0, 1)))

    def again(rows: tuple[Array, Array]) -> tuple[Array, Array]:
        return rows[1], grown(rows[1])

    return jax.lax.while_loop(lambda rows: (rows[0] != rows[1]).any(), again, (joined, grown(joined)))[1]


def _lost(state: Array) -> Array:
    """Whether the player who has just moved is connected to the second edge."""
    return state[4, -1] != 0


def _first_to_move(state: Array) -> Array:
    counts = jax.lax.population_count(state).astype(jnp.int32).sum(1)
    return counts[0] == counts[3]


def _observed_action(state: Array) -> Array:
    cells = jnp.arange(state.shape[1] ** 2, dtype=jnp.int32).reshape(state.shape[1], -1)
    return jnp.where(_first_to_move(state), cells, cells.T).reshape(-1)


def _legal(state: Array) -> Array:
    mine, theirs = boards.bits(state[::3], state.shape[1])
    empty = ~(mine | theirs.T)
    return jnp.where(_first_to_move(state), empty, empty.T).reshape(-1)


def _cells(state: Array) -> Array:
    """The first player's stones are in the board's own rows, the second player's are transposed."""
    first = _first_to_move(state)
    mine, theirs = boards.bits(state[::3], state.shape[1])
    stones = jnp.stack([jnp.where(first, mine, mine.T), jnp.where(first, theirs.T, theirs)])
    return boards.players(stones, first)


def _observe(state: Array) -> Array:
    mine, theirs = boards.bits(state.reshape(2, 3, -1), state.shape[1])
    theirs = theirs.swapaxes(1, 2)
    return jnp.stack([mine[0], theirs[0], *mine[1:], *theirs[1:]], axis=-1).astype(jnp.float32)


def _looks() -> Looks:
    return Looks(
        sides=("Red", "Blue"),
        colours=("#d70000", "#005fd7"),
        ground="bricks",
        board=("#eeeeee", "#dadada", "#c6c6c6"),
        last=DARK,
        pitch=(2, 1),
        winning=_winning,
        ending=lambda cells, result, lead: f": {'top and bottom' if result > 0 else 'left and right'} are connected",
        scores=lambda cells, actions: ("top to bottom", "left to right"),
        refusal=cell_refusal("the rules forbid it"),
    )


def _winning(cells: Cells, result: float) -> frozenset[Cell]:
    """A shortest chain from edge to edge."""
    if not result:
        return frozenset()
    own = cells == (1 if result > 0 else 2)
    return _chain(own) if result > 0 else frozenset((row, column) for column, row in _chain(own.T))


def _chain(own: NDArray[np.bool_]) -> frozenset[Cell]:
    """A shortest chain of stones from the top row to the bottom row; the transposed board has the same neighbours."""
    size = own.shape[0]
    before: dict[Cell, Cell | None] = {(0, int(column)): None for column in np.flatnonzero(own[0])}
    waiting = deque(before)
    while waiting:
        cell = waiting.popleft()
        if cell[0] == size - 1:
            return frozenset(_back(before, cell))
        for down, across in BESIDE:
            near = cell[0] + down, cell[1] + across
            if 0 <= near[0] < size and 0 <= near[1] < size and own[near] and near not in before:
                before[near] = cell
                waiting.append(near)
    return frozenset()


def _back(before: dict[Cell, Cell | None], cell: Cell | None) -> Iterator[Cell]:
    while cell is not None:
        yield cell
        cell = before[cell]
