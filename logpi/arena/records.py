"""Games in files: SGF where the game has a number there (Go 1, Othello 2, Hex 11), else one JSON object a line.

Both hold the same and are read back the same. A file of many games grows by one game at a time.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from logpi.arena import sgf
from logpi.arena.players.base import Position, Referee, begin
from logpi.errors import LogpiError
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.runs.files import AppendFile

NUMBERS = {"go": 1, "othello": 2, "hex": 11}  # SGF's GM
SIZES = {"go": 19, "othello": 8, "hex": 11}  # where SZ is not given
ENDINGS = {"resigned": "R", "timed out": "T", "played out": ""}  # SGF's RE after the plus; anything else is F
RULES = "Tromp-Taylor without suicide"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Record(NamedTuple):
    """One game, finished or not."""

    game: str  # such as "go-9x9"
    players: tuple[str, str]  # the one who moved first, and the other
    actions: tuple[int, ...]  # from the empty board
    outcome: float | None  # 1, 0 or -1 for the first player; None: not finished
    plies: int = 0  # how many of the actions are an opening that nobody chose
    reason: str = "played out"  # or why the loser forfeited
    note: str = ""  # that in detail
    date: str = ""  # YYYY-MM-DD
    komi: float | None = None  # of Go; None: as ``make_game`` has it


def suffix(game: str) -> str:
    """``.sgf`` or ``.jsonl``: how records of this game are written."""
    return ".sgf" if game.split("-")[0] in NUMBERS else ".jsonl"


def game_of(record: Record) -> Game:
    """Its rules."""
    if record.komi is not None and record.game.startswith("go-"):
        from logpi.games.rules.go import go

        return go(make_game(record.game).shape[0], record.komi)
    return make_game(record.game)


def dumps(record: Record) -> str:
    """The record as text, with the line break at its end."""
    game = make_game(record.game)
    if suffix(record.game) == ".sgf":
        return _to_sgf(record, game)
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


def read(path: Path) -> list[Record]:
    """All records of a file.

    Moves are read by name, which does not make them legal; ``replay`` tells.

    Raises:
        LogpiError: no such file, or something in it is no record; says which line.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise LogpiError(f"cannot read {path}: {error.strerror}; give a file of games, .sgf or .jsonl") from error
    except UnicodeDecodeError as error:
        raise LogpiError(f"{path}, line {error.object[: error.start].count(10) + 1}: not UTF-8 text") from error
    if path.suffix == ".sgf":
        return [_from_sgf(nodes, str(path)) for nodes in sgf.read(text, str(path))]
    lines = enumerate(text.split("\n"), 1)
    return [_from_json(line, f"{path}, line {number}") for number, line in lines if line.strip()]


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


def _to_sgf(record: Record, game: Game) -> str:
    kind = record.game.split("-")[0]
    root = {"FF": "4", "GM": str(NUMBERS[kind]), "CA": "UTF-8", "AP": "logpi", "SZ": str(game.shape[0])}
    if kind == "go":
        komi = float(game.init().komi) if record.komi is None else record.komi
        root |= {"KM": f"{komi:g}", "RU": RULES}
    root |= {"PB": record.players[0], "PW": record.players[1], "RE": _ending(record), "DT": record.date}
    root |= {"LPOPENING": str(record.plies), "LPREASON": record.reason, "LPNOTE": record.note}
    root = {name: value for name, value in root.items() if value}
    moves = [{"BW"[t % 2]: _point(game, action)} for t, action in enumerate(record.actions)]
    return sgf.write([root, *moves])


def _ending(record: Record) -> str:
    if not record.outcome:
        return "?" if record.outcome is None else "0"
    return ("B+" if record.outcome > 0 else "W+") + ENDINGS.get(record.reason, "F")


def _point(game: Game, action: int) -> str:
    """A move as SGF has it: in Go two letters, column and row from the top left, and nothing for a pass."""
    if not game.id.startswith("go-"):
        return game.name(action)
    row, column = divmod(action, game.shape[1])
    return "" if row == game.shape[0] else LETTERS[column] + LETTERS[row]


