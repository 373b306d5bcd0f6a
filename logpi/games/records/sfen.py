"""Games of shogi as lines of USI: ``startpos moves 7g7f …`` or ``sfen … moves …``, one game a line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from logpi.errors import LogpiError
from logpi.games.records.record import BAD_LINE, BAD_MOVE, Fault, Record, Tell, usual_reason
from logpi.games.records.shogi_men import Men, Move, Square, moves_of
from logpi.games.records.texts import decoded
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game

MOVE = re.compile(r"(?:([1-9])([a-i])|([PLNSGBR])\*)([1-9])([a-i])(\+?)", re.ASCII)


def to_sfen(record: Record, game: Game) -> str:
    """The moves of a record as a line; neither players nor result have a place in it."""
    names = [_name(move) for move in moves_of(record.start, record.actions)]
    return (
        " ".join([f"sfen {record.start}" if record.start else "startpos", *(["moves"] if names else []), *names]) + "\n"
    )


def from_sfen(data: bytes, path: str, wanted: Game | None, tell: Tell) -> Iterator[tuple[str, Record]]:
    """The records of a file of such lines, and where they are; of a line with a fault, the moves before it."""
    game = make_game("shogi")
    for number, line in enumerate(decoded(data).split("\n"), 1):
        where, words = f"{path}, line {number}", line.split()
        if words[:1] == ["position"]:
            words = words[1:]
        if not words:
            continue
        head, moves = (
            (words[: words.index("moves")], words[words.index("moves") + 1 :]) if "moves" in words else (words, [])
        )
        try:
            start = _start(head, game)
        except LogpiError as error:
            tell(Fault(where, BAD_LINE, str(error)))
            continue
        actions = _actions(start, moves, where, tell)
        yield where, Record(game.id, ("", ""), actions, None, reason=usual_reason(None), start=start)


def _start(words: list[str], game: Game) -> str:
    if words == ["startpos"]:
        return ""
    if words[0] != "sfen":
        raise LogpiError(f"{' '.join(words)[:40]!r}: a line begins with startpos, or with sfen and a position")
    assert game.notation is not None
    game.notation.start(" ".join(words[1:]))
    return " ".join(words[1:])


def _actions(start: str, moves: list[str], where: str, tell: Tell) -> tuple[int, ...]:
    men, actions = Men(start), list[int]()
    for text in moves:
        try:
            move = _move(text, men)
            actions.append(men.action_of(move))
        except LogpiError as error:
            tell(Fault(where, BAD_MOVE, f"move {len(actions) + 1}: {error}"))
            break
        men.moved(move)
    return tuple(actions)


def _move(text: str, men: Men) -> Move:
    found = MOVE.fullmatch(text)
    if found is None:
        raise LogpiError(f"{text[:20]!r} is not a move of USI")
    end = _square(found[4], found[5])
    if found[3]:
        return Move(None, end, found[3], False)
    origin = _square(found[1], found[2])
    man = men.men.get(origin, "")
    if not man or man.strip("+").isupper() != men.black:
        raise LogpiError(f"{text!r}: no man of the player to move stands there")
    return Move(origin, end, man.upper(), bool(found[6]))


def _square(file: str, rank: str) -> Square:
    return int(file), ord(rank) - ord("a") + 1


def _name(move: Move) -> str:
    end = f"{move.end[0]}{chr(ord('a') + move.end[1] - 1)}"
    if move.origin is None:
        return f"{move.man}*{end}"
    return f"{move.origin[0]}{chr(ord('a') + move.origin[1] - 1)}{end}{'+' if move.promotes else ''}"
