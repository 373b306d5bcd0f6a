"""What the verbs' flags have in common: their ranges, and a run to take where none is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from logpi.errors import LogpiError

SEEDS = (0, 2**31 - 1)  # which engines take too
NO_OFF = (tyro.conf.FlagCreatePairsOff,)
Json = Annotated[bool, tyro.conf.arg(help="print JSON")]
LogDir = Annotated[str, tyro.conf.arg(help="folder of the runs")]
Target = Annotated[
    tyro.conf.Positional[str],
    tyro.conf.arg(help="a run, or an agent's folder (best/, last/); else the newest run in runs/", metavar="AGENT"),
]


def within(flag: str, value: float, low: float, high: float) -> None:
    """Refuse a value outside of what is allowed; not-a-number is outside of everything.

    Raises:
        LogpiError: it is.
    """
    if not low <= value <= high:
        raise LogpiError(f"{flag} {value}; allowed: {low} to {high}")


def newest_run() -> str:
    """The newest run in ``runs``.

    Raises:
        LogpiError: there is none.
    """
    from logpi.runs.lookup import find_runs

    found = find_runs()
    if not found:
        raise LogpiError("no run in runs/ to take; name one, or train: logpi train CartPole-v1")
    return str(found[-1].path)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; a pipe gets no folded lines."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    table = Table(*(Column(name, overflow="fold") for name in header), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=250)  # a pipe has no width: let no line be folded there
    console.print(table)
