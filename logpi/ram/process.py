"""Image classification as a ``Process``: one stage of gradient steps on random batches.

The data goes in as an argument, never as a constant of a program, and stays on the devices.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from logpi.driver.process import SPREAD, UPDATE, Now, Places, Process, State
from logpi.driver.stages import Evaluation, Stage
from logpi.ops.collectives import DATA, per_device_key
from logpi.ram.data.images import Split, Splits
from logpi.ram.learning import ImageMethod, ImageTask
from logpi.ram.scenes import group_size, judged_scenes
from logpi.types import Array, Key, Learner, Metrics, PyTree

BLOCK = 10  # updates of a unit at most: a loop of known length is compiled as one of all updates would be


def image_process(
    method: ImageMethod, task: ImageTask, splits: Splits, batch: int, updates: int, num_devices: int
) -> Process:
    """The process of ``method``.

    Args:
        method: how to classify images.
        task: what is done to the images.
        splits: images for training, validation and test.
        batch: images of one update.
        updates: of one iteration.
        num_devices: that share one learner.
    """

    def one(learner: Learner, key: Key, data: Split) -> tuple[Learner, Metrics]:
        which_key, update_key = jax.random.split(key)
        which = jax.random.randint(per_device_key(which_key), (batch // num_devices,), 0, len(data.images))
        return method.update(learner, data.images, data.labels, which, update_key)

    def start(learner: Learner, key: Key) -> tuple[tuple[()], Metrics]:
        metrics = jax.eval_shape(lambda data: one(learner, key, data)[1], splits.train)
        return (), jax.tree.map(lambda x: jnp.zeros((updates, *x.shape), x.dtype), metrics)

    block = max(n for n in range(1, BLOCK + 1) if updates % n == 0)
    units = updates // block

    def update(state: State, now: Now) -> tuple[State, Metrics]:
        def step(learner: Learner, k: Array) -> tuple[Learner, Metrics]:
            return one(learner, jax.random.fold_in(now.key, k), now.data)

        def steps(unit: Array, made: tuple[Learner, Metrics]) -> tuple[Learner, Metrics]:
            learner, metrics = jax.lax.scan(step, made[0], unit * block + jnp.arange(block))
            return learner, jax.tree.map(
                lambda rows, new: jax.lax.dynamic_update_slice_in_dim(rows, new, unit * block, 0), made[1], metrics
            )

        if units == 1:
            learner, metrics = jax.lax.scan(step, state.learner, jnp.arange(updates))
        else:
            learner, metrics = jax.lax.fori_loop(now.begin, now.end, steps, (state.learner, state.batch))
        return state._replace(learner=learner, batch=metrics), jax.tree.map(jnp.mean, metrics)

    return Process(
        init=method.init,
        start=start,
        stages=(Stage("update", update, ("learner", "batch"), UPDATE, units=units),),
        evaluation=_evaluation(method, task, splits, num_devices),
        acting=lambda learner: learner.extra,
        hyper=method.hyper,
        rows=batch * updates * method.steps,
        places=Places(),
        num_devices=num_devices,
        data=splits.train,
    )


def _evaluation(method: ImageMethod, task: ImageTask, splits: Splits, num_devices: int) -> Evaluation:
    """1 for each image that is recognised, else 0: validation images while training, test images at the end."""
    size = group_size(task.scene, task.shape[2]) * num_devices

    def cases(final: bool, number: int) -> Split:
        split = splits.test if final else splits.validation
        # after the last image it begins again, so that every group has the same size
        which = np.arange(number * size, (number + 1) * size) % len(split.labels)
        return Split(split.images[which], split.labels[which])

    def begin(params: PyTree, given: Split, now: Now) -> Array:
        group = now.begin * num_devices + (jax.lax.axis_index(DATA) if num_devices > 1 else 0)
        scenes = judged_scenes(given.images, now.data.images, task.scene, group)
        log_prob, _ = method.look(params, scenes, per_device_key(now.key), 0.0, None)
        return log_prob[-1].argmax(-1) == given.labels

    def result(right: Array) -> tuple[Array, Array, Array, Array]:
        score = right.astype(jnp.float32)
        return score, jnp.full_like(score, method.steps), jnp.ones(1, jnp.int32), jnp.ones(1, bool)

    return Evaluation(
        begin,
        advance=lambda params, right, now, until: right,
        result=result,
        cases=cases,
        total=lambda final, asked: min(asked, len((splits.test if final else splits.validation).labels)),
        play=SPREAD,
        given=SPREAD,
    )
