"""``logpi runs delete``, ``prune`` and ``archive``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, LogDir, within
from logpi.cli.output import say, warn
from logpi.errors import LogpiError

HELP = "Run folders, or their names within --log-dir"
Runs = Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(help=HELP, metavar="RUN")]


def delete(argv: list[str]) -> int:
    """Delete runs."""

    def options(runs: Runs, yes: bool = False, log_dir: LogDir = "runs") -> tuple[tuple[str, ...], bool, str]:
        """Delete run folders with everything in them. Running ones are refused.

        Args:
            yes: Delete without asking
        """
        return runs, yes, log_dir

    names, yes, root = tyro.cli(options, args=argv, prog="logpi runs delete", config=NO_OFF)
    from logpi.runs.files import size_of, size_text
    from logpi.runs.lookup import open_run
    from logpi.runs.manage import delete as delete_run

    folders = [open_run(name, root) for name in _some(names, "delete")]
    for folder in folders:
        say(f"{folder.path}  {folder.status}  {size_text(size_of(folder.path))}")
    if not yes and not _agreed(f"delete {'it' if len(folders) == 1 else f'these {len(folders)}'}?"):
        say("nothing was deleted")
        return 0
    freed = sum(delete_run(folder) for folder in folders)
    say(f"deleted, {size_text(freed)} freed")
    return 0


def prune(argv: list[str]) -> int:
    """Remove old checkpoints."""

    def options(
        runs: Runs = (), all: bool = False, keep: int = 1, log_dir: LogDir = "runs"
    ) -> tuple[tuple[str, ...], bool, int, str]:
        """Remove old checkpoints; agents (best/, last/), metrics and pictures stay. Running runs are refused.

        Args:
            all: Every run in --log-dir that is not running
            keep: Number of newest checkpoints that stay; with 0 a run can no longer be resumed
        """
        return runs, all, keep, log_dir

    names, every, keep, root = tyro.cli(options, args=argv, prog="logpi runs prune", config=NO_OFF)
    within("--keep", keep, 0, 10**6)
    if every and names:
        raise LogpiError(f"--all prunes every run in {root}, and {names[0]} is named too; leave one of them out")
    from logpi.runs.files import size_text
    from logpi.runs.folder import RunFolder
    from logpi.runs.lookup import find_runs, open_run
    from logpi.runs.manage import prune as prune_run

    if every:
        folders = [RunFolder(info.path) for info in find_runs(root) if info.status != "running"]
    else:
        folders = [open_run(name, root) for name in _some(names, "prune")]
    for folder in folders:
        say(f"{folder.path}  {size_text(prune_run(folder, keep))} freed")
    return 0


def archive(argv: list[str]) -> int:
    """Write runs into one file each."""

    def options(runs: Runs, out: str = "", log_dir: LogDir = "runs") -> tuple[tuple[str, ...], str, str]:
        """Write each run into one file, <algo>-<folder>.tar.gz in the working folder. Running runs are refused.

        Args:
            out: File to write, .tar.gz or .zip (one run)
        """
        return runs, out, log_dir

    names, out, root = tyro.cli(options, args=argv, prog="logpi runs archive", config=NO_OFF)
    from logpi.runs.files import size_text
    from logpi.runs.lookup import open_run
    from logpi.runs.manage import archive as archive_run

    if out and len(names) > 1:
        raise LogpiError(f"--out {out} is one file, and {len(names)} runs are named; leave --out out")
    for folder in [open_run(name, root) for name in _some(names, "archive")]:
        made = archive_run(folder, out or None)
        say(f"{made.path}  {size_text(made.bytes)}")
        if made.left_out:
            warn(f"left out, as they are links: {', '.join(made.left_out)}")
    return 0


def _some(names: Sequence[str], what: str) -> Sequence[str]:
    """``names``, or an error where there are none."""
    if not names:
        raise LogpiError(f"no run is named; write `logpi runs {what} RUN`, with a name of `logpi runs`")
    return names


def _agreed(question: str) -> bool:
    """Ask a person.

    Raises:
        LogpiError: the input is not a terminal.
    """
    if not sys.stdin.isatty():
        raise LogpiError("cannot ask here (the input is not a terminal); add --yes to delete without asking")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
