"""Tic-tac-toe: three in a row on 3 x 3. Actions are the cells, row by row; ``a1`` is top left.

A state is [2] uint16: the cells of the mover and of the other player, one bit each.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.rules import boards
from logpi.games.rules.game import Game
from logpi.games.rules.looks import Looks, cell_refusal, ended_in_a_row, in_a_row
from logpi.games.rules.protocols import Protocols
from logpi.types import Array

LINES = np.array([0o007, 0o070, 0o700, 0o111, 0o222, 0o444, 0o421, 0o124], np.uint16)
LOOKS = Looks(
    sides=("X", "O"),
    ground="hash",
    board=("#262626",),
    lines="#6c6c6c",
    pitch=(4, 2),
    stones=("X", "O"),
    winning=in_a_row(3),
    ending=ended_in_a_row(3),
    refusal=cell_refusal("the rules forbid it"),
)


def tic_tac_toe() -> Game:
    """The rules; first player 1, second player 2, three in a row win, a full board without is a draw."""
    symmetries = boards.square(3)
    return Game(
        id="tic-tac-toe",
        shape=(3, 3),
        actions=9,
        longest=9,
        init=lambda: jnp.zeros(2, jnp.uint16),
        step=_step,
        legal=lambda state: ~boards.bits(state[0] | state[1], 9),
        ended=lambda state: _lost(state) | (state[0] | state[1] == 0o777),
        outcome=lambda state: -_lost(state).astype(jnp.float32),
        observe=lambda state: jnp.moveaxis(boards.bits(state, 9).astype(jnp.float32).reshape(2, 3, 3), 0, -1),
        cells=_cells,
        first_to_move=_first_to_move,
        symmetries=symmetries,
        action_symmetries=symmetries,
        name=lambda action: boards.cell_name(action, 3),
        parse=_parse,
        looks=LOOKS,
        protocols=Protocols(open_spiel="tic_tac_toe"),
    )


def _step(state: Array, action: Array) -> Array:
    return jnp.stack([state[1], state[0] | (jnp.uint16(1) << action.astype(jnp.uint16))])


def _lost(state: Array) -> Array:
    """Whether the player who has just moved has three in a row."""
    return (state[1] & LINES == LINES).any()


def _first_to_move(state: Array) -> Array:
    counts = jax.lax.population_count(state)
    return counts[0] == counts[1]


def _cells(state: Array) -> Array:
    stones = boards.bits(state, 9).reshape(2, 3, 3)
    return boards.players(stones, _first_to_move(state))


def _parse(text: str) -> int:
    cell = boards.parse_cell(text, 3, 3)
    if cell is None:
        raise boards.no_action(text, "tic-tac-toe", "a cell, a1 (top left) to c3")
    return cell
