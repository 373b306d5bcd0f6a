"""Fields of settings: a default, a range of allowed values, and a comment that is the help of its flag.

    gamma: float = fraction(0.99)  # discount γ per step

A subclass may write ``gamma: float = 0.9``: the range and the comment of the class above still hold.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import io
import math
import textwrap
import tokenize
import typing
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from logpi.errors import LogpiError

T = TypeVar("T")
RANGE = "range"  # key of a field's metadata
MOST_STEPS = 2e9  # timesteps of a run: they are counted in 32 bits


class Range(NamedTuple):
    """Allowed values of a setting."""

    allows: Callable[[Any, Any], bool]  # (value, the settings that it belongs to)
    text: str  # what an error message says after "it must be"


def ranged(default: T, allows: Callable[[Any, Any], bool], text: str) -> T:
    """Field with a range of its own; ``allows(value, settings)`` may look at the other settings."""
    found: T = dataclasses.field(default=default, metadata={RANGE: Range(allows, text)})
    return found


def at_least(low: int, default: T) -> T:
    """Number of at least ``low``."""
    return ranged(default, lambda x, _: x >= low, f"at least {low}")


def not_negative(default: T) -> T:
    """Finite number of at least 0."""
    return ranged(default, lambda x, _: 0 <= x < math.inf, "at least 0 and finite")


def above(low: int, default: T) -> T:
    """Number greater than ``low``; inf is allowed."""
    return ranged(default, lambda x, _: x > low, f"greater than {low}")


def between(low: float, high: float, default: T) -> T:
    """Number from ``low`` to ``high``."""
    return ranged(default, lambda x, _: low <= x <= high, f"between {low:g} and {high:g}")


def fraction(default: T) -> T:
    """Number from 0 to 1."""
    return between(0, 1, default)


def finite(default: T) -> T:
    """Finite number of either sign."""
    return ranged(default, lambda x, _: math.isfinite(x), "finite")


def layers(default: T) -> T:
    """Sizes of layers, one positive integer each."""
    return ranged(default, lambda x, _: all(n >= 1 for n in x), "positive integers, one a layer")


def timesteps(default: T) -> T:
    """Length of a run in timesteps."""
    return ranged(default, lambda x, _: 0 < x <= MOST_STEPS, f"above 0 and at most {MOST_STEPS:g}")


def range_of(kind: type[Any], name: str) -> Range | None:
    """Range of the field ``name`` of ``kind``: its own, or that of the nearest class above that has one."""
    for base in kind.__mro__:
        field = getattr(base, "__dataclass_fields__", {}).get(name)
        if field is not None and RANGE in field.metadata:
            found: Range = field.metadata[RANGE]
            return found
    return None


def check_ranges(where: str, config: Any) -> None:
    """Refuse settings that no run can use; ``config`` is the section ``where`` of an experiment.

    Raises:
        LogpiError: a value is out of its range.
    """
    for field in dataclasses.fields(config):
        value, wanted = getattr(config, field.name), range_of(type(config), field.name)
        if wanted is not None and not wanted.allows(value, config):
            raise LogpiError(f"{where}.{field.name} is {value}; it must be {wanted.text}")


@functools.cache
def help_of(kind: type[Any], name: str) -> str | None:
    """Comment beside the field ``name`` of ``kind``, or of the nearest class above that has one."""
    return next((found for base in kind.__mro__ if (found := _comments(base).get(name))), None)


@functools.cache
def _comments(kind: type[Any]) -> dict[str, str]:
    """The comments that end the lines of the fields in the body of ``kind``; {} where its source is not known."""
    if not dataclasses.is_dataclass(kind):
        return {}
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):
        return {}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    return {
        line.target.id: lines[line.end_lineno or line.lineno]
        for line in body.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.end_lineno in lines
    }


def with_help(kind: type[Any], default: Any, described: Callable[[str], Any]) -> type[Any]:
    """A dataclass with the fields of ``kind``, the defaults of ``default``, and help in the types.

    Args:
        kind: of ``default``.
        default: settings.
        described: (help) -> what stands beside the type, as in ``Annotated[type, described(help)]``.
    """
    hints, documented = typing.get_type_hints(kind), typing.cast(Any, kind)
    fields: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(kind):
        about = help_of(documented, field.name)
        hint = typing.Annotated[hints[field.name], described(about)] if about else hints[field.name]
        fields.append((field.name, hint, dataclasses.field(default=getattr(default, field.name))))
    return dataclasses.make_dataclass(kind.__name__, fields, frozen=True, namespace={"__doc__": kind.__doc__})
