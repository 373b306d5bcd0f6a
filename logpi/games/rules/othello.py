"""Othello on 8 x 8. Actions 0 to 63 are the cells, row by row, ``a1`` top left; 64 is ``pass``, legal only alone.

Black begins, with stones on d5 and e4. The game ends when neither player can place a stone (as in OpenSpiel, without
passes); more stones win.

A state is [5] uint32: the mover's stones in rows 1 to 4 and 5 to 8, the other player's likewise (a1 in the lowest bit),
and 1 where the second player is to move, else 0: with passes, it does not follow from the count of stones.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.rules import boards
from logpi.games.rules.game import Game
from logpi.games.rules.looks import DARK, WHITE, Cells, Looks, cell_refusal
from logpi.games.rules.protocols import Gtp, Protocols, Sgf
from logpi.types import Array

SIZE, CELLS, PASS = 8, 64, 64
START = np.array([1 << 28, 1 << 3, 1 << 27, 1 << 4, 0], np.uint32)  # e4, d5; d4, e5
SHIFTS = np.array([1, 7, 8, 9], np.uint32)  # along a row, and the three ways down a row
# where a stone that moved one cell may be: not at the side from which it would have come around
NOT_WRAPPED_DOWN = np.array([0xFEFEFEFE, 0x7F7F7F7F, 0xFFFFFFFF, 0xFEFEFEFE], np.uint32)
NOT_WRAPPED_UP = np.array([0x7F7F7F7F, 0xFEFEFEFE, 0xFFFFFFFF, 0x7F7F7F7F], np.uint32)
Pair = tuple[Array, Array]  # rows 1 to 4 and 5 to 8


def othello() -> Game:
    """The rules. ``longest`` counts 60 stones and a pass before each but the first: no player passes twice in a row.

    The symmetries are the four that keep the start; under the square's other four, the two colours change places there.
    """
    symmetries = boards.square(SIZE)[[0, 2, 4, 6]]
    return Game(
        id="othello",
        shape=(SIZE, SIZE),
        actions=CELLS + 1,
        longest=119,
        init=lambda: jnp.asarray(START),
        step=_step,
        legal=_legal,
        ended=_ended,
        outcome=_outcome,
        observe=lambda state: jnp.moveaxis(_stones(state), 0, -1).astype(jnp.float32),
        cells=lambda state: boards.players(_stones(state), _first_to_move(state)),
        first_to_move=_first_to_move,
        symmetries=symmetries,
        action_symmetries=boards.with_pass(symmetries),
        name=lambda action: "pass" if action == PASS else boards.cell_name(action, SIZE),
        parse=_parse,
        margin=_lead,
        looks=_looks(),
        protocols=Protocols(
            sgf=Sgf(2, "othello", SIZE),
            gtp=Gtp("othello", "set_game Othello", passes_itself=True),
            open_spiel="othello",
        ),
    )


def _looks() -> Looks:
    def discs(cells: Cells) -> tuple[str, str]:
        return str(int(np.sum(cells == 1))), str(int(np.sum(cells == 2)))

    return Looks(
        sides=("Black", "White"),
        colours=(DARK, WHITE),
        board=("#00875f", "#007d57"),
        lines="#87d7af",
        last="#ffff5f",
        shows_legal=True,
        ending=lambda cells, result, lead: ", {} : {}".format(*discs(cells)),
        scores=lambda cells, actions: discs(cells),
        refusal=cell_refusal("it turns no disc", "you can move, so you must"),
    )


def _down(board: Pair, cells: int = 1) -> Pair:
    """[4] each: every stone moved along the four directions to higher cells, over the board's sides too."""
    low, high = board
    by = SHIFTS * np.uint32(cells)
    return low << by, high << by | low >> (32 - by)


def _up(board: Pair, cells: int = 1) -> Pair:
    """[4] each: the same along the four directions to lower cells."""
    low, high = board
    by = SHIFTS * np.uint32(cells)
    return low >> by | high << (32 - by), high >> by


