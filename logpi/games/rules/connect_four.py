"""Connect Four: four in a row on 6 x 7, stones fall. Actions are the columns from the left, called 1 to 7 (or a to g).

A state is [2, 7] uint8: the columns of the mover and of the other player, the lowest cell in the lowest bit.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.rules import boards
from logpi.games.rules.game import Game
from logpi.games.rules.looks import Looks, ended_in_a_row, falling, in_a_row
from logpi.games.rules.protocols import Protocols
from logpi.types import Array

ROWS, COLUMNS = 6, 7
FULL = np.uint8(2**ROWS - 1)
LOOKS = Looks(
    sides=("Red", "Yellow"),
    colours=("#ff5f5f", "#ffd700"),
    ground="holes",
    board=("#005fd7",),
    lines="#00005f",
    falls=True,
    winning=in_a_row(4),
    ending=ended_in_a_row(4),
    refusal=lambda cells, column: "the column is full",
    touch=falling,
)


def connect_four() -> Game:
    """The rules; four in a row in any of the four directions win, a full board without is a draw."""
    return Game(
        id="connect-four",
        shape=(ROWS, COLUMNS),
        actions=COLUMNS,
        longest=ROWS * COLUMNS,
        init=lambda: jnp.zeros((2, COLUMNS), jnp.uint8),
        step=_step,
        legal=lambda state: state[0] | state[1] != FULL,
        ended=lambda state: _lost(state) | (state[0] | state[1] == FULL).all(),
        outcome=lambda state: -_lost(state).astype(jnp.float32),
        observe=lambda state: jnp.moveaxis(_stones(state), 0, -1).astype(jnp.float32),
        cells=_cells,
        first_to_move=_first_to_move,
        symmetries=boards.mirror(ROWS, COLUMNS),
        action_symmetries=boards.mirror(1, COLUMNS),
        name=lambda action: str(action + 1),
        parse=_parse,
        looks=LOOKS,
        protocols=Protocols(open_spiel="connect_four", bitbully=True),
    )


def _step(state: Array, action: Array) -> Array:
    mine, theirs = state
    taken = mine | theirs
    stone = jnp.where(jnp.arange(COLUMNS) == action, taken + jnp.uint8(1), jnp.uint8(0))
    return jnp.stack([theirs, mine | stone])


def _lost(state: Array) -> Array:
    """Whether the player who has just moved has four in a row: runs along each direction by shift and and."""
    c = state[1]
    upright = c & c >> 1 & c >> 2 & c >> 3
    a, b, d, e = c[:-3], c[1:-2], c[2:-1], c[3:]
    across = a & b & d & e | a & b >> 1 & d >> 2 & e >> 3 | a >> 3 & b >> 2 & d >> 1 & e
    return (upright != 0).any() | (across != 0).any()


def _stones(state: Array) -> Array:
    """[2, rows, columns] bool, the top row first."""
    return jnp.moveaxis(boards.bits(state, ROWS), -1, 1)[:, ::-1]


def _first_to_move(state: Array) -> Array:
    counts = jax.lax.population_count(state).sum(1)
    return counts[0] == counts[1]


def _cells(state: Array) -> Array:
    return boards.players(_stones(state), _first_to_move(state))


def _parse(text: str) -> int:
    column = "1234567abcdefg".find(text.strip().lower() or " ")
    if column < 0 or len(text.strip()) != 1:
        raise boards.no_action(text, "connect-four", "a column, 1 (left) to 7, or a to g")
    return column % COLUMNS
