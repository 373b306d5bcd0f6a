"""Learning curves of run folders. Importing this module does not import JAX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from logpi.errors import LogpiError, inert
from logpi.runs.files import Json
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import open_run
from logpi.runs.metrics import STEPS, read_metrics
from logpi.view.labels import LONGEST, SECTIONS, Curve, curves, shortened
from logpi.view.panels import USUAL, Axis
from logpi.view.plots import Metrics, Panel, compare, learning_curve

MOST = 1000  # characters of a name that are drawn


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
    configs = [config_of(folder) for folder in folders]
    found = curves(configs, [inert(folder.path.name) for folder in folders])
    if len(found) > 1:
        return compare(_panels(found, folders, configs), out or "compare.png", title or "")
    (curve,) = found
    usual = folders[0].curve if len(folders) == 1 else "compare.png"
    return draw(folders, out or usual, title or titled(curve.panel, configs[0]["algo"]))


def titled(env: str, algo: str) -> str:
    """The title of a picture with one curve."""
    return f"{shortened(inert(env), LONGEST)}, {algo}"


def draw(folders: Sequence[RunFolder], out: str | Path, title: str) -> Path:
    """Draw the one curve of runs that differ in nothing but the seed; raises as ``plot``."""
    metrics, expected = [metrics_of(folder) for folder in folders], expected_of(folders)
    return learning_curve(metrics, out, title, expected, axis_of(folders[0]))


def expected_of(folders: Sequence[RunFolder]) -> tuple[float, float] | None:
    """Lowest and highest score that the recipe of runs expects; None where there is none, or not the same."""
    found = {(folder.score.get("expected_low"), folder.score.get("expected_high")) for folder in folders}
    low, high = found.pop()
    if found or low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    return float(low), float(high)


def axis_of(folder: RunFolder) -> Axis:
    """What a run measures, and in what it is counted."""
    score = folder.score
    return Axis(
        shortened(inert(folder.score_label), LONGEST),
        bool(score.get("percent", False)),
        score.get("low"),
        score.get("high"),
        shortened(inert(folder.length.get("unit", USUAL.unit)), LONGEST),
    )


def metrics_of(folder: RunFolder) -> Metrics:
    """The metrics of a run, with its steps in the units that people count: images instead of glimpses."""
    found = read_metrics(folder.metrics)
    each = max(folder.length.get("each", 1), 1)
    return found | {STEPS: [step and np.divide(step, each).tolist() for step in found.get(STEPS, [])]}


def config_of(folder: RunFolder) -> Json:
    """A run's config.toml with what curves are called by; its texts may be a stranger's."""
    config = folder.config
    tables = [config.get(name, {}) for name in SECTIONS]
    named = [config.get("env"), config.get("algo"), config.get("policy", "")]
    if not all(isinstance(text, str) for text in named) or not all(isinstance(table, dict) for table in tables):
        raise LogpiError(f"{folder.path}/config.toml is incomplete or altered: env, algo or a table is missing")
    return config | {name: inert(config[name])[-MOST:] for name in ("env", "algo")}


def _panels(found: Sequence[Curve], folders: Sequence[RunFolder], configs: Sequence[Json]) -> list[Panel]:
    panels = []
    for name in dict.fromkeys(curve.panel for curve in found):
        inside = [curve for curve in found if curve.panel == name]
        groups = {curve.label: [metrics_of(folders[run]) for run in curve.runs] for curve in inside}
        algos = {configs[run]["algo"] for curve in inside for run in curve.runs}
        title = f"{name}, {algos.pop()}" if len(algos) == 1 else name
        panels.append(Panel(title, groups, axis_of(folders[inside[0].runs[0]])))
    return panels
