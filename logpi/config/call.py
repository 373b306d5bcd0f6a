"""The call of ``logpi.train`` that began a run, as the text that ``command.txt`` keeps."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import Any

from logpi.config.values import plain


def python_command(arguments: Mapping[str, Any], objects: Mapping[str, object]) -> str:
    """A shell command that makes the call again, or a comment that says why there is none.

    Args:
        arguments: of the call, by name; what is empty or None is left out.
        objects: further arguments that no text holds, such as a network.
    """
    given = {name: plain(value) for name, value in arguments.items()}
    written = {name: value for name, value in given.items() if value is not None and value not in ({}, [], (), "")}
    call = f"logpi.train({', '.join(f'{name}={literal(value)}' for name, value in written.items())})"
    missing = [f"{name} (a {type(value).__name__})" for name, value in objects.items() if value is not None]
    if missing:
        return f"# a call in Python, with objects that no text holds: {', '.join(missing)}\n# {call}"
    return shlex.join(["python", "-c", f"import logpi; {call}"])


def literal(value: Any) -> str:
    """Source text of a plain value."""
    value = plain(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name!r}: {literal(part)}' for name, part in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value)
