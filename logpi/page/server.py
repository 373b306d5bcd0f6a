"""The web server of the page, on this machine alone. Importing this module does not import JAX."""

from __future__ import annotations

import contextlib
import importlib
import json
import pkgutil
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from html import escape
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from logpi.errors import LogpiError, inert
from logpi.page import rooms
from logpi.page.answers import body_of as body_of
from logpi.page.answers import json_answer
from logpi.page.security import Guard, error
from logpi.page.state import Page

HOST = "127.0.0.1"
PORT = 8420
STATIC = Path(__file__).parent / "static"
ORDER = ("runs", "gallery", "watch", "play", "glimpses", "variance")
PROBE = 1.0  # seconds that another server on the port has to say what it is


def room_names() -> list[str]:
    """The rooms that are there, in the order of the navigation."""
    found = {module.name for module in pkgutil.iter_modules(rooms.__path__) if not module.ispkg}
    shown = {path.stem for path in (STATIC / "rooms").glob("*.js")}
    return [name for name in ORDER if name in found and name in shown]


def make_app(home: Path, *, readonly: bool = False, token: str = "") -> Starlette:
    """The application: the start page, its files, and the routes of every room under ``/api/<room>/``.

    Args:
        home: folder that holds the runs.
        readonly: whether every request that would change something is refused.
        token: secret that the start page carries and that every request but GET must have.
    """
    page = Page(home, readonly=readonly, token=token)

    async def start(request: Request) -> Response:
        return HTMLResponse(_start_page(page), headers={"Cache-Control": "no-store"})

    async def about(request: Request) -> Response:
        return json_answer({"program": "logpi", "runs": str(page.home), "readonly": readonly, "rooms": room_names()})

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        page.close()

    routes: list[BaseRoute] = [Route("/", start), Route("/api/about", about)]
    for name in room_names():
        routes += importlib.import_module(f"{rooms.__name__}.{name}").routes(page)
    routes.append(Mount("/static", StaticFiles(directory=STATIC)))
    handlers: dict[Any, Callable[[Request, Exception], Response]] = {
        LogpiError: _bad_request,
        HTTPException: _http_error,
    }
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers, middleware=[Middleware(Guard, page)])
    app.state.page = page
    return app


def _start_page(page: Page) -> str:
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    return text.replace("{token}", escape(page.token)).replace("{readonly}", "yes" if page.readonly else "no")


def _bad_request(request: Request, fault: Exception) -> Response:
    return error(400, str(fault))


def _http_error(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    return error(fault.status_code, fault.detail)


def listen(port: int) -> socket.socket:
    """A socket that listens on ``port`` of this machine's loopback address; 0: any free one.

    Raises:
        LogpiError: the port is taken; the message says by whom, where that is a page of logpi.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
        found.listen(128)
    except OSError as fault:
        found.close()
        raise LogpiError(_taken(port, fault)) from fault
    return found


def _taken(port: int, fault: OSError) -> str:
    """Why ``port`` cannot be had, and what to do."""
    other = f"give another with --port, such as --port {port + 1 if port < 65535 else port - 1}, or 0 for any free one"
    with (
        contextlib.suppress(OSError, ValueError),
        urllib.request.urlopen(f"http://{HOST}:{port}/api/about", timeout=PROBE) as answer,
    ):
        about = json.loads(answer.read(65536))
        if about.get("program") == "logpi":
            return f"a page of logpi is already open at http://{HOST}:{port} (runs in {inert(about['runs'])}); {other}"
    return f"port {port} cannot be used ({fault.strerror or fault}); {other}"


def serve(
    home: Path, port: int = PORT, *, readonly: bool = False, token: str = "", ready: Callable[[str], None]
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        home: folder that holds the runs.
        port: of the loopback address; 0: any free one.
        readonly: whether the page only shows.
        token: secret of the start page.
        ready: called with the page's address once it can be opened.

    Raises:
        LogpiError: the port is taken.
    """
    with listen(port) as listening:
        server = make_server(make_app(home.absolute(), readonly=readonly, token=token))
        ready(f"http://{HOST}:{listening.getsockname()[1]}")
        server.run(sockets=[listening])


def make_server(app: Starlette) -> uvicorn.Server:
    """A server of ``app`` whose streams of events end when it is asked to end."""
    page: Page = app.state.page

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            page.closing.set()
            await super().shutdown(sockets)

    # log_config: logging is the program's own, and to configure it anew would close handlers of other libraries
    options: dict[str, Any] = {"log_config": None, "log_level": "warning", "access_log": False}
    options |= {"server_header": False, "ws": "none"}
    return Server(uvicorn.Config(app, timeout_graceful_shutdown=2, **options))
