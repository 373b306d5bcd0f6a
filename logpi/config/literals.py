"""Values written on the command line, as in ``--env-kwargs is_slippery=False``."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable

from logpi.errors import LogpiError

WORD = re.compile(r"[A-Za-z_][\w.:/@+-]*|\d\w*[A-Za-z_]\w*")  # such as human, ALE/Pong-v5, 4x4
CONSTANTS = {"true": True, "false": False, "none": None, "null": None}
ALLOWED = "a literal of TOML or Python (-5.0, true, None, [1, 2], 'two words') or a plain word (human, 4x4)"


def assignment(text: str) -> tuple[str, object]:
    """(name, value) of ``NAME=VALUE``.

    Raises:
        LogpiError: no assignment, or as ``literal``.
    """
    name, sign, value = text.partition("=")
    if not (sign and name.isidentifier()):
        raise LogpiError(f"{text!r} is not an assignment; write NAME=VALUE, such as gravity=-5.0")
    try:
        return name, literal(value)
    except LogpiError as error:
        raise LogpiError(f"{name}: {error}") from error


def assignments(texts: Iterable[str]) -> dict[str, object]:
    """The values of several ``NAME=VALUE`` by their names.

    Raises:
        LogpiError: as ``assignment``, or a name is given twice: neither of its values is dropped in silence.
    """
    found: dict[str, object] = {}
    for text in texts:
        name, value = assignment(text)
        if name in found:
            raise LogpiError(f"{name} is given twice, as {found[name]!r:.80} and as {value!r:.80}; leave one out")
        found[name] = value
    return found


def literal(text: str) -> object:
    """A value from text: a literal of TOML or of Python, a truth value or none in any case, or a plain word.

    Tuples become lists, as a run's file keeps them.

    Raises:
        LogpiError: it is not one of these.
    """
    text = text.strip()
    if text.lower() in CONSTANTS:
        return CONSTANTS[text.lower()]
    for read in (_toml, ast.literal_eval):
        try:
            return _kept(read(text))
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):  # TOMLDecodeError is a ValueError
            continue
    if WORD.fullmatch(text):
        return text
    raise LogpiError(f"{text!r} is not a value; allowed: {ALLOWED}")


def _toml(text: str) -> object:
    found = tomllib.loads(f"value = {text}")
    if set(found) != {"value"}:
        raise ValueError("more than one line")
    return found["value"]


def _kept(value: object) -> object:
    """``value`` with lists for tuples.

    Raises:
        ValueError: a part of it cannot be kept in a file.
    """
    if isinstance(value, list | tuple):
        return [_kept(part) for part in value]
    if isinstance(value, dict):
        return {str(key): _kept(part) for key, part in value.items()}
    if isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{value!r} is a {type(value).__name__}")
