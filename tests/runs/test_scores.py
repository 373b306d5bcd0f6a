"""Scores as people read them: three significant digits, and intervals that say what they are."""

import math

import numpy as np
import pytest
from scipy import stats

from logpi.runs.scores import half_width, interval, plus_minus, score, significant, summary

SHOWN = {
    0.0: "0.00",
    -0.0342: "-0.0342",
    0.4: "0.400",
    0.872: "0.872",
    9.996: "10.0",
    87.25: "87.2",
    -199.96: "-200",
    499.6: "500",
    12345.6: "12,346",
    3.2e-7: "3.20e-07",
    math.nan: "nan",
    math.inf: "inf",
}


@pytest.mark.parametrize(("value", "text"), SHOWN.items())
def test_three_significant_digits(value, text):
    assert significant(value) == text


def test_minus_zero_is_zero():
    assert significant(-0.0) == "0.00"
    assert plus_minus(-0.0004, 0.19) == "0.000 ± 0.190"


def test_accuracies_keep_two_decimals_of_a_per_cent():
    assert score(0.98934, in_percent=True) == "98.93 %"
    assert score(0.98934) == "0.989"


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (499.63, 0.312, "499.63 ± 0.31"),
        (-0.0342, 0.19, "-0.034 ± 0.190"),
        (500.0, 0.0, "500 ± 0"),
        (21.34, 12.41, "21.3 ± 12.4"),
        (0.0, 0.0042, "0.0000 ± 0.0042"),
        (7.5, math.nan, "7.50"),
    ],
)
def test_a_mean_and_its_interval_have_the_same_decimals(mean, half, text):
    assert plus_minus(mean, half) == text


def test_the_interval_is_students():
    values = np.random.default_rng(0).normal(size=(7, 3))
    mean, half = interval(values)
    low, high = stats.t.interval(0.95, 6, loc=values.mean(0), scale=stats.sem(values, axis=0))
    np.testing.assert_allclose([mean - half, mean + half], [low, high])
    assert half_width(values[:, 0]) == pytest.approx(half[0])
    assert math.isnan(half_width([1.0]))


def test_a_summary_names_what_it_shows():
    assert summary([1.0, 3.0], "2 greedy episodes") == (
        "2.0 ± 12.7 (95 % interval of the mean over 2 greedy episodes; standard deviation 1.00)"
    )
    assert summary([1.0], "1 greedy episode") == "1.00 (1 greedy episode: too few for an interval)"
