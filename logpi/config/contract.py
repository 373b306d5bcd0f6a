"""What a class of settings must be, so that flags, TOML files and agents can hold it; checked where one is found."""

from __future__ import annotations

import dataclasses
import importlib
import typing
from typing import Any, Literal

from logpi.config.settings import Run, check_ranges
from logpi.config.values import checked
from logpi.errors import LogpiError

ALLOWED = "int, float, bool, str, Literal of texts or of integers, and tuple[int, ...] for sizes"
FLAGS = (
    *("env", "algo", "policy", "init_from", "from", "config", "env_kwargs", "wrapper", "wrappers", "frame_stack"),
    *("quiet", "code", "trust", "help"),
)


def check_settings(what: str, kind: type[Any], base: str = "") -> None:
    """Refuse a class of settings that some part of logpi cannot hold.

    Args:
        what: what messages call it, such as "algorithm clipped: its settings".
        kind: the class.
        base: module:class of the settings whose fields it must have, because what runs the method reads them.

    Raises:
        LogpiError: it is not a frozen dataclass, lacks a field, or a field has another type, no good default, or a name
            that is taken.
    """
    frozen = getattr(kind, "__dataclass_params__", None)
    if frozen is None or not frozen.frozen:
        raise LogpiError(f"{what} are {kind!r}; write a class with dataclass(frozen=True)")
    fields = dataclasses.fields(kind)
    try:
        hints = typing.get_type_hints(kind)
    except Exception as error:
        raise LogpiError(f"{what}: an annotation cannot be read: {error}; allowed: {ALLOWED}") from error
    taken = {*FLAGS, *(field.name for field in dataclasses.fields(Run))}
    for field in fields:
        name = f"{what}.{field.name}"
        if not _is_allowed(hints[field.name]):
            raise LogpiError(f"{name} is declared as {_written(hints[field.name])}; allowed: {ALLOWED}")
        if field.name in taken:
            raise LogpiError(f"{name} has the name of a flag that every run has; give it another name")
        if not field.init or (field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING):
            raise LogpiError(f"{name} has no default; write one, such as {field.name}: float = above(0, 1.0)")
    _check_defaults(what, kind, hints)
    if base:
        module, _, name = base.partition(":")
        wanted = [field.name for field in dataclasses.fields(getattr(importlib.import_module(module), name))]
        if missing := [each for each in wanted if each not in hints]:
            raise LogpiError(
                f"{what} lack {', '.join(missing[:5])}; let {kind.__name__} be a subclass of {module}.{name}"
            )


def _check_defaults(what: str, kind: type[Any], hints: dict[str, Any]) -> None:
    try:
        usual = kind()
    except Exception as error:
        raise LogpiError(f"{what}: {kind.__name__}() raised {type(error).__name__}: {error}") from error
    for field in dataclasses.fields(kind):
        value = getattr(usual, field.name)
        checked(f"{what}.{field.name}", hints[field.name], value)
        if isinstance(value, list):
            raise LogpiError(f"{what}.{field.name} is {value!r}; write a tuple, {tuple(value)!r}")
    check_ranges(what, usual)


def _is_allowed(hint: Any) -> bool:
    if typing.get_origin(hint) is Literal:
        return {type(value) for value in typing.get_args(hint)} in ({str}, {int})
    return hint in (int, float, bool, str) or hint == tuple[int, ...]


def _written(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")
