"""Stops asked for by signals: acknowledged at once, obeyed after the piece of work that is under way.

While XLA computes, Python's own signal handlers wait; so a thread reads the signals' numbers from a socket that the
interpreter writes to as soon as a signal arrives.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from logpi.errors import INTERRUPTED

NUMBERS = (signal.SIGINT, signal.SIGTERM)
FIRST = "stopping: the piece of work under way is finished and saved; a second signal ends at once"
SECOND = "ended at once; what came after the last checkpoint is lost"
EARLY = "interrupted before training began"
SHOW_CURSOR = "\x1b[?25h"  # which a live display hides


class Stop:
    """True once a signal has asked for the run to end."""

    def __init__(self, tell: Callable[[str, int, int], None]) -> None:
        self._asked, self._tell = False, tell

    def ask(self) -> None:
        """Ask for the end."""
        self._asked = True

    def watch(self, what: str, done: int, total: int) -> bool:
        """A ``logpi.driver.process.Watch`` that also tells the display what is under way."""
        self._tell(what, done, total)
        return self._asked

    def __bool__(self) -> bool:
        return self._asked


@contextlib.contextmanager
def ending_at_once(said: str) -> Iterator[None]:
    """Until ``stop_on_signal`` begins, the first Ctrl-C or SIGTERM ends the process: nothing could be lost yet.

    Libraries are imported and functions traced then, where an exception may come late, or be swallowed.

    Args:
        said: on standard error at that end.
    """
    with contextlib.ExitStack() as beginning:
        beginning.enter_context(_hearing(lambda speaks: _end(said)))
        global _beginning
        _beginning = beginning
        yield


_beginning = contextlib.ExitStack()  # closed when training begins


@contextlib.contextmanager
def stop_on_signal(tell: Callable[[str, int, int], None], acknowledge: Callable[[str], None]) -> Iterator[Stop]:
    """Within it, the first Ctrl-C or SIGTERM asks for a stop, and a second one ends the process with exit code 130.

    Within another one, both stop, and this one alone acknowledges.

    Args:
        tell: what the display is told of work under way.
        acknowledge: shows a text; it is called from another thread.
    """
    stop = Stop(tell)

    def heard(speaks: bool) -> None:
        if stop:
            _end(SECOND)
        stop.ask()
        if speaks:
            acknowledge(FIRST)

    _beginning.close()
    with _hearing(heard):
        yield stop


@contextlib.contextmanager
def _hearing(heard: Callable[[bool], None]) -> Iterator[None]:
    """Within it, each Ctrl-C or SIGTERM calls ``heard`` in another thread, and does nothing else.

    Several may be open at once, as runs in loops beside each other are, and end in any order; then all hear, and the
    last one that was opened is told to speak.
    """
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield
        return
    if not _listeners:
        _handlers.enter_context(_handled())
    _listeners.append(heard)
    try:
        yield
    finally:
        _listeners.remove(heard)
        if not _listeners:
            _handlers.close()


_listeners: list[Callable[[bool], None]] = []
_handlers = contextlib.ExitStack()  # open as long as anyone listens


@contextlib.contextmanager
def _handled() -> Iterator[None]:
    """Within it, a thread tells the listeners of signals, and the interpreter's own handlers do nothing."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    threading.Thread(target=_listen, args=(reader,), name="logpi-signals", daemon=True).start()
    handlers = {number: signal.signal(number, _nothing) for number in NUMBERS}
    descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        writer.close()  # which ends the thread


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler that has to be there for the interpreter to write the signal's number."""


def _listen(reader: socket.socket) -> None:
    with reader:
        while received := reader.recv(1):
            if received[0] in NUMBERS:
                for place, heard in enumerate(reversed(tuple(_listeners))):
                    heard(place == 0)


def _end(said: str) -> None:
    """End the process, whatever it is doing."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(SHOW_CURSOR if sys.stdout.isatty() else "")
        sys.stdout.flush()
        sys.stderr.write(f"\nlogpi: {said}\n")
        sys.stderr.flush()
    os._exit(INTERRUPTED)
