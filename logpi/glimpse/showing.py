"""From an agent that looks to the pictures of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from logpi.config import RAM
from logpi.errors import LogpiError
from logpi.glimpse.agent import ImageAgent
from logpi.glimpse.judging import LOOK, judged_split, scenes_of
from logpi.glimpse.programs import GROUP
from logpi.view.glimpses import Looking, film_glimpses, glimpse_sheet, heat_map

ON_THE_SHEET, ON_THE_MAP = 24, 2_000  # images


def looking(agent: ImageAgent, count: int, seed: int = 0, sampled: bool = False) -> Looking:
    """What ``agent`` makes of ``count`` test images.

    Raises:
        LogpiError: it sees the whole image, or its data cannot be read.
    """
    if not isinstance(agent.config, RAM):
        raise LogpiError("this agent sees the whole image at once: it has no glimpses to show")
    if count < 1:
        raise LogpiError(f"{count} images were asked for; take at least 1")
    test, clutter = judged_split(agent, "test")
    count = min(count, len(test.labels))
    scenes, labels, probabilities, corners = [], [], [], []
    for group in range(-(-count // GROUP)):
        scene, label = scenes_of(agent, test, clutter, group)
        looked = agent.look(scene, LOOK + seed + group, sampled)
        scenes.append(scene)
        labels.append(label)
        probabilities.append(looked.probabilities)
        corners.append(looked.corner)
    return Looking(
        np.concatenate(scenes)[:count],
        np.concatenate(labels)[:count],
        np.concatenate(probabilities, 1)[:, :count],
        np.concatenate(corners, 1)[:, :count],
        agent.net.patch,
        agent.net.scales,
        agent.classes,
    )


def film(agent: ImageAgent, path: Path, count: int = 6, seed: int = 0, sampled: bool = False) -> Path:
    """Film the glimpses at ``count`` test images; the path may come back as .gif.

    Raises:
        LogpiError: as ``looking``; the video cannot be written.
    """
    return film_glimpses(looking(agent, count, seed, sampled), path)


def pictures(agent: ImageAgent, folder: Path, seed: int = 0) -> dict[str, Path]:
    """The sheet of glimpse paths and the map of where it looks, as PNG files in ``folder``.

    Raises:
        LogpiError: as ``looking``; the disk refuses.
    """
    some = looking(agent, ON_THE_MAP, seed)
    first = some._replace(
        scenes=some.scenes[:ON_THE_SHEET],
        label=some.label[:ON_THE_SHEET],
        probabilities=some.probabilities[:, :ON_THE_SHEET],
        corner=some.corner[:, :ON_THE_SHEET],
    )
    return {
        "glimpses": glimpse_sheet(first, folder / "glimpses.png"),
        "heat map": heat_map(some, folder / "heatmap.png"),
    }
