"""The contract ``Game``: a board game for two players, as search, self-play and drawings of the board see it.

The rules are pure functions of one small packed state, compiled into the same program as the search. A state is seen by
the player to move: after a move the sides change places, and so does the sign of every value (discount -1). Players
strictly alternate; where a player has nothing to do, passing is an action. What can be computed from the state (the
mask of legal moves, the observation) is never stored in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from logpi.games.rules.looks import Cells, Looks, Touch
from logpi.games.rules.notation import Notation
from logpi.games.rules.protocols import Protocols
from logpi.types import Array, PyTree

Permutations = NDArray[np.int32]  # [S, N]: S permutations of N things


class Game(NamedTuple):
    """Rules, unbatched: ``jax.vmap`` gives them a batch. States are pytrees of arrays."""

    id: str  # such as "connect-four" or "go-9x9"
    shape: tuple[int, int]  # rows, columns of the board
    actions: int  # A
    longest: int  # moves after which every game has ended
    init: Callable[[], PyTree]  # the first player's view of the empty board
    step: Callable[[PyTree, Array], PyTree]  # (state, legal action [] int32) -> the other player's view
    legal: Callable[[PyTree], Array]  # [A] bool; undefined once the game has ended
    ended: Callable[[PyTree], Array]  # [] bool
    outcome: Callable[[PyTree], Array]  # [] float32 of an ended game: 1, 0 or -1 for the player to move
    observe: Callable[[PyTree], Array]  # [rows, columns, planes] float32: mover's stones, the other's, what else counts
    cells: Callable[[PyTree], Array]  # [rows, columns] int8: 0 empty, 1 first player's, 2 second player's
    first_to_move: Callable[[PyTree], Array]  # [] bool
    symmetries: Permutations  # [S, rows * columns] int32: cell i of the transformed board was cell s[i]
    action_symmetries: Permutations  # [S, A] int32: action a on the transformed board was action s[a]
    name: Callable[[int], str]  # an action as people write it; "pass" where a player does nothing
    parse: Callable[[str], int]  # and back; LogpiError for other text
    # of an ended game: [rows * columns] int8, owner of each cell: 1 the player to move, -1 the other, 0 neither;
    # None where the outcome does not come from owning cells
    ownership: Callable[[PyTree], Array] | None = None
    # of an ended game: [] float32, points by which the player to move leads; None where there are no points
    margin: Callable[[PyTree], Array] | None = None
    # [S, planes] int32: plane p of what is observed of the transformed board was plane s[p]; None: each stays
    plane_symmetries: Permutations | None = None
    # [A] int32: where each action is on the observed board, for rules that turn the board to the player to move; done
    # twice it gives the actions back, and the symmetries commute with it. None: where it is on the board itself. Whose
    # the cells are is not turned: not together with ``ownership``
    observed_action: Callable[[PyTree], Array] | None = None
    # ``legal``, ``ended`` and ``outcome`` at once, where one computation serves all three
    judge: Callable[[PyTree], tuple[Array, Array, Array]] | None = None
    looks: Looks = Looks()  # how people are shown it
    protocols: Protocols = Protocols()  # what other programs call it
    notation: Notation | None = None  # how moves and positions are written; None: moves by ``name`` and ``parse``

    def judged(self, state: PyTree) -> tuple[Array, Array, Array]:
        """(``legal``, ``ended``, ``outcome``) of a position."""
        return self.judge(state) if self.judge else (self.legal(state), self.ended(state), self.outcome(state))

    def written(self, state: PyTree, action: int) -> str:
        """A legal action as people write it in that position."""
        return self.notation.human(state, action) if self.notation else self.name(action)

    def read(self, state: PyTree, text: str) -> int:
        """The action that ``text`` names in that position, which may be an illegal one.

        Raises:
            LogpiError: it names none.
        """
        return self.notation.read(state, text) if self.notation else self.parse(text)

    def touched(self, state: PyTree, cells: Cells, action: int) -> Touch | None:
        """Where a legal action is played on the board ``cells`` of ``state``; None where only its name tells it."""
        (rows, columns), beyond = self.shape, self.actions - self.shape[0] * self.shape[1]
        if self.notation:
            return self.notation.touch(state, action) if self.notation.touch else None
        if self.looks.touch:
            return self.looks.touch(cells, action)
        if beyond not in (0, 1):  # the actions are not the cells, with or without a pass
            return None
        return Touch(divmod(action, columns) if action < rows * columns else None)

    @property
    def title(self) -> str:
        """The id where it is shown or names a file: of a game from ``path/file.py:name``, the name alone."""
        return self.id.rpartition(":")[2] if ".py:" in self.id else self.id
