"""The Portable Game Notation (Edwards 1994): games as tags and moves, without regard to what the moves mean."""

from __future__ import annotations

import codecs
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from logpi.games.records.record import DAMAGED, Fault, Tell

COLUMNS = 79
RESULTS = ("1-0", "0-1", "1/2-1/2", "*")
TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<tag>\[\s*(?P<name>\w+)\s*"(?P<value>(?:\\.|[^"\\\n])*)"\s*\])
    |(?P<comment>\{[^}]*\}|;[^\n]*|(?<![^\n])%[^\n]*)
    |(?P<open>\()|(?P<close>\))
    |(?P<nag>\$[0-9]{1,3}|[!?]{1,2}|e\.p\.)
    |(?P<result>1-0|0-1|1/2-1/2|½-½|\*)
    |(?P<number>[0-9]+\s*\.(?:\s*\.)*|[0-9]+(?=\s))
    |(?P<move>[A-Za-z0-][^\s(){};$!?\[\]]*)
    |(?P<junk>\S)""",
    re.VERBOSE,
)


class Move(NamedTuple):
    """A move of the main line."""

    text: str  # as it is written
    line: int


class Game(NamedTuple):
    """One game."""

    tags: Mapping[str, str]
    moves: Sequence[Move]
    result: str  # one of ``RESULTS``, or "" where none ends the moves
    line: int  # where it begins


def read(data: bytes, path: str, tell: Tell) -> Iterator[Game]:
    """The games of a file, their main lines alone.

    Comments, variations to any depth and annotation glyphs are passed over.

    Args:
        data: the file, UTF-8 with or without a mark, else Latin-1.
        path: its name, for messages.
        tell: told of what is damaged; what can be understood is used.
    """
    text = _decoded(data).replace("\r\n", "\n").replace("\r", "\n")
    tags, moves, depth, line, begun = dict[str, str](), list[Move](), 0, 1, 1
    for found in TOKEN.finditer(text):
        kind, said = found.lastgroup, found[0]
        if kind == "value":  # the last group of a tag
            kind = "tag"
        if kind == "tag" and (moves or depth):  # a game that no result ends
            if depth:
                tell(Fault(f"{path}, line {line}", DAMAGED, "a variation without its ')'"))
            yield Game(tags, moves, "", begun)
            tags, moves, depth = {}, [], 0
        if kind == "tag":
            begun = begun if tags else line
            tags[found["name"]] = re.sub(r"\\(.)", r"\1", found["value"])
        elif kind in ("open", "close"):
            depth = max(0, depth + (1 if kind == "open" else -1))
        elif kind == "move" and not depth:
            begun = begun if tags or moves else line
            moves.append(Move(said, line))
        elif kind == "result" and not depth:
            yield Game(tags, moves, said.replace("½-½", "1/2-1/2"), begun)
            tags, moves = {}, []
        elif kind == "junk":
            tell(Fault(f"{path}, line {line}", DAMAGED, f"{said!r} is not PGN"))
        line += said.count("\n")
    if depth:
        tell(Fault(f"{path}, line {line}", DAMAGED, "the file ends inside a variation: ')' is missing"))
    if tags or moves:
        yield Game(tags, moves, "", begun)


def write(tags: Mapping[str, str], moves: Sequence[str], first: int, white: bool, result: str) -> str:
    """A game as text, with an empty line at its end.

    Args:
        tags: in their order.
        moves: in standard algebraic notation.
        first: number of the first move.
        white: whether White makes it.
        result: one of ``RESULTS``.
    """
    parts = list[str]()
    for k, move in enumerate(moves, 0 if white else 1):
        parts += [f"{first + k // 2}."] if k % 2 == 0 else [f"{first}..."] if not parts else []
        parts.append(move)
    head = "".join(f'[{name} "{_escaped(value)}"]\n' for name, value in tags.items())
    body = textwrap.fill(" ".join([*parts, result]), COLUMNS, break_long_words=False, break_on_hyphens=False)
    return f"{head}\n{body}\n\n"


def _escaped(value: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in value)
    return printable.replace("\\", r"\\").replace('"', r"\"")


def _decoded(data: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
