"""What is wrong: the error that ends a command with a message, and how text is printed.

Importing this module imports no dataclasses, so that ``logpi --help`` answers at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# control characters but for line break and tabulator, C1 controls, other line ends, overrides of the writing direction
UNSAFE = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"


def inert(text: str) -> str:
    """``text`` with control characters as escape sequences, so that a terminal shows them and does not obey."""
    return re.sub(UNSAFE, lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """``text`` as ``inert`` gives it, line breaks and all else that is not printable escaped too: a cell of a table."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class LogpiError(ValueError):
    """Says what is wrong, where, what is allowed and the next step; the command line prints it and exits 1."""

    def __str__(self) -> str:
        return inert(super().__str__())


class NotFiniteError(LogpiError):
    """A number of a training became NaN or infinite; trained again from its checkpoint it would again."""


class TooLargeError(LogpiError):
    """A run does not fit into memory."""


INTERRUPTED = 130  # exit code of a command that a signal ended
# said where processes are spawned, and in a process that a script without the guard has spawned
MAIN_GUARD = "in a script of your own, train under `if __name__ == '__main__':`, as each worker runs the script"


def near(name: str, known: Iterable[str]) -> str:
    """ "; did you mean …?" with the known name that is nearest to a misspelt one, or ""."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
