"""Records of shogi in the format of the Computer Shogi Association, version 2.2 (computer-shogi.org), and back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from logpi.errors import LogpiError
from logpi.games.records.record import BAD_MOVE, DAMAGED, OTHER_GAME, Fault, Record, Tell, usual_reason
from logpi.games.records.shogi_men import Men, Move, moves_of
from logpi.games.records.texts import decoded, one_line
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game

NAMES = dict(
    zip(
        ("P", "L", "N", "S", "G", "B", "R", "K", "+P", "+L", "+N", "+S", "+B", "+R"),
        ("FU", "KY", "KE", "GI", "KI", "KA", "HI", "OU", "TO", "NY", "NK", "NG", "UM", "RY"),
        strict=True,
    )
)
MEN = {name: man for man, name in NAMES.items()}
# what ends a game: the result for the player to move, and ``Record.reason``
ENDS: dict[str, tuple[float | None, str]] = {
    "%TORYO": (-1.0, "resigned"),
    "%TIME_UP": (-1.0, "timed out"),
    "%ILLEGAL_MOVE": (-1.0, "illegal move"),
    "%TSUMI": (-1.0, "played out"),
    "%KACHI": (1.0, "played out"),
    "%SENNICHITE": (0.0, "played out"),
    "%JISHOGI": (0.0, "played out"),
    "%HIKIWAKE": (0.0, "played out"),
    "%CHUDAN": (None, "unfinished"),
    "%FUZUMI": (None, "unfinished"),
}


def to_csa(record: Record, game: Game) -> str:
    """The record as a game in CSA's format, and "/" behind it."""
    men = Men(record.start)
    black, white = record.players if men.black else record.players[::-1]
    lines = ["V2.2", f"N+{one_line(black)}", f"N-{one_line(white)}"]
    lines += [f"$START_TIME:{record.date.replace('-', '/')}"] if record.date else []
    lines += _position(men, record.start)
    for k, move in enumerate(moves_of(record.start, record.actions)):
        sign = "+-"[k % 2 if men.black else 1 - k % 2]
        origin = "00" if move.origin is None else f"{move.origin[0]}{move.origin[1]}"
        man = f"+{move.man}" if move.promotes else move.man
        lines.append(f"{sign}{origin}{move.end[0]}{move.end[1]}{NAMES[man]}")
    lines += [_end(record, men.black), "/"]
    return "".join(f"{line}\n" for line in lines if line)


def from_csa(data: bytes, path: str, wanted: Game | None, tell: Tell) -> Iterator[tuple[str, Record]]:
    """The records of a file in CSA's format, and where they are; of a game with a fault, the moves before it."""
    game, begun, part = make_game("shogi"), 1, list[tuple[int, str]]()
    lines = decoded(data).splitlines()
    for number, line in enumerate([*lines, "/"], 1):
        if line.strip() != "/":
            part.append((number, line))
            continue
        said = [(at, one) for at, text in part for one in _statements(text)]
        if said:
            try:
                yield f"{path}, line {begun}", _Reading(game, path, tell).read(said)
            except LogpiError as error:
                tell(Fault(f"{path}, line {begun}", OTHER_GAME, str(error)))
        begun, part = number + 1, []


