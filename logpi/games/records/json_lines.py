"""Records as lines of JSON, one game a line: of every game."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from logpi.errors import LogpiError
from logpi.games import is_file
from logpi.games.records.record import BAD_LINE, DAMAGED, UNFINISHED, Fault, Record, Tell, usual_reason
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.runs.files import Json

TEXTS = ("reason", "note", "date", "start")  # fields that are texts


def to_json(record: Record, game: Game) -> str:
    """The record as a line, with the line break at its end."""
    fields = record._asdict() | {"moves": [game.name(action) for action in record.actions]}
    del fields["actions"], fields["komi"], fields["setup"]
    for name in ("margin", "start"):
        if fields[name] in (None, ""):
            del fields[name]
    return json.dumps(fields, ensure_ascii=False) + "\n"


def from_json(data: bytes, path: str, wanted: Game | None, tell: Tell) -> Iterator[tuple[str, Record]]:
    """The records of a file of JSON lines, and where they are."""
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            text = line.decode()
        except UnicodeDecodeError:
            tell(Fault(where, DAMAGED, "not UTF-8 text"))
            continue
        try:
            yield where, _record(text, wanted)
        except LogpiError as error:
            tell(Fault(where, BAD_LINE, str(error)))


def _record(line: str, wanted: Game | None) -> Record:
    fields = _fields(line)
    moves, plies, outcome = fields["moves"], fields.get("plies", 0), fields.get("outcome")
    game = _named(fields["game"], wanted)
    actions = tuple(game.parse(move) for move in moves)
    if type(plies) is not int or not 0 <= plies <= len(actions):
        raise LogpiError(f"wanted plies: a number from 0 to {len(actions)}, the moves")
    first, second = fields["players"]
    result = None if outcome is None else float(outcome)
    reason = UNFINISHED if result is None else fields.get("reason", usual_reason(result))
    note, date, start, margin = *(fields.get(name, "") for name in TEXTS[1:]), fields.get("margin")
    points = None if margin is None else float(margin)
    if start and game.notation is None:
        raise LogpiError(f"wanted no start: {game.id} has no notation of positions")
    return Record(game.id, (first, second), actions, result, plies, reason, note, date, margin=points, start=start)


def _named(name: str, wanted: Game | None) -> Game:
    if wanted is not None and wanted.id == name:
        return wanted
    if is_file(name):
        raise LogpiError(f"a record of {name}, a game from a file; name that game beside the record to read it")
    return make_game(name)


def _fields(line: str) -> Json:
    """The fields of one line, of the right types."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LogpiError(f"not a JSON object: {error}") from error
    if not isinstance(fields, dict):
        raise LogpiError(f"{line[:40]!r} is not a JSON object")
    players, outcome, margin = fields.get("players"), fields.get("outcome"), fields.get("margin")
    checks = {
        "game: a text": isinstance(fields.get("game"), str),
        "players: two texts": isinstance(players, list) and len(players) == 2 and _texts(players),
        "moves: a list of texts": _texts(fields.get("moves")),
        "outcome: 1, 0, -1 or null": outcome is None or (outcome in (1, 0, -1) and not isinstance(outcome, bool)),
        "margin: points from 0 to 1000, or null": margin is None or _points(margin),
        "reason, note, date, start: texts": _texts([fields.get(name, "") for name in TEXTS]),
    }
    wrong = [what for what, right in checks.items() if not right]
    if wrong:
        name = wrong[0].partition(":")[0]
        raise LogpiError(f"wanted {wrong[0]}" + ("" if name in fields or name.count(",") else f"; {name} is missing"))
    return fields


def _points(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1000


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
