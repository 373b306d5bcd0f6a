"""Statistics of scores over a few seeds, in pure NumPy: aggregates with intervals, profiles, pairs, Holm's correction.

Sources: Agarwal et al. 2021 (Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS), Holm 1979
(A Simple Sequentially Rejective Multiple Test Procedure). Notation: x[e] holds the scores of n_e seeds in environment
e of E; each score has the weight w = 1 / (E n_e), so that every environment counts alike. A seed is one independent
observation; the bootstrap draws seeds with replacement within each environment (the stratum).

    mean             Σ w x
    median           median over e of mean(x[e])
    IQM              mean of the middle half of all scores: a quarter of them, rounded down, is cut at either end
    optimality gap   Σ w max(γ − x, 0), with γ the score that is good enough
    profile          F(τ) = Σ w 1[x > τ]
    improvement      P(X > Y) = 1/E Σ_e 1/(n_e m_e) Σ_ij (1[x_i > y_j] + ½ 1[x_i = y_j])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scores = Sequence[Floats]  # [..., n_e] of each environment
Statistic = Callable[[Scores], Floats]

LEVEL = 0.95  # of every interval
RESAMPLES = 10_000  # of a bootstrap, and permutations of a test
SEED = 0  # of their random numbers: the same scores give the same intervals


def mean(scores: Scores) -> Floats:
    """Mean [...] over environments of the mean over seeds."""
    return np.mean([x.mean(-1) for x in scores], axis=0)


def median(scores: Scores) -> Floats:
    """Median [...] over environments of the mean over seeds."""
    return np.median([x.mean(-1) for x in scores], axis=0)


def iqm(scores: Scores) -> Floats:
    """Interquartile mean [...] of all scores: of those between the quarters cut at the bottom and at the top."""
    x, w = pooled(scores)
    order = np.argsort(x, axis=-1)
    x, w = np.take_along_axis(x, order, -1), w[order]
    top, cut = np.cumsum(w, axis=-1), x.shape[-1] // 4 / x.shape[-1]
    kept = np.clip(top, cut, 1 - cut) - np.clip(top - w, cut, 1 - cut)
    return (x * kept).sum(-1) / (1 - 2 * cut)


def optimality_gap(scores: Scores, target: float = 1.0) -> Floats:
    """Mean amount [...] by which scores lie below ``target``; smaller is better."""
    return np.mean([np.maximum(target - x, 0.0).mean(-1) for x in scores], axis=0)


def pooled(scores: Scores) -> tuple[Floats, Floats]:
    """All scores [..., N] in one axis, and their weights [N], which sum to 1."""
    weights = [np.full(x.shape[-1], 1.0 / (len(scores) * x.shape[-1])) for x in scores]
    return np.concatenate(list(scores), axis=-1), np.concatenate(weights)


def profile(scores: Scores, taus: Floats) -> Floats:
    """Share [..., T] of scores above each of ``taus`` [T], every environment with the same weight."""
    return np.mean([np.stack([(x > tau).mean(-1) for tau in taus], axis=-1) for x in scores], axis=0)


def interval(statistic: Statistic, scores: Scores, resamples: int = RESAMPLES) -> tuple[Floats, Floats]:
    """``(lowest, highest)`` of the stratified percentile bootstrap's 95 % interval of a statistic of ``scores`` [n_e].

    With n seeds in one environment its true coverage is below 95 %, far below for n < 10 (bench/coverage.py).
    """
    rng = np.random.default_rng(SEED)
    drawn = [x[rng.integers(len(x), size=(resamples, len(x)))] for x in scores]
    return ends(statistic(drawn))


def ends(values: Floats) -> tuple[Floats, Floats]:
    """The 2.5 % and the 97.5 % quantile over the first axis."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def wins(x: Floats, y: Floats) -> Floats:
    """[n, m] of scores x [n] and y [m]: 1 where x is greater, ½ where they are equal, 0 elsewhere."""
    return (x[:, None] > y) + 0.5 * (x[:, None] == y)


def improvement(x: Scores, y: Scores) -> float:
    """P(X > Y): that a run of X scores higher than one of Y in an environment drawn at random; ties count half."""
    return float(np.mean([wins(a, b).mean() for a, b in zip(x, y, strict=True)]))


def improvement_interval(x: Scores, y: Scores, resamples: int = RESAMPLES) -> tuple[Floats, Floats]:
    """95 % interval of ``improvement``; seeds of X and of Y are drawn independently, within each environment."""
    rng, total = np.random.default_rng(SEED), np.zeros(resamples)
    for a, b in zip(x, y, strict=True):
        n, m = len(a), len(b)
        # how often each seed is drawn says all that a resample is
        of_a, of_b = (rng.multinomial(k, np.full(k, 1 / k), size=resamples) for k in (n, m))
        total += ((of_a @ wins(a, b)) * of_b).sum(-1) / (n * m)
    return ends(total / len(x))


def permutation_p(x: Scores, y: Scores, permutations: int = RESAMPLES) -> float:
    """Two-sided p-value of "in each environment X and Y have one distribution", against P(X > Y) ≠ ½.

    The labels are permuted within each environment, the statistic is Σ_e U_e / (n_e m_e) − ½ with Mann and Whitney's U
    from midranks. The smallest value is 1 / (permutations + 1), and with few seeds greater: 3 against 3 seeds in one
    environment never lie below 0.1.
    """
    rng, drawn, seen = np.random.default_rng(SEED), np.zeros(permutations), 0.0
    for a, b in zip(x, y, strict=True):
        n, m = len(a), len(b)
        ranks = midranks(np.concatenate([a, b]))
        least = n * (n + 1) / 2
        seen += (ranks[:n].sum() - least) / (n * m) - 0.5
        shuffled = rng.permuted(np.tile(ranks, (permutations, 1)), axis=1)
        drawn += (shuffled[:, :n].sum(-1) - least) / (n * m) - 0.5
    as_far = np.count_nonzero(np.abs(drawn) >= abs(seen) - 1e-9)  # equal but for rounding
    return float((1 + as_far) / (1 + permutations))


def midranks(values: Floats) -> Floats:
    """Ranks [N] from 1 on; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for their number: the i-th smallest of m times m − i + 1, never falling, 1 at most (Holm 1979).

    Rejecting where the adjusted value is at most α keeps the chance of any false rejection at most α.
    """
    values = np.asarray(p, float)
    order = np.argsort(values, kind="stable")
    adjusted = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    found = np.empty(len(values))
    found[order] = np.minimum(adjusted, 1.0)
    return [float(value) for value in found]
