"""An environment that hangs: a word after a minute, and an end after longer."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

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
    """Tells on standard error, once a call, that a call of an environment has not returned for ``PATIENCE`` seconds.

    It ends nothing: an environment may be that slow. Its thread only sleeps, so that a call costs nothing.
    """

    def __init__(self, name: str, missing: Callable[[], str] = str) -> None:
        """``name`` of the environment; ``missing`` says which copies have not answered, "" if that is unknown."""
        self._name, self._missing = name, missing
        self._call: tuple[str, float] | None = None  # what is under way, and since when
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, what: str) -> None:
        """A call begins."""
        self._call = (what, time.monotonic())
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="logpi-watchdog", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """The call has returned."""
        self._call = None

    def close(self) -> None:
        """Watch no more."""
        self._call = None
        self._over.set()

    def _watch(self) -> None:
        told = None
        while not self._over.wait(PATIENCE / 10):
            call = self._call
            if call is not None and call is not told and time.monotonic() - call[1] > PATIENCE:
                told = call
                print(f"logpi: {self._text(call[0])}", file=sys.stderr, flush=True)

    def _text(self, what: str) -> str:
        return (
            f"environment {self._name}{self._missing()} has not returned from {what} for {PATIENCE:g} s. The run "
            f"waits; if it hangs, press Ctrl-C twice and find the cause with: logpi check-env {self._name}"
        )


@contextlib.contextmanager
def watched(name: str, what: str) -> Iterator[None]:
    """Watch one piece of work."""
    watchdog = Watchdog(name)
    watchdog.begin(what)
    try:
        yield
    finally:
        watchdog.close()
