"""An engine that speaks GTP, the Go Text Protocol (G. Farneback, version 2, draft 2).

A command is a line; a reply begins with ``=`` or, if the engine refuses, ``?``, and ends at an empty line. Commands
have ids, and only the reply with a command's id answers it; an engine that knows no ids is asked without.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import NamedTuple

from logpi.arena.players.process import PATIENCE, EngineProcess
from logpi.errors import inert

REPLY = re.compile(r"(?:\w*>\s*)?([=?])(\d*)(.*)", re.DOTALL)  # behind a prompt that some engines print


class Reply(NamedTuple):
    """What an engine says to one command."""

    accepted: bool
    text: str


class Engine:
    """One running engine; of no further use after a ``ForfeitError`` but to be closed."""

    def __init__(self, command: str) -> None:
        """Start ``command`` as ``EngineProcess`` does."""
        self._process = EngineProcess(command)
        self._sent: int | None = None  # number of the last command; None before the first, and if it takes none

    def ask(self, commands: Sequence[str], seconds: float) -> list[Reply]:
        """Send ``commands`` at once and read a reply to each, ``seconds`` at most for all.

        Raises:
            ForfeitError: the engine has died, or was too slow.
        """
        deadline = time.monotonic() + seconds
        if self._sent is None:
            self._process.write(*commands)
            return [self._reply(command, "", deadline, seconds) for command in commands]
        numbered = [(command, str(self._sent + k)) for k, command in enumerate(commands, 1)]
        self._sent += len(commands)
        self._process.write(*(f"{number} {command}" for command, number in numbered))
        return [self._reply(command, number, deadline, seconds) for command, number in numbered]

    def greet(self, seconds: float) -> None:
        """Find out whether the engine knows ids of commands; whatever it says unasked at its start is read past.

        A banner may look like a reply, such as a line of ``=``, but not like the answer to this command.

        Raises:
            ForfeitError: as ``ask``.
        """
        deadline, command = time.monotonic() + seconds, "protocol_version"
        self._process.write(f"1 {command}")
        while True:
            number, reply = self._next_reply(command, deadline, seconds)
            if number == "1":
                self._sent = 1
                return
            if not number and (not reply.accepted or reply.text in ("1", "2")):
                return

    def close(self, patience: float = PATIENCE) -> None:
        """As ``EngineProcess.close``."""
        self._process.close(patience)

    def _reply(self, command: str, number: str, deadline: float, seconds: float) -> Reply:
        """The reply with this number; others were not asked for."""
        while True:
            found, reply = self._next_reply(command, deadline, seconds)
            if found == number:
                return reply

    def _next_reply(self, command: str, deadline: float, seconds: float) -> tuple[str, Reply]:
        """(number, reply) of the next reply, whatever it answers."""
        said: list[str] = []
        while True:
            line = self._process.read(command, deadline, seconds)
            if said and not line.strip():
                begun = REPLY.match("\n".join(said))
                assert begun is not None
                return begun[2], Reply(begun[1] == "=", begun[3].strip())
            if said or REPLY.match(line):
                said.append(inert(line.rstrip()))
