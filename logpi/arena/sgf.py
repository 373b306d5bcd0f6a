"""The Smart Game Format, FF[4] (M. Müller, A. Hollosi; red-bean.com/sgf): its text, not what it means to a game."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import NamedTuple

from logpi.errors import LogpiError

PROPERTIES_A_LINE = 12
TOKEN = re.compile(r"[();]|[A-Za-z][A-Za-z0-9_]*|\[(?:\\.|[^\]\\])*\]", re.DOTALL)
SPACE = re.compile(r"\s*")
START = re.compile(r"\(\s*(?:;|[A-Za-z]+\s*\[)")  # of a game, or of what is written like one
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
CHARSET = re.compile(rb"CA\s*\[\s*([A-Za-z0-9_.:-]{1,40})\s*\]")
SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950"}


class Node(NamedTuple):
    """One node and the line of the file on which it begins."""

    line: int
    properties: dict[str, list[str]]


def write(nodes: Sequence[dict[str, str]]) -> str:
    """One game tree without variations; every property has one value, which is escaped here."""
    texts = [";" + "".join(f"{name}[{escape(value)}]" for name, value in node.items()) for node in nodes]
    rows = [texts[:1], *(texts[k : k + PROPERTIES_A_LINE] for k in range(1, len(texts), PROPERTIES_A_LINE))]
    return "(" + "\n".join("".join(row) for row in rows) + ")\n"


def escape(text: str) -> str:
    """SimpleText: line breaks and other controls become spaces; ``\\`` and ``]`` are escaped."""
    return re.sub(r"([\\\]])", r"\\\1", re.sub(r"\s|[\x00-\x1f\x7f]", " ", text))


def unescape(text: str) -> str:
    """What ``escape`` and other programs wrote; an escaped line break is left out."""
    return re.sub(r"\\(\r\n|\n\r|\n|\r|.)", lambda found: found[1].strip("\r\n"), text, flags=re.DOTALL)


def decode(data: bytes) -> str:
    """The text of a file: by its byte order mark, its property CA, as UTF-8, or else as Latin-1.

    A program that names GB2312, Shift-JIS, EUC-KR or Big5 often writes characters of the larger set around it.
    """
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    found = CHARSET.search(data)
    for name in ([found[1].decode()] if found else []) + ["utf-8"]:
        try:
            codec = codecs.lookup(name).name
            return data.decode(SUPERSETS.get(codec, codec))
        except (LookupError, ValueError):  # unknown, no encoding of text, or not the file's
            continue
    return data.decode("latin-1")


def read(text: str, where: str) -> list[list[Node]]:
    """The main lines of all game trees in ``text``; variations and what stands outside of the games are left out.

    Raises:
        LogpiError: this is not SGF; says ``where`` and on what line.
    """
    reader = _Reader(where)
    at, line = 0, 1
    while start := START.search(text, at):
        line += text.count("\n", at, start.start())
        at, line = _take_game(reader, text, start.start(), line, where)
    if not reader.games and text.strip():
        raise LogpiError(f"{where}: no game in it; an SGF begins with '(;'")
    return reader.games


def _take_game(reader: _Reader, text: str, at: int, line: int, where: str) -> tuple[int, int]:
    """Read the game that begins at ``text[at]``, on ``line``; returns the place and the line behind it."""
    while True:
        found = TOKEN.match(text, at)
        if found is None:
            what = "a value without its ']'" if text[at] == "[" else repr(text[at : at + 20])
            raise _error(where, line, f"{what} is not SGF")
        reader.take(line, found[0])
        line, at = line + found[0].count("\n"), found.end()
        if not reader.depth:
            return at, line
        space = SPACE.match(text, at)
        end = space.end() if space else at
        line, at = line + text.count("\n", at, end), end
        if at == len(text):
            raise _error(where, line, "the file ends inside a game: ')' is missing")


class _Reader:
    """The games that tokens make, one token after the other."""

    def __init__(self, where: str) -> None:
        self.where, self.games = where, list[list[Node]]()
        self.depth = 0  # open parentheses
        self._branched = False  # a variation has ended: what follows in this game are others
        self._name = ""  # the property that the next value belongs to

    def take(self, line: int, token: str) -> None:
        """LogpiError where the token may not stand."""
        if token == "(":
            if self.depth == 0:
                self.games.append([])
                self._branched = False
            self.depth += 1
        elif token == ")":
            self.depth, self._branched = self.depth - 1, True
        elif token == ";":
            self._name = ""
            if not self._branched:
                self.games[-1].append(Node(line, {}))
        elif not self._branched:
            self._property(line, token)

    def _property(self, line: int, token: str) -> None:
        """A name or a value."""
        nodes = self.games[-1]
        if not nodes:
            raise _error(self.where, line, f"{token[:20]!r} before the first node; a game begins with '(;'")
        if not token.startswith("["):
            self._name = re.sub("[a-z]", "", token)  # FF[3] allowed small letters, which do not count
        elif not self._name:
            raise _error(self.where, line, f"the value {token[:20]!r} belongs to no property")
        else:
            nodes[-1].properties.setdefault(self._name, []).append(unescape(token[1:-1]))


def _error(where: str, line: int, what: str) -> LogpiError:
    return LogpiError(f"{where}, line {line}: {what}")
