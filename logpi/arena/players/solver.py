"""Perfect play of Connect Four by Markus Thill's BitBully, which solves positions exactly.

``pip install 'logpi[solver]'`` brings it. BitBully is under the GNU AGPL 3, its opening books under the MIT licence;
logpi neither contains nor changes them, and only calls them where they are installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from logpi.arena.players.base import Position, SearchResult
from logpi.errors import LogpiError
from logpi.games.evaluation.connect_four_labels import ILLEGAL
from logpi.games.rules.connect_four import COLUMNS, ROWS


class Solver:
    """Exact scores of moves; from its opening book while a move leads to at most 12 stones, then by search."""

    def __init__(self) -> None:
        """Raises LogpiError where BitBully is not installed."""
        try:
            import bitbully
        except ImportError as error:
            raise LogpiError("perfect play of Connect Four needs BitBully: pip install 'logpi[solver]'") from error
        self._board, self._solver = bitbully.Board, bitbully.BitBully("12-ply-dist")

    def scores(self, state: ArrayLike) -> NDArray[np.int8]:
        """[7] int8, the score of each column in a position of Connect Four that has not ended; ILLEGAL if it is full.

        Positive where the mover wins after it, negative where he loses, 0 for a draw. Its size is the number of the
        winner's 21 stones that are not yet on the board before he wins: 18 wins with his fourth, 1 with his last. So a
        higher score is a faster win or a longer loss.

        Args:
            state: [2, 7] uint8, of the mover and of the other player.
        """
        found = np.full(COLUMNS, ILLEGAL, np.int8)
        for column, score in self._solver.score_all_moves(self._board(_cells(np.asarray(state)))).items():
            found[column] = score
        return found


class SolverPlayer:
    """Never gives away the value of a position of Connect Four; among its good moves, each is equally likely."""

    def __init__(self, seed: int = 0, fastest: bool = True) -> None:
        """Play for the fastest win and the longest loss, or (``fastest=False``) only for win, draw or loss.

        Raises:
            LogpiError: BitBully is not installed.
        """
        self.name = "solver" if fastest else "solver-by-value"
        self._solver, self._rng, self._fastest = Solver(), np.random.default_rng(seed), fastest

    def choose(self, positions: Sequence[Position]) -> list[SearchResult]:
        return [self._choose(position) for position in positions]

    def _choose(self, position: Position) -> SearchResult:
        if not position.game.protocols.bitbully:
            raise LogpiError(f"the solver plays connect-four, not {position.game.id}; choose another player")
        scores = self._solver.scores(position.state)
        merit = scores if self._fastest else np.where(scores == ILLEGAL, ILLEGAL, np.sign(scores))
        action = int(self._rng.choice(np.flatnonzero(merit == merit.max())))
        return SearchResult(action, float(np.sign(scores.max())), variation=(action,))

    def close(self) -> None:
        pass


def _cells(state: NDArray[np.uint8]) -> list[list[int]]:
    """[7][6], each column from the bottom: 0 empty, 1 the first player's stone, 2 the second's."""
    mine, theirs = (state[..., None] >> np.arange(ROWS) & 1).astype(int)
    first, second = (mine, theirs) if mine.sum() == theirs.sum() else (theirs, mine)
    cells: Any = first + 2 * second
    return cells.tolist()
