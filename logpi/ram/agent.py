"""Trained classifiers: weights, settings and class names; saved, loaded, and applied to images.

``agent.safetensors`` holds the arrays and ``agent.json`` the rest; nothing in either is executed.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.config.settings import Experiment
from logpi.config.stored import settings_card, settings_from
from logpi.errors import LogpiError
from logpi.methods import method_of
from logpi.ram.data.images import Images, Split, Splits, check_size, contrast, fingerprint
from logpi.ram.data.pictures import batch_of
from logpi.ram.learning import ImageTask
from logpi.ram.scenes import Scene
from logpi.ram.settings import SHIPPED, ImageSettings
from logpi.runs import cards
from logpi.runs.checkpoint import load_tree
from logpi.tasks import NOTHING, Facts, Own
from logpi.types import Learner, PyTree

KIND = "ram"
BASELINE = "baseline"


class Looked(NamedTuple):
    """What an agent did with B images, T glimpses each (T = 1 and no places where it sees the whole image).

    Of one image, given without a batch, the arrays have no axis B.
    """

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
        facts: Facts,
        light_on_dark: float | None = None,
        own: Own = NOTHING,
    ) -> None:
        """``own`` has the method, where a program brought it as an object."""
        self.config, self.net, self.task, self.classes, self.facts = config, net, task, classes, facts
        self.params = params
        self.light_on_dark = light_on_dark  # fraction of the training images; None where it was not saved
        self._make = method_of(facts["algo"], own.method)
        method = self._make(config, net, task)
        self._looks = {"": jax.jit(method.look, static_argnums=4)}
        self.look_from = method.look_from

    def act(self, images: Any) -> Any:
        """The most probable class of one image, or [B] of a batch; ``classes`` has the names. Arguments as of ``look``.

        Raises:
            LogpiError: as ``look``.
        """
        said = self.look(images).probabilities[-1].argmax(-1)
        return int(said) if said.ndim == 0 else said

    def look(
        self,
        scenes: Any,
        seed: int = 0,
        sampled: bool = False,
        n_glimpses: int | None = None,
        places: str = "",
    ) -> Looked:
        """Look at one scene, or at a batch of them; ``logpi.look`` takes pictures of any size and colour.

        Args:
            scenes: [H, W, C] or [B, H, W, C] of the agent's size, of grey ones also [H, W] or [B, H, W]; uint8 from 0
                to 255, floats from 0 to 1, or bool.
            seed: of the first place, and of the others where ``sampled``.
            sampled: draw the places around the location network's mean, instead of taking the mean.
            n_glimpses: T, if not what the agent was trained with.
            places: choice of the places, if not the agent's own: "learned", "random", "grid" or "centre".

        Raises:
            LogpiError: no scenes, of another size or number of channels than the agent's, or with values that no pixel
                has; a number of glimpses that is not a whole number of at least 1.
        """
        shape = (self.task.scene.height, self.task.scene.width, self.task.shape[2])
        pixels, single = batch_of(scenes, shape)
        if n_glimpses is not None and not (isinstance(n_glimpses, (int, np.integer)) and n_glimpses >= 1):
            raise LogpiError(f"{n_glimpses} glimpses were asked for; take a whole number, at least 1")
        std, steps = self.config.sampling_std if sampled else 0.0, n_glimpses and int(n_glimpses)
        key = jax.random.key(seed)
        log_prob, corner = self._look(places)(self.params, pixels.astype(np.float32), key, std, steps)
        found = Looked(np.exp(log_prob), np.asarray(corner))
        return Looked(found.probabilities[:, 0], found.corner[:, 0]) if single else found

    def _look(self, places: str) -> Any:
        """The compiled function that looks at ``places``."""
        if places not in self._looks:
            change: Any = {"location_policy": places}
            other = dataclasses.replace(self.config, **change)
            self._looks[places] = jax.jit(self._make(other, self.net, self.task).look, static_argnums=4)
        return self._looks[places]


def task_of(config: ImageSettings, shape: tuple[int, ...], classes: int) -> ImageTask:
    """What ``config`` makes of images of ``shape`` (H, W, C).

    Raises:
        LogpiError: the canvas is smaller than the images, or a piece of clutter larger.
    """
    height, width, channels = shape
    if config.canvas and config.canvas < max(height, width):
        raise LogpiError(
            f"method.canvas is {config.canvas}; the images of {config.data} have {height}x{width} pixels: "
            f"take at least {max(height, width)}, or 0 for the images as they are; --size scales them"
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
    test = Split(images.test_images, images.test_labels)
    return Splits(
        Split(images.train_images[train], images.train_labels[train]),
        Split(images.train_images[validation], images.train_labels[validation]),
        test if config.data in SHIPPED else _shuffled(test),  # the published order is kept
    )


def _shuffled(split: Split) -> Split:
    """``split`` in another order, always the same: a folder's images come class by class, and the first N are used."""
    order = np.random.RandomState(0).permutation(len(split.labels))  # NumPy guarantees this stream in every version
    return Split(split.images[order], split.labels[order])


