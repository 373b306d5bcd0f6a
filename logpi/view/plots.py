"""Learning curves as PNG: means over seeds with their intervals, on the panels of ``logpi.view.panels``."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.runs.metrics import STEPS, Value
from logpi.runs.scores import interval
from logpi.view.panels import (
    COLORS,
    INK,
    LETTER,
    NARROW,
    STYLES,
    USUAL,
    WIDTH,
    Axis,
    dress,
    figure_of,
    legend_below,
    save,
    without_latex,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

TRAINING = "rollout/ep_rew_mean"
EVALUATION = "eval/mean_reward"
_KINDS = {TRAINING: "training", EVALUATION: "evaluation"}
MANY = 8  # curves: the legend of more has two columns, if their names are short
FAR = 1e100  # numbers beyond it have no place on an axis
Metrics = Mapping[str, Sequence[Value | None]]  # as logpi.runs.metrics.read_metrics returns them
Floats = NDArray[np.float64]


class Panel(NamedTuple):
    """The curves of one environment."""

    title: str
    groups: Mapping[str, Sequence[Metrics]]  # label -> metrics of runs that differ in the seed alone
    axis: Axis = USUAL


class _Drawn(NamedTuple):
    """One curve on its axes."""

    line: Line2D
    name: str  # in the legend
    note: str  # what the curve is: of how many seeds
    last: float  # step
    values: Floats  # [S, N] of S seeds
    band: tuple[Floats, Floats] | None  # [N] each: ends of the interval


@without_latex
def learning_curve(
    runs: Sequence[Metrics],
    path: str | Path,
    title: str,
    expected: tuple[float, float] | None = None,
    axis: Axis = USUAL,
) -> Path:
    """Mean return against environment steps, training (thin) and evaluation (bold), over all seeds.

    Args:
        runs: metrics of runs that differ in the seed alone; a run of several seeds counts as that many.
        path: the PNG to write.
        title: over the picture.
        expected: lowest and highest expected score, drawn as a band.
        axis: what is measured, and counted.

    Raises:
        LogpiError: no return was measured yet, or the disk refuses.
    """
    figure, ((axes,),) = figure_of(1, 1, 3)
    dress(axes, title, axis)
    if expected:
        low, high = expected
        label = f"expected {axis.text(low)} to {axis.text(high)}"
        axes.axhspan(low, high, color="#999999", alpha=0.18, lw=0, label=label)
    drawn = [
        _draw(axes, axis, runs, TRAINING, COLORS[0], "-", "", width=1.1),
        _draw(axes, axis, runs, EVALUATION, COLORS[1], "-", "", width=2.6),
    ]
    if not any(drawn):
        raise _nothing(title, runs)
    _frame(axes, axis, [curve for curve in drawn if curve], expected or ())
    return save(figure, Path(path))


@without_latex
def compare(panels: Sequence[Panel], path: str | Path, title: str = "") -> Path:
    """A panel for each environment, a curve for each group: evaluation, or training where it has none.

    Args:
        panels: what to draw; scores of two environments never share an axis.
        path: the PNG to write.
        title: over the picture.

    Raises:
        LogpiError: a group has no return yet, or the disk refuses.
    """
    columns = 1 if len(panels) == 1 else 2 if len(panels) <= 4 else 3
    rows = math.ceil(len(panels) / columns)
    figure, grid = figure_of(rows, columns, max(len(panel.groups) for panel in panels))
    every = [axes for row in grid for axes in row]
    for axes, panel in zip(every, panels, strict=False):
        _draw_panel(axes, panel, 1.0 if columns == 1 else NARROW)
    for axes in every[len(panels) :]:
        axes.set_axis_off()
    if title:
        shown = wrapped(title, 1 if columns == 1 else NARROW * columns)
        figure.suptitle(shown, x=0.01, ha="left", fontsize=14, fontweight="bold", color=INK, parse_math=False)
    return save(figure, Path(path))


def _draw_panel(axes: Axes, panel: Panel, share: float) -> None:
    dress(axes, panel.title, panel.axis, share)
    drawn = []
    for number, (label, runs) in enumerate(panel.groups.items()):
        color, style = COLORS[number % len(COLORS)], STYLES[number // len(COLORS) % len(STYLES)]
        curve = _draw(axes, panel.axis, runs, EVALUATION, color, style, label, 2.0)
        curve = curve or _draw(axes, panel.axis, runs, TRAINING, color, style, label, 2.0)
        if not curve:
            raise _nothing(f"{panel.title}, {label}", runs)
        drawn.append(curve)
    _frame(axes, panel.axis, drawn, share=share)


def seed_curves(runs: Sequence[Metrics], name: str) -> tuple[Floats, Floats]:
    """``(steps [N], values [S, N])`` of one scalar for all S seeds of ``runs``, on one grid of steps.

    Runs that logged at other steps are interpolated linearly. Steps that not every seed has reached, or where
    one has no finite value yet, are left out: a mean over changing seeds would jump. So are seeds without any.
    """
    seeds = [seed for seed in _seeds(runs, name) if len(seed[0])]
    if not seeds:
        return np.zeros(0), np.zeros((0, 0))
    grid = np.unique(np.concatenate([steps for steps, _ in seeds]))
    values = np.stack([np.interp(grid, *seed, left=math.nan, right=math.nan) for seed in seeds])
    shared = np.isfinite(values).all(axis=0)
    return grid[shared], values[:, shared]


def _seeds(runs: Sequence[Metrics], name: str) -> list[tuple[Floats, Floats]]:
    """(steps, values) of each seed, as far as its values are finite."""
    seeds: list[tuple[Floats, Floats]] = []
    for run in runs:
        pairs = [(s, v) for s, v in zip(run.get(STEPS, []), run.get(name, []), strict=False) if v is not None]
        try:
            steps = np.array([step for step, _ in pairs], float)
            values = np.array([value for _, value in pairs], float).reshape(len(pairs), -1 if pairs else 0)
        except (TypeError, ValueError) as error:
            raise LogpiError(f"the rows of a run differ in their number of seeds ({error}): it was altered") from error
        for column in values.T if pairs else []:
            known = (np.abs(column) < FAR) & (np.abs(steps) < FAR)  # False of NaN
            seeds.append((steps[known], column[known]))
    return seeds


def clipped(values: Floats, low: float | None, high: float | None) -> tuple[Floats, Floats]:
    """``(lowest [N], highest [N])`` of the 95 % interval of the mean over S seeds, within what is possible.

    The mean lies between the bounds of a score, so cutting the interval there takes none of its confidence. Bounds that
    a value has passed are not the bounds of this score (an environment may have been changed); they cut nothing.

    Args:
        values: [S, N], finite.
        low: lowest possible value; None where it is not known.
        high: highest.
    """
    mean, half = interval(values)
    least = -math.inf if low is None or (values < low).any() else low
    most = math.inf if high is None or (values > high).any() else high
    return np.maximum(mean - half, least), np.minimum(mean + half, most)


def _draw(
    axes: Axes, axis: Axis, runs: Sequence[Metrics], name: str, color: str, style: str, label: str, width: float
) -> _Drawn | None:
    """The mean over seeds of the scalar ``name``, with its interval; None where there is none."""
    steps, values = seed_curves(runs, name)
    if not len(steps):
        return None
    seeds, every = len(values), len(_seeds(runs, name))
    of = f"{seeds}" if seeds == every else f"{seeds} of {every}"
    what = f"mean of {of} seeds, 95 % interval" if seeds > 1 else f"{of} seed{'s' if every > 1 else ''}, no interval"
    note = f"{_KINDS[name]} ({what})"
    marker, mean = "o" if len(steps) == 1 else None, values.mean(axis=0)
    (line,) = axes.plot(steps, mean, style, color=color, lw=width, marker=marker, zorder=2 + width)
    if seeds == 1:
        return _Drawn(line, label, note, float(steps[-1]), values, None)
    band = clipped(values, axis.low, axis.high)
    axes.fill_between(steps, *band, color=color, alpha=0.18, lw=0 if len(steps) > 1 else 1.5)
    return _Drawn(line, label, note, float(steps[-1]), values, band)


def _frame(axes: Axes, axis: Axis, drawn: Sequence[_Drawn], expected: Sequence[float] = (), share: float = 1.0) -> None:
    """Fit the axes to what was measured: an interval may leave the picture, which is then said."""
    seen = [*expected, *(end for curve in drawn for end in (curve.values.min(), curve.values.max()))]
    low, high = min(seen), max(seen)
    margin = 0.05 * (high - low) or 0.05 * max(abs(high), 1.0)
    bands = [end for curve in drawn if curve.band for end in curve.band]
    if bands:  # as much of the intervals as leaves the curves half of the height
        room = (high - low) / 2
        low = max(low - room, min(low, *(float(end.min()) for end in bands)))
        high = min(high + room, max(high, *(float(end.max()) for end in bands)))
    bottom, top = low - margin, high + margin
    cut = any((end < bottom).any() or (end > top).any() for end in bands)
    axes.set_ylim(bottom, top)
    axes.set_xlim(0, max(curve.last for curve in drawn) * 1.02 or 1.0)
    axes.set_xlabel(axis.unit + ("   (intervals leave the picture)" if cut else ""), color=INK, parse_math=False)
    _explain(axes, drawn, share)


def _explain(axes: Axes, drawn: Sequence[_Drawn], share: float) -> None:
    """A legend under the axes; what is true of all curves is said once, over it."""
    patches, names = axes.get_legend_handles_labels()
    common = {curve.note for curve in drawn} if all(curve.name for curve in drawn) else set()
    letters = int(share * WIDTH / LETTER) - 12
    for curve in drawn:
        text = curve.name if len(common) == 1 else f"{curve.name}, {curve.note}" if curve.name else curve.note
        names.append(textwrap.fill(text, letters))
    columns = 2 if len(names) > MANY and max(map(len, names)) < letters // 2 - 6 else 1
    title = common.pop() if len(common) == 1 else None
    legend_below(axes, [*patches, *(curve.line for curve in drawn)], names, title, columns)


def _nothing(what: str, runs: Sequence[Metrics]) -> LogpiError:
    seeds = [steps for name in (EVALUATION, TRAINING) for steps, _ in _seeds(runs, name) if len(steps)]
    if len(seeds) > 1:
        reached = f"to step {min(steps[-1] for steps in seeds):,.0f}, another from {max(s[0] for s in seeds):,.0f} on"
        return LogpiError(f"{what}: its seeds have no step in common: one is known {reached}; plot them one by one")
    return LogpiError(
        f"{what}: no finite {EVALUATION} or {TRAINING} in metrics.jsonl yet; train until an episode has ended"
    )
