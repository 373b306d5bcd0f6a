"""Ranges of settings, random search, and the rounds of successive halving."""

import math

import numpy as np
import pytest

from logpi.errors import LogpiError
from logpi.sweeps.folder import Reached
from logpi.sweeps.halving import Round, best, ranked, rounds
from logpi.sweeps.space import drawn, space_of

GIVEN = {
    "learning_rate": {"log": [1e-4, 1e-2]},
    "gamma": {"uniform": [0.9, 1]},
    "n_epochs": [4, 10],
    "hidden": [[32], [64, 64]],
}


def test_draws_have_the_distributions_that_the_ranges_say():
    points = [drawn(space_of(GIVEN), 0, number) for number in range(2000)]
    logs = np.log10([point["learning_rate"] for point in points])
    gammas = np.array([point["gamma"] for point in points])
    for values, low, high in ((logs, -4, -2), (gammas, 0.9, 1)):
        shares = np.histogram(values, bins=4, range=(low, high))[0] / len(points)
        assert low <= values.min() <= values.max() <= high
        assert np.abs(shares - 0.25).max() < 5 * math.sqrt(0.25 * 0.75 / len(points))
    for name in ("n_epochs", "hidden"):
        first = np.mean([point[name] == GIVEN[name][0] for point in points])
        assert abs(first - 0.5) < 5 * 0.5 / math.sqrt(len(points))
    assert abs(np.corrcoef(logs, gammas)[0, 1]) < 5 / math.sqrt(len(points))


def test_a_configuration_depends_on_its_number_and_the_seed_alone():
    space, turned = space_of(GIVEN), space_of(dict(reversed(GIVEN.items())))
    assert drawn(space, 3, 7) == drawn(turned, 3, 7)
    assert len({repr(drawn(space, seed, number)) for seed in range(3) for number in range(3)}) == 9


def test_numbers_have_four_digits_and_stay_in_their_range():
    space = space_of({"gamma": {"uniform": [0.999991, 0.999999]}, "ent_coef": {"log": [1.23456e-5, 1.23459e-5]}})
    for number in range(20):
        point = drawn(space, 0, number)
        assert 0.999991 <= point["gamma"] <= 0.999999
        assert 1.23456e-5 <= point["ent_coef"] <= 1.23459e-5
    assert all(x == float(f"{x:.4g}") for k in range(20) if (x := drawn(space_of(GIVEN), 0, k)["learning_rate"]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs settings to search"),
        ({"gamma": 0.9}, "space.gamma is 0.9; allowed: a list of values"),
        ({"gamma": []}, "space.gamma is []"),
        ({"gamma": {"normal": [0, 1]}}, "{log = [LOW, HIGH]}"),
        ({"gamma": {"uniform": [1, 0.9]}}, "space.gamma.uniform is [1, 0.9]; allowed: two finite numbers, the lower"),
        ({"gamma": {"uniform": [0.9, math.inf]}}, "two finite numbers"),
        ({"gamma": {"uniform": [True, 2]}}, "two finite numbers"),
        ({"gamma": {"log": [0, 1]}}, "two finite numbers above 0"),
        ({"gamma": {"log": [1e-3]}}, "two finite numbers above 0"),
    ],
)
def test_other_ranges_are_refused(given, said):
    with pytest.raises(LogpiError) as error:
        space_of(given)
    assert said in str(error.value)


def test_rounds_share_one_whole_length_and_keep_one_in_eta():
    assert rounds(64) == [Round(64, 1.0)]
    assert rounds(64, 4) == [Round(64, 1 / 16), Round(16, 1 / 4), Round(4, 1.0)]
    assert rounds(64, 4, 9) == [Round(64, 1 / 64), Round(16, 1 / 16), Round(4, 1 / 4), Round(1, 1.0)]
    assert rounds(3, 4) == [Round(3, 1.0)]
    assert rounds(27, 3, 2) == [Round(27, 1 / 3), Round(9, 1.0)]
    for wrong in ({"eta": 1}, {"eta": -2}, {"eta": 2, "levels": 0}):
        with pytest.raises(LogpiError, match=r"(halving|rounds) is"):
            rounds(64, **wrong)


def test_the_best_go_on_and_what_diverged_never_does():
    merits = {0: (1.0, 0.0), 1: None, 2: (3.0, 5.0), 3: (3.0, 6.0), 4: (-math.inf, 0.0), 5: (3.0, 5.0)}
    assert ranked(merits) == [3, 2, 5, 0, 4, 1]  # of equal scores the second number decides, then the order
    assert best(merits, 2) == [2, 3]
    assert best(merits, 6) == [0, 2, 3, 4, 5]


def test_a_seed_that_diverged_takes_its_configuration_along():
    assert Reached(10, [1.0, math.nan], [1.0, 1.0]).merit is None
    assert Reached(10, [1.0, 2.0], [4.0, 5.0]).merit == (1.5, 4.5)
    assert Reached(10, [1.0], [math.nan]).merit == (1.0, -math.inf)
