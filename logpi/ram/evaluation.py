"""Evaluation of a classifier: one pass, several passes averaged, after each glimpse, and with early stopping."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.ram.agent import ImageAgent, splits
from logpi.ram.data import datasets
from logpi.ram.data.images import Split, fingerprint
from logpi.ram.scenes import group_size, judged_scenes

SURE = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)  # class probabilities at which looking may stop
LOOK = 7_000  # first of the seeds of the places, which no training uses


class Judgement(NamedTuple):
    """Errors of a classifier, as fractions of the images from 0 to 1."""

    images: int
    one_pass: float  # error of one pass that looks at the mean places
    passes: int
    averaged: float  # error of the class probabilities averaged over ``passes`` passes
    after: list[float]  # error of one pass after each glimpse 1 … T
    stopping: list[dict[str, float]]  # threshold, mean number of glimpses, error


def judged_split(agent: ImageAgent, split: str) -> tuple[Split, Split]:
    """The images of ``split`` in the agent's own data, and the training images that distractors are cut from.

    Raises:
        LogpiError: the data cannot be read, is not the agent's kind, or there is no such split.
    """
    images = datasets.load(agent.config.data, agent.config.size)
    if images.train_images.shape[1:] != agent.task.shape or images.classes != agent.classes:
        raise LogpiError(
            f"{agent.config.data} has images of {images.train_images.shape[1:]} in {len(images.classes)} classes; this "
            f"agent was trained on {agent.task.shape} in {len(agent.classes)}: the data has changed since"
        )
    if agent.facts.get("data_sha256") not in (None, fingerprint(images)):
        raise LogpiError(
            f"the images or labels of {agent.config.data} are not those that this agent was trained on: its test "
            "images may be among those that it has learnt from. Put the old data back"
        )
    every = splits(images, agent.config)
    if split not in ("test", "validation"):
        raise LogpiError(f"no split {split!r}; allowed: test, validation")
    return (every.test if split == "test" else every.validation), every.train


def scenes_of(
    agent: ImageAgent, split: Split, clutter: Split, group: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Scenes and labels of group number ``group`` of ``group_size`` images; after the last image the first follows."""
    size = group_size(agent.task.scene, agent.task.shape[2])
    which = np.arange(group * size, (group + 1) * size) % len(split.labels)
    make = jax.jit(judged_scenes, static_argnums=2)
    scenes = np.asarray(make(split.images[which], clutter.images, agent.task.scene, group))
    return scenes.astype(np.uint8), split.labels[which]


def judge(agent: ImageAgent, episodes: int, passes: int = 10, sampled: bool = False, split: str = "test") -> Judgement:
    """Errors on the first ``episodes`` images of a split (all, where it has fewer).

    One pass always looks at the mean places; the averaged passes do too, from other first places, unless ``sampled``.

    Raises:
        LogpiError: as ``judged_split``; fewer than one image or pass.
    """
    if episodes < 1 or passes < 1:
        raise LogpiError(f"{episodes} images and {passes} passes were asked for; take at least 1 of each")
    chosen, clutter = judged_split(agent, split)
    count = min(episodes, len(chosen.labels))
    if agent.config.sees_whole:
        passes = 1  # a network that sees everything sees the same each time
    steps, averaged, labels = [], [], []
    for group in range(-(-count // group_size(agent.task.scene, agent.task.shape[2]))):
        scenes, label = scenes_of(agent, chosen, clutter, group)
        once = agent.look(scenes, LOOK + group).probabilities
        many = [agent.look(scenes, LOOK + 1000 * m + group, sampled).probabilities[-1] for m in range(1, passes + 1)]
        steps.append(once)
        averaged.append(np.mean(many, 0))
        labels.append(label)
    probabilities = np.concatenate(steps, 1)[:, :count]  # [T, N, K]
    label, mean = np.concatenate(labels)[:count], np.concatenate(averaged)[:count]
    wrong = probabilities.argmax(-1) != label
    return Judgement(
        count,
        float(wrong[-1].mean()),
        passes,
        float((mean.argmax(-1) != label).mean()),
        [float(x) for x in wrong.mean(1)],
        [stop_when_sure(probabilities, label, threshold) for threshold in SURE] if len(wrong) > 1 else [],
    )


def stop_when_sure(probabilities: NDArray[np.float32], label: NDArray[np.int32], threshold: float) -> dict[str, float]:
    """Mean number of glimpses and error where looking stops once a class has probability ``threshold``.

    Args:
        probabilities: [T, N, K] after each glimpse.
        label: [N].
        threshold: from 0 to 1.
    """
    sure = probabilities.max(-1) >= threshold
    sure[-1] = True  # there is no further glimpse
    last = sure.argmax(0)
    decided = probabilities[last, np.arange(len(label))].argmax(-1)
    return {
        "threshold": threshold,
        "mean_glimpses": float((last + 1).mean()),
        "error": float((decided != label).mean()),
    }


def interval(error: float, images: int) -> tuple[float, float]:
    """Wilson's 95 % interval of an error rate over ``images``."""
    from scipy.stats import binomtest

    found = binomtest(round(error * images), images).proportion_ci(0.95, "wilson")
    return float(found.low), float(found.high)
