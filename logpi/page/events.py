"""Server-sent events: one source for all who listen, and streams that go on after a pause of the network."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

from logpi.page.state import Page
from logpi.runs.files import json_text

KEPT = 256  # events that a listener who comes back can still be given
ALIVE = 15.0  # seconds between signs of life on a silent stream
AGAIN = 1000  # milliseconds after which a browser that lost the stream asks for it again
_FULL = 512  # events that wait for a slow listener, who then has to ask anew


class Feed:
    """Events with numbers, for any number of listeners."""

    def __init__(self) -> None:
        self._number = 0
        self._kept: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self._queues: set[asyncio.Queue[tuple[int, str] | None]] = set()

    @property
    def listeners(self) -> int:
        return len(self._queues)

    def publish(self, value: Any) -> None:
        """Give ``value``, which JSON can hold, to all listeners; it is written once."""
        self._number += 1
        event = (self._number, json_text(value))
        self._kept.append(event)
        for queue in self._queues:
            if queue.full():  # it cannot follow: the stream ends, and the browser asks for the whole again
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    @contextlib.contextmanager
    def _listening(self, after: int | None) -> Any:
        queue: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue(_FULL)
        for event in self._kept if after is not None else ():
            if event[0] > (after or 0):
                queue.put_nowait(event)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def missed(self, after: int) -> bool:
        """Whether events after number ``after`` are no longer kept (or are of another server)."""
        first = self._kept[0][0] if self._kept else self._number + 1
        return after > self._number or after < first - 1

    def stream(self, request: Request, page: Page, first: Callable[[], Any] | None = None) -> StreamingResponse:
        """The answer that lasts: ``first()``, or what was missed since ``Last-Event-ID``, then every new event."""
        known = request.headers.get("last-event-id", "")
        after = int(known) if known.isdecimal() and len(known) < 19 else None
        if after is not None and self.missed(after):
            after = None

        async def lines() -> AsyncIterator[str]:
            with self._listening(after) as queue:
                yield f"retry: {AGAIN}\n\n"
                if after is None and first is not None:
                    yield _event(self._number, json_text(first()))
                closing = asyncio.ensure_future(page.closing.wait())
                try:
                    async for text in _until(queue, closing):
                        yield text
                finally:
                    closing.cancel()

        return answer(lines())


async def _until(queue: asyncio.Queue[tuple[int, str] | None], closing: asyncio.Future[Any]) -> AsyncIterator[str]:
    """Events of ``queue`` and signs of life, until the server closes or the listener was too slow."""
    waiting = asyncio.ensure_future(queue.get())
    try:
        while not closing.done():
            await asyncio.wait({waiting, closing}, timeout=ALIVE, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                yield ": alive\n\n"
                continue
            event = waiting.result()
            if event is None:
                return
            waiting = asyncio.ensure_future(queue.get())
            yield _event(*event)
    finally:
        waiting.cancel()


def _event(number: int, text: str) -> str:
    return f"id: {number}\ndata: {text}\n\n"


def answer(lines: AsyncIterator[str]) -> StreamingResponse:
    """A response of server-sent events."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, media_type="text/event-stream", headers=headers)


async def once(values: AsyncIterator[Any]) -> AsyncIterator[str]:
    """Each of ``values`` as an event without a number: for work that belongs to one request, such as a search."""
    async for value in values:
        yield f"data: {json_text(value)}\n\n"
    yield "event: end\ndata: null\n\n"
