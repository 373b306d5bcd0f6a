"""A job of a larger work, and the contract of a place that runs jobs. Importing this module does not import JAX."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from logpi.errors import LogpiError

Tell = Callable[[str], None]
Watch = Callable[[str, int, int], bool]


class Job(NamedTuple):
    """A function of plain values. Begun again after it was killed, it goes on from what it has left on the disk.

    ``work(*arguments, tell)`` is called in the working folder of the process that asked for it; ``work`` is a function
    of a module, and its arguments and its result are values of Python, NumPy or dataclasses of logpi.
    """

    name: str  # as messages say it
    work: Callable[..., Any]
    arguments: tuple[Any, ...]


class Ended(NamedTuple):
    """What became of a job."""

    job: Job
    result: Any = None  # what ``work`` returned
    error: LogpiError | None = None  # what it raised, or why it could not be run


class Place(Protocol):
    """Where jobs run."""

    at_once: int  # jobs that run side by side

    def each(self, jobs: Sequence[Job], tell: Tell, watch: Watch) -> Iterator[Ended]:
        """Run all ``jobs``, in any order.

        Args:
            jobs: that do not depend on each other.
            tell: called with each line that a job has to say.
            watch: asked often whether to stop; a job that runs in this process has its own signals.

        Raises:
            KeyboardInterrupt: ``watch`` asked for a stop, or a job was interrupted; what it did is saved.
        """
        ...


class Here:
    """This process: one job after the other."""

    at_once = 1

    def each(self, jobs: Sequence[Job], tell: Tell, watch: Watch) -> Iterator[Ended]:
        """As ``Place.each``."""
        for number, job in enumerate(jobs):
            if watch(job.name, number, len(jobs)):
                raise KeyboardInterrupt
            try:
                result = job.work(*job.arguments, tell)
            except LogpiError as error:
                yield Ended(job, error=error)
            else:
                yield Ended(job, result)


class Answer(NamedTuple):
    """What a job in another process sends back."""

    result: Any
    said: Sequence[str]
    error: str  # of a LogpiError; "": none

    def of(self, job: Job, tell: Tell) -> Ended:
        """Itself, told and as the outcome of ``job``."""
        for line in self.said:
            tell(line)
        return Ended(job, self.result, LogpiError(self.error) if self.error else None)


def attempt(job: Job, folder: str) -> Answer:
    """Run ``job`` in the working folder ``folder``; the display and the signals of its process are its own."""
    said: list[str] = []
    try:
        with contextlib.chdir(folder):
            return Answer(job.work(*job.arguments, said.append), said, "")
    except LogpiError as error:
        return Answer(None, said, str(error))


def here_folder() -> str:
    """The working folder, which jobs elsewhere have to reach by the same path."""
    return os.getcwd()