def _action(game: Game, point: str) -> int:
    """And back; LogpiError where it is none."""
    if not game.id.startswith("go-"):
        return game.parse(point)
    size = game.shape[0]
    if point in ("", "tt"):  # the latter as older programs wrote a pass
        return size * size
    if not re.fullmatch(f"[{LETTERS[:size]}]{{2}}", point):
        raise LogpiError(f"{point!r} is no point of {game.id}; wanted: two letters, a to {LETTERS[size - 1]}")
    return LETTERS.index(point[1]) * size + LETTERS.index(point[0])


def _from_sgf(nodes: list[sgf.Node], path: str) -> Record:
    if not nodes:
        raise LogpiError(f"{path}: a game without a node; wanted: (;FF[4]GM[1]…)")
    where = f"{path}, line {nodes[0].line}"
    root = {name: values[0] for name, values in nodes[0].properties.items()}
    kinds = {str(number): kind for kind, number in NUMBERS.items()}
    kind = kinds.get(root.get("GM", "1"))
    if kind is None:
        raise LogpiError(f"{where}: GM[{root['GM']}] is not a game of logpi; allowed: {NUMBERS}")
    size = root.get("SZ", str(SIZES[kind]))
    try:
        game = make_game("othello" if kind == "othello" else f"{kind}-{size}x{size}")
        komi = float(root["KM"]) if kind == "go" and "KM" in root else None
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
        root.get("LPREASON", reason),
        root.get("LPNOTE", ""),
        root.get("DT", ""),
        komi,
    )


def _moves(nodes: list[sgf.Node], game: Game, path: str) -> list[int]:
    actions: list[int] = []
    for node in nodes:
        if unknown := node.properties.keys() & {"AB", "AW", "AE"}:
            raise LogpiError(
                f"{path}, line {node.line}: {min(unknown)} sets stones up; give games from the empty board"
            )
        for colour in node.properties.keys() & {"B", "W"}:
            if colour != "BW"[len(actions) % 2]:
                raise LogpiError(f"{path}, line {node.line}: {colour} moves out of turn, at move {len(actions) + 1}")
            try:
                actions.append(_action(game, node.properties[colour][0]))
            except LogpiError as error:
                raise LogpiError(f"{path}, line {node.line}: {error}") from error
    return actions


def _result(text: str) -> tuple[float | None, str]:
    found = re.fullmatch(r"([BW])\+(.*)", text)
    if found is None:
        return (0.0 if text.lower() in ("0", "draw") else None), "played out"
    reasons = {letter: reason for reason, letter in ENDINGS.items() if letter} | {"F": "forfeited"}
    return (1.0 if found[1] == "B" else -1.0), reasons.get(found[2][:1], "played out")


def _from_json(line: str, where: str) -> Record:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LogpiError(f"{where}: not a JSON object: {error}") from error
    if not isinstance(fields, dict):
        raise LogpiError(f"{where}: {line[:40]!r} is not a JSON object")
    game_id, players, moves = fields.get("game"), fields.get("players"), fields.get("moves")
    outcome, plies = fields.get("outcome"), fields.get("plies", 0)
    texts = [fields.get(name, default) for name, default in (("reason", "played out"), ("note", ""), ("date", ""))]
    checks: dict[str, Any] = {
        "game: a text": isinstance(game_id, str),
        "players: two texts": isinstance(players, list) and len(players) == 2 and _texts(players),
        "moves: a list of texts": isinstance(moves, list) and _texts(moves),
        "outcome: 1, 0, -1 or null": outcome is None or (outcome in (1, 0, -1) and not isinstance(outcome, bool)),
        "reason, note, date: texts": _texts(texts),
    }
    wrong = [what for what, right in checks.items() if not right]
    if wrong:
        raise LogpiError(f"{where}: wanted {wrong[0]}")
    try:
        game = make_game(fields["game"])
        actions = tuple(game.parse(move) for move in fields["moves"])
    except LogpiError as error:
        raise LogpiError(f"{where}: {error}") from error
    if type(plies) is not int or not 0 <= plies <= len(actions):
        raise LogpiError(f"{where}: wanted plies: a number from 0 to {len(actions)}, the moves")
    return Record(
        game.id, tuple(fields["players"]), actions, None if outcome is None else float(outcome), plies, *texts
    )


def _texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