def _acting(params: PyTree) -> PyTree:
    """What it takes to look and to answer; the baseline only helps to learn."""
    return {part: weights for part, weights in params.items() if part != BASELINE}


def data_card(images: Images) -> Facts:
    """What an agent's card says of the images that it is trained on."""
    return {
        "shape": list(images.train_images.shape[1:]),
        "classes": list(images.classes),
        "data_sha256": fingerprint(images),
        "light_on_dark": float((contrast(images.train_images) > 0).mean()),
    }


def save_image_agent(folder: Path, params: PyTree, experiment: Experiment, data: Facts, facts: Facts) -> None:
    """Write ``agent.safetensors`` and ``agent.json`` into ``folder``, each atomically.

    Args:
        folder: made where it is not there.
        params: of the method's network.
        experiment: with its settings fitted to the images.
        data: what ``data_card`` gives.
        facts: of the run.

    Raises:
        LogpiError: the disk refuses.
    """
    card = settings_card(experiment) | data | {"facts": facts}
    cards.save(folder, KIND, {"params": _acting(params)}, card)


def adopt(learner: Learner, folder: Path, experiment: Experiment) -> Learner:
    """``learner``, or its shapes, with the network of the agent in ``folder``; a baseline stays as it is.

    Raises:
        LogpiError: the agent cannot be read, or does not fit.
    """
    network = dataclasses.asdict(experiment.network)
    found = cards.arrays_for(folder, KIND, {"params": _acting(learner.params)}, network)["params"]
    return learner._replace(params={**learner.params, **found}, extra={**learner.extra, **found})


def load_image_agent(folder: Path, own: Own = NOTHING) -> ImageAgent:
    """The agent in ``folder``; ``own`` as of ``ImageAgent``.

    Raises:
        LogpiError: its files are missing, damaged, or of another format.
    """
    with cards.reading(folder) as card:
        method, config, net = settings_from(card, own)
        classes = tuple(str(name) for name in card["classes"])
        height, width, channels = shape = tuple(int(n) for n in card["shape"])
        check_size(height, width, "shape")
        if channels not in (1, 3):
            raise ValueError(f"{channels} channels")
        config = config.fitted(*shape[:2])
        task = task_of(config, shape, len(classes))
        net = net.fitted(task.scene.height, task.scene.width)
        light = float(card["light_on_dark"]) if "light_on_dark" in card else None
        learner = jax.eval_shape(method(config, net, task).init, jax.random.key(0))
    arrays, _ = load_tree(folder / cards.WEIGHTS, {"params": _acting(learner.params)})
    params = jax.tree.map(jnp.asarray, arrays["params"])
    return ImageAgent(config, net, task, classes, params, card, light, own)
