"""An environment that hangs: a word after a minute, and an end after longer."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NamedTuple

PATIENCE = 60.0  # seconds that a call may take without a word
HANG = 30.0  # seconds after which a call of a check is given up
LONGEST = 1e8  # seconds that a timer of the system can take for sure


class HangError(BaseException):
    """A call of the environment did not return; no ``Exception``, which the environment may catch."""


@contextlib.contextmanager
def limited(what: str, seconds: float | None = None) -> Iterator[None]:
    """Give up what happens within after ``seconds`` (None: ``HANG``), where the system has alarms, in the main thread.

    It may stand within another one, whose time goes on. What runs in C ends first.

    Raises:
        HangError: time is over; its message begins with ``what``.
    """
    alarm, main = getattr(signal, "SIGALRM", None), threading.main_thread()
    patience = HANG if seconds is None else seconds
    if alarm is None or threading.current_thread() is not main or patience > LONGEST:
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise HangError(f"{what} did not return within {patience:g} s")

    began, before = time.monotonic(), signal.signal(alarm, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, patience)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(alarm, before)
        if left:  # of the one around this
            left -= time.monotonic() - began
            signal.setitimer(signal.ITIMER_REAL, left) if left > 0 else signal.raise_signal(alarm)


class Watchdog:
    """Watches calls of an environment that may not return. Its thread only sleeps, so that a call costs nothing.

    It tells on standard error, once a call, of one that has not returned for ``PATIENCE`` seconds. After ``seconds`` it
    gives the call up: ``HangError`` is raised in it, where the system has alarms and the main thread calls. What runs
    in C ends first.
    """

    def __init__(self, name: str, missing: Callable[[], str] = str, seconds: float = math.inf) -> None:
        """Args:
        name: of the environment.
        missing: says which copies have not answered, "" if that is unknown.
        seconds: that a call may take.
        """
        self._name, self._missing, self.seconds = name, missing, seconds
        self._call: _Call | None = None  # what is under way
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, what: str) -> None:
        """A call begins, in the thread of all the others."""
        self._call = _Call(what, time.monotonic())
        if self._thread is None:
            heard = threading.current_thread() is threading.main_thread() and _listens()
            self._thread = threading.Thread(target=self._watch, args=(heard,), name="logpi-watchdog", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """The call has returned."""
        self._call = None

    def close(self) -> None:
        """Watch no more."""
        self._call = None
        self._over.set()

    def give_up(self, call: _Call) -> None:
        """Raise ``HangError`` if ``call`` is still under way."""
        if self._call is call:
            raise HangError(f"{call.what} did not return within {self.seconds:g} s")

    def _watch(self, heard: bool) -> None:
        told: _Call | None = None
        left: _Call | None = None
        while not self._over.wait(min(PATIENCE, self.seconds) / 10):
            call = self._call
            late = 0.0 if call is None else time.monotonic() - call.began
            if call is not told and late > PATIENCE:
                told = call
                print(f"logpi: {self._text(call.what if call else '')}", file=sys.stderr, flush=True)
            # another handler is that of a ``limited`` within, or of a program, which would not know what rings
            if heard and call is not left and late > self.seconds and signal.getsignal(signal.SIGALRM) is _ring:
                left = call
                _late.append((self, call))
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    def _text(self, what: str) -> str:
        return (
            f"environment {self._name}{self._missing()} has not returned from {what} for {PATIENCE:g} s. The run "
            f"waits; if it hangs, press Ctrl-C twice and find the cause with: logpi check-env {self._name}"
        )


class _Call(NamedTuple):
    """A call that is under way."""

    what: str
    began: float  # by the monotonic clock


_late: list[tuple[Watchdog, _Call | None]] = []  # calls to be given up, for the handler of the alarm


def _ring(number: int, frame: FrameType | None) -> None:
    """The alarm, in the main thread."""
    while _late:
        watchdog, call = _late.pop()
        if call is not None:
            watchdog.give_up(call)


def _listens() -> bool:
    """Whether alarms are heard: from here on, unless a program has a handler of its own."""
    alarm = getattr(signal, "SIGALRM", None)
    if alarm is None:
        return False
    if signal.getsignal(alarm) == signal.SIG_DFL:
        signal.signal(alarm, _ring)
    return True


@contextlib.contextmanager
def watched(name: str, what: str) -> Iterator[None]:
    """Watch one piece of work."""
    watchdog = Watchdog(name)
    watchdog.begin(what)
    try:
        yield
    finally:
        watchdog.close()
