"""cshogi's view of a game of shogi, for ``side_by_side``."""

import collections
import functools

import cshogi

from logpi.games.rules.shogi import board as men

KINDS = (men.PAWN, men.LANCE, men.KNIGHT, men.SILVERS, men.GOLDS, men.BISHOP, men.ROOK, men.KING)
BOARD = men.Board(9, 9, KINDS, zone=3, longest=512)
LETTERS = "PLNSGBR"  # cshogi's order of men in hand
COMPASS = {(1, 0): 0, (1, 1): 1, (0, 1): 2, (-1, 1): 3, (-1, 0): 4, (-1, -1): 5, (0, -1): 6, (1, -1): 7}
TIMES = 4  # of a position that end a game


@functools.cache
def action_of(move, white):
    """Our action of cshogi's move, of which the lower 16 bits count."""
    end = cshogi.move_to(move)
    row, column = 8 - end % 9, 8 - end // 9
    cell = row * 9 + column
    if cshogi.move_is_drop(move):
        letter = LETTERS[cshogi.move_drop_hand_piece(move)]
        return (2 * BOARD.ways + [kind.letter for kind in KINDS].index(letter)) * 81 + cell
    start = cshogi.move_from(move)
    up, right = row - (8 - start % 9), column - (8 - start // 9)
    if white:
        up, right = -up, -right
    jump = abs(up) == 2 and abs(right) == 1
    way = (8 if right > 0 else 9) if jump else COMPASS[(up > 0) - (up < 0), (right > 0) - (right < 0)]
    return (way + BOARD.ways * bool(cshogi.move_is_promotion(move))) * 81 + cell


class ShogiOracle:
    """A game from the start."""

    def __init__(self, number):
        """Begin game ``number``; all are alike."""
        self._board, self._checks = cshogi.Board(), []
        self._keys = [self._board.zobrist_hash()]
        self._times = collections.Counter(self._keys)

    def actions(self):
        """Our actions of all legal moves."""
        return [self._action(move) for move in self._board.legal_moves]

    def _action(self, move):
        return action_of(move & 0xFFFF, self._board.turn == cshogi.WHITE)

    def end(self, stuck):
        """(name of the end or "", result for the player to move). ``stuck``: who is to move has no legal move."""
        if stuck:
            return "mate", -1.0
        if self._board.is_nyugyoku():
            return "declaration", 1.0
        if self._times[self._keys[-1]] >= TIMES:
            return self._repeated()
        return ("length" if len(self._checks) >= BOARD.longest else ""), 0.0

    def _repeated(self):
        """The fourth time: who has given check with every move since the first has lost."""
        given = self._checks[self._keys.index(self._keys[-1]) :]  # by each move since
        theirs, mine = given[-1::-2], given[-2::-2]
        if all(theirs) or all(mine):
            return "perpetual check", 1.0 if all(theirs) else -1.0
        return "repetition", 0.0

    def play(self, legal, draws):
        """Make one of cshogi's legal moves, of which there have to be as many as ``legal``, and among these."""
        moves = [*self._board.legal_moves]
        assert len(moves) == len(legal), str(self)
        move = moves[int(draws[0] * len(moves))]
        action = self._action(move)
        assert (legal == action).any(), f"{cshogi.move_to_usi(move)}: {self}"
        self._board.push(move)
        self._checks.append(self._board.is_check())
        self._keys.append(self._board.zobrist_hash())
        self._times[self._keys[-1]] += 1
        return action

    def __str__(self):
        return self._board.sfen()
