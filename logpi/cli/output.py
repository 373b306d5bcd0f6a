"""The one way in which verbs print: text that no terminal obeys and every encoding can carry, tables, and JSON.

Importing this module imports no table or JSON library, so that ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from logpi.errors import inert


def replace_what_cannot_be_shown() -> None:
    """Let standard output and error replace characters that their encoding lacks, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):  # replaced by a program, or closed
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def say(text: object = "") -> None:
    """Print a line, or several, on standard output."""
    print(inert(str(text)))


def warn(text: object) -> None:
    """Print a line on standard error."""
    print(inert(str(text)), file=sys.stderr)


def say_json(value: Any) -> None:
    """Print ``value`` as one line of JSON. NaN and infinities, which JSON lacks, are "nan", "inf" and "-inf"."""
    from logpi.runs.files import json_text

    print(json_text(value))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; its lines are not folded in a pipe."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    table = Table(*(Column(name, overflow="fold") for name in header), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(escape(inert(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=250)  # a pipe has no width of its own
    with console.capture() as shown:  # rich itself ends the process where the reader has gone
        console.print(table)
    print(shown.get(), end="")


def flush_output() -> None:
    """Print what is still to be printed; where the reader of standard output has gone, nowhere."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
