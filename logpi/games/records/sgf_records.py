"""Records as game trees of SGF and back; what belongs to a game stands in its ``protocols.sgf``."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence

from logpi.errors import LogpiError
from logpi.games import board_of, game_names
from logpi.games.records import sgf
from logpi.games.records.record import (
    BAD_HEADER,
    OTHER_GAME,
    Fault,
    Record,
    Tell,
    usual_reason,
)
from logpi.games.records.sgf_moves import moves_of
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.games.rules.protocols import Sgf

ENDINGS = {"resigned": "R", "timed out": "T", "played out": ""}  # SGF's RE after the plus; anything else is F
MOST_POINTS = 1000  # of a komi or a result


def to_sgf(record: Record, game: Game) -> str:
    """The record of a game that SGF knows, as text."""
    notation = _notation(game)
    record = record._replace(setup=max(record.setup, min(game.protocols.setup, len(record.actions))))
    root: dict[str, str | Sequence[str]] = {"FF": "4", "GM": str(notation.number), "CA": "UTF-8", "AP": "logpi"}
    root |= {"SZ": str(game.shape[0])}
    if komi := game.protocols.komi:
        points = komi.of(game.init()) if record.komi is None else record.komi
        root |= {"KM": f"{points:g}"}
    root |= {"RU": notation.rules}
    root |= {"PB": record.players[0], "PW": record.players[1], "RE": _ending(record), "DT": record.date}
    root |= {"LPOPENING": str(record.plies), "LPREASON": record.reason, "LPNOTE": record.note}
    write = notation.write or game.name
    root |= _stones(record, notation, write)
    root = {name: value for name, value in root.items() if value}
    moves = [{"BW"[t % 2]: write(action)} for t, action in enumerate(record.actions)][record.setup :]
    return sgf.write([root, *moves])


def _stones(record: Record, notation: Sgf, write: Callable[[int], str]) -> dict[str, str | Sequence[str]]:
    """The position that is set up, where there is one."""
    if not record.setup:
        return {}
    placed = record.actions[: record.setup]
    black, white = ([write(a) for a in placed[side::2] if a != notation.passing] for side in (0, 1))
    handicap = str(len(black)) if len(black) > 1 and not white else ""
    return {"HA": handicap, "AB": black, "AW": white, "PL": "BW"[record.setup % 2]}


def from_sgf(nodes: list[sgf.Node], path: str, wanted: Game | None, tell: Tell) -> Record | None:
    """The record that a main line holds; None where it is of no game that is known here.

    Args:
        nodes: of the main line, one or more.
        path: of the file, for messages.
        wanted: a game from a file that GM may mean, where no other has its number; and the game where GM or SZ cannot
            be read.
        tell: told of what cannot be used; what it does not refuse is left out or, in a header, as usual.
    """
    header = _Header(nodes[0], f"{path}, line {nodes[0].line}", tell)
    game = header.game(wanted)
    if game is None:
        return None
    komi = header.komi() if game.protocols.komi else None
    setup, actions = moves_of(nodes, game, path, tell)
    plies = header.plies(len(actions))
    outcome, reason, margin = _result(header.text("RE", "?"))
    return Record(
        game.id,
        (header.text("PB"), header.text("PW")),
        actions,
        outcome,
        plies,
        reason if outcome is None else header.text("LPREASON", reason),
        header.text("LPNOTE"),
        header.text("DT"),
        komi,
        setup,
        margin,
    )


class _Header:
    """The properties of a game's first node."""

    def __init__(self, root: sgf.Node, where: str, tell: Tell) -> None:
        self._texts = {name: values[0].strip() for name, values in root.properties.items()}
        self._where, self._tell = where, tell

    def text(self, name: str, otherwise: str = "") -> str:
        return self._texts.get(name, otherwise)

    def game(self, wanted: Game | None) -> Game | None:
        """The game of GM and SZ; None, and a fault, where there is none."""
        number, notation = self.text("GM", "1"), wanted.protocols.sgf if wanted else None
        if not number.isdecimal() and notation is not None:
            self._bad(f"GM[{number}] is not a number")
            number = str(notation.number)
        mine = notation is not None and str(notation.number) == number
        listed = _listed().get(number)
        try:
            if listed is None and mine:
                return wanted
            if listed is None:
                allowed = ", ".join(f"{one} ({sort.name.format('N')})" for one, sort in _listed().items())
                raise LogpiError(f"GM[{number}] is not a game of logpi; allowed: {allowed}")
            size = self.text("SZ")
            if size and not re.fullmatch(r"[0-9 ]+(:[0-9 ]+)?", size) and mine:
                self._bad(f"SZ[{size}] is not a size")
                return wanted
            name = listed.name.format(_size(size, listed))
            return wanted if wanted is not None and board_of(wanted.id) == name else make_game(name)
        except LogpiError as error:
            self._tell(Fault(self._where, OTHER_GAME, str(error)))
            return None

    def komi(self) -> float | None:
        """A komi in whole or half points, also with a decimal comma; None where it is not told, or cannot be used."""
        text = self.text("KM")
        if not text:
            return None
        try:
            return _komi(text)
        except ValueError as error:  # LogpiError is one
            self._bad(f"KM[{text}]: {error}")
            return None

    def plies(self, moves: int) -> int:
        """Random plies of an opening; none where they cannot be read."""
        text = self.text("LPOPENING", "0")
        plies = int(text) if re.fullmatch("[0-9]{1,6}", text) else -1
        if not 0 <= plies <= moves:
            self._bad(f"LPOPENING[{text}] of {moves} moves")
            return 0
        return plies

    def _bad(self, what: str) -> None:
        self._tell(Fault(self._where, BAD_HEADER, what))


