"""How long an engine thinks about a move, as a pure function of the clock."""

from __future__ import annotations

import math
from typing import NamedTuple

MOVES_LEFT = 24  # moves that the time left is shared among, where the clock does not say
OF_INCREMENT, OF_BYOYOMI = 0.8, 0.9  # fractions that are spent on each move
LONGER = 2.5  # times the usual thinking that an open question gets at most
OF_ALL = 0.5  # fraction of the time left that one move gets at most
LEAST = 0.01  # seconds


class Clock(NamedTuple):
    """The time of the player to move, in seconds."""

    left: float = math.inf
    increment: float = 0.0  # after each move
    byoyomi: float = 0.0  # for each move, once nothing is left
    moves: int = 0  # until the next time control; 0: it is for the whole game


class Budget(NamedTuple):
    """Seconds for one move."""

    usual: float  # after which a clear choice is played
    most: float  # after which any choice is


def budget(clock: Clock, overhead: float) -> Budget:
    """The seconds that a move gets.

    Args:
        clock: of the player to move.
        overhead: seconds that pass between the engine's answer and its arrival.
    """
    if math.isinf(clock.left):
        return Budget(math.inf, math.inf)
    share = clock.left / (clock.moves + 1 if clock.moves else MOVES_LEFT)
    usual = share + OF_INCREMENT * clock.increment + OF_BYOYOMI * clock.byoyomi
    end = clock.left + clock.byoyomi - overhead  # when the flag falls
    most = min(LONGER * usual, max(OF_ALL * clock.left, share) + clock.byoyomi - overhead, end)
    return Budget(max(LEAST, min(usual, most) - overhead), max(LEAST, most))


def fixed(seconds: float, overhead: float) -> Budget:
    """The budget of a move that has ``seconds``."""
    time = max(LEAST, seconds - overhead)
    return Budget(time, time)