def _lines(start: Pair, through: Pair) -> list[tuple[Pair, Pair]]:
    """Runs of ``through`` next to ``start``, and the cells after their last ones: downwards, then upwards.

    A run has at most six stones, between two ends of a line. It grows by doubling: one stone, two, and two by two.
    """
    found = []
    for move, inside in ((_down, NOT_WRAPPED_DOWN), (_up, NOT_WRAPPED_UP)):
        ones = through[0] & inside, through[1] & inside
        run = _and(move(start), ones)
        run = _or(run, _and(move(run), ones))
        twos = _and(ones, move(ones))
        for _ in range(2):
            run = _or(run, _and(move(run, 2), twos))
        behind = move(run)
        found.append((run, (behind[0] & inside, behind[1] & inside)))
    return found


def _moves(mine: Pair, theirs: Pair) -> Pair:
    """The empty cells where a stone of ``mine`` turns at least one of ``theirs``."""
    (_, down), (_, up) = _lines(mine, theirs)
    low, high = _or(_any(down), _any(up))
    return low & ~(mine[0] | theirs[0]), high & ~(mine[1] | theirs[1])


def _turned(stone: Pair, mine: Pair, theirs: Pair) -> Pair:
    """The stones of ``theirs`` between the new stone and one of ``mine``."""
    kept = []
    for run, behind in _lines(stone, theirs):
        closed = (behind[0] & mine[0] | behind[1] & mine[1]) != 0
        kept.append(_any((jnp.where(closed, run[0], 0), jnp.where(closed, run[1], 0))))
    return _or(*kept)


def _step(state: Array, action: Array) -> Array:
    place = action.astype(jnp.uint32)
    one = jnp.uint32(1)
    stone = one << place, one << (place - 32)  # a shift by 32 or more, so also by a negative number, leaves 0
    mine, theirs = _sides(state)
    turned = _turned(stone, mine, theirs)
    mine = _or(_or(mine, stone), turned)
    return jnp.stack([theirs[0] & ~turned[0], theirs[1] & ~turned[1], *mine, one - state[4]])


def _legal(state: Array) -> Array:
    places = boards.bits(jnp.stack(_moves(*_sides(state))), 32).reshape(CELLS)
    return jnp.append(places, ~places.any())


def _ended(state: Array) -> Array:
    mine, theirs = _sides(state)
    low, high = _or(_moves(mine, theirs), _moves(theirs, mine))
    return low | high == 0


def _outcome(state: Array) -> Array:
    return jnp.sign(_lead(state))


def _lead(state: Array) -> Array:
    counts = jax.lax.population_count(state[:4]).astype(jnp.int32)
    return (counts[0] + counts[1] - counts[2] - counts[3]).astype(jnp.float32)


def _first_to_move(state: Array) -> Array:
    return state[4] == 0


def _stones(state: Array) -> Array:
    """[2, 8, 8] bool."""
    return boards.bits(state[:4], 32).reshape(2, SIZE, SIZE)


def _sides(state: Array) -> tuple[Pair, Pair]:
    return (state[0], state[1]), (state[2], state[3])


def _or(a: Pair, b: Pair) -> Pair:
    return a[0] | b[0], a[1] | b[1]


def _and(a: Pair, b: Pair) -> Pair:
    return a[0] & b[0], a[1] & b[1]


def _any(board: Pair) -> Pair:
    """The union over directions."""
    return jnp.bitwise_or.reduce(board[0]), jnp.bitwise_or.reduce(board[1])


def _parse(text: str) -> int:
    if text.strip().lower() in ("pass", "pa"):
        return PASS
    cell = boards.parse_cell(text, SIZE, SIZE)
    if cell is None:
        raise boards.no_action(text, "othello", "a cell, a1 (top left) to h8, or pass")
    return cell
