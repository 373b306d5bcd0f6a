"""Settings that suit an environment's spaces and wrappers, for those without a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

JOINTS = 2  # continuous actions at once, as in a robot; one alone is left to the defaults
FIRST = -0.7  # log of the first standard deviation: half of half the range


def suited(seen: spaces.Space[Any], acts: spaces.Space[Any]) -> dict[str, dict[str, Any]]:
    """Settings by section that suit the spaces of observations and of actions; {} where the defaults do.

    Continuous joints, which is two bounded actions or more on a vector of real numbers: observations are normalized,
    and the first standard deviation is 0.5 of half the range instead of 1, at which a third of the actions is clipped
    (Andrychowicz et al. 2021, §3.2 and §3.4: of all choices these two matter most there).
    """
    if not (isinstance(acts, spaces.Box) and acts.shape[0:1] >= (JOINTS,) and acts.is_bounded()):
        return {}
    if not (isinstance(seen, spaces.Box) and len(seen.shape) == 1 and np.issubdtype(seen.dtype, np.floating)):
        return {}
    return {"method": {"normalize_obs": True}, "network": {"log_std_init": FIRST}}


def stacked(wrappers: Sequence[tuple[str, Mapping[str, object]]]) -> dict[str, Any]:
    """Settings of a method that suit a stack of frames around the environment: a replay stores each frame once."""
    from logpi.envs.wrappers import stacked_frames

    frames = stacked_frames(wrappers)
    return {"stacked_frames": frames} if frames > 1 else {}
