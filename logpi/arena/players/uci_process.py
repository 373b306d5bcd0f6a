"""An engine that speaks UCI or USI, as the program that it serves sees it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from logpi.arena.engine.dialects import Dialect
from logpi.arena.players.process import FIRST_WORDS, PATIENCE, EngineProcess
from logpi.errors import LogpiError, inert

READY = 300.0  # seconds until the first ``readyok``, at least: an engine may compile then


class Engine:
    """One running engine; of no further use after a ``ForfeitError`` but to be closed."""

    def __init__(self, command: str, dialect: Dialect, seconds: float) -> None:
        """Start ``command`` and hear what it offers; ``seconds`` are for each answer.

        Raises:
            LogpiError: it does not start.
            ForfeitError: it dies or hangs.
        """
        self._process = EngineProcess(command)
        self._dialect, self._seconds = dialect, seconds
        self.name = ""
        self.options: dict[str, list[str]] = {}  # names that it offers; values, where they are listed
        try:
            self._hear(self._ask(dialect.hello, dialect.ready, max(seconds, FIRST_WORDS)))
        except LogpiError:
            self._process.close(patience=0)
            raise

    def set(self, options: Mapping[str, str]) -> None:
        """Set ``options``.

        Raises:
            LogpiError: it does not offer one of them.
        """
        known = {name.lower(): name for name in self.options}
        for name, value in options.items():
            if name.lower() not in known:
                offered = ", ".join(self.options) or "none"
                raise LogpiError(f"{self._process.command!r} has no option {name!r}; it offers: {offered}")
            self._process.write(f"setoption name {known[name.lower()]} value {value}")

    def wait(self, first: bool = False) -> None:
        """Wait until it is ready, for the first time or as usual; ForfeitError where it dies or hangs."""
        self._ask("isready", "readyok", max(self._seconds, READY) if first else self._seconds)

    def begin(self) -> None:
        """Announce another game."""
        self._process.write(self._dialect.new_game)
        self.wait()

    def best(self, position: str, go: str, seconds: float) -> tuple[str, float]:
        """(the move, the seconds that it took) in a position.

        Raises:
            ForfeitError: the engine dies, or has not answered after ``seconds``.
        """
        began = time.monotonic()
        self._process.write(position, go)
        while True:
            words = self._process.read(go, began + seconds, seconds).split()
            if words and words[0] == "bestmove":
                return inert(" ".join(words[1:2])), time.monotonic() - began

    def close(self, patience: float = PATIENCE) -> None:
        """As ``EngineProcess.close``."""
        self._process.close(patience)

    def _ask(self, command: str, answer: str, seconds: float) -> list[str]:
        """What it says until a line that is the ``answer``."""
        deadline, said = time.monotonic() + seconds, list[str]()
        self._process.write(command)
        while (line := self._process.read(command, deadline, seconds).strip()) != answer:
            said.append(inert(line))
        return said

    def _hear(self, said: Sequence[str]) -> None:
        for line in said:
            if named := re.fullmatch(r"id name (.+)", line):
                self.name = named[1]
            elif offered := re.fullmatch(r"option name (.+?) type (\w+)(.*)", line):
                self.options[offered[1]] = re.findall(r"\bvar (\S+)", offered[3])
