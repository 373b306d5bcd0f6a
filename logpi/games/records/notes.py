"""Comments in records: a text and a mark for each position of a game."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from logpi.errors import LogpiError
from logpi.games.records import forms, sgf
from logpi.games.records.files import content, game_of
from logpi.games.records.record import Record
from logpi.games.records.sgf_moves import move_nodes
from logpi.games.rules.game import Game
from logpi.runs.files import Json, json_text

# SGF's properties for a move, by the mark: BM bad move (2: very bad), DO doubtful
PROPERTIES = {"blunder": ("BM", "2"), "mistake": ("BM", "1"), "inaccuracy": ("DO", "")}
REPLACED = ("BM", "DO", "TE", "IT")  # of which a move has one


class Note(NamedTuple):
    """What is said of a position, and of the move that led there."""

    text: str
    mark: str = ""  # "", "inaccuracy", "mistake" or "blunder"


# the games of a file with their notes, in their order, by their place there
Said: TypeAlias = Mapping[str, list[tuple[Record, Sequence[Note]]]]


def annotated(path: Path, said: Said, wanted: Game) -> str:
    """The games of a file that have notes, as text with their own comments and these.

    Args:
        path: of the file.
        said: games as ``files.located`` gives them, and the notes of the first position and of each move.
        wanted: the game, as of ``files.located``.

    Raises:
        LogpiError: the file cannot be read, or its format has no place for notes here.
    """
    data = content(path)
    return "".join(writer_of(path, data)(data, str(path), said, wanted))


def writer_of(path: Path, data: bytes) -> Callable[[bytes, str, Said, Game], Iterator[str]]:
    """What writes the games of a file again; LogpiError where its format has no place for notes here."""
    suffix = forms.form_of(path.suffix, data).suffixes[0]
    if suffix not in WRITERS:
        raise LogpiError(f"{path}: comments are written into {' and '.join(WRITERS)}, not into {suffix}")
    return WRITERS[suffix]


def _trees(data: bytes, path: str, said: Said, wanted: Game) -> Iterator[str]:
    for nodes in sgf.read(data, path, lambda fault: None):
        if nodes and said.get(where := f"{path}, line {nodes[0].line}"):
            record, notes = said[where].pop(0)
            yield in_sgf(nodes, game_of(record, wanted), notes[record.setup :])


def _lines(data: bytes, path: str, said: Said, wanted: Game) -> Iterator[str]:
    for number, line in enumerate(data.split(b"\n"), 1):
        for _, notes in said.get(f"{path}, line {number}", ()):
            yield in_json(line.decode("utf-8-sig"), notes)


def in_sgf(nodes: Sequence[sgf.Node], game: Game, notes: Sequence[Note]) -> str:
    """A main line as text, with its own properties and comments, and ``notes`` behind the latter.

    Args:
        nodes: of the main line.
        game: its rules.
        notes: of the first position, and of each move in turn.
    """
    places = move_nodes(nodes, game)
    written: list[dict[str, str | Sequence[str]]] = [dict(node.properties) for node in nodes]
    written[0] |= {"FF": "4", "CA": "UTF-8"}
    start = max(places[0] - 1, 0) if places else len(nodes) - 1
    for place, note in zip([start, *places], notes, strict=False):
        node = written[place]
        before = list(node.get("C", ()))
        node["C"] = "\n".join([*before, note.text])
        if note.mark:
            for name in REPLACED:
                node.pop(name, None)
            name, value = PROPERTIES[note.mark]
            node[name] = value
    return sgf.write(written)


def in_json(line: str, notes: Sequence[Note]) -> str:
    """A line of JSON with ``comments`` and ``marks``, of the first position and of each move in turn."""
    fields: Json = json.loads(line)
    more: Json = {"comments": [note.text for note in notes], "marks": [note.mark for note in notes]}
    return json_text({**fields, **more}) + "\n"


WRITERS = {".sgf": _trees, ".jsonl": _lines}
