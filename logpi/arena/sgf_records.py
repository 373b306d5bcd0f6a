"""Records as game trees of SGF and back; what belongs to a game stands in its ``protocols.sgf``."""

from __future__ import annotations

import functools
import math
import re

from logpi.arena import sgf
from logpi.arena.record import Record, usual_reason
from logpi.errors import LogpiError
from logpi.games import game_names, is_file
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.games.rules.protocols import Sgf

ENDINGS = {"resigned": "R", "timed out": "T", "played out": ""}  # SGF's RE after the plus; anything else is F
MOST_KOMI = 1000
SETUP = {"AB", "AW", "AE"}  # properties that set stones up


def to_sgf(record: Record, game: Game) -> str:
    """The record of a game that SGF knows, as text."""
    notation = _notation(game)
    root = {"FF": "4", "GM": str(notation.number), "CA": "UTF-8", "AP": "logpi", "SZ": str(game.shape[0])}
    if komi := game.protocols.komi:
        points = komi.of(game.init()) if record.komi is None else record.komi
        root |= {"KM": f"{points:g}"}
    root |= {"RU": notation.rules}
    root |= {"PB": record.players[0], "PW": record.players[1], "RE": _ending(record), "DT": record.date}
    root |= {"LPOPENING": str(record.plies), "LPREASON": record.reason, "LPNOTE": record.note}
    root = {name: value for name, value in root.items() if value}
    write = notation.write or game.name
    moves = [{"BW"[t % 2]: write(action)} for t, action in enumerate(record.actions)]
    return sgf.write([root, *moves])


def from_sgf(nodes: list[sgf.Node], path: str, own: Game | None) -> Record:
    """The record that a main line holds.

    Args:
        nodes: of the main line.
        path: of the file, for messages.
        own: the game from a file that GM may mean, where no other has its number.

    Raises:
        LogpiError: the game is unknown here, or its moves are not moves of it; says which line.
    """
    where = f"{path}, line {nodes[0].line}"
    root = {name: values[0].strip() for name, values in nodes[0].properties.items()}
    try:
        game = _game(root, own)
        komi = _komi(root.get("KM", "")) if game.protocols.komi else None
        plies = int(root.get("LPOPENING", "0"))
    except ValueError as error:  # LogpiError is one
        raise LogpiError(f"{where}: {error}") from error
    actions = tuple(_moves(nodes, game, path))
    if not 0 <= plies <= len(actions):
        raise LogpiError(f"{where}: LPOPENING[{plies}] of {len(actions)} moves")
    outcome, reason = _result(root.get("RE", "?"))
    return Record(
        game.id,
        (root.get("PB", ""), root.get("PW", "")),
        actions,
        outcome,
        plies,
        reason if outcome is None else root.get("LPREASON", reason),
        root.get("LPNOTE", ""),
        root.get("DT", ""),
        komi,
    )


@functools.cache
def _listed() -> dict[str, Sgf]:
    """The games that have a name, by their number in SGF."""
    found = [make_game(name).protocols.sgf for name in game_names()]
    return {str(notation.number): notation for notation in found if notation}


def _notation(game: Game) -> Sgf:
    if game.protocols.sgf is None:
        raise LogpiError(f"SGF has no number for {game.id}; records of it are lines of JSON")
    return game.protocols.sgf


def _game(root: dict[str, str], own: Game | None) -> Game:
    number = root.get("GM", "1")
    notation = _listed().get(number)
    if notation is not None:
        return make_game(notation.name.format(_size(root, notation)))
    if own is not None and is_file(own.id) and own.protocols.sgf and str(own.protocols.sgf.number) == number:
        return own
    allowed = ", ".join(f"{number} ({notation.name.format('N')})" for number, notation in _listed().items())
    raise LogpiError(f"GM[{number}] is not a game of logpi; allowed: {allowed}")


def _size(root: dict[str, str], notation: Sgf) -> str:
    """The side of the board, from SZ[9], SZ[9:9] or nothing."""
    columns, _, rows = (root.get("SZ", "") or str(notation.size)).partition(":")
    columns, rows = columns.strip(), (rows or columns).strip()
    one_size = notation.name.format(0) == notation.name
    if columns != rows or (one_size and columns != str(notation.size)):
        raise LogpiError(f"SZ[{root['SZ']}] is not a board of {notation.name.format('N')}; boards are square")
    return columns


def _komi(text: str) -> float | None:
    """A komi, also with a decimal comma; None where it is not told."""
    if not text:
        return None
    komi = float(text.replace(",", "."))
    if not math.isfinite(komi) or abs(komi) > MOST_KOMI:
        raise LogpiError(f"KM[{text}]: a komi is at most {MOST_KOMI} points")
    return komi


def _moves(nodes: list[sgf.Node], game: Game, path: str) -> list[int]:
    read = _notation(game).read or game.parse
    actions: list[int] = []
    for node in nodes:
        where = f"{path}, line {node.line}"
        if unknown := node.properties.keys() & SETUP:
            raise LogpiError(f"{where}: {min(unknown)} sets stones up; give games from the empty board")
        for colour, values in node.properties.items():  # in the file's order, should there be a move of each
            if colour not in ("B", "W"):
                continue
            if colour != "BW"[len(actions) % 2] or len(values) > 1:
                raise LogpiError(f"{where}: {colour} moves out of turn, at move {len(actions) + len(values)}")
            try:
                actions.append(read(values[0].strip()))
            except LogpiError as error:
                raise LogpiError(f"{where}: {error}") from error
    return actions


def _ending(record: Record) -> str:
    if not record.outcome:
        return "?" if record.outcome is None else "0"
    return ("B+" if record.outcome > 0 else "W+") + ENDINGS.get(record.reason, "F")


def _result(text: str) -> tuple[float | None, str]:
    """(outcome, reason) of the property RE, such as B+R, W+12.5, Draw or Void."""
    found = re.fullmatch(r"([BW])\+(.*)", text, re.IGNORECASE)
    if found is None:
        outcome = 0.0 if text.lower() in ("0", "draw", "jigo") else None
        return outcome, usual_reason(outcome)
    reasons = {letter: reason for reason, letter in ENDINGS.items() if letter} | {"F": "forfeited"}
    outcome = 1.0 if found[1] in "Bb" else -1.0
    return outcome, reasons.get(found[2][:1].upper(), usual_reason(outcome))
