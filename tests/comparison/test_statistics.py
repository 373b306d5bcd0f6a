"""Statistics against rliable's numbers (bench/rliable_oracle.py), enumeration, and their own definitions."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from logpi.comparison import statistics

ORACLE = json.loads((Path(__file__).parent / "rliable.json").read_text())
CASES = pytest.mark.parametrize("case", ORACLE["cases"], ids=lambda case: case["name"])
AGGREGATES = (statistics.iqm, statistics.median, statistics.mean, statistics.optimality_gap)


def by_environment(matrix):
    return list(np.asarray(matrix).T)


def within_monte_carlo(ours, theirs):
    """Whether our ends [...] are those of an interval that was computed several times, [repeats, ...]."""
    theirs = np.asarray(theirs)
    spread = theirs.std(0, ddof=1) * np.sqrt(1 + 1 / len(theirs))
    # five times give the deviation itself only within a factor of two or so
    return np.all(np.abs(np.asarray(ours) - theirs.mean(0)) <= 6 * spread + 2e-3)


@CASES
def test_point_estimates_are_rliables(case):
    scores = by_environment(case["x"])
    np.testing.assert_allclose([f(scores) for f in AGGREGATES], case["aggregates"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(statistics.profile(scores, np.array(case["taus"])), case["profile"], atol=1e-6)
    found = statistics.improvement(scores, by_environment(case["y"]))
    assert found == pytest.approx(case["improvement"], abs=1e-6)


@CASES
def test_intervals_are_rliables_within_monte_carlo_error(case):
    scores, others = by_environment(case["x"]), by_environment(case["y"])
    ours = np.array([statistics.interval(f, scores) for f in AGGREGATES]).T
    assert within_monte_carlo(ours, case["intervals"])
    pair = np.array(statistics.improvement_interval(scores, others))[:, None]
    assert within_monte_carlo(pair, case["improvement_intervals"])


def test_unequal_numbers_of_seeds_weigh_environments_alike():
    """A seed that is there twice in one environment changes nothing where all its neighbours are too."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=8), rng.normal(size=8)
    for f in (statistics.mean, statistics.median, statistics.optimality_gap, statistics.iqm):
        assert f([np.repeat(x, 3), y]) == pytest.approx(f([x, y]))


def test_the_interquartile_mean_cuts_whole_scores():
    assert statistics.iqm([np.arange(10.0)]) == pytest.approx(np.arange(2, 8).mean())
    assert statistics.iqm([np.array([5.0])]) == 5.0
    assert statistics.iqm([np.array([1.0, 2.0, 3.0])]) == pytest.approx(2.0)
    assert np.isnan(statistics.iqm([np.array([1.0, np.nan, 3.0])]))


def test_permutation_p_is_that_of_all_permutations():
    x, y = np.array([0.1, 0.5, 0.9, 1.3]), np.array([0.2, 0.3, 0.5, 0.4])

    def statistic(chosen, rest):
        return abs(statistics.wins(chosen, rest).mean() - 0.5)

    every = np.concatenate([x, y])
    splits = [list(chosen) for chosen in itertools.combinations(range(8), 4)]
    values = [statistic(every[split], np.delete(every, split)) for split in splits]
    exact = np.mean(np.array(values) >= statistic(x, y) - 1e-12)
    assert statistics.permutation_p([x], [y], 20_000) == pytest.approx(exact, abs=0.012)


def test_permutation_p_is_uniform_where_there_is_no_difference():
    rng = np.random.default_rng(1)
    found = [statistics.permutation_p(rng.normal(size=(2, 8)), rng.normal(size=(2, 8)), 499) for _ in range(300)]
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert scipy.stats.kstest(found, "uniform").pvalue > 1e-3


def test_a_clear_difference_has_the_smallest_p():
    assert statistics.permutation_p([np.arange(12.0)], [np.arange(12.0) + 20], 999) == pytest.approx(1 / 1000)


def test_three_seeds_in_one_environment_are_never_significant():
    found = statistics.permutation_p([np.array([1.0, 2, 3])], [np.array([4.0, 5, 6])])
    assert found == pytest.approx(0.1, abs=0.015)


def test_holm():
    """Holm's own procedure: the smallest p against α/m, the next against α/(m − 1), until one is not rejected."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        p = rng.uniform(size=6) ** 3
        adjusted, going = np.array(statistics.holm(p)), True
        for place, k in enumerate(np.argsort(p)):
            going = going and p[k] <= 0.05 / (6 - place)
            assert (adjusted[k] <= 0.05) == going
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([]) == []


def test_midranks_are_scipys():
    values = np.array([3.0, 1.0, 3.0, 2.0, 3.0, 1.0])
    np.testing.assert_array_equal(statistics.midranks(values), scipy.stats.rankdata(values))


def test_the_same_scores_give_the_same_intervals():
    scores = [np.random.default_rng(3).normal(size=6)]
    assert statistics.interval(statistics.iqm, scores) == statistics.interval(statistics.iqm, scores)
