"""Fields of a request: numbers of the right kind and range, and the few things that a room keeps between requests."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from logpi.errors import LogpiError
from logpi.runs.files import Json

T = TypeVar("T")
SEEDS = range(2**31)


def whole(asked: Json, name: str, allowed: range, default: int | None = None) -> int:
    """A whole number of a request.

    Raises:
        LogpiError: it is missing, of another type, or out of its range.
    """
    given = asked.get(name, default)
    if type(given) is not int or given not in allowed:
        raise LogpiError(f"{name}: a whole number from {allowed[0]} to {allowed[-1]:,}")
    return given


def number(asked: Json, name: str, default: float) -> float:
    """A finite number of a request; raises as ``whole``."""
    given = asked.get(name, default)
    if not isinstance(given, int | float) or isinstance(given, bool) or not math.isfinite(given):
        raise LogpiError(f"{name}: a number")
    return float(given)


class Kept(Generic[T]):
    """The things used last, by key: at most ``most``, and no more than ``room`` in all where they have a size."""

    def __init__(self, most: int, room: float = math.inf, size: Callable[[T], float] = lambda thing: 0.0) -> None:
        self._most, self._room, self._size = most, room, size
        self._things = OrderedDict[object, T]()

    def __contains__(self, key: object) -> bool:
        return key in self._things

    def put(self, key: object, value: T) -> list[T]:
        """Keep ``value``; what had to go for it is returned."""
        self._things[key] = value
        self._things.move_to_end(key)
        gone = []
        while len(self._things) > 1 and (len(self._things) > self._most or self._filled() > self._room):
            gone.append(self._things.popitem(last=False)[1])
        return gone

    def _filled(self) -> float:
        return sum(map(self._size, self._things.values()))

    def find(self, key: object) -> T | None:
        """What is kept by ``key``; it counts as used."""
        if key not in self._things:
            return None
        self._things.move_to_end(key)
        return self._things[key]
