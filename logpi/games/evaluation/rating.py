"""Playing strength with intervals: scores, Elo and the SPRT, from pairs of games with colours exchanged.

The two games of a pair share their opening, so their results depend on each other; pairs do not. All but
``bradley_terry`` therefore count pairs: five numbers, of openings that brought 0, 0.5, 1, 1.5 and 2 points
(*pentanomial*).

Sources: A. Elo, The Rating of Chessplayers (1978); D. R. Hunter, MM algorithms for generalized Bradley-Terry models,
Ann. Statist. 32 (2004); E. B. Wilson, JASA 22 (1927); A. Wald, Sequential Analysis (1947); M. Van den Bergh, A
practical introduction to the GSPRT, and Comments on Normalized Elo (2020), as Stockfish's fishtest uses them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.sparse.csgraph import connected_components

from logpi.errors import LogpiError

Z = 1.959963984540054  # 95 % of a normal distribution
POINTS = 400 / math.log(10)  # Elo of one unit of the log-odds
SCORES = np.array([0, 0.25, 0.5, 0.75, 1])  # of a pair, a game
FURTHEST = 2000.0  # Elo, beyond which a score is 0 or 1 for all that can be played
NEVER_SEEN = 1e-3  # counted for a result that did not occur, as fishtest does: it is rare, not impossible
Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and its 95 % interval; an Elo may be infinite."""

    value: float
    low: float
    high: float


class Sprt(NamedTuple):
    """Where a sequential test stands."""

    llr: float  # log-likelihood ratio of elo1 over elo0
    lower: float  # at or below it, elo0 is accepted
    upper: float  # at or above it, elo1 is
    verdict: str  # "elo0", "elo1", or "" while undecided


class Ratings(NamedTuple):
    """Elo of K players and their 95 % intervals."""

    elo: Floats  # [K]
    low: Floats  # [K]
    high: Floats  # [K]
    prior: bool  # whether a drawn game was added for every two that met, without which the maximum is infinite


def elo_of(score: float) -> float:
    """The Elo difference at which ``score``, 0 to 1, is expected."""
    if score <= 0 or score >= 1:
        return -math.inf if score <= 0 else math.inf
    return POINTS * math.log(score / (1 - score))


def score_of(elo: float) -> float:
    """The score a game expected at an Elo difference."""
    return 1 / (1 + 10 ** (-elo / 400))


def mean_score(counts: Sequence[float]) -> Interval:
    """Points a game, 0 to 1, of [5] counts of pairs.

    The interval holds every mean μ that is at most ``Z`` of its own standard errors from the observed one, the variance
    being that of the likeliest distribution of pairs with mean μ. Where pairs are only won or lost that is Wilson's;
    for many pairs it is mean ± ``Z`` · deviation / √pairs; after nothing but wins it still has a width.

    Raises:
        LogpiError: no pair was finished.
    """
    n = np.asarray(counts, float)
    if n.sum() <= 0:
        raise LogpiError("no two games of one opening are finished; there is nothing to rate yet")
    mean = float(n @ SCORES / n.sum())

    def beyond(mu: float) -> float:
        variance = float(_likeliest(n, mu) @ (SCORES - mu) ** 2)
        return (mu - mean) ** 2 - Z**2 * variance / float(n.sum())

    least, most = 1e-9, 1 - 1e-9
    low = brentq(beyond, least, min(mean, most)) if mean > 0 else 0.0
    high = brentq(beyond, max(mean, least), most) if mean < 1 else 1.0
    return Interval(mean, low, high)


def elo_difference(counts: Sequence[float]) -> Interval:
    """``mean_score`` as Elo: its ends are infinite where the score's are 0 or 1."""
    return Interval(*(elo_of(score) for score in mean_score(counts)))


