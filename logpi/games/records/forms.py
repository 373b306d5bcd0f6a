"""The formats of files of games, as a table: who can be written so, and how one is read and told from the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from logpi.errors import LogpiError
from logpi.games.records import csa, json_lines, kif, pgn_records, sfen, sgf, sgf_records
from logpi.games.records.record import Record, Tell
from logpi.games.rules.game import Game

Read: TypeAlias = Callable[[bytes, str, Game | None, Tell], Iterator[tuple[str, Record]]]


class Form(NamedTuple):
    """A format."""

    suffixes: tuple[str, ...]
    knows: Callable[[Game], bool]
    write: Callable[[Record, Game], str]
    read: Read  # (data, path for messages, the wanted game, tell) -> (place, record) of each
    begins: re.Pattern[bytes]  # how a file of it begins
    encoding: str = "utf-8"


def form_of(path_suffix: str, data: bytes) -> Form:
    """The format of a file, by its suffix in any case, else by how it begins; SGF where nothing tells."""
    for form in FORMS:
        if path_suffix.lower() in form.suffixes:
            return form
    return next((form for form in FORMS if form.begins.match(data)), SGF)


def usual(game: Game) -> Form:
    """The format in which records of a game are written where no other is asked for."""
    return next(form for form in FORMS if form.knows(game))


def chosen(game: Game, path_suffix: str) -> Form:
    """The format that a suffix asks for; the usual one where it asks for none.

    Raises:
        LogpiError: the format does not know this game.
    """
    form = next((form for form in FORMS if path_suffix.lower() in form.suffixes), None)
    if form is None:
        return usual(game)
    if not form.knows(game):
        allowed = ", ".join(suffix for form in FORMS if form.knows(game) for suffix in form.suffixes)
        raise LogpiError(f"{path_suffix} does not hold games of {game.id}; allowed: {allowed}")
    return form


def suffixes() -> tuple[str, ...]:
    """Of all formats."""
    return tuple(suffix for form in FORMS for suffix in form.suffixes)


def _game_trees(data: bytes, path: str, wanted: Game | None, tell: Tell) -> Iterator[tuple[str, Record]]:
    for nodes in sgf.read(data, path, tell):
        record = sgf_records.from_sgf(nodes, path, wanted, tell) if nodes else None
        if record is not None:
            yield f"{path}, line {nodes[0].line}", record


MARK = rb"(?:\xef\xbb\xbf)?\s*"
_BEGINS = {
    "jsonl": re.compile(MARK + rb"\{"),
    "pgn": re.compile(MARK + rb"(?:\[\s*\w+\s*\"|1\.)"),
    "csa": re.compile(MARK + rb"(?:'[^\n]*\n\s*)*(?:V2|N[+-]|PI|P1)"),
    "sfen": re.compile(MARK + rb"(?:position\s+)?(?:startpos|sfen)\b"),
    "kif": re.compile(
        MARK + b"(?:#KIF|" + b"|".join("手合割|開始日時|先手".encode(c) for c in ("utf-8", "cp932")) + b")"
    ),
    "sgf": re.compile(MARK + rb"\(\s*;"),
}


def _held(suffix: str) -> Callable[[Game], bool]:
    return lambda game: suffix in game.protocols.records


SGF = Form((".sgf",), lambda game: game.protocols.sgf is not None, sgf_records.to_sgf, _game_trees, _BEGINS["sgf"])
FORMS = (
    SGF,
    Form((".pgn",), _held(".pgn"), pgn_records.to_pgn, pgn_records.from_pgn, _BEGINS["pgn"]),
    Form((".jsonl",), lambda game: True, json_lines.to_json, json_lines.from_json, _BEGINS["jsonl"]),
    Form((".csa",), _held(".csa"), csa.to_csa, csa.from_csa, _BEGINS["csa"]),
    Form((".sfen", ".usi"), _held(".sfen"), sfen.to_sfen, sfen.from_sfen, _BEGINS["sfen"]),
    Form((".kifu",), _held(".kifu"), kif.to_kif, kif.from_kif, _BEGINS["kif"]),
    Form((".kif",), _held(".kif"), kif.to_kif, kif.from_kif, _BEGINS["kif"], "cp932"),
)
