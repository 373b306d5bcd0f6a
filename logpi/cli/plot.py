"""``logpi plot``: learning curves."""

from __future__ import annotations

from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, Json, LogDir
from logpi.cli.output import say, say_json
from logpi.errors import LogpiError

RUNS = "Run folders, or names within --log-dir"


def plot(argv: list[str]) -> int:
    """Draw learning curves."""

    def options(
        runs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(help=RUNS, metavar="RUN")],
        out: str = "",
        title: str = "",
        log_dir: LogDir = "runs",
        json: Json = False,
    ) -> tuple[tuple[str, ...], str, str, str, bool]:
        """Draw the learning curve of one run, or compare several; runs that differ only in the seed become one curve.

        Args:
            out: PNG file; by default curve.png of the run, or compare.png in the working folder
            title: Title of the picture
        """
        return runs, out, title, log_dir, json

    runs, out, title, root, json = tyro.cli(options, args=argv, prog="logpi plot", config=NO_OFF)
    if not runs:
        raise LogpiError("no run given; `logpi runs` lists them")
    from logpi.view.curves import plot as drawn

    path = drawn(runs, out or None, title or None, root)
    if json:
        say_json({"picture": path, "runs": runs})
    else:
        say(path)
    return 0
