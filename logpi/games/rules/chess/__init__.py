"""Chess, and Gardner's minichess on 5 x 5, by FIDE's laws.

Draws are stalemate, the third time of a position, 50 moves of each side without a capture or a pawn's move, and
positions in which no series of moves can mate; the rules apply all of them by themselves. A game of more than
``longest`` moves is a draw too (Silver et al. 2018).

Actions are those of Silver et al. 2018 on the board as White sees it: plane * cells + from. The planes are the eight
directions of a queen, a square far, then two squares, and so on; then the eight jumps of a knight; then promotions to
knight, bishop and rook by a step left, ahead and right. A pawn that reaches the last row otherwise becomes a queen, and
a king that moves two squares castles.

A state is seen by the player to move, who plays up the board: sets of cells for the men (pawns, knights, bishops and
queens, rooks and queens, kings, the mover's men), four numbers, and the hashes of the positions since the last capture
or pawn's move.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.rules.chess import notation, play
from logpi.games.rules.chess.board import LONGEST, Board
from logpi.games.rules.game import Game
from logpi.games.rules.looks import DARK, WHITE, Looks
from logpi.games.rules.protocols import Protocols


@functools.cache
def chess() -> Game:
    """Chess on 8 x 8; always the same object, so that what its notation has compiled is compiled once."""
    return _game("chess", "chess", Board(8, double_step=True, castling=True, longest=LONGEST), notation.CHESS)


@functools.cache
def gardner_chess() -> Game:
    """Gardner's minichess on 5 x 5: a pawn has no double step, and no king castles. The same object, as ``chess``."""
    board = Board(5, double_step=False, castling=False, longest=256)
    return _game("gardner-chess", "gardner", board, notation.GARDNER)


def _game(name: str, variant: str, board: Board, start: str) -> Game:
    state = jax.tree.map(np.asarray, notation.from_fen(board, start))
    identity = [np.arange(n, dtype=np.int32)[None] for n in (board.grid.cells, board.actions)]
    as_white = identity[1][0]
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
        first_to_move=functools.partial(play.first, board),
        symmetries=identity[0],
        action_symmetries=identity[1],
        name=lambda action: notation.name(board, action),
        parse=lambda text: notation.parse(board, text, name),
        observed_action=lambda state: jnp.where(play.first(board, state), as_white, board.turned_action),
        looks=_looks(board),
        protocols=Protocols(engine="uci", records=(".pgn",), variant=variant),
        notation=notation.written(board),
    )


def _looks(board: Board) -> Looks:
    columns, rows = "abcdefgh"[: board.grid.columns], "87654321"[-board.grid.rows :]
    return Looks(
        sides=("White", "Black"),
        colours=(WHITE, DARK),
        board=("#d7af87", "#af875f"),
        figures=notation.FIGURES,
        labels=(columns, rows),
        ending=lambda cells, result, lead: " by checkmate" if result else "",
        refusal=lambda cells, action: "no such move in this position",
    )
