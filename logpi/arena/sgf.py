"""The Smart Game Format, FF[4] (M. Müller, A. Hollosi; red-bean.com/sgf): its text, not what it means to a game."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from logpi.errors import LogpiError

PROPERTIES_A_LINE = 12
TOKEN = re.compile(r"[();]|[A-Za-z]+|\[(?:\\.|[^\]\\])*\]", re.DOTALL)
SPACE = re.compile(r"\s*")


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
    """What ``escape`` and other programs wrote; an escaped line break is none."""
    return re.sub(r"\\(\r\n|\n\r|\n|\r|.)", lambda found: found[1].strip("\r\n"), text, flags=re.DOTALL)


def read(text: str, where: str) -> list[list[Node]]:
    """The main lines of all game trees in ``text``; variations are left out.

    Raises:
        LogpiError: this is no SGF; says ``where`` and on what line.
    """
    reader = _Reader(where)
    for line, token in _tokens(text, where):
        reader.take(line, token)
    if reader.depth:
        raise _error(where, text.count("\n") + 1, "the file ends inside a game: ')' is missing")
    return reader.games


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
        elif self.depth == 0:
            raise _error(self.where, line, f"{token[:20]!r} outside of a game; an SGF begins with '(;'")
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


def _tokens(text: str, where: str) -> Iterator[tuple[int, str]]:
    """Each token with its line."""
    at, line = 0, 1
    while True:
        after = SPACE.match(text, at)
        end = after.end() if after else at
        line += text.count("\n", at, end)
        if end == len(text):
            return
        found = TOKEN.match(text, end)
        if found is None:
            what = "a value without its ']'" if text[end] == "[" else f"{text[end : end + 20]!r}"
            raise _error(where, line, f"{what} is no SGF")
        yield line, found[0]
        line += found[0].count("\n")
        at = found.end()


def _error(where: str, line: int, what: str) -> LogpiError:
    return LogpiError(f"{where}, line {line}: {what}")
