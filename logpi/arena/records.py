"""Games in files: SGF where the game has a number there (Go 1, Othello 2, Hex 11), else one JSON object a line.

Both hold the same and are read back the same. A file of many games grows by one game at a time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from logpi.arena import sgf, sgf_records
from logpi.arena.players.base import Position, Referee, begin
from logpi.arena.record import UNFINISHED, Record, usual_reason
from logpi.errors import LogpiError
from logpi.games import is_file
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.runs.files import AppendFile, Json

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
    del fields["actions"], fields["komi"]
    return json.dumps(fields, ensure_ascii=False) + "\n"


def append(path: Path, record: Record) -> None:
    """Add a record to a file, which is made if there is none; LogpiError where the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = AppendFile(path)
    try:
        file.append(dumps(record).encode())
    finally:
        file.close()


def read(path: Path, own: Game | None = None) -> list[Record]:
    """All records of a file.

    Moves are read by name, which does not make them legal; ``replay`` tells.

    Args:
        path: a file of games: ``.sgf`` or ``.jsonl`` in any case; of another suffix what its first character says.
        own: the game from ``path/file.py:name`` whose records may be read: no record makes another file run.

    Raises:
        LogpiError: no such file, or something in it is not a record; says which line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LogpiError(f"cannot read {path}: {error.strerror}; give a file of games, .sgf or .jsonl") from error
    if _is_sgf(path, data):
        return [sgf_records.from_sgf(nodes, str(path), own) for nodes in sgf.read(sgf.decode(data), str(path))]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LogpiError(f"{path}, line {error.object[: error.start].count(10) + 1}: not UTF-8 text") from error
    lines = enumerate(text.split("\n"), 1)
    return [_from_json(line, f"{path}, line {number}", own) for number, line in lines if line.strip()]


def _is_sgf(path: Path, data: bytes) -> bool:
    suffix = path.suffix.lower()
    return suffix == ".sgf" or (suffix != ".jsonl" and not data.lstrip().startswith(b"{"))


def replay(record: Record) -> list[Position]:
    """The position before each move, and the last.

    Raises:
        LogpiError: a move is illegal; says which.
    """
    referee = Referee(game_of(record))
    positions = [begin(referee.game)]
    for number, action in enumerate(record.actions, 1):
        over = referee.result(positions[-1]) is not None
        if over or action not in referee.legal(positions[-1]):
            why = "comes after the end of the game" if over else "is illegal"
            raise LogpiError(f"{record.game}: move {number}, {referee.game.name(action)}, {why}")
        positions.append(referee.play(positions[-1], action))
    return positions


def _from_json(line: str, where: str, own: Game | None) -> Record:
    fields = _fields(line, where)
    moves, plies, outcome = fields["moves"], fields.get("plies", 0), fields.get("outcome")
    try:
        game = _named(fields["game"], own)
        actions = tuple(game.parse(move) for move in moves)
    except LogpiError as error:
        raise LogpiError(f"{where}: {error}") from error
    if type(plies) is not int or not 0 <= plies <= len(actions):
        raise LogpiError(f"{where}: wanted plies: a number from 0 to {len(actions)}, the moves")
    first, second = fields["players"]
    result = None if outcome is None else float(outcome)
    reason = UNFINISHED if result is None else fields.get("reason", usual_reason(result))
    note, date = fields.get("note", ""), fields.get("date", "")
    return Record(game.id, (first, second), actions, result, plies, reason, note, date)


def _named(name: str, own: Game | None) -> Game:
    if own is not None and own.id == name:
        return own
    if is_file(name):
        raise LogpiError(f"a record of {name}, a game from a file; name that game beside the record to read it")
    return make_game(name)


def _fields(line: str, where: str) -> Json:
    """The fields of one line, of the right types."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LogpiError(f"{where}: not a JSON object: {error}") from error
    if not isinstance(fields, dict):
        raise LogpiError(f"{where}: {line[:40]!r} is not a JSON object")
    players, outcome = fields.get("players"), fields.get("outcome")
    checks = {
        "game: a text": isinstance(fields.get("game"), str),
        "players: two texts": isinstance(players, list) and len(players) == 2 and _texts(players),
        "moves: a list of texts": _texts(fields.get("moves")),
        "outcome: 1, 0, -1 or null": outcome is None or (outcome in (1, 0, -1) and not isinstance(outcome, bool)),
        "reason, note, date: texts": _texts([fields.get(name, "") for name in TEXTS]),
    }
    wrong = [what for what, right in checks.items() if not right]
    if wrong:
        raise LogpiError(f"{where}: wanted {wrong[0]}")
    return fields


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
