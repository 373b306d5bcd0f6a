"""Successive halving (Jamieson & Talwalkar 2016), pure: how long a sweep's configurations train, and which go on.

Of n configurations 1/η go on from each round, for η times as long. The last round ends at the whole length:

    round r of R:  n / η^r configurations train to the share 1 / η^(R - 1 - r) of the length

They go on where they stood, with the schedules of the whole length: those at the end are the runs that they would have
been without any round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from logpi.errors import LogpiError

Merit = tuple[float, float] | None  # of a configuration: the first number decides, then the second; None: it diverged


class Round(NamedTuple):
    """A part of a sweep."""

    size: int  # configurations that train in it
    share: float  # of their length, to which they train


def rounds(count: int, eta: int = 0, levels: int = 3) -> list[Round]:
    """The rounds of ``count`` configurations.

    Args:
        count: number of configurations.
        eta: η; 0: one round, in which all train to the end.
        levels: number of rounds R, at most: no round has less than one configuration.

    Raises:
        LogpiError: ``eta`` is neither 0 nor at least 2, or ``levels`` is not positive.
    """
    if eta != 0 and eta < 2:
        raise LogpiError(
            f"halving is {eta}; allowed: 0 (none), or at least 2: the best 1/halving go on from each round"
        )
    if levels < 1:
        raise LogpiError(f"rounds is {levels}; it must be at least 1")
    if eta == 0:
        return [Round(count, 1.0)]
    last = min(levels - 1, int(math.log(count) / math.log(eta) + 1e-9))
    return [Round(count // eta**r, float(eta) ** (r - last)) for r in range(last + 1)]


def ranked(merits: Mapping[int, Merit]) -> list[int]:
    """Numbers of configurations, the best one first, those that diverged last; equals in the order of their numbers."""

    def place(number: int) -> tuple[object, ...]:
        merit = merits[number]
        return (merit is None, *(-x for x in merit or ()), number)

    return sorted(merits, key=place)


def best(merits: Mapping[int, Merit], count: int) -> list[int]:
    """Numbers of the ``count`` best configurations, in rising order; never of one that diverged."""
    return sorted([number for number in ranked(merits) if merits[number] is not None][:count])
