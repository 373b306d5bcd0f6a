"""``Record``: one game as it is kept in a file."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """One game, finished or not."""

    game: str  # the game's id, such as "go-9x9"
    players: tuple[str, str]  # the one who moved first, and the other
    actions: tuple[int, ...]  # from the empty board
    outcome: float | None  # 1, 0 or -1 for the first player; None: not finished
    plies: int = 0  # how many of the actions are an opening that nobody chose
    reason: str = "played out"  # or why the loser forfeited
    note: str = ""  # that in detail
    date: str = ""  # YYYY-MM-DD
    komi: float | None = None  # points for the second player, where the game has a komi; None: as ``make_game`` has it
