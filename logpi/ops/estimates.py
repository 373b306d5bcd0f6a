"""How good an estimate of ∇J is: variance, signal-to-noise ratio, bias and cosine, each with its interval.

An estimate g is a random vector of D numbers: the gradient that a rung of the ladder takes from m trajectories. From n
independent ones g_1 … g_n, with ḡ their mean:

    tr Cov(g) ≈ 1/(n-1) Σ_i ‖g_i - ḡ‖² = n/(n-1) (mean ‖g_i‖² - ‖ḡ‖²)
    ‖E[g]‖²   ≈ ‖ḡ‖² - tr Cov(g) / n                               unbiased, and so below 0 now and then
    V         = m tr Cov(g)                                        variance by the trajectory
    SNR       = ‖E[g]‖ / √V                                        of one trajectory; that of N is √N times as large

N independent trajectories have the error √(V/N). So for the same error one rung needs V_a / V_b times as many as
another, and V / ‖∇J‖² trajectories have an error as long as the gradient itself.

Everything above is a function of three sums, Σ 1, Σ g and Σ ‖g‖², kept for B blocks of estimates. Its interval is the
delete-one jackknife's (Tukey 1958; Efron & Stein 1981): computed again B times, each time without one block,

    θ ± t_{B-1} √( (B-1)/B Σ_b (θ_(b) - θ_(·))² )

with log θ for what is positive by nature, which is skewed. All of it is NumPy in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import stdtrit

Numbers = NDArray[np.float64]
Each = Float[np.ndarray, " K"]  # K = B + 1: of all blocks, then without each of them
LEVEL = 0.95


class Sums(NamedTuple):
    """Sums over the estimates of B blocks."""

    n: Float[np.ndarray, " B"]
    total: Float[np.ndarray, "B D"]  # Σ g
    squared: Float[np.ndarray, " B"]  # Σ ‖g‖²


class Means(NamedTuple):
    """Means over the estimates of all blocks, and without each of them in turn."""

    n: Each
    squared: Each  # mean of ‖g‖²
    length: Each  # ‖ḡ‖²


class Interval(NamedTuple):
    """An estimated number with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def without_each(sums: Sums) -> Means:
    """``Means`` of the sums: ‖S - S_b‖² = ‖S‖² - 2 S·S_b + ‖S_b‖² needs no vector for each block left out."""
    whole = sums.total.sum(0)
    length = whole @ whole - 2.0 * (sums.total @ whole) + np.square(sums.total).sum(1)
    n = _left(sums.n)
    squares = np.concatenate([[whole @ whole], np.maximum(length, 0.0)])
    return Means(n, _left(sums.squared) / n, squares / np.square(n))


def _left(x: Numbers) -> Each:
    """The sum of ``x`` [B], then that without each entry."""
    return x.sum() - np.concatenate([[0.0], x])


def trace(means: Means) -> Each:
    """tr Cov(g) of one estimate."""
    return np.maximum(means.squared - means.length, 0.0) * means.n / (means.n - 1.0)


def signal(means: Means) -> Each:
    """‖E[g]‖²; its own noise can make it negative."""
    return means.length - trace(means) / means.n


def mean(total: Numbers, count: Numbers) -> Each:
    """A mean, from its sums [B] over blocks of ``count`` [B] numbers."""
    return _left(total) / _left(count)


def interval(each: Each) -> Interval:
    """The jackknife's interval of a number of either sign."""
    value, without = float(each[0]), each[1:]
    half = _half_width(without)
    return Interval(value, value - half, value + half)


def positive(each: Each) -> Interval:
    """The same of a positive number, on the scale of its logarithm; of 0 the interval is 0 alone."""
    if not np.isfinite(each).all():
        return Interval(float(each[0]), np.nan, np.nan)
    if not (each > 0).all():
        return Interval(float(each[0]), 0.0, 0.0) if (each == 0).all() else interval(each)
    half = _half_width(np.log(each[1:]))
    return Interval(float(each[0]), float(each[0] * np.exp(-half)), float(each[0] * np.exp(half)))


def root(found: Interval) -> Interval:
    """√ of an interval of a square; 0 takes the place of a negative estimate, with the same distance upwards."""
    value = max(found.value, 0.0)
    ends = (value, max(found.low, 0.0), value + found.high - found.value)
    return Interval(*(float(np.sqrt(x)) for x in ends))


def scaled(found: Interval, factor: float) -> Interval:
    """``factor`` > 0 times an interval."""
    return Interval(*(factor * x for x in found))


def _half_width(without: Numbers) -> float:
    blocks = len(without)
    error = np.sqrt((blocks - 1) * np.square(without - without.mean()).mean())
    return float(stdtrit(blocks - 1, 0.5 + LEVEL / 2) * error)


def quantiles(x: Numbers, at: Sequence[float]) -> list[float]:
    """Quantiles of ``x`` [n]; NaN where one of them is."""
    return [float(q) for q in np.quantile(x, at)]
