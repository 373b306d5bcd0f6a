"""Which agent is kept in ``best/``: one that is better than the one before by more than the noise explains.

An evaluation is a sample: of two equally good agents one always scores higher. So an agent replaces the best one only
if its mean score is higher by more than 1.645 standard errors of the difference, a one-sided test at 95 %:

    m - m_best > 1.645 √(s² / n + s_best² / n_best)

Of one case no deviation is known, and the higher score wins. Of several seeds each is judged by itself.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Z = 1.645  # of a normal distribution, one-sided 95 %


class Best(NamedTuple):
    """Periodic evaluation of the best agent of each seed, [S] each."""

    mean: NDArray[np.floating]
    variance: NDArray[np.floating]  # estimated variance of ``mean``, s² / cases

    def better(self, scores: NDArray[np.floating]) -> NDArray[np.bool_]:
        """[S] bool: the agents that got ``scores`` [S, cases] replace the best ones."""
        found = evaluated(scores)
        return found.mean - self.mean > Z * np.sqrt(found.variance + self.variance)

    def replaced(self, scores: NDArray[np.floating], which: NDArray[np.bool_]) -> Best:
        """With the agents of the seeds ``which`` [S], which got ``scores`` [S, cases]."""
        found = evaluated(scores)
        return Best(np.where(which, found.mean, self.mean), np.where(which, found.variance, self.variance))

    def to_json(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.mean.tolist(), "best_variance": self.variance.tolist()}


def none(seeds: int) -> Best:
    """No evaluation yet: any score is better."""
    return Best(np.full(seeds, -math.inf), np.zeros(seeds))


def evaluated(scores: NDArray[np.floating]) -> Best:
    """What ``scores`` [S, cases] say."""
    scores = np.asarray(scores, np.float64)
    cases = scores.shape[1]
    spread = scores.var(1, ddof=1) if cases > 1 else np.zeros(len(scores))
    return Best(scores.mean(1), spread / cases)


def from_json(meta: dict[str, Any]) -> Best:
    """What a checkpoint kept; one of an earlier version has no variances."""
    mean = np.asarray(meta["best"], np.float64)
    return Best(mean, np.asarray(meta.get("best_variance", np.zeros_like(mean)), np.float64))
