"""The figures of a comparison: small panels that stay readable on a telephone, each a PNG and an SVG.

Every figure has axes with units, and under them n and what its bars or bands are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from logpi.view.labels import title_of
from logpi.view.panels import COLORS, INK, STYLES, WIDTH, Axis, dress, figure_of, legend_below, save, without_latex
from logpi.view.plots import TRAINING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = Mapping[str, Any]
PANEL = (4.6, 2.9)  # inches: at 400 pixels a letter is still 10 pixels high
SHARE = PANEL[0] / WIDTH
BAR = 0.24  # inches of one row of a bar chart
LETTERS = 66  # of a note under a figure
NAMES = {"iqm": "Interquartile mean", "median": "Median", "mean": "Mean", "optimality_gap": "Optimality gap"}
BOOTSTRAP = "95 % stratified-bootstrap interval (unit: the seed)"


class Figure(NamedTuple):
    """One figure of a comparison."""

    name: str  # of its files
    section: str  # of the page, under which it stands
    title: str
    y: str  # what is measured from bottom to top, with its unit
    x: str  # from left to right
    note: str  # n, and what bars and bands are
    draw: Callable[[Axes], None]
    rows: int = 0  # of a bar chart, which is as high as it has rows
    curves: int = 0  # in its legend

    @property
    def caption(self) -> str:
        """What the page says of it."""
        return f"{self.title}. {self.note}"


def figures(facts: Json) -> list[Figure]:
    """All figures of the numbers in ``facts``, in the order of the page."""
    colors = {label: _look(place) for place, label in enumerate(facts["labels"])}
    return [*_aggregates(facts, colors), *_profiles(facts, colors), *_pairs(facts), *_environments(facts, colors)]


@without_latex
def draw(figure: Figure, folder: Path) -> Path:
    """Write ``figure`` as PNG and SVG into ``folder``; returns the SVG's path.

    Raises:
        LogpiError: the disk refuses.
    """
    note = textwrap.fill(figure.note, LETTERS)
    height = max(1.1, 0.9 + BAR * figure.rows) if figure.rows else PANEL[1]
    made, ((axes,),) = figure_of(1, 1, note.count("\n") + 1 + figure.curves, (PANEL[0], height))
    dress(axes, figure.title, Axis(figure.y), SHARE)
    figure.draw(axes)
    axes.set_xlabel(figure.x, color=INK, fontsize=9, parse_math=False)
    axes.set_ylabel(figure.y, color=INK, fontsize=9, parse_math=False)
    axes.tick_params(labelsize=9)
    made.supxlabel(note, x=0.02, ha="left", fontsize=8.5, color=INK, parse_math=False)
    if figure.curves:
        patches, names = axes.get_legend_handles_labels()
        legend_below(axes, patches, [textwrap.shorten(name, 50, placeholder=" …") for name in names], None, 1)
    save(made, folder / f"{figure.name}.png")
    return save(made, folder / f"{figure.name}.svg")


def _look(place: int) -> tuple[str, str]:
    """Colour and line of the method at ``place``."""
    return COLORS[place % len(COLORS)], STYLES[place // len(COLORS) % len(STYLES)]


def _plain(axes: Axes) -> None:
    """Numbers from left to right as they are: scores and shares, not counts."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.xaxis.set_major_formatter(ScalarFormatter(useOffset=False))


def _bars(axes: Axes, rows: Sequence[tuple[str, float, float, float, str]]) -> None:
    """Points with their intervals, a row each: (name, value, low, high, colour)."""
    _plain(axes)
    for place, (_, value, low, high, color) in enumerate(rows):
        if np.isfinite([low, high]).all():
            axes.plot([low, high], [place, place], color=color, lw=7, alpha=0.35, solid_capstyle="butt")
        axes.plot([value], [place], "|", color=color, ms=13, mew=2.5)
    axes.set_yticks(range(len(rows)), [textwrap.shorten(name, 26, placeholder=" …") for name, *_ in rows])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(False, axis="y")


def _counted(n: int, environments: int) -> str:
    return f"n = {n} seed{'s' if n > 1 else ''} in each of {environments} environment{'s' if environments > 1 else ''}"


def _aggregates(facts: Json, colors: Mapping[str, tuple[str, str]]) -> Iterator[Figure]:
    pooled = facts["pooled"]
    if not pooled:
        return
    methods = pooled["methods"]
    n, several = min(found["n"] for found in methods.values()), len(pooled["environments"])
    for name, title in NAMES.items():
        if any(name not in found for found in methods.values()):
            continue
        rows = [(label, *_three(found[name]), colors[label][0]) for label, found in methods.items()]
        better = "lower is better" if name == "optimality_gap" else "higher is better"
        note = f"{_counted(n, several)}; bar: {BOOTSTRAP}; {better}."
        draws = _drawing(rows)
        yield Figure(name, "All environments", title, "method", _unit(facts), note, draws, len(rows))


