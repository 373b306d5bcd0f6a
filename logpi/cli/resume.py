"""``logpi resume``."""

from __future__ import annotations

from typing import Annotated

import tyro


def resume(argv: list[str]) -> int:
    """Continue a run."""

    def options(
        run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help="run folder", metavar="RUN")],
        log_dir: str = "runs",
        quiet: bool = False,
    ) -> tuple[str, str, bool]:
        """Continue an interrupted run from its newest good checkpoint.

        Args:
            log_dir: folder in which runs are looked for by name
            quiet: show nothing while training
        """
        return run, log_dir, quiet

    path, root, quiet = tyro.cli(options, args=argv, prog="logpi resume")
    import logpi.api as api

    api.resume(path, root=root, quiet=quiet)
    return 0
