"""A picture of the user's own as an agent saw it: where it looked, what it saw, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from logpi.view.glimpses import INK, OTHER, RIGHT, SCALES, figure_of, save, seen_so_far, show_image, show_path, squares
from logpi.view.labels import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 12  # classes in a picture; of more the likeliest
NAME, CLASS = 34, 22  # letters of a picture's and of a class's name


def draw_look(
    scene: NDArray[np.uint8],
    name: str,
    probabilities: NDArray[np.float32],
    corner: NDArray[np.int32],
    eye: tuple[int, int] | None,
    classes: Sequence[str],
    path: Path,
) -> None:
    """Write a PNG: the scene with the path of the glimpses, what they saw, and the class probabilities.

    Args:
        scene: [H, W, C] as the agent saw it.
        name: of the picture.
        probabilities: [T, K] after each glimpse.
        corner: [T, 2] of the finest patches.
        eye: pixels of the finest patch's side, and the number of patches; None of an agent that sees the whole image.
        classes: K names.
        path: of the PNG.

    Raises:
        LogpiError: the disk refuses.
    """
    figure = figure_of(9.6 if eye else 6.6, 3.9)
    panels = figure.subplots(1, 3 if eye else 2, width_ratios=(1, 1, 0.9) if eye else (1, 0.9))
    height, width = scene.shape[:2]
    show_image(panels[0], scene / 255.0, shortened(name, NAME))
    panels[0].set_xlabel(f"as it was seen: {height}x{width} pixels", color=INK)
    if eye:
        patch, scales = eye
        show_path(panels[0], corner, patch)
        _number(panels[0], corner, patch)
        show_image(panels[1], seen_so_far(scene, corner, patch, scales), f"seen in {len(corner)} glimpses")
        coarsest = squares(corner[0], patch, scales)[-1][2]
        wide = f"patches {patch} to {coarsest} pixels wide" if scales > 1 else f"patches {patch} pixels wide"
        panels[1].set_xlabel(wide, color=INK)
    _bars(panels[-1], probabilities[-1], classes)
    save(figure, path)


def _number(axes: Axes, corner: NDArray[np.int32], patch: int) -> None:
    """The finest patch of each glimpse, with its number where no earlier one stands at the same place."""
    from matplotlib.patches import Rectangle

    taken: list[NDArray[np.int32]] = []
    apart = max(axes.get_ylim()[0], axes.get_xlim()[1]) / 12
    for number, (top, left) in enumerate(corner, 1):
        first = number == 1
        frame = Rectangle((left - 0.5, top - 0.5), patch, patch, fill=False, ec=SCALES[1], lw=1.2, alpha=0.9)
        frame.set_linestyle("--" if first else "-")
        frame.set_clip_on(True)
        axes.add_patch(frame)
        if all(np.abs(corner[number - 1] - other).max() > apart for other in taken):
            taken.append(corner[number - 1])
            axes.annotate(
                str(number),
                (left + patch / 2 - 0.5, top + patch / 2 - 0.5),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=9,
                fontweight="bold",
                color="white",
                bbox={"boxstyle": "round,pad=0.15", "fc": "#000000", "ec": "none", "alpha": 0.6},
                annotation_clip=True,
            )


def _bars(axes: Axes, probabilities: NDArray[np.float32], classes: Sequence[str]) -> None:
    """The class probabilities, the likeliest class's bar in blue."""
    shown = np.arange(len(classes)) if len(classes) <= SHOWN else np.sort(np.argsort(probabilities)[-SHOWN:])
    best, place = int(probabilities.argmax()), np.arange(len(shown))
    axes.barh(place, probabilities[shown], color=[RIGHT if k == best else OTHER for k in shown])
    axes.set_yticks(place, [shortened(classes[k], CLASS) for k in shown], parse_math=False)
    axes.set(xlim=(0, 1), ylim=(len(shown) - 0.4, -0.6))
    axes.set_xticks((0, 0.5, 1), ("0 %", "50 %", "100 %"))
    axes.set_box_aspect(1)
    said = f"{shortened(classes[best], CLASS)}, {probabilities[best]:.1%}"
    axes.set_title(said, loc="left", fontsize=11, color=INK, parse_math=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
