"""Parts that all image classifiers share: augmented scenes, the schedule, the optimizer, the moving average."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from logpi.algorithms.common.learning import improve, init_optimizer, traced
from logpi.ops.collectives import per_device_key, psum
from logpi.ops.normalization import Statistics
from logpi.ram.scenes import Augmentation, Scene, augment, compose
from logpi.ram.settings import ImageSettings
from logpi.types import Array, Key, Learner, Metrics, PyTree

S_contra = TypeVar("S_contra", bound=ImageSettings, contravariant=True)
S = TypeVar("S", bound=ImageSettings)


class ImageTask(NamedTuple):
    """A classification task: the shape of the data's images, the scenes made of them, and the number of labels."""

    shape: tuple[int, int, int]  # H, W, C of the data's images
    scene: Scene
    classes: int


class ImageMethod(NamedTuple):
    """A way to classify images: pure functions of one learner."""

    init: Callable[[Key], Learner]
    # (learner, images [N, H, W, C], labels [N], which [B], key)
    update: Callable[[Learner, Array, Array, Array, Key], tuple[Learner, Metrics]]
    # (params, scenes [B, H, W, C], key, std, T or None) -> log_prob [T, B, K] and the finest patch's corner [T, B, 2]
    look: Callable[[PyTree, Array, Key, Array | float, int | None], tuple[Array, Array]]
    # (params, scenes, first places [B, 2]) -> the same, where nothing else is left to chance
    look_from: Callable[[PyTree, Array, Array], tuple[Array, Array]]
    hyper: ImageSettings  # settings whose float fields are arrays
    steps: int  # timesteps of one image


class Loss(Protocol[S_contra]):
    """Loss over B scenes and its metrics, this device's share of both; ``progress`` goes from 0 to 1."""

    def __call__(
        self, params: PyTree, h: S_contra, progress: Array, scenes: Array, label: Array, key: Key, /
    ) -> tuple[Array, Metrics]: ...


def image_method(
    config: S,
    task: ImageTask,
    init: Callable[[Key], PyTree],
    loss: Loss[S],
    rates: Callable[[PyTree, S], PyTree],
    look: Callable[[PyTree, Array, Key, Array | float, int | None], tuple[Array, Array]],
    look_from: Callable[[PyTree, Array, Array], tuple[Array, Array]],
) -> ImageMethod:
    """A method of its own parts.

    Args:
        config: settings.
        task: shapes, scenes and labels.
        init: parameters of the network.
        loss: of a batch.
        rates: each parameter's learning rate as a share of the method's, a prefix of the parameters' tree or 1.
        look: ``ImageMethod.look``.
        look_from: ``ImageMethod.look_from``.
    """
    hyper = traced(config)
    still = config.rotation == config.scaling == config.shear == config.shift == 0

    def first(key: Key) -> Learner:
        params = init(key)
        return Learner(params, init_optimizer(hyper, params), Statistics(), hyper, jnp.int32(0), params)

    def update(learner: Learner, images: Array, labels: Array, which: Array, key: Key) -> tuple[Learner, Metrics]:
        h, key = learner.hyper, per_device_key(key)
        seen = learner.timesteps.astype(jnp.float32) / config.steps_an_image
        progress = jnp.minimum(seen / h.total_images, 1.0)
        augment_key, scene_key, loss_key = jax.random.split(key, 3)
        how = Augmentation(h.rotation, h.scaling, h.shear, h.shift)
        changed = images[which] if still else augment(augment_key, images[which], how)
        pieces = task.scene.num_distractors * jnp.where(h.curriculum > progress, progress / h.curriculum, 2.0)
        scenes = compose(scene_key, changed, images, task.scene, pieces)
        anneal = jnp.minimum((seen + config.batch_size) / jnp.maximum(h.warmup, 1.0), 1.0) * _half_cosine(progress)
        step_size = anneal * h.learning_rate
        params, opt_state, metrics = improve(
            lambda p: loss(p, h, progress, scenes, labels[which], loss_key),
            h,
            learner.params,
            learner.opt_state,
            step_size * ravel_pytree(rates(learner.params, h))[0],
        )
        made = seen / config.batch_size
        keep = jnp.minimum(h.ema_decay, (1 + made) / (10 + made))  # a short memory as long as there is little to keep
        average = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, learner.extra, params)
        moved = psum(jnp.int32(len(which))) * config.steps_an_image
        metrics |= {"rollout/ep_rew_mean": metrics["train/accuracy"], "train/learning_rate": step_size}
        return learner._replace(
            params=params, opt_state=opt_state, timesteps=learner.timesteps + moved, extra=average
        ), metrics

    return ImageMethod(first, update, look, look_from, hyper, config.steps_an_image)


def _half_cosine(progress: Array) -> Array:
    return 0.5 * (1 + jnp.cos(jnp.pi * progress))
