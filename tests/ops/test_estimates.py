"""Variance, signal and their intervals: against the definitions, and their coverage where the truth is known."""

import numpy as np
import pytest

from logpi.ops import estimates
from logpi.ops.estimates import Interval, Sums

B, N, D = 12, 30, 5
MIX = np.random.default_rng(1).normal(size=(D, D))
CENTRE = np.linspace(-1, 2, D)


def draws(rng, blocks=B, each=N):
    """[B, N, D] of a skewed distribution whose mean is ``CENTRE`` and whose covariance is MIX MIXᵀ."""
    return CENTRE + (rng.exponential(size=(blocks, each, D)) - 1) @ MIX.T


def sums(x):
    return Sums(np.full(len(x), float(x.shape[1])), x.sum(1), np.square(x).sum((1, 2)))


def test_the_trace_is_that_of_the_sample_covariance_and_so_it_is_without_each_block():
    x = draws(np.random.default_rng(0))
    found = estimates.trace(estimates.without_each(sums(x)))
    assert found.shape == (B + 1,)
    for k in range(B + 1):
        rest = x if k == 0 else np.delete(x, k - 1, 0)
        np.testing.assert_allclose(found[k], np.trace(np.cov(rest.reshape(-1, D).T)), rtol=1e-10)


def test_the_signal_is_the_mean_of_products_of_different_estimates():
    x = draws(np.random.default_rng(2), 3, 4).reshape(-1, D)
    products = x @ x.T
    unbiased = (products.sum() - np.trace(products)) / (len(x) * (len(x) - 1))
    found = estimates.signal(estimates.without_each(sums(x.reshape(3, 4, D))))
    np.testing.assert_allclose(found[0], unbiased, rtol=1e-10)


def test_intervals_of_the_trace_and_of_the_signal_hold_the_truth_95_times_in_a_hundred():
    rng, hits, repetitions = np.random.default_rng(3), np.zeros(2), 1_000
    for _ in range(repetitions):
        means = estimates.without_each(sums(draws(rng, 24, 40)))
        variance = estimates.positive(estimates.trace(means))
        signal = estimates.interval(estimates.signal(means))
        truth = np.trace(MIX @ MIX.T), CENTRE @ CENTRE
        hits += [found.low <= x <= found.high for found, x in zip((variance, signal), truth, strict=True)]
    assert (np.abs(hits / repetitions - 0.95) < 0.02).all(), hits


def test_an_interval_of_a_mean_is_students():
    x = np.random.default_rng(4).normal(size=9)
    found = estimates.interval(estimates.mean(x, np.ones(9)))
    from scipy import stats

    np.testing.assert_allclose(found[1:], stats.t.interval(0.95, 8, loc=x.mean(), scale=stats.sem(x)))


def test_what_is_positive_has_an_interval_above_0_and_a_constant_one_without_width():
    few = estimates.positive(np.array([1.0, 0.1, 0.2, 3.0, 5.0]))
    assert 0 < few.low < few.value < few.high
    assert estimates.positive(np.full(5, 2.0)) == Interval(2.0, 2.0, 2.0)
    assert estimates.positive(np.zeros(5)) == Interval(0.0, 0.0, 0.0)
    assert np.isnan(estimates.positive(np.array([np.inf, np.inf, np.inf])).low)


@pytest.mark.parametrize(
    ("square", "root"),
    [((4.0, 1.0, 9.0), (2.0, 1.0, 3.0)), ((1.0, -1.0, 4.0), (1.0, 0.0, 2.0)), ((-3.0, -5.0, -1.0), (0.0, 0.0, 2**0.5))],
)
def test_the_root_of_an_interval_of_a_square_that_noise_made_negative_still_has_a_width(square, root):
    np.testing.assert_allclose(estimates.root(Interval(*square)), root)
