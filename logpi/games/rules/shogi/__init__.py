"""Shogi on 9 x 9, and animal shogi on 3 x 4.

A player without a legal move has lost. The fourth time of a position (the third in animal shogi) is a draw, unless one
player has given check with every move since the first time: that player has lost. Dropping a pawn to give mate is
illegal. A king that has entered the last three rows wins by declaration where the 27-point rule of the Computer Shogi
Association allows it; here that happens by itself, at the player's turn. In animal shogi a player wins who captures
the lion, or whose own stands in the last row where it cannot be captured; no move is illegal because of a check. A game
of more than ``longest`` moves is a draw.

Actions are plane * cells + the cell where the man arrives, as the first player sees the board. The planes are the
eight directions, as the mover sees them, and the knight's jumps to the right and to the left, by which the man comes;
the same with a promotion; and a drop of each kind of man. Of two men on a line only the nearer one can arrive, so that
a direction says which man moves.

A state is seen by the player to move, who plays up the board.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.rules.game import Game
from logpi.games.rules.looks import DARK, Looks
from logpi.games.rules.protocols import Protocols
from logpi.games.rules.shogi import notation, play
from logpi.games.rules.shogi.board import (
    BISHOP,
    CHICK,
    ELEPHANT,
    GIRAFFE,
    GOLDS,
    KING,
    KNIGHT,
    LANCE,
    LION,
    PAWN,
    ROOK,
    SILVERS,
    Board,
)

RECORDS = (".csa", ".sfen", ".usi", ".kif", ".kifu")


@functools.cache
def shogi() -> Game:
    """Shogi on 9 x 9; always the same object, so that what its notation has compiled is compiled once."""
    kinds = (PAWN, LANCE, KNIGHT, SILVERS, GOLDS, BISHOP, ROOK, KING)
    return _game("shogi", "shogi", Board(9, 9, kinds, zone=3, longest=512), notation.SHOGI, RECORDS)


@functools.cache
def animal_shogi() -> Game:
    """Animal shogi (dobutsu shogi) on 3 x 4. The same object, as ``shogi``."""
    kinds = (CHICK, ELEPHANT, GIRAFFE, LION)
    board = Board(4, 3, kinds, zone=1, longest=256, repeated=3, shogi=False)
    return _game("animal-shogi", "dobutsu", board, notation.ANIMAL)


def _game(name: str, variant: str, board: Board, start: str, records: tuple[str, ...] = ()) -> Game:
    state = jax.tree.map(np.asarray, notation.from_sfen(board, start))
    identity = [np.arange(n, dtype=np.int32)[None] for n in (board.grid.cells, board.actions)]
    as_first = identity[1][0]
    turned = as_first.reshape(board.planes, -1)[:, ::-1].ravel()
    return Game(
        id=name,
        shape=(board.grid.rows, board.grid.columns),
        actions=board.actions,
        longest=board.longest,
        init=lambda: jax.tree.map(jnp.asarray, state),
        step=functools.partial(play.step, board),
        legal=functools.partial(play.legal, board),
        ended=functools.partial(play.ended, board),
        outcome=functools.partial(play.outcome, board),
        judge=functools.partial(play.judge, board),
        observe=functools.partial(play.observe, board),
        cells=functools.partial(play.cells, board),
        first_to_move=board.first,
        symmetries=identity[0],
        action_symmetries=identity[1],
        name=lambda action: notation.name(board, action),
        parse=lambda text: notation.parse(board, text, name),
        observed_action=lambda state: jnp.where(board.first(state), as_first, turned),
        looks=_looks(board),
        protocols=Protocols(engine="usi", records=records, variant=variant),
        notation=notation.written(board),
    )


def _looks(board: Board) -> Looks:
    return Looks(
        sides=("Black", "White"),
        colours=(DARK, "#af0000"),
        board=("#ffd787", "#f0c674"),
        labels=("987654321"[-board.grid.columns :], "abcdefghi"[: board.grid.rows]),
        refusal=lambda cells, action: "no such move in this position",
    )
