"""Wrappers around an environment as settings: from the command line, TOML, Python and an agent's card, and back.

Which names there are ``logpi.envs.wrappers`` says. Importing this module does not import JAX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from logpi.config.literals import assignments
from logpi.config.settings import Wrapping
from logpi.config.values import plain, plain_argument
from logpi.errors import LogpiError
from logpi.own_code import absolute
from logpi.runs.files import Json
from logpi.tasks import Table

PARTS = ("wrappers", "frame_stack")  # what a layer of settings may say of them
WANTED = 'allowed: a list of names, or of a name and its arguments, such as ["time-limit", {"max_episode_steps": 100}]'


def split(argv: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """(``argv`` without ``--wrapper NAME KEY=VALUE …`` and ``--frame-stack N``, what these say).

    Raises:
        LogpiError: a value is missing or malformed.
    """
    rest: list[str] = []
    found: dict[str, Any] = {}
    todo = list(argv)
    while todo:
        argument = todo.pop(0)
        flag, sign, value = argument.partition("=")
        if flag.replace("_", "-") not in ("--wrapper", "--frame-stack"):
            rest.append(argument)
            continue
        if not sign:
            value = todo.pop(0) if todo and not todo[0].startswith("--") else ""
        if flag == "--wrapper":
            arguments = []
            while todo and "=" in todo[0] and not todo[0].startswith("--"):
                arguments.append(todo.pop(0))
            found.setdefault("wrappers", []).append(_of_words(value, arguments))
        else:
            found["frame_stack"] = _frames(value)
    return rest, found


def _of_words(name: str, arguments: Sequence[str]) -> Wrapping:
    if not name:
        raise LogpiError("--wrapper needs a name: --wrapper NAME KEY=VALUE …")
    try:
        return Wrapping(name, assignments(arguments))
    except LogpiError as error:
        raise LogpiError(f"--wrapper {name}: {error}") from error


def _frames(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise LogpiError(f"--frame-stack {value!r}; it must be a whole number of frames, such as 4") from None


def wrappings(given: object) -> list[Wrapping]:
    """Wrappers from what Python, TOML or a card holds: names, pairs of name and arguments, or tables of these.

    Raises:
        LogpiError: something else, or an argument that no file can hold.
    """
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise LogpiError(f"wrappers is {given!r:.80}; {WANTED}")
    return [_settled(*_pair(one)) for one in given]


def _pair(one: object) -> tuple[object, object]:
    if isinstance(one, str):
        return one, {}
    if isinstance(one, Mapping) and set(one) <= {"name", "kwargs"}:
        return one.get("name"), one.get("kwargs", {})
    if isinstance(one, Sequence) and len(one) == 2:
        return one[0], one[1]
    raise LogpiError(
        f"wrappers: {one!r:.80} is a {type(one).__name__}; {WANTED}. A wrapper of your own is named by its file, "
        "path/file.py:Class"
    )


def _settled(name: object, kwargs: object) -> Wrapping:
    """A wrapper as a run keeps it: its file's absolute path, plain values."""
    if not (isinstance(name, str) and name and isinstance(kwargs, Mapping) and all(isinstance(k, str) for k in kwargs)):
        raise LogpiError(f"wrappers: {name!r:.80} with {kwargs!r:.80}; {WANTED}")
    where = f"wrapper {name}"
    plain_kwargs = {key: plain_argument(f"{where}.{key}", value) for key, value in kwargs.items()}
    if none := [key for key, value in plain_kwargs.items() if value is None]:
        raise LogpiError(f"{where}: {none[0]} is None, which a run's config.toml cannot hold; leave it out")
    return Wrapping(absolute(name), plain_kwargs)


def combined(tables: Sequence[Table]) -> tuple[list[Wrapping] | None, int | None]:
    """(wrappers, frames of the stack around them) that the most binding of ``tables`` ask for; None: nothing asked.

    Raises:
        LogpiError: a table says something else of them.
    """
    wrappers, frames = None, None
    for table in tables:
        if table.get("wrappers") is not None:
            wrappers, frames = wrappings(table["wrappers"]), None
        if table.get("frame_stack") is not None:
            frames = plain(table["frame_stack"])
            if type(frames) is not int:
                raise LogpiError(f"frame_stack is {frames!r}; it must be a whole number of frames, such as 4")
    return wrappers, frames


def as_tables(wrappers: Sequence[Wrapping]) -> list[Json]:
    """Wrappers as TOML and JSON hold them."""
    return [{"name": name, "kwargs": dict(kwargs)} for name, kwargs in wrappers]
