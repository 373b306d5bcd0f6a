"""Trained classifiers: weights, settings and class names; saved, loaded, and applied to images.

``agent.safetensors`` holds the arrays and ``agent.json`` the rest; nothing in either is executed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.config.experiments import settings_card, settings_from
from logpi.config.settings import Experiment
from logpi.errors import LogpiError
from logpi.methods import find_method
from logpi.ram.data.images import Images, Split, Splits, fingerprint
from logpi.ram.learning import ImageTask
from logpi.ram.retina import WHITE
from logpi.ram.scenes import Scene
from logpi.ram.settings import ImageSettings
from logpi.runs import cards
from logpi.runs.checkpoint import load_tree
from logpi.types import PyTree

KIND = "ram"
BASELINE = "baseline"


class Looked(NamedTuple):
    """What an agent did with B images, T glimpses each (T = 1 and no places where it sees the whole image)."""

    probabilities: NDArray[np.float32]  # [T, B, K] after each glimpse
    corner: NDArray[np.int32]  # [T, B, 2] row and column of the finest patch's top left pixel


class ImageAgent:
    """A classifier of scenes."""

    kind = KIND

    def __init__(
        self,
        config: ImageSettings,
        net: Any,
        task: ImageTask,
        classes: tuple[str, ...],
        params: PyTree,
        facts: dict[str, Any],
    ) -> None:
        self.config, self.net, self.task, self.classes, self.facts = config, net, task, classes, facts
        self.params = params
        self._look = jax.jit(find_method(facts["algo"])(config, net, task).look, static_argnums=4)

    def look(self, scenes: Any, seed: int = 0, sampled: bool = False, n_glimpses: int | None = None) -> Looked:
        """Look at ``scenes`` [B, H, W, C], from 0 to 255, or bool.

        Args:
            seed: of the first place, and of the others where ``sampled``.
            sampled: draw the places around the location network's mean, instead of taking the mean.
            n_glimpses: T, if not what the agent was trained with.

        Raises:
            LogpiError: no scenes, of another size or number of channels than the agent's, or with values that no pixel
                has; glimpses that are no whole number from 1.
        """
        given = np.asarray(scenes)
        scenes = np.asarray(given, np.float32)
        if given.dtype == np.bool_:
            scenes *= WHITE
        wanted = (self.task.scene.height, self.task.scene.width, self.task.shape[2])
        if scenes.shape[1:] != wanted:
            raise LogpiError(
                f"images of shape {scenes.shape[1:]} do not fit this agent, which looks at {wanted} "
                "(height, width, channels)"
            )
        if not len(scenes):
            raise LogpiError("no images to look at (B is 0); give at least one")
        low, high = float(scenes.min(initial=0)), float(scenes.max(initial=0))
        unit = given.dtype.kind not in "iu" and 0 < high <= 1  # a scale of its own; dark images of integers are not
        if not (low >= 0 and high <= WHITE) or unit:
            raise LogpiError(f"pixels from {low:g} to {high:g}: give them from 0 (black) to 255 (white), or as bool")
        if n_glimpses is not None and not (isinstance(n_glimpses, (int, np.integer)) and n_glimpses >= 1):
            raise LogpiError(f"{n_glimpses} glimpses were asked for; take a whole number, at least 1")
        std, steps = self.config.sampling_std if sampled else 0.0, n_glimpses and int(n_glimpses)
        log_prob, corner = self._look(self.params, scenes, jax.random.key(seed), std, steps)
        return Looked(np.exp(log_prob), np.asarray(corner))


def task_of(config: ImageSettings, shape: tuple[int, ...], classes: int) -> ImageTask:
    """What ``config`` makes of images of ``shape`` (H, W, C).

    Raises:
        LogpiError: the canvas is smaller than the images, or a piece of clutter larger.
    """
    height, width, channels = shape
    if config.canvas and config.canvas < max(height, width):
        raise LogpiError(
            f"method.canvas is {config.canvas}; the images of {config.data} have {height}x{width} pixels: "
            f"take at least {max(height, width)}, or 0 for the images as they are"
        )
    if config.num_distractors and config.distractor_size > min(height, width):
        raise LogpiError(
            f"method.distractor_size is {config.distractor_size}; the images have only {min(height, width)} pixels a "
            "side"
        )
    scene = Scene(config.canvas or height, config.canvas or width, config.num_distractors, config.distractor_size)
    return ImageTask((height, width, channels), scene, classes)


def splits(images: Images, config: ImageSettings) -> Splits:
    """The data's images, of which ``config.validation_size`` training images (at most one in six) are kept apart.

    At least one image of every class stays in training.

    Raises:
        LogpiError: no class has a second training image, which could be kept apart.
    """
    count = len(images.train_labels)
    kept = min(config.validation_size, count // 6) or 1
    order = np.random.default_rng(0).permutation(count)
    last = {label: i for i, label in enumerate(images.train_labels[order].tolist())}  # of each class, by place in order
    validation = np.delete(order, list(last.values()))[:kept]
    if not len(validation):
        raise LogpiError(
            f"{config.data} has one training image a class: none can be kept apart for evaluation; add some"
        )
    train = order[~np.isin(order, validation)]
    return Splits(
        Split(images.train_images[train], images.train_labels[train]),
        Split(images.train_images[validation], images.train_labels[validation]),
        Split(images.test_images, images.test_labels),
    )


def _acting(params: PyTree) -> PyTree:
    """What it takes to look and to answer; the baseline only helps to learn."""
    return {part: weights for part, weights in params.items() if part != BASELINE}


def save_image_agent(
    folder: Path, params: PyTree, experiment: Experiment, images: Images, facts: dict[str, Any]
) -> None:
    """Write ``agent.safetensors`` and ``agent.json`` into ``folder``, each atomically.

    Raises:
        LogpiError: the disk refuses.
    """
    of_data = {
        "shape": list(images.train_images.shape[1:]),
        "classes": list(images.classes),
        "data_sha256": fingerprint(images),
    }
    card = settings_card(experiment) | of_data | {"facts": facts}
    cards.save(folder, KIND, {"params": _acting(params)}, card)


def load_image_agent(folder: Path) -> ImageAgent:
    """The agent in ``folder``.

    Raises:
        LogpiError: its files are missing, damaged, or of another format.
    """
    with cards.reading(folder) as card:
        config, net = settings_from(card)
        classes = tuple(str(name) for name in card["classes"])
        task = task_of(config, tuple(int(n) for n in card["shape"]), len(classes))
    learner = jax.eval_shape(find_method(card["algo"])(config, net, task).init, jax.random.key(0))
    arrays, _ = load_tree(folder / cards.WEIGHTS, {"params": _acting(learner.params)})
    return ImageAgent(config, net, task, classes, jax.tree.map(jnp.asarray, arrays["params"]), card)
