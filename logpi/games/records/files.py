"""Games in files: SGF where the game has a number there (Go 1, Othello 2, Hex 11), else one JSON object a line.

Both hold the same and are read back the same. A file of many games grows by one game at a time.
"""

from __future__ import annotations

import codecs
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from logpi.errors import LogpiError
from logpi.games import is_file
from logpi.games.records import sgf, sgf_records
from logpi.games.records.record import (
    BAD_LINE,
    DAMAGED,
    UNFINISHED,
    Fault,
    Record,
    Tell,
    refuse,
    usual_reason,
)
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.runs.files import AppendFile, Json, without_waiting

MOST = 1 << 28  # bytes of a file of games
TEXTS = ("reason", "note", "date")  # fields that are texts


def suffix(game: Game) -> str:
    """``.sgf`` or ``.jsonl``: how records of this game are written."""
    return ".sgf" if game.protocols.sgf else ".jsonl"


def game_of(record: Record) -> Game:
    """Its rules."""
    game = make_game(record.game)
    komi = game.protocols.komi
    return game if record.komi is None or komi is None else komi.game(record.komi)


def dumps(record: Record) -> str:
    """The record as text, with the line break at its end."""
    game = make_game(record.game)
    if game.protocols.sgf:
        return sgf_records.to_sgf(record, game)
    fields = record._asdict() | {"moves": [game.name(action) for action in record.actions]}
    del fields["actions"], fields["komi"], fields["setup"]
    if record.margin is None:
        del fields["margin"]
    return json.dumps(fields, ensure_ascii=False) + "\n"


def append(path: Path, record: Record) -> None:
    """Add a record to a file, which is made if there is none; LogpiError where the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = AppendFile(path)
    try:
        file.append(dumps(record).encode())
    finally:
        file.close()


def read(path: Path, wanted: Game | None = None, tell: Tell = refuse) -> list[Record]:
    """All records of a file, as ``located`` without their places."""
    return [record for _, record in located(path, wanted, tell)]


def located(path: Path, wanted: Game | None = None, tell: Tell = refuse) -> list[tuple[str, Record]]:
    """All records of a file, each with its place there.

    Moves are read by name, which does not make them legal.

    Args:
        path: a file of games: ``.sgf`` or ``.jsonl`` in any case; of another suffix what its first character says.
        wanted: the game where a header does not say it legibly. If it is one from ``path/file.py:name``, its records
            may be read: no record makes another file run.
        tell: told of everything that is not read, and where; by default the first such fault is an error.

    Raises:
        LogpiError: no such file, or one of over 256 MiB; and as ``tell``.
    """
    try:
        with open(path, "rb", opener=without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise LogpiError(f"cannot read {path}: not a regular file; give a file of games, .sgf or .jsonl")
            if found.st_size > MOST:
                raise LogpiError(f"cannot read {path}: it has {found.st_size:,} bytes, more than {MOST:,}; split it")
            data = file.read()
    except OSError as error:
        raise LogpiError(f"cannot read {path}: {error.strerror}; give a file of games, .sgf or .jsonl") from error
    return list((_game_trees if _is_sgf(path, data) else _lines)(data, str(path), wanted, tell))


def _game_trees(data: bytes, path: str, wanted: Game | None, tell: Tell) -> Iterator[tuple[str, Record]]:
    """The records of an SGF file, and where they are."""
    for nodes in sgf.read(data, path, tell):
        record = sgf_records.from_sgf(nodes, path, wanted, tell) if nodes else None
        if record is not None:
            yield f"{path}, line {nodes[0].line}", record


def _lines(data: bytes, path: str, wanted: Game | None, tell: Tell) -> Iterator[tuple[str, Record]]:
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
            yield where, _from_json(text, wanted)
        except LogpiError as error:
            tell(Fault(where, BAD_LINE, str(error)))


def _is_sgf(path: Path, data: bytes) -> bool:
    suffix = path.suffix.lower()
    return suffix == ".sgf" or (suffix != ".jsonl" and not data.lstrip().startswith(b"{"))


def _from_json(line: str, wanted: Game | None) -> Record:
    fields = _fields(line)
    moves, plies, outcome = fields["moves"], fields.get("plies", 0), fields.get("outcome")
    game = _named(fields["game"], wanted)
    actions = tuple(game.parse(move) for move in moves)
    if type(plies) is not int or not 0 <= plies <= len(actions):
        raise LogpiError(f"wanted plies: a number from 0 to {len(actions)}, the moves")
    first, second = fields["players"]
    result = None if outcome is None else float(outcome)
    reason = UNFINISHED if result is None else fields.get("reason", usual_reason(result))
    note, date, margin = fields.get("note", ""), fields.get("date", ""), fields.get("margin")
    points = None if margin is None else float(margin)
    return Record(game.id, (first, second), actions, result, plies, reason, note, date, margin=points)


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
        "reason, note, date: texts": _texts([fields.get(name, "") for name in TEXTS]),
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
