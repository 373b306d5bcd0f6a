"""Compilation: programs are traced in a thread, compiled side by side, and waited for when they are needed."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar, cast

from logpi.driver.devices import cache_folder, options_of
from logpi.driver.process import Compiled, Effort, Program, Watch
from logpi.driver.stages import unwatched
from logpi.errors import LogpiError
from logpi.runs.cards import cores
from logpi.runs.files import atomic_write
from logpi.types import PyTree

T = TypeVar("T")
THREAD = "logpi-compile"  # name of the threads that trace and compile
STARTS = 200  # settings whose time to compile is remembered
POLL = 0.05  # seconds between two looks at a signal while something compiles
_leaving = threading.Event()  # the process ends


class Aside(Generic[T]):
    """Work that is done in a daemon thread from here on, so that the main thread can do other work, or answer a signal.

    ``work`` is long Python, such as a trace, which is not needed where it is left.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._results: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
        threading.Thread(target=self._attempt, args=(work,), name=THREAD, daemon=True).start()

    def _attempt(self, work: Callable[[], T]) -> None:
        try:
            self._results.put((work(), None))
        except BaseException as error:
            self._results.put((None, error))

    def wait(self, what: str, watch: Watch = unwatched) -> T:
        """What the work returned. ``watch`` is told ``what`` is waited for.

        Raises:
            KeyboardInterrupt: ``watch`` asked for a stop.
        """
        while True:
            with contextlib.suppress(queue.Empty):
                found, error = self._results.get(timeout=POLL)
                self._results.put((found, error))  # for who asks again
                if error is not None:
                    raise error
                return cast(T, found)
            if watch(what, 0, 1):
                raise KeyboardInterrupt


class Compiling(Mapping[str, Compiled]):
    """Programs that are traced one after the other and compiled side by side, in their order; XLA frees the GIL.

    Compilation is nearly all that a newcomer waits for. It is all CPU, so no more programs are under way than there are
    cores, and those that are ``urgent`` come before the others, which are not even traced before. All of it happens in
    daemon threads, so that the main thread can answer a signal, and the process can end, at any moment.
    """

    def __init__(self, programs: Mapping[str, Program], urgent: Iterable[str] = ()) -> None:
        self._urgent = {*urgent}
        self._names, self._compiled, self._failed = list(programs), dict[str, Compiled](), list[BaseException]()
        self._results: queue.SimpleQueue[tuple[str, PyTree, BaseException | None]] = queue.SimpleQueue()
        self._cores = threading.Semaphore(cores())
        if programs:
            threading.Thread(target=self._trace, args=(programs,), name=THREAD, daemon=True).start()

    def wait(self, names: Iterable[str], watch: Watch = unwatched) -> bool:
        """Wait until the programs of these ``names`` are compiled; False where ``watch`` asked for a stop.

        Raises as ``check``.
        """
        wanted = set(names)
        while True:
            self.check()
            if self._compiled.keys() >= wanted:
                return True
            left = [name for name in self._names if name not in self._compiled]
            what = f"compiling {', '.join(left[:2])}{', …' if len(left) > 2 else ''}"
            if watch(what, len(self._compiled), len(self._names)):
                return False
            with contextlib.suppress(queue.Empty):
                self._take(*self._results.get(timeout=POLL))

    def check(self) -> None:
        """Raise what went wrong so far with any of the programs, without waiting."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._take(*self._results.get_nowait())
        if self._failed:
            raise self._failed[0]

    def _take(self, name: str, program: PyTree, error: BaseException | None) -> None:
        if error is None:
            self._compiled[name] = program
        else:
            self._failed.append(error)

    def __getitem__(self, name: str) -> Compiled:
        """The program, waited for."""
        self.wait([name])
        return self._compiled[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _trace(self, programs: Mapping[str, Program]) -> None:
        under_way: list[threading.Thread] = []
        for name, program in sorted(programs.items(), key=lambda item: item[0] not in self._urgent):
            if name not in self._urgent:
                while under_way:
                    under_way.pop().join()
            if _leaving.is_set():
                return
            try:
                lowered = program.function.lower(*program.arguments)
            except BaseException as error:
                self._results.put((name, None, error))
                return
            compiling = (name, lowered, program.effort)
            thread = threading.Thread(target=self._compile, args=compiling, name=THREAD, daemon=True)
            thread.start()
            if name in self._urgent:
                under_way.append(thread)

    def _compile(self, name: str, lowered: PyTree, effort: Effort) -> None:
        with self._cores:
            if _leaving.is_set():
                return
            try:
                self._results.put((name, compiled(lowered, effort), None))
            except BaseException as error:
                self._results.put((name, None, error))


def under_way() -> bool:
    """Whether anything is traced or compiled."""
    return any(thread.name == THREAD for thread in threading.enumerate())


@atexit.register
def _settle() -> None:
    """Wait for what is traced or compiled, and begin nothing more: Python would abort in a thread that is in XLA."""
    _leaving.set()
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join()


def last_start(settings: str) -> float | None:
    """Seconds that compiling took when a run of these ``settings`` last began here; None where that is not known."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RuntimeError):  # RuntimeError: no home
        return float(json.loads(_starts().read_text(encoding="utf-8"))[_digest(settings)])
    return None


def remember_start(settings: str, seconds: float) -> None:
    """Keep what ``last_start`` tells, of the newest ``STARTS`` settings; without a home it is not kept."""
    try:
        file, known = _starts(), {}
    except RuntimeError:  # a user without a home
        return
    with contextlib.suppress(OSError, ValueError):
        known = dict(json.loads(file.read_text(encoding="utf-8")))
    known.pop(_digest(settings), None)
    known[_digest(settings)] = round(seconds, 1)
    with contextlib.suppress(LogpiError):
        atomic_write(file, json.dumps(dict(list(known.items())[-STARTS:])).encode())


def _starts() -> Path:
    return cache_folder() / "starts.json"


def _digest(settings: str) -> str:
    return hashlib.sha256(settings.encode()).hexdigest()[:16]


def compiled(lowered: PyTree, effort: Effort) -> PyTree:
    """A lowered program, compiled with the given effort."""
    if options := options_of(effort):
        import jax

        with contextlib.suppress(jax.errors.JaxRuntimeError):  # another XLA may not know these options
            return lowered.compile(compiler_options=dict(options))
    return lowered.compile()
