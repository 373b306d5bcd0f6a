"""An engine in a process of its own that speaks GTP, the Go Text Protocol (G. Farneback, version 2, draft 2).

A command is a line; a reply begins with ``=`` or, if the engine refuses, ``?``, and ends at an empty line. Commands
have ids, and only the reply with a command's id answers it; an engine that knows no ids is asked without.
Every wait has an end, what the engine says on its error stream never fills a pipe, and its whole process group is
killed at the close.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from logpi.arena.players.base import ForfeitError
from logpi.errors import LogpiError, inert

GAMES_FOLDER = "/usr/games"  # where Debian puts engines, often not in PATH
PATIENCE = 2.0  # seconds for an engine to leave by itself, and again for its death
LONGEST_LINE = 1 << 16  # characters; what is longer is read in pieces
REPLY = re.compile(r"(?:\w*>\s*)?([=?])(\d*)(.*)", re.DOTALL)  # behind a prompt that some engines print
UNREAD = 10_000  # lines kept of an engine that talks without being asked; then it has to wait


class Reply(NamedTuple):
    """What an engine says to one command."""

    accepted: bool
    text: str


class Engine:
    """One running process; of no further use after a ``ForfeitError`` but to be closed."""

    def __init__(self, command: str) -> None:
        """Start ``command``, split as a shell would, without a shell.

        Raises:
            LogpiError: no such program, or it does not start.
        """
        self.command = command
        self._process = _start(command)
        self._lines: queue.Queue[str | None] = queue.Queue(UNREAD)
        self._silent = False  # the end of its output was seen
        self._sent: int | None = None  # number of the last command; None before the first, and if it takes none
        self._errors: deque[str] = deque(maxlen=5)
        self._drainer = threading.Thread(target=self._drain, daemon=True)
        self._drainer.start()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, commands: Sequence[str], seconds: float) -> list[Reply]:
        """Send ``commands`` at once and read a reply to each, ``seconds`` at most for all.

        Raises:
            ForfeitError: the engine has died, or was too slow.
        """
        deadline = time.monotonic() + seconds
        if self._sent is None:
            self._write(*commands)
            return [self._reply(command, "", deadline, seconds) for command in commands]
        numbered = [(command, str(self._sent + k)) for k, command in enumerate(commands, 1)]
        self._sent += len(commands)
        self._write(*(f"{number} {command}" for command, number in numbered))
        return [self._reply(command, number, deadline, seconds) for command, number in numbered]

    def greet(self, seconds: float) -> None:
        """Find out whether the engine knows ids of commands; whatever it says unasked at its start is read past.

        A banner may look like a reply, such as a line of ``=``, but not like the answer to this command.

        Raises:
            ForfeitError: as ``ask``.
        """
        deadline, command = time.monotonic() + seconds, "protocol_version"
        self._write(f"1 {command}")
        while True:
            number, reply = self._next_reply(command, deadline, seconds)
            if number == "1":
                self._sent = 1
                return
            if not number and (not reply.accepted or reply.text in ("1", "2")):
                return

    def _write(self, *lines: str) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):  # its death shows in what is read
            stdin.write("".join(f"{line}\n" for line in lines))
            stdin.flush()

    def close(self, patience: float = PATIENCE) -> None:
        """End the process and whatever it has started; it has ``patience`` seconds to leave by itself."""
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):
            stdin.write("quit\n")
        with contextlib.suppress(OSError):
            stdin.close()
        self._listen_to_the_end(patience)
        self._kill()
        self._listen_to_the_end(PATIENCE)  # so that the thread that reads can end

    def _kill(self) -> None:
        """Kill the process group and take note of the exit code; a process that has ended keeps the code it had."""
        if self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own
            else:
                self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)

    def _listen_to_the_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with contextlib.suppress(queue.Empty):
            while not self._silent and self._line(deadline) is not None:
                pass

    def _line(self, deadline: float) -> str | None:
        """The next line; None at the end of all. ``queue.Empty`` at the deadline."""
        line = None if self._silent else self._lines.get(timeout=max(deadline - time.monotonic(), 0))
        self._silent = line is None
        return line

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
            try:
                line = self._line(deadline)
            except queue.Empty:
                raise ForfeitError("timed out", f"no reply to {command!r} in {seconds:g} s: {self.command}") from None
            if line is None:
                raise ForfeitError("engine died", f"at {command!r}{self._last_words()}: {self.command}")
            if said and not line.strip():
                begun = REPLY.match("\n".join(said))
                assert begun is not None
                return begun[2], Reply(begun[1] == "=", begun[3].strip())
            if said or REPLY.match(line):
                said.append(inert(line.rstrip()))

    def _last_words(self) -> str:
        self._kill()
        self._drainer.join(PATIENCE)
        return f", exit code {self._process.returncode}" + "".join(f"; {line}" for line in list(self._errors))

    def _read(self) -> None:
        for line in _lines(self._process.stdout):
            self._lines.put(line)
        self._lines.put(None)

    def _drain(self) -> None:
        self._errors.extend(inert(line.strip()) for line in _lines(self._process.stderr) if line.strip())


def _start(command: str) -> subprocess.Popen[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise LogpiError(f"cannot read the engine's command {command!r}: {error}; correct its quotes") from error
    if not words:
        raise LogpiError("the engine's command is empty; give a program and its options, such as 'gnugo --mode gtp'")
    program = shutil.which(words[0], path=os.pathsep.join([os.environ.get("PATH", ""), GAMES_FOLDER]))
    if program is None:
        raise LogpiError(f"no program {words[0]!r} to run as an engine; install it, or give its path")
    try:
        return subprocess.Popen(
            [program, *words[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise LogpiError(f"the engine {command!r} does not start: {error.strerror}") from error


def _lines(stream: IO[str] | None) -> Iterator[str]:
    """The lines of a pipe until its end, which closes it."""
    if stream is not None:
        with stream:
            yield from iter(lambda: stream.readline(LONGEST_LINE), "")
