"""Who may ask the page for what: this machine alone, pages of this server alone, and writing with its token alone.

A web site that the user visits could send requests to this server. It is kept out by three checks: the ``Host`` must
be a name of this machine (a foreign name that was pointed here is not), an ``Origin`` must be this server's own, and
whatever is not a GET needs the token, which only the start page carries and which no other origin can read.
"""

from __future__ import annotations

import hmac
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from logpi.errors import LogpiError, inert
from logpi.page.state import Page

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
TOKEN = "x-logpi-token"
MOST_BODY = 4 * 2**20  # bytes of a request: a picture for an agent to look at
LONGEST_ADDRESS = 4096  # characters of a path with its query
READING = ("GET", "HEAD")
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
Endpoint = Callable[[Request], Awaitable[Response]]


class TooLarge(Exception):  # noqa: N818 (it is an answer, not a fault)
    """The body of a request has more bytes than any room needs."""


class Guard:
    """The outermost layer: checks a request, adds the headers, and turns every error into one line of JSON."""

    def __init__(self, app: ASGIApp, page: Page) -> None:
        self._app, self._page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no room speaks WebSocket: the server answers 403 to a close before acceptance
            await send({"type": "websocket.close", "code": 1008})
            return
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer: Response | None = refusal(scope, self._page)
        if answer is None:
            try:
                await self._app(scope, _limited(receive), guarded)
                return
            except ClientDisconnect:
                return
            except TooLarge:
                answer = error(413, f"the request has more than {MOST_BODY:,} bytes")
            except Exception as fault:  # a fault of ours ends one answer, not the server
                print(f"logpi ui: {type(fault).__name__}: {inert(str(fault)):.500}", file=sys.stderr)
                answer = error(500, f"this is a fault of logpi: {type(fault).__name__}")
        if not begun:
            await answer(scope, receive, guarded)


def error(status: int, message: str) -> JSONResponse:
    """An answer that says what is wrong."""
    return JSONResponse({"error": message}, status)


def refusal(scope: Scope, page: Page) -> Response | None:
    """The answer to a request that may not come in; None where it may."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if not _is_loopback(host):
        return error(403, "this server answers to 127.0.0.1 and localhost alone")
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return error(403, "requests of other origins are refused")
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > LONGEST_ADDRESS:
        return error(414, f"the address has more than {LONGEST_ADDRESS:,} characters")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > MOST_BODY:
        return error(413, f"the request has more than {MOST_BODY:,} bytes, or a length that is not a number")
    if scope["method"] in READING:
        return None
    if not hmac.compare_digest(headers.get(TOKEN, "").encode(), page.token.encode()):
        return error(403, f"the header {TOKEN} is missing or wrong: reload the page, its server was started again")
    return None


def _is_loopback(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    return host in LOOPBACK or (bool(colon) and name in LOOPBACK and port.isdecimal())


def _limited(receive: Receive) -> Receive:
    """``receive`` that ends a body without a length once it is too long."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BODY:
            raise TooLarge
        return message

    return limited


def writing(page: Page, endpoint: Endpoint) -> Endpoint:
    """``endpoint`` of a room that changes something; refused where the page only shows."""

    async def checked(request: Request) -> Response:
        if page.readonly:
            raise HTTPException(403, "logpi ui --readonly shows and changes nothing")
        return await endpoint(request)

    return checked


def within(home: Path, text: object) -> Path:
    """The path below ``home`` that a request names; links are followed, but not out of it.

    Raises:
        LogpiError: it leads out of ``home``, or is not a path.
    """
    if not isinstance(text, str) or not text or "\0" in text or len(text) > 1000:
        raise LogpiError("a run is named by its path below the folder of runs, such as ppo/CartPole-v1_1")
    root = home.resolve()
    try:
        found = (root / text).resolve()
    except (OSError, ValueError, RuntimeError) as fault:
        raise LogpiError(f"{text!r:.100} is not a path: {fault}") from fault
    if not found.is_relative_to(root) or found == root:
        raise LogpiError(f"{text!r:.100} is not inside of {home}")
    return found
