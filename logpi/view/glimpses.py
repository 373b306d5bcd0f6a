"""Pictures of glimpses: a film, a sheet of their paths, and a heat map of the places."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from logpi.envs.frames import Frame
from logpi.runs.files import atomic_write
from logpi.view.labels import distinct
from logpi.view.panels import without_latex
from logpi.view.video import write_video

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

SCALES = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#F0E442")  # of the patches; Okabe and Ito, safe for all eyes
RIGHT, WRONG, OTHER, INK = "#0072B2", "#D55E00", "#BBBBBB", "#333333"
DIM, BRIGHT = "#8A4B00", "#F0E442"  # first and last glimpse: told apart by brightness alone
FRAMES_A_GLIMPSE, FPS = 2, 2
FILM_NAME, SHEET_NAME = 20, 13  # letters of a class's name


class Looking(NamedTuple):
    """T glimpses of each of B images, and the class probabilities after each."""

    scenes: NDArray[np.uint8]  # [B, H, W, C]
    label: NDArray[np.int32]  # [B]
    probabilities: NDArray[np.float32]  # [T, B, K]
    corner: NDArray[np.int32]  # [T, B, 2]
    patch: int  # pixels of the finest patch's side
    scales: int
    classes: Sequence[str]


def squares(corner: NDArray[np.int32], patch: int, scales: int) -> list[tuple[int, int, int]]:
    """(top, left, side) of each patch of the glimpse at ``corner`` [2]."""
    found = []
    for scale in range(scales):
        shift = (2**scale - 1) * patch // 2
        found.append((int(corner[0]) - shift, int(corner[1]) - shift, patch * 2**scale))
    return found


def seen_so_far(scene: NDArray[np.uint8], corners: NDArray[np.int32], patch: int, scales: int) -> NDArray[np.float64]:
    """The part of ``scene`` [H, W, C] seen by the glimpses at ``corners`` [t, 2], from 0 to 1, at their resolution.

    Each pixel has its value in the finest patch that has covered it; NaN where none has.
    """
    height, width, _ = scene.shape
    seen = np.full(scene.shape, np.nan)
    for scale in reversed(range(scales)):  # finer patches over coarser ones
        block, margin = 2**scale, patch * 2**scale
        padded = np.pad(scene / 255.0, ((margin, margin), (margin, margin), (0, 0)))
        for corner in corners:
            top, left, side = squares(corner, patch, scales)[scale]
            top, left = np.clip([top, left], -margin, [height, width])
            cut = padded[top + margin : top + margin + side, left + margin : left + margin + side]
            mean = cut.reshape(patch, block, patch, block, -1).mean((1, 3)).repeat(block, 0).repeat(block, 1)
            rows, columns = slice(max(top, 0), max(top + side, 0)), slice(max(left, 0), max(left + side, 0))
            target = seen[rows, columns]
            target[:] = mean[max(-top, 0) :, max(-left, 0) :][: target.shape[0], : target.shape[1]]
    return seen


@without_latex
def film_glimpses(looking: Looking, path: Path) -> Path:
    """Film each image in turn: the patches moving, what has been seen, the class probabilities; .mp4 or .gif.

    Raises:
        LogpiError: the disk refuses.
    """
    return write_video(_frames(looking), path, FPS)


def _frames(looking: Looking) -> Iterator[Frame]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for b in range(len(looking.label)):
        for t in range(len(looking.corner)):
            figure = Figure(figsize=(9.6, 3.9), dpi=100, layout="constrained")
            canvas = FigureCanvasAgg(figure)
            _draw_moment(figure, looking, b, t)
            canvas.draw()
            frame = np.asarray(canvas.buffer_rgba())[..., :3].copy()
            again = FRAMES_A_GLIMPSE if t < len(looking.corner) - 1 else 2 * FRAMES_A_GLIMPSE
            yield from (frame for _ in range(again))


def _draw_moment(figure: Figure, looking: Looking, b: int, t: int) -> None:
    whole, seen, bars = figure.subplots(1, 3, width_ratios=(1, 1, 0.9))
    scene, corners = looking.scenes[b], looking.corner[: t + 1, b]
    names = list(distinct(looking.classes, FILM_NAME))
    show_image(whole, scene / 255.0, f"image {b + 1}, label {names[looking.label[b]]}")
    show_path(whole, corners, looking.patch)
    for (top, left, side), color in zip(squares(corners[-1], looking.patch, looking.scales), SCALES, strict=False):
        whole.add_patch(_rectangle(top, left, side, color))
    show_image(seen, seen_so_far(scene, corners, looking.patch, looking.scales), f"seen after glimpse {t + 1}")
    _bars(bars, looking.probabilities[t, b], names, int(looking.label[b]))


def _rectangle(top: int, left: int, side: int, color: str) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle((left - 0.5, top - 0.5), side, side, fill=False, ec=color, lw=2, clip_on=True)


def show_image(axes: Axes, picture: NDArray[np.float64], title: str, color: str = INK) -> None:
    shown = np.where(np.isnan(picture), [[[0.25, 0.32, 0.42]]], picture)  # a colour that no grey image has
    axes.imshow(np.clip(shown, 0, 1), interpolation="nearest")
    height, width = picture.shape[:2]
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.set_title(title, loc="left", fontsize=11, color=color, parse_math=False)


def show_path(axes: Axes, corners: NDArray[np.int32], patch: int) -> None:
    """The centres of the glimpses, the later the brighter."""
    from matplotlib.colors import LinearSegmentedColormap

    row, column = (corners + patch / 2 - 0.5).T
    axes.plot(column, row, color=SCALES[0], lw=1.2, alpha=0.8)
    colors = LinearSegmentedColormap.from_list("order", (DIM, BRIGHT))(np.linspace(0, 1, len(row)))
    axes.scatter(column, row, s=22, color=colors, edgecolors="black", linewidths=0.5, zorder=3)


def _bars(axes: Axes, probabilities: NDArray[np.float32], classes: Sequence[str], label: int) -> None:
    shown = np.arange(len(classes)) if len(classes) <= 12 else np.sort(np.argsort(probabilities)[-12:])
    best = int(probabilities.argmax())
    colors = [(RIGHT if k == label else WRONG) if k == best else OTHER for k in shown]
    place = np.arange(len(shown))
    axes.barh(place, probabilities[shown], color=colors)
    axes.set_yticks(place, [classes[k] for k in shown], parse_math=False)
    axes.set(xlim=(0, 1), ylim=(len(shown) - 0.4, -0.6))
    axes.set_xticks((0, 0.5, 1), ("0 %", "50 %", "100 %"))
    axes.set_box_aspect(1)
    said = f"says {classes[best]}, {probabilities[best]:.0%}"
    axes.set_title(said, loc="left", fontsize=11, color=INK, parse_math=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for text, k in zip(axes.get_yticklabels(), shown, strict=True):
        text.set_fontweight("bold" if k == label else "normal")


@without_latex
def glimpse_sheet(looking: Looking, path: Path, columns: int = 6) -> Path:
    """A sheet of images with the paths of their glimpses and the predicted classes.

    Raises:
        LogpiError: the disk refuses.
    """
    count = len(looking.label)
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    classes = list(distinct(looking.classes, SHEET_NAME))
    height, width = looking.scenes.shape[1:3]
    figure = figure_of(1.55 * columns, (min(1.55 * height / width, 6.0) + 0.45) * rows + 0.4)
    about = "where it looked, from dark to bright; first patch dashed"
    figure.suptitle(textwrap.fill(about, 20 * columns), x=0.01, ha="left", fontsize=10)
    for b, axes in enumerate(np.ravel(figure.subplots(rows, columns, squeeze=False))):
        if b >= count:
            axes.set_axis_off()
            continue
        said, truth = int(looking.probabilities[-1, b].argmax()), int(looking.label[b])
        right = said == truth
        words = classes[said] if right else f"{classes[said]},\nnot {classes[truth]}"
        show_image(axes, looking.scenes[b] / 255.0, words, INK if right else WRONG)
        show_path(axes, looking.corner[:, b], looking.patch)
        first = _rectangle(*squares(looking.corner[0, b], looking.patch, 1)[0], SCALES[1])
        first.set(lw=1, ls="--")
        axes.add_patch(first)
    return save(figure, path)


@without_latex
def heat_map(mean_image: NDArray[np.float64], corner: NDArray[np.int32], patch: int, path: Path) -> Path:
    """Fraction of images in which the finest patch covered each pixel: overall, per glimpse, and the mean image.

    Args:
        mean_image: [H, W], 0 to 255.
        corner: [T, B, 2] of the finest patches.
        patch: pixels of their sides.

    Raises:
        LogpiError: the disk refuses.
    """
    from matplotlib.ticker import MaxNLocator

    steps, (height, width) = len(corner), mean_image.shape
    each = np.stack([coverage(corner[t], patch, height, width) for t in range(steps)])
    panels = [("mean image", mean_image / 255.0, "gray"), ("all glimpses", each.mean(0), "viridis")]
    panels += [(f"glimpse {t + 1}", each[t], "viridis") for t in range(steps)]
    columns = min(5, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = figure_of(1.9 * columns, 1.75 * rows + 0.4)
    title = f"fraction of {corner.shape[1]:,} images in which a pixel lay in the finest patch"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    grid = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in grid:
        axes.set_axis_off()
    for axes, (title, picture, colors) in zip(grid, panels, strict=False):
        drawn = axes.imshow(picture * 100, cmap=colors, vmin=0, vmax=max(float(picture.max()) * 100, 1e-9))
        axes.set_title(title, fontsize=9, color=INK)
        if colors != "gray":
            bar = figure.colorbar(drawn, ax=axes, fraction=0.046, format="%g %%", ticks=MaxNLocator(4))
            bar.ax.tick_params(labelsize=6, length=0)
            bar.outline.set_visible(False)
    return save(figure, path)


def coverage(corner: NDArray[np.int32], patch: int, height: int, width: int) -> NDArray[np.float64]:
    """[H, W] fraction of the images whose finest patch, at ``corner`` [B, 2], covered each pixel."""
    row, column = np.arange(height), np.arange(width)
    rows = (row >= corner[:, :1]) & (row < corner[:, :1] + patch)
    columns = (column >= corner[:, 1:]) & (column < corner[:, 1:] + patch)
    return rows.astype(float).T @ columns.astype(float) / len(corner)


def figure_of(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, picture.getvalue())
    return path
