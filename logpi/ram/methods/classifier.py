"""A classifier that sees the whole image, as in the tables of Mnih et al. 2014: what attention is compared with."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from logpi.methods import method
from logpi.ram import whole_image
from logpi.ram.learning import ImageMethod, ImageTask, image_method
from logpi.ram.settings import ImageSettings, WholeImageNetwork
from logpi.types import Array, Key, Metrics, PyTree


@dataclasses.dataclass(frozen=True)
class Classifier(ImageSettings):
    """The same images, seen whole: what attention is compared with."""


@method(settings=Classifier, network=WholeImageNetwork, parent="ram", task="ram")
def classifier(config: Classifier, net: WholeImageNetwork, task: ImageTask) -> ImageMethod:
    """A classifier of whole images as pure functions.

    Raises:
        LogpiError: the network does not fit the images.
    """
    shape = (task.scene.height, task.scene.width, task.shape[2])
    whole_image.check(net, shape)

    def init(key: Key) -> PyTree:
        return whole_image.init(key, net, shape, task.classes)

    def loss(
        params: PyTree, h: Classifier, progress: Array, scenes: Array, label: Array, key: Key
    ) -> tuple[Array, Metrics]:
        return whole_image.loss(params, net, scenes, label)

    def rates(params: PyTree, h: Classifier) -> PyTree:
        return 1.0

    def look(params: PyTree, scenes: Array, key: Key, std: Array | float, n: int | None) -> tuple[Array, Array]:
        seen = jax.nn.log_softmax(whole_image.logits(params, net, scenes))
        return seen[None], jnp.zeros((1, len(scenes), 2), jnp.int32)

    def look_from(params: PyTree, scenes: Array, first: Array) -> tuple[Array, Array]:
        return look(params, scenes, first, 0.0, None)

    return image_method(config, task, init, loss, rates, look, look_from)
