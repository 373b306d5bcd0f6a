"""Settings of the rules of Go: komi, handicap, superko; and the name of the game that has them."""

from __future__ import annotations

import math

from logpi.errors import LogpiError

SUPERKO = ("positional", "situational")
KOMI = 7.5


def check_settings(komi: object, superko: object) -> None:
    """Refuse a komi that is not a whole or half number of points, or an unknown superko.

    Raises:
        LogpiError: it is.
    """
    if not isinstance(komi, int | float) or not math.isfinite(komi) or komi * 2 != round(komi * 2):
        raise LogpiError(f"go: komi {komi!r} is not a whole or half number of points; choose one, such as 7.5")
    if superko not in SUPERKO:
        raise LogpiError(f"go: superko {superko!r}; allowed: {', '.join(SUPERKO)}")


def handicap_moves(size: int, stones: int) -> tuple[int, ...]:
    """The first moves of a game with a handicap: Black's stones, with passes of White between them.

    Raises:
        LogpiError: there are no places for that number of stones.
    """
    most = 0 if size < 7 else 4 if size == 7 or size % 2 == 0 else 9
    if type(stones) is not int or stones not in (0, *range(2, most + 1)):
        allowed = f"0, or 2 to {most}" if most else "0"
        raise LogpiError(f"go: handicap {stones!r} on {size}x{size}; allowed: {allowed} stones")
    low, middle = 3 if size >= 13 else 2, size // 2
    high = size - 1 - low
    corners = [(high, low), (low, high), (low, low), (high, high)]  # row from the top, column
    sides = [(middle, low), (middle, high), (high, middle), (low, middle)]
    places = corners[:stones] + (sides[: (stones - 4) // 2 * 2] if stones > 4 else [])
    if stones > 4 and stones % 2:
        places.append((middle, middle))
    moves: list[int] = []
    for row, column in sorted(places):
        moves += [row * size + column, size**2]
    return tuple(moves[:-1])


def name_with(size: int, komi: float, handicap: int, superko: str) -> str:
    """The name of the game, with the settings that are not the usual ones."""
    settings = [f"komi={komi:g}"] * (komi != KOMI) + [f"handicap={handicap}"] * (handicap > 0)
    settings += [f"superko={superko}"] * (superko != "positional")
    return f"go-{size}x{size}" + (":" + ",".join(settings) if settings else "")
