"""Records of chess as PGN and back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from logpi.errors import LogpiError
from logpi.games.records import pgn
from logpi.games.records.record import (
    BAD_HEADER,
    BAD_MOVE,
    DAMAGED,
    OTHER_GAME,
    PLAYED_OUT,
    Fault,
    Record,
    Tell,
    usual_reason,
)
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.types import PyTree

GAMES = {"": "chess", "standard": "chess", "chess": "chess", "normal": "chess", "gardner": "gardner-chess"}
OUTCOMES = {"1-0": 1.0, "0-1": -1.0, "1/2-1/2": 0.0}
# Termination as the standard has it, of a reason
ENDINGS = {
    "played out": "normal",
    "resigned": "normal",
    "timed out": "time forfeit",
    "illegal move": "rules infraction",
    "unfinished": "unterminated",
}


def to_pgn(record: Record, game: Game) -> str:
    """The record as a game in PGN."""
    notation = game.notation
    assert notation is not None
    state = notation.start(record.start) if record.start else game.init()
    fen = notation.position(state).split()
    white, black = record.players if fen[1] == "w" else record.players[::-1]
    outcome = record.outcome if fen[1] == "w" or not record.outcome else -record.outcome
    result = next((text for text, known in OUTCOMES.items() if known == outcome), "*")
    date = record.date.replace("-", ".") or "????.??.??"
    tags = {"Event": "?", "Site": "?", "Date": date, "Round": "-"}
    tags |= {"White": white, "Black": black, "Result": result}
    if record.start or game.id != "chess":
        tags |= {"SetUp": "1", "FEN": notation.position(state)}
    tags |= {"Variant": game.protocols.variant} if game.id != "chess" else {}
    if record.reason not in (PLAYED_OUT, usual_reason(record.outcome)):
        tags |= {"Termination": ENDINGS.get(record.reason, "abandoned"), "LpReason": record.reason}
    tags |= {"LpNote": record.note} if record.note else {}
    tags |= {"LpOpening": str(record.plies)} if record.plies else {}
    moves = list[str]()
    for action in record.actions:
        moves.append(notation.human(state, action))
        state = notation.play(state, action)
    return pgn.write(tags, moves, int(fen[5]), fen[1] == "w", result)


def from_pgn(data: bytes, path: str, wanted: Game | None, tell: Tell) -> Iterator[tuple[str, Record]]:
    """The records of a file in PGN, and where they are; of a game with a fault, the moves before it."""
    empty = True
    for found in pgn.read(data, path, tell):
        empty = False
        where = f"{path}, line {found.line}"
        try:
            record = _record(found, where, path, tell)
        except LogpiError as error:
            tell(Fault(where, OTHER_GAME, str(error)))
            continue
        yield where, record
    if empty and data.strip():
        tell(Fault(path, DAMAGED, "no game in it"))


def _record(found: pgn.Game, where: str, path: str, tell: Tell) -> Record:
    tags = found.tags
    variant = tags.get("Variant", "").strip().lower()
    if variant not in GAMES:
        raise LogpiError(f"Variant {tags['Variant']!r} is not played here; allowed: {', '.join(filter(None, GAMES))}")
    game = make_game(GAMES[variant])
    start, state = _start(game, tags.get("FEN", ""))
    actions = _actions(found, game, state, path, tell)
    result = found.result if found.result in OUTCOMES else tags.get("Result", "*").strip()
    outcome, players = OUTCOMES.get(result), (tags.get("White", ""), tags.get("Black", ""))
    if start.split()[1:2] == ["b"]:
        outcome, players = outcome and -outcome, players[::-1]
    reasons = {"time forfeit": "timed out", "rules infraction": "illegal move", "abandoned": "abandoned"}
    reason = tags.get("LpReason", reasons.get(tags.get("Termination", "").lower(), usual_reason(outcome)))
    return Record(
        game.id,
        players,
        actions,
        outcome,
        _plies(tags.get("LpOpening", "0"), len(actions), where, tell),
        usual_reason(None) if outcome is None else reason,
        tags.get("LpNote", ""),
        _date(tags.get("Date", "")),
        start=start,
    )


def _start(game: Game, fen: str) -> tuple[str, PyTree]:
    """(``Record.start``, the position); raises LogpiError."""
    notation = game.notation
    assert notation is not None
    usual = game.init()
    if not fen or fen.split() == notation.position(usual).split():
        return "", usual
    return fen, notation.start(fen)


def _actions(found: pgn.Game, game: Game, state: PyTree, path: str, tell: Tell) -> tuple[int, ...]:
    notation, actions = game.notation, list[int]()
    assert notation is not None
    for move in found.moves:
        try:
            actions.append(notation.read(state, move.text))
        except LogpiError as error:
            tell(Fault(f"{path}, line {move.line}", BAD_MOVE, str(error)))
            break
        state = notation.play(state, actions[-1])
    return tuple(actions)


def _plies(text: str, moves: int, where: str, tell: Tell) -> int:
    if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) and int(text) <= moves:
        return int(text)
    tell(Fault(where, BAD_HEADER, f"LpOpening {text!r} of {moves} moves"))
    return 0


def _date(text: str) -> str:
    """A date of PGN as ``Record.date``; "" where a part is unknown."""
    return text.replace(".", "-") if re.fullmatch(r"[0-9]{4}\.[0-9]{2}\.[0-9]{2}", text, re.ASCII) else ""
