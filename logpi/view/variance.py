"""The variance of gradient estimates as PNG: a row for each rung, a colour for each moment of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logpi.view.panels import INK, save, without_latex, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito
ROW, HEAD, WIDTH = 0.25, 1.1, 13.0  # inches: of a rung and a moment, of a panel's title and axis, of the figure
FEWEST = 1.3  # moments whose room a rung has at least
FEW_DECADES = 10**2.5  # of a logarithmic axis, whose ticks are then 1, 2, 5, 10, …
Facts = Mapping[str, Any]


@without_latex
def draw(facts: Facts, path: str | Path) -> Path:
    """Draw what ``logpi.variance`` found.

    Args:
        facts: of its answer.
        path: the PNG to write.

    Raises:
        LogpiError: the disk refuses.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    moments, batch = facts["moments"], facts["batch"]
    names = [rung["rung"] for rung in moments[0]["rungs"]]
    height = 2 * (HEAD + ROW * len(names) * max(FEWEST, len(moments) + 0.4)) + 0.9
    figure = Figure(figsize=(WIDTH, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2, sharey=True)
    _dots(panels[0][0], moments, "variance", "Variance V of one trajectory's gradient", "trace of the covariance", True)
    _notes(panels[0][0], moments, facts["against"])
    _dots(panels[0][1], moments, "snr", "Signal-to-noise ratio of one trajectory", "‖E[g]‖ / √V", True)
    title = f"Cosine of a batch of {batch} trajectories with ∇J"
    _dots(panels[1][0], moments, "cosine", title, "mean cosine; 1: the same direction", False)
    _boxes(panels[1][1], moments, batch)
    for row in panels:
        row[0].set_yticks(range(len(names)), names, color=INK)
        row[0].set_ylim(len(names) - 0.4, -0.6)
    _heading(figure, facts)
    return save(figure, Path(path))


def _heading(figure: Any, facts: Facts) -> None:
    from matplotlib.lines import Line2D

    moments = facts["moments"]
    title = f"{facts['env']}: gradient estimates of {facts['trajectories']:,} trajectories, rung by rung"
    figure.suptitle(
        wrapped(title, WIDTH / 8), x=0.01, ha="left", fontsize=14, fontweight="bold", color=INK, parse_math=False
    )
    drawn = [Line2D([], [], color=color, marker="o", lw=2) for _, color in zip(moments, _colors(moments), strict=True)]
    legend = figure.legend(
        drawn,
        [f"{moment['name']}, mean return {moment['mean_return']:,.4g}" for moment in moments],
        loc="outside lower left",
        ncols=min(3, len(moments)),
        frameon=False,
        labelcolor=INK,
        title="lines through dots: 95 % intervals",
        title_fontsize=9,
        fontsize=9,
        alignment="left",
    )
    legend.get_title().set_color(INK)


def _colors(moments: Sequence[Facts]) -> list[str]:
    return [COLORS[k % len(COLORS)] for k in range(len(moments))]


def _places(moments: Sequence[Facts]) -> list[float]:
    """Where each moment's mark lies in the row of a rung, around its middle."""
    step = 0.8 / max(FEWEST, len(moments))
    return [step * (k - (len(moments) - 1) / 2) for k in range(len(moments))]


def _dress(axes: Axes, title: str, label: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, parse_math=False)
    axes.set_xlabel(label, color=INK, parse_math=False)
    axes.grid(axis="x", color="#E5E5E5", lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _logarithmic(axes: Axes) -> None:
    """A logarithmic axis of what was drawn, with few ticks, written as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    between = (1.0, 2.0, 5.0) if high < FEW_DECADES * low else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=between, numticks=7))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}" if 1e3 <= x < 1e6 else f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _dots(axes: Axes, moments: Sequence[Facts], name: str, title: str, label: str, log: bool) -> None:
    """The number ``name`` of each rung, with its interval."""
    _dress(axes, title, label)
    for moment, color, offset in zip(moments, _colors(moments), _places(moments), strict=True):
        for rung, facts in enumerate(moment["rungs"]):
            value, low, high = (facts[name][end] for end in ("value", "low", "high"))
            if not math.isfinite(value) or (log and value <= 0):
                continue  # nothing was found, or nothing that a logarithm has
            low = max(low, value / 100) if log else low
            axes.plot([low, high], [rung + offset] * 2, color=color, lw=2, alpha=0.7, solid_capstyle="butt")
            axes.plot([value], [rung + offset], "o", ms=5, color=color)
    if log and axes.lines:
        _logarithmic(axes)


def _notes(axes: Axes, moments: Sequence[Facts], against: str) -> None:
    """Beside each rung, how many trajectories it needs for the error of the rung ``against``."""
    for moment, color, offset in zip(moments, _colors(moments), _places(moments), strict=True):
        for rung, facts in enumerate(moment["rungs"]):
            ratio = facts["ratio"]["value"]
            text = f"{ratio:.3g}×" if math.isfinite(ratio) else "–"
            place = (1.01, rung + offset)
            axes.annotate(text, place, xycoords=("axes fraction", "data"), va="center", fontsize=8, color=color)
    axes.set_xlabel(
        f"{axes.get_xlabel()}; at the right: trajectories for the error of {against}", color=INK, parse_math=False
    )


def _boxes(axes: Axes, moments: Sequence[Facts], batch: int) -> None:
    """Quantiles of the component along ∇J of a batch's estimate."""
    _dress(axes, f"Estimate of a batch of {batch} along ∇J, in parts of ‖∇J‖", "5, 25, 50, 75 and 95 % of the batches")
    for x in (0, 1):
        axes.axvline(x, color="#999999", lw=1.0, ls="-" if x else ":", zorder=0)
    for moment, color, offset in zip(moments, _colors(moments), _places(moments), strict=True):
        for rung, facts in enumerate(moment["rungs"]):
            at = facts["along"]
            if not all(map(math.isfinite, at)):
                continue
            place = [rung + offset] * 2
            axes.plot([at[0], at[4]], place, color=color, lw=1.2, solid_capstyle="butt")
            axes.plot([at[1], at[3]], place, color=color, lw=4.5, alpha=0.6, solid_capstyle="butt")
            axes.plot([at[2]], place[:1], "o", ms=4, color=color, mfc="white")
