"""A TOML writer (Python has only a reader): tables of plain values, for the resolved config of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from logpi.errors import LogpiError


def dumps(table: Mapping[str, object]) -> str:
    """TOML text of str, int, float, bool, lists of these, and mappings (written as tables, after the values).

    None is left out, as TOML has no null: a missing field is read as None.

    Raises:
        LogpiError: a value of another type.
    """
    return "".join(_table(table, ())).lstrip("\n")


def _table(table: Mapping[str, object], path: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping) and value is not None}
    lines = [f"\n[{'.'.join(map(_key, path))}]\n"] if path else []
    lines += [f"{_key(key)} = {_value(value, (*path, key))}\n" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _table(value, (*path, key))
    return lines


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _value(value: object, path: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item, path) for item in value)}]"
    raise LogpiError(
        f"cannot write {'.'.join(path)} = {value!r} to config.toml: it is a {type(value).__name__}; "
        "allowed are str, int, float, bool, lists and tables of these"
    )


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
