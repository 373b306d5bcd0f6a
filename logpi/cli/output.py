"""The one way in which verbs print: text that no terminal obeys and every encoding can carry, tables, and JSON.

Importing this module imports no table or JSON library, so that ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from logpi.errors import inert

TYPE_CHECKING = False  # as typing has it, whose import would be a tenth of `logpi --help`
if TYPE_CHECKING:
    from typing import Any, TextIO

DESCRIPTOR = 1  # of standard output: what other processes write to, whatever sys.stdout is


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


@contextlib.contextmanager
def json_lines() -> Iterator[Callable[[Any], None]]:
    """What prints a value as one line of JSON; all else that is printed within, by any process, goes to standard error.

    Where the reader has gone, the rest is printed nowhere.
    """
    from logpi.runs.files import json_text

    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(_aside())
        gone = False

        def tell(value: Any) -> None:
            nonlocal gone
            if gone:
                return
            try:
                lines.write(json_text(value) + "\n")
                lines.flush()
            except BrokenPipeError:
                gone = True
                warn("logpi: the output has no reader any more; training goes on without it")

        yield tell


@contextlib.contextmanager
def _aside() -> Iterator[TextIO]:
    """Standard output, in whose place is standard error: for Python, and where it has a descriptor for all others."""
    found = sys.stdout
    try:
        errors, shared = sys.stderr.fileno(), os.path.sameopenfile(found.fileno(), DESCRIPTOR)
    except (OSError, ValueError, AttributeError):  # replaced by a program
        shared = False
    if not shared:
        with contextlib.redirect_stdout(sys.stderr):
            yield found
        return
    found.flush()
    kept = os.dup(DESCRIPTOR)
    lines = open(kept, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (its descriptor is closed below)
    os.dup2(errors, DESCRIPTOR)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield lines
    finally:
        os.dup2(kept, DESCRIPTOR)
        os.close(kept)


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
