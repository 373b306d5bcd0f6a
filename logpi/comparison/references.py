"""Reference scores of environments: what random actions reach, and what a good agent or a human does.

Random scores are measured (``bench/random_scores.py``) and 1 is the upper end of an environment's recipes; of Atari
games both are published.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from logpi.config.stored import recipes
from logpi.errors import LogpiError

# mean return of uniformly random actions in 2,000 episodes of Gymnasium's environment, bench/results/random_scores.md
RANDOM: Mapping[str, float] = {
    "Acrobot-v1": -498.8,
    "CartPole-v1": 22.12,
    "LunarLander-v3": -182.07,
    "MountainCar-v0": -200.0,
    "MountainCarContinuous-v0": -33.15,
    "Pendulum-v1": -1235.89,
}
# scores of random play and of a human tester, Wang et al. 2016 (Dueling network architectures), table of 57 games
HUMAN: Mapping[str, tuple[float, float]] = {
    "ALE/Breakout-v5": (1.7, 30.5),
    "ALE/Pong-v5": (-20.7, 14.6),
    "ALE/SpaceInvaders-v5": (148.0, 1668.7),
    "ALE/VideoPinball-v5": (16256.9, 17667.9),
}


class Reference(NamedTuple):
    """The scores between which an environment's scores are normalised: ``low`` becomes 0, ``high`` becomes 1."""

    low: float
    high: float
    source: str

    def normalised(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """``scores``, whatever their shape, on this scale."""
        return (scores - self.low) / (self.high - self.low)


def known(env: str) -> Reference | None:
    """The reference of an environment with its usual arguments; None where it has none."""
    if env in HUMAN:
        return Reference(*HUMAN[env], "random play and a human tester, Wang et al. 2016")
    bands = [recipe.band for recipe in recipes() if recipe.env == env]
    highest = [high for _, high in filter(None, bands)]
    if env not in RANDOM or not highest:
        return None
    return Reference(RANDOM[env], max(highest), "random actions and the best of logpi's recipes")


def bounded(low: float | None, high: float | None) -> Reference | None:
    """The bounds of a score, such as 0 and 1 of an accuracy; None where either is not known."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high) and low < high):
        return None
    return Reference(float(low), float(high), "lowest and highest possible score")


def given(env: str, pair: object) -> Reference:
    """What a user says of an environment.

    Raises:
        LogpiError: it is not two numbers that differ.
    """
    try:
        low, high = (float(value) for value in pair)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise LogpiError(f"reference of {env} is {pair!r}; allowed: two scores, of random and of good play") from error
    if not (math.isfinite(low) and math.isfinite(high)) or low == high:
        raise LogpiError(f"reference of {env} is {low:g} and {high:g}; allowed: two finite scores that differ")
    return Reference(low, high, "as given")
