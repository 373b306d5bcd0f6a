"""python-chess's view of a game of chess, for ``side_by_side``."""

import collections

import chess

from logpi.games.rules.chess import notation
from logpi.games.rules.chess.board import LONGEST, QUIET, Board

BOARD = Board(8, double_step=True, castling=True, longest=LONGEST)
ENDS = {action: ends for action in range(BOARD.actions) if (ends := notation.ends(BOARD, action))}
ACTIONS = {ends: action for action, ends in ENDS.items()}
MOVES = {
    action: chess.Move(start, end, chess.PIECE_SYMBOLS.index(becomes) if becomes else None)
    for action, (start, end, becomes) in ENDS.items()
}
LAST = chess.BB_RANK_1 | chess.BB_RANK_8
PATIENT = 6  # every so many games do not look for captures: they see the ends that take long


def action_of(move):
    """Our action of python-chess's move."""
    becomes = "" if move.promotion in (None, chess.QUEEN) else chess.piece_symbol(move.promotion)
    return ACTIONS[move.from_square, move.to_square, becomes]


class ChessOracle:
    """A game from the start."""

    def __init__(self, number):
        """Begin game ``number``."""
        self._board, self._seen = chess.Board(), collections.Counter()
        self._patient = number % PATIENT == 0

    def actions(self):
        """Our actions of all legal moves."""
        return [action_of(move) for move in self._board.legal_moves]

    def end(self, stuck):
        """(name of the end or "", result for the player to move) by the laws that need no claim.

        ``stuck``: the player to move has no legal move.
        """
        board = self._board
        if stuck:
            return ("mate", -1.0) if board.is_check() else ("stalemate", 0.0)
        drawn = {
            "material": board.is_insufficient_material(),
            "50 moves": board.halfmove_clock >= QUIET,
            # the same squares are taken twice before a position can be there for the third time
            "repetition": self._seen[self._taken()] >= 2 and board.is_repetition(3),
            "length": len(board.move_stack) >= LONGEST,
        }
        return next((name for name, holds in drawn.items() if holds), ""), 0.0

    def play(self, legal, draws):
        """Make one of the ``legal`` actions, any or the first of some that captures; it has to be legal."""
        picked = [int(legal[int(draw * len(legal))]) for draw in (draws[:1] if self._patient else draws)]
        action = next(filter(self._takes, picked), picked[-1])
        move = MOVES[action]
        if chess.BB_SQUARES[move.to_square] & LAST and chess.BB_SQUARES[move.from_square] & self._board.pawns:
            move = chess.Move(move.from_square, move.to_square, move.promotion or chess.QUEEN)
        assert self._board.is_legal(move), f"{move}: {self}"
        self._seen[self._taken()] += 1
        self._board.push(move)
        return action

    def _takes(self, action):
        """Whether a man stands where the move ends."""
        return bool(self._board.occupied >> ENDS[action][1] & 1)

    def _taken(self):
        return self._board.occupied_co[chess.WHITE], self._board.occupied_co[chess.BLACK], self._board.turn

    def __str__(self):
        return self._board.fen()
