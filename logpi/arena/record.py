"""``Record``: one game as it is kept in a file."""

from __future__ import annotations

from typing import NamedTuple

PLAYED_OUT, UNFINISHED = "played out", "unfinished"


class Record(NamedTuple):
    """One game, finished or not."""

    game: str  # the game's id, such as "go-9x9"
    players: tuple[str, str]  # the one who moved first, and the other
    actions: tuple[int, ...]  # from the empty board
    outcome: float | None  # 1, 0 or -1 for the first player; None: no result
    plies: int = 0  # number of random opening plies
    reason: str = PLAYED_OUT  # "unfinished" without an outcome, or why the loser forfeited
    note: str = ""  # that in detail
    date: str = ""  # YYYY-MM-DD
    komi: float | None = None  # points for the second player, where the game has a komi; None: as ``make_game`` has it


def usual_reason(outcome: float | None) -> str:
    """``Record.reason`` of a game without a forfeit."""
    return UNFINISHED if outcome is None else PLAYED_OUT
