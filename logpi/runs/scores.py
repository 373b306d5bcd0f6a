"""Scores in words: three significant digits, and 95 % intervals of a mean.

Every place that shows a score to people formats it here. Nothing here imports JAX.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

DIGITS = 3  # significant digits of a score
OF_INTERVAL = 2  # significant digits of its interval
MORE = 2  # decimals that an interval may add to those of its mean
TINY = 1e-4  # smaller numbers are written with an exponent


def significant(value: float, digits: int = DIGITS) -> str:
    """``value`` with at least ``digits`` significant digits, all before the point among them: 12,345, 87.2, 0.0342."""
    if math.isfinite(value) and 0 < abs(value) < TINY:
        return f"{value:.{digits - 1}e}"
    return _fixed(value, decimals(value, digits))


def percent(value: float) -> str:
    """A fraction of 0 to 1 in per cent, to two decimals: of 98.93 % the last digits count."""
    return f"{100 * value:.2f} %"


def score(value: float, in_percent: bool = False) -> str:
    """A score as its task shows it (``logpi.tasks.Score.percent``)."""
    return percent(value) if in_percent else significant(value)


def plus_minus(mean: float, half: float) -> str:
    """``mean ± half`` of a 95 % interval, both to the same decimals; without it where ``half`` is not known."""
    shown = decimals(mean, DIGITS)
    if not math.isfinite(half):
        return significant(mean)
    if half > abs(mean):  # a mean that may as well be 0 has no digits beyond its interval's
        shown = min(shown, decimals(half, DIGITS))
    if half > 0:
        shown = max(shown, min(decimals(half, OF_INTERVAL), shown + MORE))
    return f"{_fixed(mean, shown)} ± {_fixed(half, shown) if half else '0'}"


def summary(values: ArrayLike, over: str) -> str:
    """Mean, 95 % interval and deviation of ``values`` [n] in words; ``over`` names them: "100 greedy episodes"."""
    numbers = np.asarray(values, float)
    mean, half = float(numbers.mean()), half_width(numbers)
    if not math.isfinite(half):
        return f"{significant(mean)} ({over}: too few for an interval)"
    deviation = significant(float(numbers.std()))
    return f"{plus_minus(mean, half)} (95 % interval of the mean over {over}; standard deviation {deviation})"


def half_width(values: ArrayLike) -> float:
    """Half of Student's 95 % interval of the mean of ``values`` [n]; nan for one of them."""
    return float(interval(np.asarray(values, float)[:, None])[1][0])


def interval(values: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``(mean [N], half-width [N])`` of Student's 95 % interval of the mean over the first axis; nan for one value.

    Args:
        values: [S, N], finite.
    """
    values = np.asarray(values, np.float64)
    count, mean = len(values), values.mean(axis=0)
    if count == 1:
        return mean, np.full_like(mean, math.nan)
    from scipy.special import stdtrit  # scipy.stats has the same and takes a second to import

    return mean, stdtrit(count - 1, 0.975) * values.std(axis=0, ddof=1) / math.sqrt(count)


def decimals(value: float, digits: int) -> int:
    """Decimals that show ``digits`` significant digits of ``value``; of 0, two."""
    if not math.isfinite(value) or value == 0:
        return digits - 1
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # after rounding: 9.996 is 10.0
    return max(0, digits - 1 - exponent)


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
