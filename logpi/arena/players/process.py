"""An engine in a process of its own: lines to it, lines from it, and an end to every wait.

What the engine says on its error stream never fills a pipe, and its whole process group is killed at the close.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, Generic, Protocol, TypeVar

from logpi.arena.players.base import ForfeitError
from logpi.errors import LogpiError, inert

GAMES_FOLDER = "/usr/games"  # where Debian puts engines, often not in PATH
PATIENCE = 2.0  # seconds for an engine to leave by itself, and again for its death
LONGEST_LINE = 1 << 16  # characters; what is longer is read in pieces
UNREAD = 10_000  # lines kept of an engine that talks without being asked; then it has to wait
RESTARTS = 3
FIRST_WORDS = 30.0  # seconds to start, at least


class EngineProcess:
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
        self._errors: deque[str] = deque(maxlen=5)
        self._drainer = threading.Thread(target=self._drain, daemon=True)
        self._drainer.start()
        threading.Thread(target=self._read, daemon=True).start()

    def write(self, *lines: str) -> None:
        """Send ``lines`` at once."""
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):  # its death shows in what is read
            stdin.write("".join(f"{line}\n" for line in lines))
            stdin.flush()

    def read(self, asked: str, deadline: float, seconds: float) -> str:
        """The next line, with its line break.

        Args:
            asked: what the line may answer, for messages.
            deadline: of ``time.monotonic``.
            seconds: that the engine was given, for messages.

        Raises:
            ForfeitError: the engine has died, or was too slow.
        """
        try:
            line = self._line(deadline)
        except queue.Empty:
            raise ForfeitError("timed out", f"no reply to {asked!r} in {seconds:g} s: {self.command}") from None
        if line is None:
            raise ForfeitError("engine died", f"at {asked!r}{self._last_words()}: {self.command}")
        return line

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


class Closable(Protocol):
    """What can be ended."""

    def close(self, patience: float = ...) -> None: ...


E = TypeVar("E", bound=Closable)


class Restarted(Generic[E]):
    """An engine that is started again where it is gone, a number of times at most."""

    def __init__(self, start: Callable[[], E], restarts: int) -> None:
        """Start it for the first time; raises what ``start`` raises."""
        self._start, self._left = start, restarts
        self.engine: E | None = start()

    def running(self) -> E:
        """The engine, started again if there is none.

        Raises:
            ForfeitError: it was started as often as it may be, or does not start again.
        """
        if self.engine is None:
            if self._left == 0:
                raise ForfeitError("engine died", "before, and as often as it may be started again")
            self._left -= 1
            try:
                self.engine = self._start()
            except LogpiError as error:
                raise ForfeitError("engine died", f"and did not start again: {error}") from error
        return self.engine

    def drop(self) -> None:
        """Kill it."""
        self._end(0.0)

    def close(self) -> None:
        """End it."""
        self._end(PATIENCE)

    def _end(self, patience: float) -> None:
        if self.engine is not None:
            self.engine.close(patience)
            self.engine = None


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
