"""Pictures and videos of an agent's glimpses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.ram.agent import ImageAgent
from logpi.ram.evaluation import LOOK, judged_split, scenes_of
from logpi.ram.scenes import group_size
from logpi.view.glimpses import Looking, film_glimpses, glimpse_sheet, heat_map

ON_THE_SHEET, ON_THE_MAP = 24, 2_000  # images


class Part(NamedTuple):
    """What an agent saw and said of B images, T glimpses each."""

    scenes: NDArray[np.uint8]  # [B, H, W, C]
    label: NDArray[np.int32]  # [B]
    probabilities: NDArray[np.float32]  # [T, B, K]
    corner: NDArray[np.int32]  # [T, B, 2]


def looking(agent: ImageAgent, count: int, seed: int = 0, sampled: bool = False) -> Looking:
    """The glimpses of ``agent`` at ``count`` test images, from number ``seed`` on; after the last the first follows.

    Raises:
        LogpiError: it sees the whole image, or its data cannot be read.
    """
    scenes, labels, probabilities, corners = zip(*_looks(agent, count, seed, sampled), strict=True)
    return Looking(
        np.concatenate(scenes),
        np.concatenate(labels),
        np.concatenate(probabilities, 1),
        np.concatenate(corners, 1),
        agent.net.patch,
        agent.net.scales,
        agent.classes,
    )


def _looks(agent: ImageAgent, count: int, seed: int, sampled: bool) -> Iterator[Part]:
    """The glimpses at ``count`` test images, in parts that fit into memory."""
    if agent.config.sees_whole:
        raise LogpiError("this agent sees the whole image at once: it has no glimpses to show")
    if count < 1:
        raise LogpiError(f"{count} images were asked for; take at least 1")
    test, clutter = judged_split(agent, "test")
    size = group_size(agent.task.scene, agent.task.shape[2])
    numbers = (seed + np.arange(min(count, len(test.labels)))) % len(test.labels)
    for group, some in itertools.groupby(numbers.tolist(), lambda number: number // size):
        which = np.array(list(some)) - group * size
        scenes, labels = scenes_of(agent, test, clutter, group)
        looked = agent.look(scenes, LOOK + seed + group, sampled)
        yield Part(scenes[which], labels[which], looked.probabilities[:, which], looked.corner[:, which])


def film(agent: ImageAgent, path: Path, count: int = 6, seed: int = 0, sampled: bool = False) -> Path:
    """Film the glimpses at ``count`` test images; returns the path, whose suffix may have become .gif.

    Raises:
        LogpiError: as ``looking``; the video cannot be written.
    """
    return film_glimpses(looking(agent, count, seed, sampled), path)


def pictures(
    agent: ImageAgent, folder: Path, seed: int = 0, sampled: bool = False, count: int = ON_THE_SHEET
) -> dict[str, Path]:
    """PNG files in ``folder``: a sheet of ``count`` glimpse paths, and a heat map of the places.

    Raises:
        LogpiError: as ``looking``; the disk refuses.
    """
    total, corners = np.zeros((agent.task.scene.height, agent.task.scene.width)), []
    for scenes, _, _, corner in _looks(agent, ON_THE_MAP, seed, sampled):
        total += scenes.mean(3).sum(0)
        corners.append(corner)
    every = np.concatenate(corners, 1)
    return {
        "glimpses": glimpse_sheet(looking(agent, count, seed, sampled), folder / "glimpses.png"),
        "heat map": heat_map(total / every.shape[1], every, agent.net.patch, folder / "heatmap.png"),
    }
