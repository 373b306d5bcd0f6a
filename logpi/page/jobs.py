"""Commands of logpi that the page has started: processes of their own, which outlive it.

What they print goes into a nameless file, so that a command whose page has ended prints on without a reader.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from logpi.errors import LogpiError, inert

MOST = 8  # commands at a time
KEPT = 50  # commands that have ended and are still shown
SHOWN = 60  # newest lines of an output that are shown
_TAIL = 2**15  # bytes of it
_EVERY = 0.5  # seconds between two looks at a running command
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Job:
    """One command."""

    def __init__(self, number: int, arguments: Sequence[str], folder: Path) -> None:
        self.number, self.arguments, self.began = number, list(arguments), time.time()
        self.ended: float | None = None
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by its end)
        self._seen = -1
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "logpi", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,  # Ctrl-C in the terminal of the page is not for it
        )

    def interrupt(self) -> None:
        """Ask it to end, as Ctrl-C in its terminal would: a training saves before."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def lines(self) -> list[str]:
        """The newest lines that it has printed, without what only moves a terminal's cursor."""
        size = self._output.seek(0, 2)
        self._output.seek(max(0, size - _TAIL))
        text = self._output.read(_TAIL).decode("utf-8", errors="replace")
        parts = [line.rpartition("\r")[2] for line in _ESCAPES.sub("", text).split("\n")]
        return [inert(line)[:2000] for line in parts if line.strip()][-SHOWN:]

    def changed(self) -> bool:
        """Whether it has printed something, or ended, since the last call."""
        code, size = self.process.poll(), self._output.seek(0, 2)
        if code is not None and self.ended is None:
            self.ended = time.time()
        now = size * 2 + (code is not None)
        found, self._seen = now != self._seen, now
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "command": shlex.join(["logpi", *self.arguments]),
            "verb": self.arguments[0],
            "began": self.began,
            "ended": self.ended,
            "code": self.process.poll(),  # None while it runs
            "lines": self.lines(),
        }


class Jobs:
    """The commands of one page."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """``tell`` hears of each command that has printed something or ended."""
        self._tell, self._jobs, self._watching = tell, dict[int, Job](), False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, *arguments: str) -> Job:
        """Start ``logpi ARGUMENTS``.

        Raises:
            LogpiError: too many commands of the page run already, or the system refuses.
        """
        if sum(job.process.poll() is None for job in self._jobs.values()) >= MOST:
            raise LogpiError(f"{MOST} commands of this page run already; wait for one, or stop it")
        try:
            job = Job(max(self._jobs, default=0) + 1, arguments, Path.cwd())
        except OSError as error:
            raise LogpiError(f"cannot start logpi {arguments[0]}: {error.strerror or error}") from error
        self._jobs[job.number] = job
        for number in sorted(self._jobs)[: -KEPT - MOST]:
            if self._jobs[number].ended is not None:
                del self._jobs[number]
        if not self._watching:
            self._watching = True
            task = asyncio.ensure_future(self._watch())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return job

    def to_json(self) -> list[dict[str, Any]]:
        """All of them, the newest first."""
        return [self._jobs[number].to_json() for number in sorted(self._jobs, reverse=True)]

    def get(self, number: object) -> Job:
        """The command called ``number``.

        Raises:
            LogpiError: the page has no such command.
        """
        if not isinstance(number, int) or number not in self._jobs:
            raise LogpiError(f"no command {number!r:.40} of this page")
        return self._jobs[number]

    async def _watch(self) -> None:
        """Tell of changes until no command runs."""
        try:
            while True:
                for job in list(self._jobs.values()):
                    if job.changed():
                        self._tell(job.to_json())
                if all(job.ended is not None for job in self._jobs.values()):
                    return
                await asyncio.sleep(_EVERY)
        finally:
            self._watching = False
