"""An Elo chart: players in order, each with its Elo and the 95 % interval, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logpi.runs.files import atomic_write
from logpi.view.labels import distinct
from logpi.view.panels import without_latex

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOT, LINE, INK = "#0072B2", "#56B4E9", "#333333"  # Okabe and Ito
ROW = 0.36  # inches
LONGEST_NAME = 44  # characters


@without_latex
def elo_chart(
    names: Sequence[str],
    elo: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    path: str | Path,
    title: str,
    axis: str = "Elo",
    connected: bool = False,
) -> Path:
    """Draw the players from top to bottom in the order given.

    Args:
        names: [K] as they stand in the rows.
        elo: [K] finite.
        intervals: [K] lowest and highest; equal to the Elo for the anchor, which is drawn hollow.
        path: the PNG to write.
        title: over the picture.
        axis: what the numbers are, with the player or mean that is 0.
        connected: join the points by a line, for the checkpoints of one run.

    Raises:
        LogpiError: the disk refuses.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 1.6 + ROW * len(names)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", color=INK, pad=12, parse_math=False)
    rows = range(len(names))
    if connected:
        axes.plot(elo, rows, color=LINE, lw=1.2, zorder=1)
    for row, value, bounds in zip(rows, elo, intervals, strict=True):
        _draw_row(axes, row, value, bounds)
    axes.axvline(0, color="#999999", lw=0.8, zorder=0)
    shown = list(distinct(names, LONGEST_NAME))
    axes.set_yticks(list(rows), shown, fontsize=9, color=INK, parse_math=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(f"{axis}; bars are 95 % intervals", color=INK, parse_math=False)
    axes.grid(axis="x", color="#E5E5E5", lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    atomic_write(Path(path), picture.getvalue())
    return Path(path)


def _draw_row(axes: Axes, row: int, value: float, interval: tuple[float, float]) -> None:
    low, high = interval
    fixed = low == high
    axes.plot([low, high], [row, row], color=LINE, lw=5, solid_capstyle="butt", zorder=2)
    axes.plot([value], [row], "o", ms=6, color=DOT, mfc="white" if fixed else DOT, mew=1.5, zorder=3)
    note = f"{value:.0f}, fixed" if fixed else f"{value:+.0f} ({low:+.0f} to {high:+.0f})"
    axes.annotate(note, (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=INK)
