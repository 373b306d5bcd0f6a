"""``logpi stop``: let a running run save and end."""

from __future__ import annotations

from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, Json, LogDir, within
from logpi.cli.output import say, say_json

RUN = "Run folder, or its name within --log-dir"
WORDS = {
    "finished": "has finished",
    "interrupted": "was saved and has ended; `logpi resume {path}` goes on",
    "gone": "ended before its first checkpoint: nothing was saved, its folder is gone",
}


def stop(argv: list[str]) -> int:
    """Stop a run."""

    def options(
        run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=RUN, metavar="RUN")],
        timeout: float = 60.0,
        log_dir: LogDir = "runs",
        json: Json = False,
    ) -> tuple[str, float, str, bool]:
        """Ask the process that trains a run on this machine to save a checkpoint and end, and wait until it has.

        Args:
            timeout: Maximum waiting time, in seconds
        """
        return run, timeout, log_dir, json

    name, timeout, root, json = tyro.cli(options, args=argv, prog="logpi stop", config=NO_OFF)
    within("--timeout", timeout, 0, 1e6)
    from logpi.runs.manage import stop as stop_run

    found = stop_run(name, root, timeout)
    if json:
        say_json(found._asdict())
    elif found.asked is None:
        say(f"{found.path} is not running: it is {found.status}")
    else:
        say(f"asked process {found.asked} to end: {found.path} {WORDS[found.status].format(path=found.path)}")
    return 0
