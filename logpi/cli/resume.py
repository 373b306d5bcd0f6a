"""``logpi resume``: continue an interrupted run, or a finished one with a new length."""

from __future__ import annotations

from typing import Annotated, Any

import tyro

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
    ) -> tuple[str, dict[str, Any], str, bool]:
        """Continue an interrupted run from its newest valid checkpoint, or a finished one with a greater length.

        Args:
            total_timesteps: New training length in environment steps or moves of self-play, those so far included
            total_images: New training length in images, those so far included (image tasks)
            stop_at: Score of a periodic evaluation at which training ends; none by default
            minutes: Wall-clock time in minutes from now on; none by default
            log_dir: Folder that holds the runs
            quiet: No display while training
        """
        limits = {"total_timesteps": total_timesteps, "total_images": total_images}
        return run, {**limits, "stop_at": stop_at, "minutes": minutes}, log_dir, quiet

    path, limits, root, quiet = tyro.cli(options, args=argv, prog="logpi resume")
    import logpi.api as api

    api.resume(path, **limits, root=root, quiet=quiet)
    return 0
