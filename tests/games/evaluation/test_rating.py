"""Scores, Elo and the sequential test: against values by hand, closed forms, and simulated matches."""

import math

import numpy as np
import pytest
from scipy import stats

from logpi.errors import LogpiError
from logpi.games.evaluation.rating import SCORES, Z, bradley_terry, elo_difference, elo_of, mean_score, score_of, sprt


def wilson(share, n):
    middle, half = share + Z**2 / (2 * n), Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return (middle - half) / (1 + Z**2 / n), (middle + half) / (1 + Z**2 / n)


def simulated(rng, elo, pairs, luck=0.0):
    """[5] counts of pairs of games won or lost at ``elo``; ``luck`` spreads the strength over openings."""
    strength = elo + luck * rng.normal(size=pairs)
    won = (rng.random((2, pairs)) < 1 / (1 + 10 ** (-strength / 400))).sum(0)
    return np.bincount(2 * won, minlength=5)


def test_elo_and_score():
    assert elo_of(0.5) == 0
    assert elo_of(0.75) == pytest.approx(190.848, abs=1e-3)
    assert score_of(400) == pytest.approx(10 / 11)
    assert elo_of(score_of(-123.0)) == pytest.approx(-123)
    assert (elo_of(0.0), elo_of(1.0)) == (-math.inf, math.inf)


@pytest.mark.parametrize(("lost", "won"), [(20, 30), (1, 9), (0, 100), (50, 0)])
def test_pairs_won_or_lost_have_wilsons_interval(lost, won):
    found = mean_score([lost, 0, 0, 0, won])
    low, high = wilson(won / (won + lost), won + lost)
    assert found.value == won / (won + lost)
    assert found.low == pytest.approx(low, abs=1e-3)
    assert found.high == pytest.approx(high, abs=1e-3)


def test_many_pairs_have_the_normal_interval_of_the_pentanomial():
    counts = np.array([40, 200, 500, 260, 60])
    p = counts / counts.sum()
    mean = p @ SCORES
    half = Z * math.sqrt(p @ (SCORES - mean) ** 2 / counts.sum())
    assert mean_score(counts) == pytest.approx((mean, mean - half, mean + half), abs=1e-4)


def test_dependent_games_widen_and_balanced_ones_narrow_the_interval():
    """The same points: pairs that agree tell less, pairs in which each wins once tell nearly all."""
    together, apart = mean_score([50, 0, 0, 0, 50]), mean_score([5, 0, 90, 0, 5])
    assert together.value == apart.value == 0.5
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_intervals_cover():
    rng = np.random.default_rng(0)
    inside = [0, 0]
    for _ in range(500):
        for k, elo in enumerate((40, 400)):
            found = elo_difference(simulated(rng, elo, 50))
            inside[k] += found.low <= elo <= found.high
    assert 0.92 <= inside[0] / 500 <= 0.98
    assert 0.92 <= inside[1] / 500 <= 0.995


def test_elo_difference_of_one_sided_matches():
    value, low, high = elo_difference([0, 0, 0, 0, 50])
    assert (value, high) == (math.inf, math.inf)
    assert low == pytest.approx(elo_of(50 / (50 + Z**2)), abs=1)
    with pytest.raises(LogpiError, match="nothing to rate"):
        mean_score([0, 0, 0, 0, 0])


def test_sprt_by_hand():
    """Where pairs are won or lost the likeliest distribution is the only one: log(p1/p0) of each."""
    found = sprt([40, 0, 0, 0, 60], 0, 50)
    by_hand = 60 * math.log(score_of(50) / 0.5) + 40 * math.log((1 - score_of(50)) / 0.5)
    assert found.llr == pytest.approx(by_hand, abs=0.01)
    assert (found.lower, found.upper) == pytest.approx((-math.log(19), math.log(19)))
    assert found.verdict == ""
    assert sprt([40, 0, 0, 0, 160], 0, 50).verdict == "elo1"
    assert sprt([100, 0, 0, 0, 70], 0, 50).verdict == "elo0"
    assert sprt([0] * 5, 0, 10) == (0.0, found.lower, found.upper, "")
    uneven = sprt([0, 0, 1, 0, 0], 0, 10, alpha=0.01, beta=0.1)
    assert (uneven.lower, uneven.upper) == pytest.approx((math.log(0.1 / 0.99), math.log(0.9 / 0.01)))


@pytest.mark.parametrize("elos", [(0, 10_000), (0, math.inf), (-200_000, 0), (math.nan, 0), (5, 0)])
def test_sprt_refuses_what_cannot_be_told_apart(elos):
    with pytest.raises(LogpiError, match=r"^sprt: elo0 .* (must lie between|is not below)"):
        sprt([0, 0, 0, 0, 1], *elos)
    assert sprt([3, 0, 1, 0, 2], -2000, 2000).verdict in ("", "elo0", "elo1")


