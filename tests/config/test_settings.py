"""Ranges and help of settings stand beside their fields, and hold in subclasses."""

import dataclasses
import math
import typing

import pytest

from logpi.config.help import help_of, with_help
from logpi.config.settings import Run, above, at_least, check_ranges, finite, fraction, range_of
from logpi.errors import LogpiError
from logpi.methods import all_methods

KINDS = sorted(
    {kind for m in all_methods() for kind in (m.settings, m.network)} | {Run}, key=lambda kind: kind.__name__
)


@dataclasses.dataclass(frozen=True)
class Parent:
    """Settings."""

    gamma: float = fraction(0.9)  # discount per step
    count: int = at_least(1, 4)
    limit: float = above(
        0,
        math.inf,
    )  # largest norm


@dataclasses.dataclass(frozen=True)
class Child(Parent):
    gamma: float = 0.5
    limit: float = 1.0  # largest norm of the child
    offset: float = finite(0.0)  # of either sign
    # number of layers,
    # each with its own width;
    depth: int = at_least(1, 2)  # 1: linear
    width: int = at_least(1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_has_a_range_that_its_default_is_in(kind):
    for name, hint in typing.get_type_hints(kind).items():
        if hint in (int, float) or typing.get_origin(hint) is tuple:
            assert range_of(kind, name), name
    check_ranges("section", kind())


def test_ranges_and_help_of_a_subclass():
    assert Child() == Child(0.5, 4, 1.0, 0.0, 2, 2)
    assert {field.name: help_of(Child, field.name) for field in dataclasses.fields(Child)} == {
        "gamma": "discount per step",
        "count": None,
        "limit": "largest norm of the child",
        "offset": "of either sign",
        "depth": "number of layers, each with its own width; 1: linear",
        "width": None,
    }
    assert help_of(Parent, "limit") == "largest norm"
    for settings, message in (
        (Child(gamma=1.5), "part.gamma is 1.5; it must be between 0 and 1"),
        (Child(gamma=math.nan), "part.gamma is nan; it must be between 0 and 1"),
        (Child(count=0), "part.count is 0; it must be at least 1"),
        (Child(limit=0.0), "part.limit is 0.0; it must be greater than 0"),
        (Child(offset=math.inf), "part.offset is inf; it must be finite"),
    ):
        with pytest.raises(LogpiError, match=message):
            check_ranges("part", settings)


def test_flags_carry_help_and_given_defaults():
    flags = with_help(Child, Child(count=7), lambda text: f"help: {text}")
    hints = typing.get_type_hints(flags, include_extras=True)
    assert typing.get_args(hints["gamma"]) == (float, "help: discount per step. Range: between 0 and 1")
    assert typing.get_args(hints["count"]) == (int, "help: Range: at least 1")
    assert vars(flags()) == vars(Child(count=7))
