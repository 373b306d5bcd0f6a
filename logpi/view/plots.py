"""Learning curves as PNG, drawn without pyplot and so without any display."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.runs.files import atomic_write
from logpi.runs.metrics import STEPS, Value
from logpi.view.live import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING = "rollout/ep_rew_mean"
EVALUATION = "eval/mean_reward"
# Okabe & Ito's palette: told apart by colour-blind readers too
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_INK = "#333333"
Metrics = Mapping[str, Sequence[Value | None]]  # as logpi.runs.metrics.read_metrics returns them
Floats = NDArray[np.float64]


def learning_curve(
    runs: Sequence[Metrics],
    path: str | Path,
    title: str,
    expected: tuple[float, float] | None = None,
    what: str = "mean return of an episode",
) -> Path:
    """Mean return against environment steps, training (thin) and greedy evaluation (bold), over all seeds.

    Args:
        runs: metrics of runs that differ in the seed alone; a run of several seeds counts as that many.
        path: the PNG to write.
        title: over the picture.
        expected: lowest and highest expected score, drawn as a band.
        what: is measured, as the axis says it.

    Raises:
        LogpiError: no return was measured yet, or the disk refuses.
    """
    figure, axes = _figure(title, what)
    if expected:
        low, high = expected
        axes.axhspan(low, high, color="#999999", alpha=0.18, lw=0, label=f"expected {low:g} to {high:g}")
    training, evaluation = seed_curves(runs, TRAINING), seed_curves(runs, EVALUATION)
    _draw(axes, *training, _COLORS[0], "training", width=1.1)
    _draw(axes, *evaluation, _COLORS[1], "greedy evaluation", width=2.6)
    if not len(training[0]) + len(evaluation[0]):
        raise _nothing(title)
    return _save(figure, axes, Path(path))


def compare(
    groups: Mapping[str, Sequence[Metrics]], path: str | Path, title: str, what: str = "mean return of an episode"
) -> Path:
    """One curve for each group of runs: its greedy evaluation, or its training return where it has none.

    Args:
        groups: label → metrics of runs that differ in the seed alone.
        path: the PNG to write.
        title: over the picture.
        what: is measured, as the axis says it.

    Raises:
        LogpiError: a group has no return yet, or the disk refuses.
    """
    figure, axes = _figure(title, what)
    for number, (label, runs) in enumerate(groups.items()):
        curves = seed_curves(runs, EVALUATION)
        kind = "greedy evaluation"
        if not len(curves[0]):
            curves, kind = seed_curves(runs, TRAINING), "training"
        if not len(curves[0]):
            raise _nothing(label)
        _draw(axes, *curves, _COLORS[number % len(_COLORS)], f"{label}, {kind}", width=2.0)
    return _save(figure, axes, Path(path))


def seed_curves(runs: Sequence[Metrics], name: str) -> tuple[Floats, Floats]:
    """``(steps [N], values [S, N])`` of one scalar for all S seeds of ``runs``, on one grid of steps.

    Runs that logged at other steps are interpolated linearly. Steps that not every seed has reached, or where
    one has no finite value yet, are left out: a mean over changing seeds would jump.
    """
    seeds: list[tuple[Floats, Floats]] = []
    for run in runs:
        pairs = [(s, v) for s, v in zip(run.get(STEPS, []), run.get(name, []), strict=False) if v is not None]
        steps = np.array([step for step, _ in pairs], float)
        values = np.array([np.atleast_1d(np.asarray(value, float)) for _, value in pairs], float)
        for column in values.T if pairs else []:
            known = np.isfinite(column)
            seeds.append((steps[known], column[known]))
    seeds = [seed for seed in seeds if len(seed[0])]
    if not seeds:
        return np.zeros(0), np.zeros((0, 0))
    grid = np.unique(np.concatenate([steps for steps, _ in seeds]))
    values = np.stack([np.interp(grid, *seed, left=math.nan, right=math.nan) for seed in seeds])
    shared = np.isfinite(values).all(axis=0)
    return grid[shared], values[:, shared]


def interval(values: Floats) -> tuple[Floats, Floats]:
    """``(mean [N], half-width [N])`` of Student's 95 % interval of the mean over S seeds; nan for one seed.

    Args:
        values: [S, N], finite.
    """
    seeds = len(values)
    mean = values.mean(axis=0)
    if seeds == 1:
        return mean, np.full_like(mean, math.nan)
    from scipy.special import stdtrit  # scipy.stats has the same and takes a second to import

    return mean, stdtrit(seeds - 1, 0.975) * values.std(axis=0, ddof=1) / math.sqrt(seeds)


def _draw(axes: Axes, steps: Floats, values: Floats, color: str, label: str, width: float) -> None:
    if not len(steps):
        return
    seeds = len(values)
    mean, half = interval(values)
    marker = "o" if len(steps) == 1 else None
    note = f"mean of {seeds} seeds, 95 % interval" if seeds > 1 else "1 seed, no interval"
    axes.plot(steps, mean, color=color, lw=width, marker=marker, label=f"{label} ({note})", zorder=2 + width)
    if seeds > 1:
        axes.fill_between(steps, mean - half, mean + half, color=color, alpha=0.18, lw=0)


def _figure(title: str, what: str) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(8, 4.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", color=_INK, pad=12, parse_math=False)
    axes.set_xlabel("environment steps", color=_INK)
    axes.set_ylabel(what, color=_INK)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: short(steps)))
    axes.grid(color="#DDDDDD", lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#AAAAAA")
    return figure, axes


def _save(figure: Figure, axes: Axes, path: Path) -> Path:
    axes.margins(x=0.01)
    axes.legend(frameon=False, fontsize=9, labelcolor=_INK, loc="best")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    atomic_write(path, picture.getvalue())
    return path


def _nothing(what: str) -> LogpiError:
    return LogpiError(
        f"{what}: no finite {EVALUATION} or {TRAINING} in metrics.jsonl yet; train until an episode has ended"
    )
