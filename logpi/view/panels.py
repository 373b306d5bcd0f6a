"""Empty panels of a figure as all of logpi's plots have them: sizes, axes, titles, and the file that they end in.

Drawn without pyplot and so without any display, and the same whatever the working folder says: Matplotlib reads a
``matplotlibrc`` there.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from logpi.runs.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")
INK = "#333333"
# Okabe & Ito's palette: told apart by colour-blind readers too
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", ":", "-.")  # one after the other, once the colours are used up
TITLE, LETTER, ROW = 0.125, 0.075, 0.19  # inches: a letter of a title, a letter and a row of a legend
WIDTH, HEIGHT = 8.0, 4.4  # inches of a panel; one of several is narrower
NARROW = 0.75


class Axis(NamedTuple):
    """What a panel shows: its score, with the bounds that no score can pass, and what is counted below."""

    what: str = "mean return of an episode"
    percent: bool = False  # the score is a fraction that people read in per cent
    low: float | None = None  # lowest possible score, where it is known
    high: float | None = None  # highest
    unit: str = "steps"  # what is counted from left to right

    def text(self, score: float) -> str:
        """A score with its unit."""
        return f"{100 * score:g} %" if self.percent else f"{score:g}"


USUAL = Axis()


def ready() -> None:
    """Import what draws: half a second, which may pass beside other work. What is wrong with it the drawing tells."""
    with contextlib.suppress(Exception):
        importlib.import_module("matplotlib.backends.backend_agg")


def figure_of(
    rows: int, columns: int, curves: int, panel: tuple[float, float] | None = None
) -> tuple[Figure, list[list[Axes]]]:
    """A figure of equal panels, each with a legend of at most ``curves`` rows under it.

    ``panel`` is the width and height of one in inches, where it has not the usual size.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = panel or (WIDTH if columns == 1 else NARROW * WIDTH, HEIGHT)
    figure = Figure(figsize=(width * columns, rows * (height + ROW * curves)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, [list(row) for row in figure.subplots(rows, columns, squeeze=False)]


def dress(axes: Axes, title: str, axis: Axis, share: float = 1.0) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

    shown = wrapped(title, share)
    axes.set_title(shown, loc="left", fontsize=13, fontweight="bold", color=INK, pad=12, parse_math=False)
    axes.set_ylabel(axis.what, color=INK, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # as many digits as it takes: 12.5k
    if axis.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.grid(color="#DDDDDD", lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#AAAAAA")


def wrapped(title: str, panels: float) -> str:
    """``title`` in lines that fit over ``panels`` panels, three at most."""
    letters = int(panels * WIDTH / TITLE)
    return "\n".join(textwrap.wrap(title, letters, max_lines=3, placeholder=" …"))


def legend_below(axes: Axes, patches: Sequence[Artist], names: Sequence[str], title: str | None, columns: int) -> None:
    """A legend under the labels of an axis, where it covers nothing; names have no formulas."""
    from matplotlib.transforms import ScaledTranslation

    legend = axes.legend(
        patches,
        names,
        title=title,
        ncols=columns,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=axes.transAxes + ScaledTranslation(0, -0.55, axes.figure.dpi_scale_trans),
        borderaxespad=0,
        alignment="left",
        frameon=False,
        fontsize=9,
        title_fontsize=9,
        labelcolor=INK,
    )
    legend.get_title().set_color(INK)
    for label in legend.get_texts():
        label.set_parse_math(False)


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, or as SVG where the path ends in .svg; the same figure gives the same bytes."""
    import matplotlib

    kind = "svg" if path.suffix == ".svg" else "png"
    options: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {}
    picture = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem}):
        figure.savefig(picture, format=kind, **options)
    atomic_write(path, picture.getvalue())
    return path


def without_latex(draw: Callable[P, R]) -> Callable[P, R]:
    """``draw`` with Matplotlib's own text: LaTeX is another program, which would run a stranger's preamble."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib

        with matplotlib.rc_context({"text.usetex": False}):
            return draw(*args, **kwargs)

    return drawn
