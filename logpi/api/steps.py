"""A run from Python as an iterator over its events, and with a callback."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from logpi import own_code
from logpi.errors import LogpiError
from logpi.training.hooks import Event, named
from logpi.training.outcome import Outcome
from logpi.training.session import Events, heard

Callback = Callable[[Event], object]


class Training:
    """A run as an iterator over its events, one for each row of metrics. It begins with the loop.

    Where the loop is left, by ``break``, ``return`` or an error, the run is saved: ``logpi.resume`` or
    ``logpi.resuming`` go on exactly there. Where the loop comes to its end, the run has finished.
    """

    def __init__(self, begin: Callable[[], Events[Outcome]]) -> None:
        self._begin: Callable[[], Events[Outcome]] | None = begin
        self._folder: Path | None = None
        self.outcome: Outcome | None = None  # of the finished run; None before

    @property
    def folder(self) -> Path:
        """The run's folder.

        Raises:
            LogpiError: the loop has not begun.
        """
        if self._folder is None:
            raise LogpiError("the run has no folder yet: it begins with the loop, `for event in …`")
        return self._folder

    def __iter__(self) -> Iterator[Event]:
        """Begin the run.

        Raises:
            LogpiError: it has begun already, or as ``logpi.train`` and ``logpi.resume``.
        """
        begin, self._begin = self._begin, None
        if begin is None:
            raise LogpiError(
                "this run has begun already; logpi.resuming(training.folder) goes on with one that was left"
            )
        with contextlib.closing(begin()) as events:
            while True:
                try:
                    event = next(events)
                except StopIteration as end:
                    self.outcome = end.value
                    return
                self._folder = event.folder
                yield event


def through(events: Events[Outcome], callback: Callback | None) -> Outcome:
    """The outcome of a run whose every event ``callback`` gets.

    Raises:
        LogpiError: the callback raised; the message names it, and the run is saved. Or as the run itself.
    """
    if callback is not None and not callable(callback):
        raise LogpiError(f"callback is a {type(callback).__name__}; allowed: a function (logpi.Event) -> None")
    return heard(events, None if callback is None else named(callback))


def within(code: Sequence[str], trusted: Sequence[str], events: Events[Outcome]) -> Events[Outcome]:
    """``events``, with code that is named and trusted while the run works, and not between two of its events."""

    @contextlib.contextmanager
    def naming() -> Iterator[None]:
        with own_code.command(code):
            own_code.trust_code(*trusted)
            yield

    try:
        while True:
            with naming():
                try:
                    event = next(events)
                except StopIteration as end:
                    found: Outcome = end.value
                    return found
            yield event
    finally:
        with naming():
            events.close()
