"""The methods that classify images, as pure functions: RAM, and the classifiers that see the whole image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from logpi.algorithms.acting import improve, init_optimizer, traced
from logpi.config.settings import RAM, Classifier, ImageSettings, RamNetwork, WholeImageNetwork
from logpi.ops.collectives import apart, total
from logpi.ops.normalization import Statistics
from logpi.ram import network, ram, whole_image
from logpi.ram.scenes import Augmentation, Scene, augment, compose
from logpi.types import Array, Key, Learner, Metrics, PyTree


class Task(NamedTuple):
    """What is to be learnt: the shape of the data's images, what is done to them, and how many labels there are."""

    shape: tuple[int, int, int]  # H, W, C of the data's images
    scene: Scene
    classes: int


class Method(NamedTuple):
    """A way to classify images: pure functions of one learner."""

    init: Callable[[Key], Learner]
    # (learner, images [N, H, W, C], labels [N], which [B], key)
    update: Callable[[Learner, Array, Array, Array, Key], tuple[Learner, Metrics]]
    # (params, scenes [B, H, W, C], key, std, T or None) -> log_prob [T, B, K] and the finest patch's corner [T, B, 2]
    look: Callable[[PyTree, Array, Key, Array | float, int | None], tuple[Array, Array]]
    hyper: Any
    steps: int  # timesteps of one image


def make_method(config: ImageSettings, net: Any, task: Task) -> Method:
    """The method that ``config`` describes.

    Raises:
        LogpiError: the network does not fit the images.
    """
    if isinstance(config, RAM):
        return _ram(config, net, task)
    assert isinstance(config, Classifier)
    return _whole(config, net, task)


def _ram(config: RAM, net: RamNetwork, task: Task) -> Method:
    network.check(net, (task.scene.height, task.scene.width))
    pixels = net.scales * net.patch**2 * task.shape[2]

    def init(key: Key) -> PyTree:
        return network.init(key, net, pixels, task.classes)

    def loss(params: PyTree, h: RAM, progress: Array, scenes: Array, label: Array, key: Key) -> tuple[Array, Metrics]:
        std = h.std_start + (h.std_end - h.std_start) * progress
        scenes, label = (jnp.repeat(x, h.mc_samples, 0) if h.mc_samples > 1 else x for x in (scenes, label))
        # known when compiled, so that what they make needless is not computed
        shares: dict[str, Any] = {"core_grad_scale": config.core_grad_scale, "glimpse_coef": config.glimpse_coef}
        h = dataclasses.replace(h, **{name: share for name, share in shares.items() if share in (0.0, 1.0)})
        return ram.hybrid_loss(params, h, net, scenes, label, key, std)

    def rates(params: PyTree, h: RAM) -> PyTree:
        if config.location_lr_scale == 1.0:
            return 1.0
        ones: dict[str, Any] = jax.tree.map(jnp.ones_like, params)
        return ones | {"location": jax.tree.map(lambda x: x * h.location_lr_scale, ones["location"])}

    def look(params: PyTree, scenes: Array, key: Key, std: Array | float, n: int | None) -> tuple[Array, Array]:
        seen = ram.glance(params, config, net, ram.eye_before(net, scenes, n or config.n_glimpses), key, std, n)
        return jax.nn.log_softmax(network.action_network(params["action"], seen.core)), seen.corner

    return _method(config, task, init, loss, rates, look)


def _whole(config: Classifier, net: WholeImageNetwork, task: Task) -> Method:
    shape = (task.scene.height, task.scene.width, task.shape[2])
    whole_image.check(net, shape)

    def init(key: Key) -> PyTree:
        return whole_image.init(key, net, shape, task.classes)

    def loss(params: PyTree, h: Any, progress: Array, scenes: Array, label: Array, key: Key) -> tuple[Array, Metrics]:
        return whole_image.loss(params, net, scenes, label)

    def rates(params: PyTree, h: Any) -> PyTree:
        return 1.0

    def look(params: PyTree, scenes: Array, key: Key, std: Array | float, n: int | None) -> tuple[Array, Array]:
        seen = jax.nn.log_softmax(whole_image.logits(params, net, scenes))
        return seen[None], jnp.zeros((1, len(scenes), 2), jnp.int32)

    return _method(config, task, init, loss, rates, look)


def _method(config: Any, task: Task, init: Any, loss: Any, rates: Any, look: Any) -> Method:
    """What all of them share: augmented scenes, the schedule, Adam, and the moving average that becomes the agent."""
    hyper = traced(config)
    still = config.rotation == config.scaling == config.shear == config.shift == 0

    def first(key: Key) -> Learner:
        params = init(key)
        return Learner(params, init_optimizer(hyper, params), Statistics(), hyper, jnp.int32(0), params)

    def update(learner: Learner, images: Array, labels: Array, which: Array, key: Key) -> tuple[Learner, Metrics]:
        h, key = learner.hyper, apart(key)
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
        moved = total(jnp.int32(len(which))) * config.steps_an_image
        metrics |= {"rollout/ep_rew_mean": metrics["train/accuracy"], "train/learning_rate": step_size}
        return learner._replace(
            params=params, opt_state=opt_state, timesteps=learner.timesteps + moved, extra=average
        ), metrics

    return Method(first, update, look, hyper, config.steps_an_image)


def _half_cosine(progress: Array) -> Array:
    return 0.5 * (1 + jnp.cos(jnp.pi * progress))
