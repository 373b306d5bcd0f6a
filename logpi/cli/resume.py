"""``logpi resume``: continue an interrupted run, or a finished one with a new length."""

from __future__ import annotations

from typing import Annotated, Any

import tyro

from logpi.cli.output import json_lines

RUN = "Run folder, or its name within --log-dir"


def resume(argv: list[str]) -> int:
    """Continue a run."""

    def options(
        run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=RUN, metavar="RUN")],
        total_timesteps: float | None = None,
        total_images: float | None = None,
        stop_at: float | None = None,
        minutes: float | None = None,
        log_dir: str = "runs",
        quiet: bool = False,
        json: bool = False,
    ) -> tuple[str, dict[str, Any], bool]:
        """Continue an interrupted run from its newest valid checkpoint, or a finished one with a greater length.

        Args:
            total_timesteps: New training length in environment steps or moves of self-play, those so far included
            total_images: New training length in images, those so far included (image tasks)
            stop_at: Score of a periodic evaluation at which training ends; none by default
            minutes: Wall-clock time in minutes from now on; none by default
            log_dir: Folder that holds the runs
            quiet: No display while training
            json: Rows and outcome as lines of JSON on standard output; everything else goes to standard error
        """
        limits = {"total_timesteps": total_timesteps, "total_images": total_images}
        return run, {**limits, "stop_at": stop_at, "minutes": minutes, "root": log_dir, "quiet": quiet}, json

    path, arguments, as_json = tyro.cli(options, args=argv, prog="logpi resume")
    import logpi.api as api

    if not as_json:
        api.resume(path, **arguments)
        return 0
    with json_lines() as tell:
        outcome = api.resume(path, **arguments, callback=lambda event: tell(event.to_json()))
        tell(outcome.to_json())
    return 0
