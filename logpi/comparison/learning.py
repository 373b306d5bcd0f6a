"""Learning curves of a comparison: interquartile means over seeds, against timesteps and against seconds.

All methods of one environment share one axis, from the first point that any of them has to the last one; where a method
has no point it has NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from logpi.comparison import statistics
from logpi.comparison.cells import Entry, Table
from logpi.comparison.checks import entries_of
from logpi.comparison.statistics import Floats
from logpi.runs.metrics import STEPS, read_seconds
from logpi.view.curves import metrics_of
from logpi.view.plots import EVALUATION, TRAINING, Metrics, seed_curves

POINTS = 101  # of a common axis
RESAMPLES = 2_000  # of a curve's band
Json = dict[str, Any]


def learning_curves(table: Table) -> tuple[Json, Json]:
    """(curves against steps, curves against seconds) of each environment; the second ones depend on a clock."""
    by_steps: Json = {}
    by_seconds: Json = {}
    for env, labels in table.items():
        runs = entries_of(labels)
        metrics = {label: [metrics_of(entry.folder) for entry in found] for label, found in runs.items()}
        name = EVALUATION if all(len(seed_curves(found, EVALUATION)[0]) > 1 for found in metrics.values()) else TRAINING
        by_steps[env] = {"what": name, "x": "steps"} | _on_one_axis(metrics, name)
        clocked = {
            label: [_against_seconds(entry, each) for entry, each in zip(runs[label], found, strict=True)]
            for label, found in metrics.items()
        }
        by_seconds[env] = {"what": name, "x": "seconds"} | _on_one_axis(clocked, name)
    return by_steps, by_seconds


def _against_seconds(entry: Entry, metrics: Metrics) -> Metrics:
    """``metrics`` with the wall-clock seconds of each row in place of its steps; {} where the run has no clock."""
    steps, seconds = read_seconds(entry.folder.metrics)
    rows = metrics.get(STEPS, [])
    if not steps or not rows:
        return {}
    each = max(entry.folder.length.get("each", 1), 1)
    known = [float(np.mean(step)) * each if step is not None else math.nan for step in rows]
    return {**metrics, STEPS: np.interp(known, steps, seconds).tolist()}


def _on_one_axis(metrics: Mapping[str, Sequence[Metrics]], name: str) -> Json:
    """Curves by method over one axis ``at``: IQM over seeds, its pointwise 95 % interval, and n."""
    found = {label: seed_curves(runs, name) for label, runs in metrics.items()}
    ends = [(x[0], x[-1]) for x, _ in found.values() if len(x)]
    if not ends:
        return {"at": [], "methods": {}}
    axis = np.linspace(min(low for low, _ in ends), max(high for _, high in ends), POINTS)
    return {"at": axis.tolist(), "methods": {label: _curve(axis, *curve) for label, curve in found.items()}}


def _curve(axis: Floats, x: Floats, values: Floats) -> Json:
    """One method's curve [T] from its points x [N] and the values [S, N] of its seeds."""
    if not len(x):
        nothing = [math.nan] * len(axis)
        return {"n": 0, "value": nothing, "low": nothing, "high": nothing}
    at = np.stack([np.interp(axis, x, each, left=math.nan, right=math.nan) for each in values], axis=-1)  # [T, S]
    value = statistics.iqm([at])
    low = high = np.full_like(value, math.nan)
    if len(values) > 1:
        chosen = np.random.default_rng(statistics.SEED).integers(len(values), size=(RESAMPLES, len(values)))
        low, high = statistics.ends(np.stack([statistics.iqm([point[chosen]]) for point in at], axis=-1))
    return {"n": len(values), "value": value.tolist(), "low": low.tolist(), "high": high.tolist()}


def seconds_of(table: Table) -> Json:
    """Wall-clock seconds of every run, and the seeds that were trained in it at once."""
    return {
        env: {
            label: [
                {"run": entry.folder.path.as_posix(), "seeds": list(entry.seeds), "seconds": _total(entry)}
                for entry in runs
            ]
            for label, runs in entries_of(labels).items()
        }
        for env, labels in table.items()
    }


def _total(entry: Entry) -> float:
    return max(read_seconds(entry.folder.metrics)[1], default=math.nan)
