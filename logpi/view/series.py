"""Learning curves as numbers: means over seeds with their intervals, short enough to be drawn.

``logpi.view.curves`` draws the same as pictures. Importing this module does not import JAX.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError, inert
from logpi.runs.folder import RunFolder
from logpi.runs.history import Columns, Histories, History
from logpi.runs.lookup import open_run
from logpi.runs.metrics import ELAPSED, SPENT, STEPS, TIMING, all_commands
from logpi.view.curves import axis_of, config_of
from logpi.view.labels import curves
from logpi.view.plots import EVALUATION, TRAINING, clipped, seed_curves

BY = ("steps", "seconds")
MOST_POINTS = 5000
Floats = NDArray[np.float64]


class Series(NamedTuple):
    """One curve: runs that differ in the seed alone."""

    label: str  # names what differs from the other curves of its panel
    panel: str  # the environment
    runs: list[str]  # paths of its run folders, as they were given
    metric: str  # name of the column
    unit: str  # of ``x``: steps, moves, images or seconds
    score_label: str  # what evaluations measure
    percent: bool
    seeds: int
    x: Floats  # [N]
    mean: Floats  # [N] over seeds
    low: Floats  # [N] end of the 95 % interval of the mean; NaN of one seed
    high: Floats  # [N] its other end


def learning_curves(
    runs: Sequence[str | Path],
    metric: str | None = None,
    *,
    by: str = "steps",
    points: int = 600,
    root: str | Path = "runs",
    histories: Histories | None = None,
) -> list[Series]:
    """The learning curves of runs as numbers; runs that differ only in the seed are one curve.

    Args:
        runs: run folders, or their names in ``root``.
        metric: name of a column of ``metrics.jsonl``; None: the periodic evaluation, or training where a run has none.
        by: "steps", or "seconds" of wall-clock time, compilation included.
        points: number of points of a curve, at most; of more the extremes are kept.
        root: folder in which runs are looked for by name.
        histories: what was read before, for curves that are asked for again and again.

    Raises:
        LogpiError: no such run, its rows cannot be read, or an argument is out of its range.
    """
    if by not in BY:
        raise LogpiError(f"by is {by!r:.40}; allowed: {', '.join(BY)}")
    if not 2 <= points <= MOST_POINTS:
        raise LogpiError(f"points is {points}; allowed: 2 to {MOST_POINTS}")
    known = Histories() if histories is None else histories
    folders = [open_run(path, root) for path in runs]
    configs = [config_of(folder) for folder in folders]
    found = []
    for curve in curves(configs, [inert(folder.path.name) for folder in folders]):
        chosen = [folders[place] for place in curve.runs]
        columns = [_columns(folder, known, metric, by) for folder in chosen]
        name = metric or next((name for name in (EVALUATION, TRAINING) if _finite(columns, name)), EVALUATION)
        steps, values = seed_curves(columns, name)  # type: ignore[arg-type]
        axis = axis_of(chosen[0])
        low, high = clipped(values, axis.low, axis.high) if len(values) else (steps, steps)
        mean = values.mean(axis=0) if len(values) else steps
        kept = thinned(mean, points)
        found.append(
            Series(
                curve.label,
                curve.panel,
                [str(runs[place]) for place in curve.runs],
                name,
                axis.unit if by == "steps" else "seconds",
                axis.what,
                axis.percent and name in (EVALUATION, TRAINING),
                len(values),
                *(part[kept] for part in (steps, mean, low, high)),
            )
        )
    return found


def metric_names(
    runs: Sequence[str | Path], root: str | Path = "runs", histories: Histories | None = None
) -> list[str]:
    """Names of all columns that the runs have, but for the steps; raises as ``learning_curves``."""
    known = Histories() if histories is None else histories
    names = (name for path in runs for name in known.of(open_run(path, root).metrics).names)
    return [name for name in dict.fromkeys(names) if name != STEPS]


def _columns(folder: RunFolder, known: Histories, metric: str | None, by: str) -> Columns:
    """Where a run's rows are, in units of ``by``, and the columns that may be drawn."""
    history = known.of(folder.metrics)
    names = (EVALUATION, TRAINING) if metric is None else (metric,)
    found = {name: history.column(name) for name in names if name in history.names}
    steps = history.column(STEPS)
    if by == "seconds":
        place = _seconds(steps, known.of(folder.path / TIMING))
    else:
        place = steps / max(folder.length.get("each", 1), 1)
    return {STEPS: place, **found}


def _seconds(steps: Floats, clock: History) -> Floats:
    """Seconds of wall-clock time at which ``steps`` were reached; NaN before and after what the clock tells."""
    spent, elapsed, at = (clock.column(name) for name in (SPENT, ELAPSED, STEPS))
    told = all_commands(np.where(np.isfinite(spent), spent, elapsed))
    if not len(at):
        return np.full_like(steps, np.nan)
    return np.interp(steps, at, told, left=np.nan, right=np.nan)


def _finite(columns: Sequence[Columns], name: str) -> bool:
    return all(name in each and bool(np.isfinite(each[name]).any()) for each in columns)


def thinned(values: Floats, points: int) -> NDArray[np.intp]:
    """Places of at most ``points`` of ``values`` [N]: the lowest and the highest of equal parts, and the last."""
    count = len(values)
    if count <= points:
        return np.arange(count)
    edges = np.linspace(0, count - 1, max((points - 1) // 2, 1) + 1).astype(int)
    kept = {0, count - 1}
    for begin, end in itertools.pairwise(edges):
        if end > begin:
            kept |= {begin + int(values[begin:end].argmin()), begin + int(values[begin:end].argmax())}
    return np.array([*sorted(kept)[: points - 1], count - 1] if len(kept) > points else sorted(kept))
