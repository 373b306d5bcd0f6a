"""When a run ends before its length, and what changes where it gets another length: decisions on plain numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from logpi.config.settings import Run
from logpi.driver.budget import points
from logpi.types import AnyArray

if TYPE_CHECKING:
    from logpi.driver.driver import Progress


def rescaled(progress: Progress, done: int, total: float, run: Run) -> Progress:
    """``progress`` in a run whose length has become ``total``, of which ``done`` timesteps are over."""
    evaluated, saved = (math.floor(done / total * n) for n in (points(run), run.checkpoint_points))
    return progress._replace(evaluated=evaluated, saved=saved, ended="")


def early(run: Run, scores: AnyArray | None, seconds: float) -> str:
    """Why a run ends before its length: "stop_at", "minutes", or "" where it goes on.

    Args:
        run: its settings.
        scores: mean greedy score of a periodic evaluation, [] or [S]; None where there was none.
        seconds: of wall-clock time so far.
    """
    if scores is not None and bool(np.min(scores) >= run.stop_at):
        return "stop_at"
    return "minutes" if seconds >= 60 * run.minutes else ""
