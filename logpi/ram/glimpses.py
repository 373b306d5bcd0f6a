"""``Glimpses``: one picture looked at glimpse by glimpse: where, what has been seen, and what is thought after each."""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.ram.agent import ImageAgent
from logpi.ram.data.pictures import pictures
from logpi.ram.evaluation import LOOK
from logpi.ram.methods.ram import LocationPolicy
from logpi.runs.files import Json
from logpi.tasks import Pictures
from logpi.view.glimpses import seen_so_far, squares

PLACES = get_args(LocationPolicy)


class Glimpses(NamedTuple):
    """T glimpses of one picture."""

    classes: tuple[str, ...]  # K names
    scene: NDArray[np.uint8]  # [H, W, C] as the agent sees the picture
    squares: list[list[tuple[int, int, int]]]  # [T][k] (top, left, side) of the patches, the finest first, in pixels
    seen: NDArray[np.float64]  # [T, H, W, C] from 0 to 1, what has been seen after each glimpse; NaN: nothing yet
    probabilities: NDArray[np.float32]  # [T, K] of the classes after each glimpse
    places: str  # how they were chosen
    warnings: list[str]  # what is unusual about the picture

    @property
    def said(self) -> str:
        """The most probable class after the last glimpse."""
        return self.classes[int(self.probabilities[-1].argmax())]

    def sure(self, threshold: float = 0.95) -> int | None:
        """The number of glimpses, from 1, after which a class first has probability ``threshold``; None: never."""
        reached = np.flatnonzero(self.probabilities.max(-1) >= threshold)
        return int(reached[0]) + 1 if len(reached) else None

    def to_json(self) -> Json:
        """All of it as JSON can hold it; pixels are whole numbers from 0 to 255, and -1 where nothing was seen."""
        seen = np.where(np.isnan(self.seen), -1, np.rint(self.seen * 255)).astype(int)
        return {
            "classes": list(self.classes),
            "height": self.scene.shape[0],
            "width": self.scene.shape[1],
            "channels": self.scene.shape[2],
            "scene": self.scene.ravel().tolist(),
            "squares": self.squares,
            "seen": [one.ravel().tolist() for one in seen],
            "probabilities": [[round(float(p), 5) for p in row] for row in self.probabilities],
            "places": self.places,
            "said": self.said,
            "warnings": self.warnings,
        }


def glimpses(
    agent: ImageAgent, wanted: Pictures, places: str, n_glimpses: int | None, seed: int, centre: bool
) -> list[Glimpses]:
    """As ``logpi.glimpses``, of each picture.

    Raises:
        LogpiError: the agent sees whole images, a picture cannot be read, or an argument is out of its range.
    """
    if agent.config.sees_whole:
        raise LogpiError(f"an agent of {agent.facts['algo']} sees the whole image at once; give one of ram")
    if places not in PLACES:
        raise LogpiError(f"places is {places!r}; allowed: {', '.join(PLACES)}")
    canvas = (agent.task.scene.height, agent.task.scene.width)
    shape, light = agent.task.shape, agent.light_on_dark
    found = list(pictures(wanted.given, shape, canvas, light, wanted.invert, wanted.autocontrast, centre))
    scenes = np.stack([picture.scene for picture in found])
    looked = agent.look(scenes, LOOK + seed, n_glimpses=n_glimpses, places=places)
    eye = (agent.net.patch, agent.net.scales)
    return [
        Glimpses(
            agent.classes,
            picture.scene,
            [squares(corner, *eye) for corner in looked.corner[:, b]],
            np.stack([seen_so_far(picture.scene, looked.corner[: t + 1, b], *eye) for t in range(len(looked.corner))]),
            looked.probabilities[:, b],
            places,
            picture.warnings,
        )
        for b, picture in enumerate(found)
    ]