def sprt(counts: Sequence[float], elo0: float, elo1: float, alpha: float = 0.05, beta: float = 0.05) -> Sprt:
    """Generalised sequential probability ratio test of the Elo difference being ``elo1`` rather than ``elo0``.

    The likelihood of either is that of the likeliest distribution of pairs with its expected score.

    Args:
        counts: [5] of pairs; none yet is allowed.
        elo0: the lower difference.
        elo1: the higher one.
        alpha: probability of accepting elo1 where elo0 is true.
        beta: and of the opposite.

    Raises:
        LogpiError: elo0 is not below elo1, either is beyond ±2000, or a probability is not between 0 and 0.5.
    """
    if not elo0 < elo1:
        raise LogpiError(f"sprt: elo0 {elo0:g} is not below elo1 {elo1:g}; give the lower one first, such as 0 20")
    if max(abs(elo0), abs(elo1)) > FURTHEST:
        raise LogpiError(f"sprt: elo0 {elo0:g} and elo1 {elo1:g} must lie between {-FURTHEST:g} and {FURTHEST:g}")
    if not (0 < alpha < 0.5 and 0 < beta < 0.5):
        raise LogpiError(f"sprt: alpha {alpha:g} and beta {beta:g} must lie between 0 and 0.5, such as 0.05")
    n = np.asarray(counts, float)
    lower, upper = math.log(beta / (1 - alpha)), math.log((1 - beta) / alpha)
    if n.sum() <= 0:
        return Sprt(0.0, lower, upper, "")
    p0, p1 = (_likeliest(n, score_of(elo)) for elo in (elo0, elo1))
    llr = float(n @ np.log(p1 / p0))
    return Sprt(llr, lower, upper, "elo1" if llr >= upper else "elo0" if llr <= lower else "")


def _likeliest(counts: Floats, mean: float) -> Floats:
    """[5] the probabilities of most likelihood among those with ``mean``: n_i / (N (1 + λ (s_i − mean))).

    Van den Bergh's proposition for a multinomial with given expectation; λ is the root of a falling function.
    """
    n = np.where(counts > 0, counts, NEVER_SEEN)
    away = SCORES - mean

    def slope(multiplier: float) -> float:
        return float(np.sum(n * away / (1 + multiplier * away)))

    inside = 1 - 1e-12
    root = brentq(slope, -inside / (1 - mean), inside / mean, maxiter=500)
    p: Floats = n / (n.sum() * (1 + root * away))
    return p / p.sum()


def bradley_terry(points: Floats, anchor: int | None = None) -> Ratings:
    """Elo by maximum likelihood of P(i beats j) = 1 / (1 + 10^((R_j − R_i) / 400)), a draw being half of each.

    The maximum exists if no group of players has won every game against the rest (Hunter 2004, assumption 1).
    Otherwise one drawn game is added for every two players that met, and ``prior`` says so. Intervals come from the
    observed information; it takes games as independent and draws as coin tosses, so that draws make them too wide.

    Args:
        points: [K, K] that row got against column; 1 a win, 0.5 a draw.
        anchor: the player whose Elo is 0, without an interval; None: the mean is 0.

    Raises:
        LogpiError: some players have not met the others, not even by way of third ones.
    """
    w = np.asarray(points, float).copy()
    np.fill_diagonal(w, 0)
    games = w + w.T
    if connected_components(games > 0, directed=False)[0] > 1:
        raise LogpiError(
            "some players share no game, directly or by way of others; let everyone meet someone of the rest"
        )
    prior = connected_components(w > 0, directed=True, connection="strong")[0] > 1
    if prior:
        w += 0.5 * (games > 0)
        games = w + w.T
    count = len(w)

    def loss(free: Floats) -> tuple[float, Floats]:
        gap = _gaps(free)
        return float(np.sum(w * np.logaddexp(0, -gap))), np.sum(games * _odds(gap) - w, axis=1)[1:]

    def information(free: Floats) -> Floats:
        gap = _gaps(free)
        weight = games * _odds(gap) * _odds(-gap)
        return np.asarray(np.diag(weight.sum(axis=1)) - weight)

    found = minimize(
        loss,
        np.zeros(count - 1),
        jac=True,
        hess=lambda free: information(free)[1:, 1:],
        method="trust-exact",
        options={"gtol": 1e-8},
    )
    strength = np.concatenate([[0.0], found.x])
    covariance = np.linalg.pinv(information(found.x))  # of the differences from the mean
    variance = np.diag(covariance)
    if anchor is not None:
        variance = variance + covariance[anchor, anchor] - 2 * covariance[anchor]
    elo = POINTS * (strength - (strength.mean() if anchor is None else strength[anchor]))
    half = Z * POINTS * np.sqrt(np.maximum(variance, 0))
    return Ratings(elo, elo - half, elo + half, bool(prior))


def _gaps(free: Floats) -> Floats:
    """[K, K] log-odds of row beating column; the first player's strength is 0."""
    strength = np.concatenate([[0.0], free])
    return np.asarray(strength[:, None] - strength[None])


def _odds(gap: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-gap)))
