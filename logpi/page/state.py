"""What all rooms of the page share: the folder of runs, what is allowed, and the threads that work for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_READERS = 4  # threads that read files: a slow disk delays no other answer


class Page:
    """State of one server.

    ``work`` runs what touches JAX, in one thread and in the order of the calls: a second program would only compete
    for the same cores. ``read`` runs what reads files, so that a list of runs never waits for a search.
    """

    def __init__(self, home: Path, *, readonly: bool, token: str) -> None:
        """Take a page's state; no thread is started before the first call.

        Args:
            home: folder that holds the runs.
            readonly: whether every request that would change something is refused.
            token: secret that requests other than GET carry.
        """
        self.home = home
        self.readonly = readonly
        self.token = token
        self.closing = asyncio.Event()  # set when the server is asked to end: streams of events end too
        self._worker = ThreadPoolExecutor(1, "page-work")
        self._readers = ThreadPoolExecutor(_READERS, "page-read")
        self._prepared = False

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``function(*args)`` in the one thread that uses JAX, which is imported and set up at the first call."""

        def prepared() -> T:
            if not self._prepared:
                from logpi.driver import devices

                devices.prepare()
                self._prepared = True
            return function(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._worker, prepared)

    async def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``function(*args)`` in a thread for files; it must not touch JAX."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Let the threads end with what they are at; nothing that waits is begun."""
        self.closing.set()
        for pool in (self._worker, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)
