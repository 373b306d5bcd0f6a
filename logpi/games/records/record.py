"""``Record``: one game as it is kept in a file, and ``Fault``: what could not be read of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from logpi.errors import LogpiError

PLAYED_OUT, UNFINISHED = "played out", "unfinished"


class Record(NamedTuple):
    """One game, finished or not."""

    game: str  # the game's id, such as "go-9x9"
    players: tuple[str, str]  # the one who moved first, and the other
    actions: tuple[int, ...]  # from the start
    outcome: float | None  # 1, 0 or -1 for the first player; None: no result
    plies: int = 0  # number of random opening plies
    reason: str = PLAYED_OUT  # "unfinished" without an outcome, or why the loser forfeited
    note: str = ""  # that in detail
    date: str = ""  # YYYY-MM-DD
    komi: float | None = None  # points for the second player, where the game has a komi; None: as ``make_game`` has it
    # number of first actions that stand for a position which was set up, such as handicap stones: stones of both
    # colours in turn, and passes of the one that has none to set
    setup: int = 0
    margin: float | None = None  # points by which the winner won; None: not counted, or not told
    start: str = ""  # the position that the game began with, as ``Notation.position`` writes it; "": the usual one


class Fault(NamedTuple):
    """What could not be read, and where."""

    where: str  # file and line
    cause: str  # its kind, in the same words for every fault of that kind
    detail: str  # what is wrong there

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


Tell: TypeAlias = Callable[[Fault], None]  # what a reader does about a fault before it goes on with what is good

DAMAGED = "damaged or cut short: what can be understood is used"
OTHER_GAME = "another game or board"
BAD_LINE = "line that is not a record of a game here"
BAD_HEADER = "header that cannot be used: the usual value instead"
BAD_MOVE = "move that cannot be read: the moves before it are used"
OUT_OF_TURN = "two moves of one colour in a row: the moves before are used"
ILLEGAL = "move that the rules forbid, or after the end: the moves before it are used"
AGAIN = "the same game once more"
NO_MOVES = "no move to learn from"
NO_RECORDS = "file of another kind: .sgf, .pgn, .kif, .csa, .sfen and .jsonl are read"
UNREADABLE = "file that cannot be read"
SETUP_REFUSED = "stones set up in mid-game, or in a game without passes: the moves before are used"


def refuse(fault: Fault) -> None:
    """The ``Tell`` of a reader that must understand everything.

    Raises:
        LogpiError: with the fault.
    """
    raise LogpiError(str(fault))


def usual_reason(outcome: float | None) -> str:
    """``Record.reason`` of a game without a forfeit."""
    return UNFINISHED if outcome is None else PLAYED_OUT
