"""Learning curves of run folders. Importing this module does not import JAX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from logpi.errors import LogpiError
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import open_run
from logpi.runs.metrics import STEPS, read_metrics
from logpi.view.labels import Curve, curves
from logpi.view.plots import USUAL, Axis, Metrics, Panel, compare, learning_curve


def plot(
    runs: Sequence[str | Path], out: str | Path | None = None, title: str | None = None, root: str | Path = "runs"
) -> Path:
    """Draw the learning curve of one run, or compare several; runs that differ only in the seed are one curve.

    Each environment has a panel of its own. A curve is called by the settings in which it differs from the others.

    Args:
        runs: run folders, or their names in ``root``.
        out: the PNG; by default curve.png of the run, or compare.png in the working folder.
        title: title of the picture.
        root: folder in which runs are looked for by name.

    Returns:
        The PNG's path.

    Raises:
        LogpiError: no such run, or one without a row of metrics.
    """
    if not runs:
        raise LogpiError("no run to plot; `logpi runs` lists them")
    folders = list({folder.path.resolve(): folder for folder in (open_run(path, root) for path in runs)}.values())
    found = curves([folder.config for folder in folders], [folder.path.name for folder in folders])
    if len(found) > 1:
        return compare(_panels(found, folders), out or "compare.png", title or "")
    (curve,) = found
    usual = folders[0].curve if len(folders) == 1 else "compare.png"
    name = title or f"{curve.panel}, {folders[0].config['algo']}"
    return learning_curve([metrics_of(folder) for folder in folders], out or usual, name, axis=axis_of(folders[0]))


def axis_of(folder: RunFolder) -> Axis:
    """What a run measures, and in what it is counted."""
    score = folder.score
    return Axis(
        folder.score_label,
        bool(score.get("percent", False)),
        score.get("low"),
        score.get("high"),
        str(folder.length.get("unit", USUAL.unit)),
    )


def metrics_of(folder: RunFolder) -> Metrics:
    """The metrics of a run, with its steps in the units that people count: images instead of glimpses."""
    found = read_metrics(folder.metrics)
    each = int(folder.length.get("each", 1))
    return found | {STEPS: [step and np.divide(step, each).tolist() for step in found.get(STEPS, [])]}


def _panels(found: Sequence[Curve], folders: Sequence[RunFolder]) -> list[Panel]:
    panels = []
    for name in dict.fromkeys(curve.panel for curve in found):
        inside = [curve for curve in found if curve.panel == name]
        groups = {curve.label: [metrics_of(folders[run]) for run in curve.runs] for curve in inside}
        algos = {folders[run].config["algo"] for curve in inside for run in curve.runs}
        title = f"{name}, {algos.pop()}" if len(algos) == 1 else name
        panels.append(Panel(title, groups, axis_of(folders[inside[0].runs[0]])))
    return panels
