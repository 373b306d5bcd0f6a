"""``logpi ui``: the page in a browser, served by this machine to itself alone."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, within
from logpi.cli.output import flush_output, say
from logpi.errors import LogpiError

RUNS = Annotated[str, tyro.conf.arg(help="Folder that holds the runs; it need not exist yet", metavar="DIR")]


def ui(argv: list[str]) -> int:
    """Open the page."""

    def options(
        runs: RUNS = "runs", port: int = 8420, no_browser: bool = False, readonly: bool = False
    ) -> tuple[str, int, bool, bool]:
        """Serve a page to the browser of this machine: runs with their curves, a gallery of environments, and agents
        to watch and to play against.

        Args:
            port: Port of the address 127.0.0.1, 1 to 65535; 0: any free one
            no_browser: No browser is opened
            readonly: Nothing can be started, stopped or changed from the page
        """
        return runs, port, no_browser, readonly

    home, port, no_browser, readonly = tyro.cli(options, args=argv, prog="logpi ui", config=NO_OFF)
    within("--port", port, 0, 65535)
    folder = Path(home)
    if folder.exists() and not folder.is_dir():
        raise LogpiError(f"--runs {home} is a file; give a folder of runs")
    from logpi.page.server import serve

    def ready(address: str) -> None:
        say(f"logpi ui: {address}   (runs in {folder}; Ctrl-C ends the page, runs that it started go on)")
        flush_output()  # a program that reads it waits for the address
        if not no_browser:
            _open(address)

    serve(folder, port, readonly=readonly, token=secrets.token_urlsafe(24), ready=ready)
    return 0


def _open(address: str) -> None:
    """Show the page in the user's browser, where there is a display."""
    import webbrowser

    from logpi.view.screen import has_display

    if has_display():
        webbrowser.open(address)
