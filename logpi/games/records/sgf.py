"""The Smart Game Format, FF[4] (M. Müller, A. Hollosi; red-bean.com/sgf): its text, not what it means to a game."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from logpi.games.records.record import DAMAGED, Fault, Tell

PROPERTIES_A_LINE = 12
TEXTS = ("C", "GC")  # properties whose line breaks count
TOKEN = re.compile(r"[();]|[A-Za-z][A-Za-z0-9_]*|\[[^\]\\]*(?:\\.[^\]\\]*)*\]", re.DOTALL)
SPACE = re.compile(r"\s*")
START = re.compile(r"\(\s*(?:;|[A-Za-z]+\s*\[)")  # of a game, or of what is written like one
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
JUNK = re.compile(r"[^();\[\]A-Za-z]+|\]")  # what is not a token
WITHOUT_MARK = {b"(\0": "utf-16-le", b"\0(": "utf-16-be"}
GUESSES = ("latin-1", "gb18030", "cp932", "cp949", "cp950")
CHARSET = re.compile(rb"CA\s*\[\s*([A-Za-z0-9_.:-]{1,40})\s*\]")
SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950"}


class Node(NamedTuple):
    """One node and the line of the file on which it begins."""

    line: int
    properties: dict[str, list[str]]


def write(nodes: Sequence[Mapping[str, str | Sequence[str]]]) -> str:
    """One game tree without variations; the values of a property, one or several, are escaped here."""
    texts = [";" + "".join(name + _values(name, value) for name, value in node.items()) for node in nodes]
    rows = [texts[:1], *(texts[k : k + PROPERTIES_A_LINE] for k in range(1, len(texts), PROPERTIES_A_LINE))]
    return "(" + "\n".join("".join(row) for row in rows) + ")\n"


def _values(name: str, value: str | Sequence[str]) -> str:
    kept = "\n" if name in TEXTS else ""
    return "".join(f"[{escape(text, kept)}]" for text in ([value] if isinstance(value, str) else value))


def escape(text: str, kept: str = "") -> str:
    """Line breaks and other controls, but those that are ``kept``, become spaces; ``\\`` and ``]`` are escaped."""
    plain = re.sub(r"\s|[\x00-\x1f\x7f]", lambda found: found[0] if found[0] in kept else " ", text)
    return re.sub(r"([\\\]])", r"\\\1", plain)


def unescape(text: str) -> str:
    """What ``escape`` and other programs wrote; an escaped line break is left out."""
    return re.sub(r"\\(\r\n|\n\r|\n|\r|.)", lambda found: found[1].strip("\r\n"), text, flags=re.DOTALL)


def decodings(data: bytes) -> list[str]:
    """The texts that a file may hold, the likeliest first: by its byte order mark, its property CA, or as UTF-8.

    Where none of these fits, it is Latin-1 or one of the encodings of East Asia. Which one, only the whole game tells:
    the second byte of a Chinese character may look like the end of a value. A program that names GB2312, Shift-JIS,
    EUC-KR or Big5 often writes characters of the larger set around it.
    """
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return [data.removeprefix(mark).decode(encoding, "replace")]
    for start, encoding in WITHOUT_MARK.items():
        if data.startswith(start):
            return [data.decode(encoding, "replace")]
    found = CHARSET.search(data)
    for name in ([found[1].decode()] if found else []) + ["utf-8"]:
        if (text := _decoded(data, name)) is not None:
            return [text]
    return [text for name in GUESSES if (text := _decoded(data, name)) is not None]


def _decoded(data: bytes, name: str) -> str | None:
    """None where ``name`` is unknown, no encoding of text, or not the file's."""
    try:
        codec = codecs.lookup(name).name
        return data.decode(SUPERSETS.get(codec, codec))
    except (LookupError, ValueError):
        return None


def read(data: bytes, where: str, tell: Tell) -> list[list[Node]]:
    """The main lines of all game trees in a file; variations and what stands outside of the games are left out.

    Of a game that is damaged or cut short, all that can be understood is read. Of the texts that the file may hold, the
    first one with the fewest faults is taken.

    Args:
        data: the file.
        where: its name, for messages.
        tell: told of each fault, with the line.
    """
    best: tuple[list[list[Node]], list[Fault]] | None = None
    for text in decodings(data):
        faults: list[Fault] = []
        games = _games(text, where, faults.append)
        if best is None or len(faults) < len(best[1]):
            best = games, faults
        if not faults:
            break
    assert best is not None  # every file is Latin-1
    for fault in best[1]:
        tell(fault)
    return best[0]


def _games(text: str, where: str, tell: Tell) -> list[list[Node]]:
    reader = _Reader(where, tell)
    at, line = 0, 1
    while start := START.search(text, at):
        line += text.count("\n", at, start.start())
        at, line = _take_game(reader, text, start.start(), line)
    if not reader.games and text.strip():
        tell(Fault(where, DAMAGED, "no game in it; an SGF begins with '(;'"))
    return reader.games


def _take_game(reader: _Reader, text: str, at: int, line: int) -> tuple[int, int]:
    """Read the game that begins at ``text[at]``, on ``line``; returns the place and the line behind it."""
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None and text[at] == "[":  # it reaches to the end of the file
            reader.damaged(line, "a value without its ']'")
            return len(text), line
        if found is None:
            reader.damaged(line, f"{text[at : at + 20]!r} is not SGF")
            junk = JUNK.match(text, at)
            end = junk.end() if junk else at + 1
        else:
            reader.take(line, found[0])
            end = found.end()
        space = SPACE.match(text, end)
        after = space.end() if space and reader.depth else end
        line, at = line + text.count("\n", at, after), after
        if not reader.depth:
            return at, line
    reader.damaged(line, "the file ends inside a game: ')' is missing")
    return at, line


class _Reader:
    """The games that tokens make, one token after the other."""

    def __init__(self, where: str, tell: Tell) -> None:
        self.where, self.games, self._tell = where, list[list[Node]](), tell
        self.depth = 0  # open parentheses
        self._over = False  # the main line has ended: what follows in this game are other variations
        self._faulty = False  # a fault of this game was told: those behind it are often its consequences
        self._name = ""  # the property that the next value belongs to

    def take(self, line: int, token: str) -> None:
        """The next token of a game."""
        if token == "(":
            if self.depth == 0:
                self.games.append([])
                self._over = self._faulty = False
            self.depth += 1
        elif token == ")":
            self.depth, self._over = self.depth - 1, True
        elif token == ";":
            self._name = ""
            if not self._over:
                self.games[-1].append(Node(line, {}))
        elif not self._over:
            self._property(line, token)

    def damaged(self, line: int, what: str) -> None:
        """There is a fault on ``line``: what is not understood is left out, and told once for each game."""
        if not self._faulty:
            self._tell(Fault(f"{self.where}, line {line}", DAMAGED, what))
        self._faulty = True

    def _property(self, line: int, token: str) -> None:
        """A name or a value."""
        nodes = self.games[-1]
        if not nodes:
            self.damaged(line, f"{token[:20]!r} before the first node; a game begins with '(;'")
            nodes.append(Node(line, {}))
        if not token.startswith("["):
            self._name = re.sub("[a-z]", "", token)  # FF[3] allowed small letters, which do not count
        elif not self._name:
            self.damaged(line, f"the value {token[:20]!r} belongs to no property")
        else:
            nodes[-1].properties.setdefault(self._name, []).append(unescape(token[1:-1]))