def test_sprt_is_near_the_normal_approximation():
    """Van den Bergh: LLR ≈ N (s1 − s0)(2 x̄ − s0 − s1) / (2 σ²) for close hypotheses."""
    counts = np.array([100, 400, 1000, 450, 130])
    p = counts / counts.sum()
    mean = p @ SCORES
    variance = p @ (SCORES - mean) ** 2
    s0, s1 = score_of(0), score_of(5)
    approximate = counts.sum() * (s1 - s0) * (2 * mean - s0 - s1) / (2 * variance)
    assert sprt(counts, 0, 5).llr == pytest.approx(approximate, rel=0.01)


@pytest.mark.parametrize(("elo", "wrong"), [(0, "elo1"), (40, "elo0")])
def test_sprt_errs_as_seldom_as_asked(elo, wrong):
    """Sequentially, batch by batch, games of a pair dependent: the errors stay near 5 %."""
    rng, errors, trials = np.random.default_rng(elo), 0, 150
    for _ in range(trials):
        counts, verdict = np.zeros(5), ""
        while not verdict:
            counts += simulated(rng, elo, 4)
            verdict = sprt(counts, 0, 40).verdict
        errors += verdict == wrong
    assert errors <= stats.binom.ppf(0.999, trials, 0.05)


@pytest.mark.parametrize(
    ("settings", "message"), [((10, 10), "below"), ((0, 5, 0.0), "alpha 0"), ((0, 5, 0.05, 0.7), "beta 0.7")]
)
def test_sprt_settings(settings, message):
    with pytest.raises(LogpiError, match=message):
        sprt([0, 0, 1, 0, 0], *settings)


def test_two_players_by_bradley_terry_are_the_logistic_formula():
    found = bradley_terry(np.array([[0, 75.0], [25, 0]]))
    np.testing.assert_allclose(found.elo, [elo_of(0.75) / 2, -elo_of(0.75) / 2], atol=1e-4)
    anchored = bradley_terry(np.array([[0, 75.0], [25, 0]]), anchor=1)
    half = Z * 400 / math.log(10) / math.sqrt(100 * 0.75 * 0.25)  # of the log-odds, by hand
    np.testing.assert_allclose([anchored.elo[0], anchored.high[0]], [elo_of(0.75), elo_of(0.75) + half], atol=1e-3)
    np.testing.assert_allclose([anchored.elo[1], anchored.low[1], anchored.high[1]], 0, atol=1e-6)
    assert not found.prior


def test_bradley_terry_by_hunters_iteration():
    """The minorisation-maximisation of Hunter 2004, equation 3, reaches the same maximum."""
    points = np.array([[0, 12, 9.5, 3], [8, 0, 15, 0], [10.5, 5, 0, 6], [2, 0, 4, 0]])
    games, gamma = points + points.T, np.ones(4)
    for _ in range(5000):
        gamma = points.sum(1) / (games / (gamma[:, None] + gamma[None])).sum(1)
    log = np.log(gamma)
    np.testing.assert_allclose(bradley_terry(points).elo, 400 / math.log(10) * (log - log.mean()), atol=1e-3)


def test_bradley_terry_finds_known_strengths_and_its_intervals_cover():
    rng = np.random.default_rng(1)
    truth = np.array([-300.0, -50, 0, 100, 250])
    p = 1 / (1 + 10 ** ((truth[None] - truth[:, None]) / 400))
    inside = 0
    for _ in range(200):
        wins = np.triu(rng.binomial(60, p), 1)
        points = wins + np.tril(60 - wins.T, -1)
        found = bradley_terry(points.astype(float), anchor=2)
        inside += ((found.low <= truth) & (truth <= found.high))[[0, 1, 3, 4]].sum()
    assert 0.92 <= inside / 800 <= 0.98


def test_nothing_but_wins_takes_a_drawn_game_and_says_so():
    found = bradley_terry(np.array([[0, 100.0], [0, 0]]))
    assert found.prior
    np.testing.assert_allclose(found.elo[0] - found.elo[1], elo_of(100.5 / 101), atol=1e-3)
    assert np.isfinite([found.low, found.high]).all()
    chain = bradley_terry(np.array([[0, 10.0, 0], [0, 0, 10], [0, 0, 0]]))
    assert chain.prior
    assert (np.diff(chain.elo) < 0).all()
    circle = bradley_terry(np.array([[0, 10.0, 0], [0, 0, 10], [10, 0, 0]]))
    assert not circle.prior
    np.testing.assert_allclose(circle.elo, 0, atol=1e-3)


def test_players_that_never_met():
    with pytest.raises(LogpiError, match="share no game"):
        bradley_terry(np.array([[0, 1.0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]))
