"""Hex on N x N without the swap rule. Actions are the cells, row by row; ``a1`` is the top left (obtuse) corner.

As in OpenSpiel, the first player connects top and bottom, the second left and right. A cell touches its row neighbours,
the cell above and the one to the right of that, the cell below and the one to the left of that. There are no draws.

A state is [4, N] unsigned, a row of the board in each word: the mover's stones, those of them that are connected to
the mover's first edge, and the same of the other player. The second player's board is transposed, which changes no
neighbourhood, so that both go from the first word to the last.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from logpi.games import boards
from logpi.games.game import Game
from logpi.types import Array


def hex_game(size: int) -> Game:
    """The rules on a board of ``size`` x ``size``, 3 to 19.

    ``observe`` has a third plane, 1 where the first player is to move: the goals of the two differ.
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
        init=lambda: jnp.zeros((4, size), word),
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
    )


def _step(state: Array, action: Array) -> Array:
    size = state.shape[1]
    row, column = action // size, action % size
    first = _first_to_move(state)
    row, column = jnp.where(first, row, column), jnp.where(first, column, row)
    mine, joined, theirs, their_joined = state
    at_row = jnp.arange(size) == row
    stone = jnp.where(at_row, state.dtype.type(1) << column.astype(state.dtype), 0)
    edge = jnp.where(jnp.arange(size) == 0, stone, 0)
    mine = mine | stone
    return jnp.stack([theirs, their_joined, mine, _flood(mine, joined | edge)])


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
    return state[3, -1] != 0


def _first_to_move(state: Array) -> Array:
    counts = jax.lax.population_count(state).astype(jnp.int32).sum(1)
    return counts[0] == counts[2]


def _players(state: Array) -> tuple[Array, Array]:
    """[N] words each: the first player's board and the second's, transposed."""
    first = _first_to_move(state)
    return jnp.where(first, state[0], state[2]), jnp.where(first, state[2], state[0])


def _legal(state: Array) -> Array:
    one, two = _players(state)
    places = jnp.arange(state.shape[1], dtype=state.dtype)
    taken = one[:, None] >> places[None, :] | two[None, :] >> places[:, None]
    return jnp.equal(taken & 1, 0).reshape(-1)


def _stones(state: Array) -> Array:
    """[2, N, N] bool of the first player and the second, in the board's own rows and columns."""
    one, two = boards.bits(jnp.stack(_players(state)), state.shape[1])
    return jnp.stack([one, two.T])


def _cells(state: Array) -> Array:
    return boards.players(_stones(state), jnp.bool_(True))


def _observe(state: Array) -> Array:
    first = _first_to_move(state)
    one, two = _stones(state)
    planes = [jnp.where(first, one, two), jnp.where(first, two, one), jnp.broadcast_to(first, one.shape)]
    return jnp.stack(planes, axis=-1).astype(jnp.float32)