@functools.cache
def _listed() -> dict[str, Sgf]:
    """The games that have a name, by their number in SGF."""
    found = [make_game(name).protocols.sgf for name in game_names()]
    return {str(notation.number): notation for notation in found if notation}


def _notation(game: Game) -> Sgf:
    if game.protocols.sgf is None:
        raise LogpiError(f"SGF has no number for {game.id}; records of it are lines of JSON")
    return game.protocols.sgf


def _komi(text: str) -> float:
    komi = float(text.replace(",", "."))
    if not math.isfinite(komi) or abs(komi) > MOST_POINTS:
        raise LogpiError(f"a komi is at most {MOST_POINTS} points")
    if komi * 2 != round(komi * 2):
        raise LogpiError("a komi is a whole or half number of points")
    return komi


def _size(text: str, notation: Sgf) -> str:
    """The side of the board, from SZ[9], SZ[9:9] or nothing."""
    columns, _, rows = (text or str(notation.size)).partition(":")
    columns, rows = columns.strip(), (rows or columns).strip()
    one_size = notation.name.format(0) == notation.name
    if columns != rows or (one_size and columns != str(notation.size)):
        raise LogpiError(f"SZ[{text}] is not a board of {notation.name.format('N')}; boards are square")
    return columns


def _ending(record: Record) -> str:
    """The property RE: also by how many points, where that is known."""
    if not record.outcome:
        return "?" if record.outcome is None else "0"
    ending = ENDINGS.get(record.reason, "F")
    if not ending and record.margin:
        ending = f"{record.margin:g}"
    return ("B+" if record.outcome > 0 else "W+") + ending


def _result(text: str) -> tuple[float | None, str, float | None]:
    """(outcome, reason, points) of the property RE, such as B+R, W+12.5, Draw or Void."""
    found = re.fullmatch(r"([BW])\+(.*)", text, re.IGNORECASE | re.DOTALL)
    if found is None:
        outcome = 0.0 if text.lower() in ("0", "draw", "jigo") else None
        return outcome, usual_reason(outcome), None
    outcome, how = 1.0 if found[1] in "Bb" else -1.0, found[2].strip()
    reasons = {letter: reason for reason, letter in ENDINGS.items() if letter} | {"F": "forfeited"}
    points = float(how.replace(",", ".")) if re.fullmatch(r"[0-9]{1,4}([.,][0-9]{1,4})?", how) else 0.0
    return outcome, reasons.get(how[:1].upper(), usual_reason(outcome)), points if 0 < points <= MOST_POINTS else None
