"""Settings as plain values, from TOML, flags and Python: made plain, checked, and put into their dataclass.

A run keeps its settings as text, so that what cannot be text is refused before anything is made.
"""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from logpi.config.settings import Section, check_ranges
from logpi.errors import LogpiError, near

S = TypeVar("S", bound=Section)
LARGEST = 2**32  # whole numbers of settings are smaller: sizes, counts and seeds
BROADEST = 2**24  # and layers have fewer units
MOST_FLOAT = 10**300

# other spellings of Stable-Baselines3's names, CleanRL's above all, where the values mean the same
ALIASES = {
    "lr": "learning_rate",
    "timesteps": "total_timesteps",
    "num_envs": "n_envs",
    "num_steps": "n_steps",
    "clip_coef": "clip_range",
    "update_epochs": "n_epochs",
}


def plain(value: Any) -> Any:
    """Numbers of NumPy and JAX as Python's, arrays as lists, paths as texts; anything else as it is."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def plain_argument(where: str, value: object) -> object:
    """An argument of the environment as a run can keep it."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {name: plain_argument(f"{where}.{name}", part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [plain_argument(where, part) for part in value]
        return tuple(parts) if isinstance(value, tuple) else parts
    if value is not None and not isinstance(value, str | int | float):
        raise LogpiError(
            f"{where} is a {type(value).__name__}, which a run's config.toml cannot hold; allowed: numbers, texts, "
            "true, false, lists and tables of these. Build the environment in a function: a class or function of a "
            "file, path/file.py:NAME, or in Python train(lambda: make_it(…))"
        )
    return value


def checked(where: str, hint: Any, value: Any) -> Any:
    """A plain ``value`` as the type ``hint`` of the setting ``where`` has it.

    Raises:
        LogpiError: it is of another type, or of no size that a setting has.
    """
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        allowed = typing.get_args(hint)
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise LogpiError(f"{where} is {value!r}; allowed: {', '.join(map(repr, allowed))}")
        return value
    if origin is tuple:
        items = [plain(x) for x in value] if isinstance(value, list | tuple) else [0]
        if all(type(x) is int and 0 < x < BROADEST for x in items):
            return tuple(items)
        raise LogpiError(
            f"{where} is {value!r}; it must be a list of integers from 1 to {BROADEST - 1:,}, such as [64, 64]"
        )
    if type(value) is int and abs(value) >= (LARGEST if hint is int else MOST_FLOAT):
        raise LogpiError(f"{where} is out of range: whole numbers are below {LARGEST:,}, others below 1e300")
    if hint is float and type(value) in (int, float):
        return float(value)
    if type(value) is not hint:
        raise LogpiError(f"{where} is {value!r}, a {type(value).__name__}; it must be a {hint.__name__}")
    return value


def from_table(kind: type[S], table: Mapping[str, object], where: str) -> S:
    """A config dataclass from plain values; everything is checked.

    Raises:
        LogpiError: unknown key, a value of the wrong type, or one that is out of its range.
    """
    types = typing.get_type_hints(kind)
    hints = {field.name: types[field.name] for field in dataclasses.fields(kind)}
    values = {}
    for key, given in table.items():
        value = plain(given)
        if key not in hints:
            hint = f"; write {ALIASES[key]}" if key in ALIASES else near(key, hints)
            raise LogpiError(f"unknown setting {where}.{key}{hint or '; allowed: ' + ', '.join(hints)}")
        values[key] = checked(f"{where}.{key}", hints[key], value)
    config = kind(**values)
    check_ranges(where, config)
    return config


def to_table(config: Section) -> dict[str, Any]:
    """A config dataclass as plain values."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()}
