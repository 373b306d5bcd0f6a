"""``logpi resume``: continue an interrupted run."""

from __future__ import annotations

from typing import Annotated

import tyro

RUN = "Run folder, or its name within --log-dir"


def resume(argv: list[str]) -> int:
    """Continue a run."""

    def options(
        run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=RUN, metavar="RUN")],
        log_dir: str = "runs",
        quiet: bool = False,
    ) -> tuple[str, str, bool]:
        """Continue an interrupted run from its newest valid checkpoint.

        Args:
            log_dir: Folder that holds the runs
            quiet: No display while training
        """
        return run, log_dir, quiet

    path, root, quiet = tyro.cli(options, args=argv, prog="logpi resume")
    import logpi.api as api

    api.resume(path, root=root, quiet=quiet)
    return 0
