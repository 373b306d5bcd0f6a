"""``Notation``: how people and programs write moves and positions, where that depends on the position."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from logpi.games.rules.looks import Touch
from logpi.types import PyTree


class Notation(NamedTuple):
    """Functions of a state whose numbers are known; none of them is traced."""

    write: Callable[[PyTree, int], str]  # a legal action as engines write it: UCI, USI
    read: Callable[[PyTree, str], int]  # the legal action of a text, in any of the usual ways; LogpiError for others
    men: Callable[[PyTree], NDArray[np.str_]]  # [rows, columns] as on ``Game.cells``: "P" first player's, "p" second's
    position: Callable[[PyTree], str]  # FEN, SFEN
    start: Callable[[str], PyTree]  # and back; LogpiError for other text
    play: Callable[[PyTree, int], PyTree]  # the position after a legal action
    human: Callable[[PyTree, int], str]  # a legal action as people write it: SAN
    hands: Callable[[PyTree], tuple[str, str]] | None = None  # men in hand of the first and of the second player
    touch: Callable[[PyTree, int], Touch] | None = None  # where a legal action is played; None: by its name alone