def _drawing(rows: Sequence[tuple[str, float, float, float, str]]) -> Callable[[Axes], None]:
    return lambda axes: _bars(axes, rows)


def _unit(facts: Json) -> str:
    pooled = facts["pooled"]
    if pooled["normalised"]:
        return "normalised score (0: lower reference, 1: upper)"
    return str(facts["environments"][pooled["environments"][0]]["score"])


def _three(found: Json) -> tuple[float, float, float]:
    return found["value"], found["low"], found["high"]


def _profiles(facts: Json, colors: Mapping[str, tuple[str, str]]) -> Iterator[Figure]:
    pooled = facts["pooled"]
    if not pooled:
        return
    curves = {label: found for label, found in pooled["profiles"].items() if label != "tau"}
    n = min(found["n"] for found in pooled["methods"].values())

    def drawn(axes: Axes) -> None:
        _plain(axes)
        _lines(axes, pooled["profiles"]["tau"], curves, colors)
        axes.set_ylim(-0.02, 1.02)

    note = f"{_counted(n, len(pooled['environments']))}; band: pointwise {BOOTSTRAP}."
    yield Figure("profiles", "All environments", "Performance profiles", "share of runs above τ",
                 f"τ, {_unit(facts)}", note, drawn, curves=len(curves))  # fmt: skip


def _lines(axes: Axes, at: Sequence[float], curves: Mapping[str, Json], colors: Mapping[str, tuple[str, str]]) -> None:
    for label, found in curves.items():
        color, style = colors[label]
        axes.plot(at, found["value"], style, color=color, lw=1.8, label=label)
        low, high = np.asarray(found["low"], float), np.asarray(found["high"], float)
        axes.fill_between(at, low, high, where=np.isfinite(low), color=color, alpha=0.18, lw=0)


def _pairs(facts: Json) -> Iterator[Figure]:
    rows = [
        (f"{row['x']} > {row['y']}", row["probability"], row["low"], row["high"], "#0072B2") for row in facts["pairs"]
    ]
    if not rows:
        return

    def drawn(axes: Axes) -> None:
        axes.axvline(0.5, color="#AAAAAA", lw=1, ls="--")
        _bars(axes, rows)
        axes.set_xlim(-0.02, 1.02)

    shared = len({env for row in facts["pairs"] for env in row["environments"]})
    n = min(found["n"] for methods in facts["per_environment"].values() for found in methods.values())
    note = f"{_counted(n, shared)}; ties count half; bar: {BOOTSTRAP}; dashed: no difference."
    yield Figure("improvement", "Pairs", "Probability of improvement", "pair", "P(X > Y)", note, drawn, len(rows))


def _environments(facts: Json, colors: Mapping[str, tuple[str, str]]) -> Iterator[Figure]:
    for place, (env, about) in enumerate(facts["environments"].items(), 1):
        section = title_of(env)
        if env in facts["per_environment"]:
            yield _scores(f"{place}_scores", section, facts, env, colors)
        for kind, unit in (("curves", about["unit"]), ("seconds", "wall-clock seconds")):
            found = facts[kind].get(env, {})
            if found.get("at"):
                yield _curves(f"{place}_{kind}", section, found, about["score"], unit, colors)


def _scores(name: str, section: str, facts: Json, env: str, colors: Mapping[str, tuple[str, str]]) -> Figure:
    methods, every = facts["per_environment"][env], facts["seeds"][env]
    rows = [(label, *_three(found["iqm"]), colors[label][0]) for label, found in methods.items()]

    def drawn(axes: Axes) -> None:
        _bars(axes, rows)
        for place, label in enumerate(methods):
            scores = [score for score in every[label]["scores"] if np.isfinite(score)]
            axes.plot(scores, [place + 0.22] * len(scores), "o", color=INK, ms=2.5, alpha=0.6)

    n = " and ".join(map(str, sorted({found["n"] for found in methods.values()})))
    note = f"n = {n} seeds; dot: one seed's last agent; line: IQM; bar: its 95 % bootstrap interval."
    return Figure(name, section, f"{section}: final scores", "method", facts["environments"][env]["score"], note,
                  drawn, len(rows))  # fmt: skip


def _curves(
    name: str, section: str, found: Json, score: str, unit: str, colors: Mapping[str, tuple[str, str]]
) -> Figure:
    def drawn(axes: Axes) -> None:
        _lines(axes, found["at"], found["methods"], colors)
        axes.set_xlim(0, max(found["at"]) * 1.02)

    n = " and ".join(map(str, sorted({each["n"] for each in found["methods"].values()})))
    kind = "training" if found["what"] == TRAINING else "evaluation"
    at_once = " of the run that trained them" if found["x"] == "seconds" else ""
    note = f"IQM of n = {n} seeds{at_once}, {kind}; band: pointwise 95 % bootstrap interval over seeds."
    title = f"{section}: against {'seconds' if found['x'] == 'seconds' else unit}"
    return Figure(name, section, title, score, unit, note, drawn, curves=len(found["methods"]))