class _Reading:
    """One game as it is read."""

    def __init__(self, game: Game, path: str, tell: Tell) -> None:
        self._game, self._path, self._tell = game, path, tell
        self._players, self._date = {"+": "", "-": ""}, ""
        self._board: dict[tuple[int, int], str] = {}
        self._hands: dict[str, dict[str, int]] = {"+": {}, "-": {}}
        self._men: Men | None = None
        self._start, self._actions = "", list[int]()
        self._outcome: float | None = None
        self._reason = ""

    def read(self, said: list[tuple[int, str]]) -> Record:
        """The record of these statements; raises LogpiError where its start cannot be used."""
        for line, text in said:
            if not self._takes(line, text):
                break
        first, second = self._players["+"], self._players["-"]
        if self._start.split()[1:2] == ["w"]:
            first, second = second, first
        return Record(
            self._game.id,
            (first, second),
            tuple(self._actions),
            self._outcome,
            reason=self._reason or usual_reason(self._outcome),
            date=self._date,
            start=self._start,
        )

    def _takes(self, line: int, text: str) -> bool:
        """Take one statement; False where nothing behind it is read."""
        if text[0] == "N" and text[1:2] in self._players:
            self._players[text[1]] = text[2:].strip()
        elif text.startswith("$START_TIME:"):
            found = re.match(r"([0-9]{4})/([0-9]{2})/([0-9]{2})", text[12:], re.ASCII)
            self._date = "-".join(found.groups()) if found else ""
        elif text[0] == "P":
            self._set_up(text)
        elif text in ("+", "-"):
            self._begin(text == "+")
        elif text[0] in "+-":
            return self._moves(line, text)
        elif text[0] == "%":
            self._ends(text)
            return False
        elif text[0] not in "V$T":
            self._tell(Fault(f"{self._path}, line {line}", DAMAGED, f"{text[:20]!r} is not CSA"))
        return True

    def _set_up(self, text: str) -> None:
        """``PI``, ``P1`` … ``P9``, ``P+`` and ``P-``."""
        kind, rest = text[1:2], text[2:]
        if kind == "I":
            self._board = dict(Men().men)
            for file, rank, name in re.findall(r"([1-9])([1-9])([A-Z]{2})", rest):
                if self._board.pop((int(file), int(rank)), "").upper() != MEN.get(name):
                    raise LogpiError(f"{text!r}: no {name} stands on {file}{rank}")
        elif kind in "123456789":
            for file, cell in zip(range(9, 0, -1), re.findall(r"[+-][A-Z]{2}| \* | {3}", rest.ljust(27)), strict=False):
                if cell[0] in "+-":
                    self._board[file, int(kind)] = self._man(cell[1:], cell[0] == "+", text)
        elif kind in self._hands:
            for file, rank, name in re.findall(r"([0-9])([0-9])([A-Z]{2})", rest):
                if name == "AL":
                    raise LogpiError(f"{text!r}: name each man in hand")
                man = self._man(name, kind == "+", text)
                if (file, rank) == ("0", "0"):
                    self._hands[kind][man] = self._hands[kind].get(man, 0) + 1
                else:
                    self._board[int(file), int(rank)] = man

    def _man(self, name: str, black: bool, text: str) -> str:
        if name not in MEN:
            raise LogpiError(f"{text!r}: {name} is not a man of shogi")
        return MEN[name] if black else MEN[name].lower()

    def _begin(self, black: bool) -> None:
        board = self._board or dict(Men().men)
        start = sfen_of(board, black, {**self._hands["+"], **self._hands["-"]})
        usual = board == Men().men and black and not any(self._hands.values())
        if not usual:
            notation = self._game.notation
            assert notation is not None
            notation.start(start)  # raises where it is not a position
        self._start, self._men = "" if usual else start, Men("" if usual else start)

    def _moves(self, line: int, text: str) -> bool:
        if self._men is None:
            self._begin(text[0] == "+")
        assert self._men is not None
        found = re.match(r"[+-]([0-9])([0-9])([1-9])([1-9])([A-Z]{2})", text, re.ASCII)
        try:
            if found is None or found[5] not in MEN or (text[0] == "+") != self._men.black:
                raise LogpiError(f"{text[:20]!r} is not a move of the player to move")
            self._actions.append(self._action(self._men, found))
        except LogpiError as error:
            self._tell(Fault(f"{self._path}, line {line}", BAD_MOVE, str(error)))
            self._outcome, self._reason = None, ""
            return False
        return True

    def _action(self, men: Men, found: re.Match[str]) -> int:
        origin, end = (int(found[1]), int(found[2])), (int(found[3]), int(found[4]))
        after = MEN[found[5]]
        if origin == (0, 0):
            move = Move(None, end, after, False)
        else:
            before = men.men.get(origin, "").upper()
            if after not in (before, f"+{before}") or not before:
                raise LogpiError(f"{found[0]!r}: no {found[5]} comes from {origin[0]}{origin[1]}")
            move = Move(origin, end, before, after != before)
        action = men.action_of(move)
        men.moved(move)
        return action

    def _ends(self, text: str) -> None:
        if self._men is None:
            self._begin(True)
        assert self._men is not None
        mine, self._reason = ENDS.get(text.split()[0], (None, "unfinished"))
        if by := re.match(r"%([+-])ILLEGAL_ACTION", text):
            mine, self._reason = (-1.0 if (by[1] == "+") == self._men.black else 1.0), "illegal move"
        first = len(self._actions) % 2 == 0
        self._outcome = mine if not mine or first else -mine


def sfen_of(board: dict[tuple[int, int], str], black: bool, hands: dict[str, int]) -> str:
    """An SFEN of men on a board, a player to move and men in hand."""
    rows = ["".join(board.get((file, rank), " ") for file in range(9, 0, -1)) for rank in range(1, 10)]
    shown = [re.sub(" +", lambda gap: str(len(gap[0])), row) for row in rows]
    held = "".join((str(count) if count > 1 else "") + man for man, count in hands.items())
    return f"{'/'.join(shown)} {'b' if black else 'w'} {held or '-'} 1"


def _position(men: Men, start: str) -> list[str]:
    if not start:
        return ["PI", "+"]
    lines = []
    for rank in range(1, 10):
        cells = [men.men.get((file, rank), "") for file in range(9, 0, -1)]
        named = [f"{'+' if m.strip('+').isupper() else '-'}{NAMES[m.upper()]}" if m else " * " for m in cells]
        lines.append(f"P{rank}{''.join(named)}")
    held = start.split()[2]
    for number, man in re.findall(r"([0-9]*)([A-Za-z])", held):
        lines.append(f"P{'+' if man.isupper() else '-'}" + f"00{NAMES[man.upper()]}" * int(number or 1))
    return [*lines, "+" if men.black else "-"]


def _end(record: Record, black_begins: bool) -> str:
    if record.outcome is None:
        return "%CHUDAN"
    first = len(record.actions) % 2 == 0
    mine, black_moves = record.outcome if first else -record.outcome, black_begins == first
    fitting = [text for text, end in ENDS.items() if end == (mine, record.reason)]
    if fitting:
        return fitting[0]
    if mine > 0:  # the other player has lost by a fault
        return f"%{'-' if black_moves else '+'}ILLEGAL_ACTION"
    return next(text for text, (outcome, _) in ENDS.items() if outcome == mine)


def _statements(line: str) -> list[str]:
    if line.startswith(("'", "N", "$")):
        return [] if line.startswith("'") else [line.strip()]
    return [one.strip() if not one.startswith("P") else one for one in line.split(",") if one.strip()]
