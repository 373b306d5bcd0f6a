"""How the benchmarks' pictures look; drawn without any display."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from logpi.runs.scores import interval

# Okabe & Ito's palette: told apart by colour-blind readers too
BLUE, RED, GREEN, PURPLE, ORANGE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#666666"
VARIANTS = {"learned": BLUE, "random": RED, "grid": GREEN, "centre": GREY, "conv": ORANGE, "fc": PURPLE}  # ram.py's


@contextmanager
def picture(path: Path, panels: int = 1) -> Iterator[list[Any]]:
    """Yields ``panels`` axes, two a row; what is drawn on them is then saved as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = -(-panels // 2), min(panels, 2)
    figure = Figure(figsize=(1.2 + 5.4 * columns, 0.6 + 3.7 * rows), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    every = [figure.add_subplot(rows, columns, k + 1) for k in range(panels)]
    yield every
    for axes in every:
        axes.grid(color="#DDDDDD", lw=0.7)
        axes.set_axisbelow(True)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def plain(axis: Any, ticks: list[float] | None = None) -> None:
    """Ticks written as plain numbers, on a logarithmic axis too; at ``ticks`` alone where they are given."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())
    if ticks is not None:
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())


def curve(axes: Any, x: Any, seeds: Any, color: str, label: str, style: str = "-", marker: str = "o") -> None:
    """Mean of ``seeds`` [S, N] at ``x`` [N], and where there are several their 95 % interval as a band."""
    values = np.asarray(seeds, float)
    mean, half = interval(values)
    axes.plot(x, mean, style, color=color, marker=marker, ms=3, label=label)
    if len(values) > 1:
        axes.fill_between(x, mean - half, mean + half, color=color, alpha=0.15, lw=0)
