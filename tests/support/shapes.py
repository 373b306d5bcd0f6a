"""Checks of the shapes and dtypes that signatures and the fields of public types declare (jaxtyping)."""

from __future__ import annotations

import typing
from collections.abc import Callable

from beartype import BeartypeConf, beartype
from beartype.door import is_bearable
from jaxtyping import jaxtyped

CONF = BeartypeConf(is_pep484_tower=True)  # an int serves as a float


def checked(function: Callable) -> Callable:
    """``function``, raising ``jaxtyping.TypeCheckError`` where an argument or result is not as annotated."""
    return beartype(conf=CONF)(function)


def misfits(record: tuple) -> list[str]:
    """The fields of a NamedTuple whose shape or dtype is not as declared; one name has one size in all fields."""
    fields = typing.get_type_hints(type(record))
    with jaxtyped("context"):
        return [name for name, kind in fields.items() if not is_bearable(getattr(record, name), kind)]
