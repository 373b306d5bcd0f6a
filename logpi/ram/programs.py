"""The compiled programs of learning from images: what ``logpi.driver.programs`` is to environments.

The data goes in as arguments, never as constants of a program, and stays on the devices.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from logpi.driver import devices
from logpi.driver.programs import EVALUATE, LEARNER, UPDATE, State, stream
from logpi.ops.collectives import DATA, all_finite, apart
from logpi.ram.models import Method, Task
from logpi.ram.scenes import group_size, judged_scenes
from logpi.types import Array, Learner, Metrics, PyTree

_ALL: Any = PartitionSpec()
_SHARE: Any = PartitionSpec(DATA)


class Split(NamedTuple):
    """Images [N, H, W, C] uint8 and labels [N] int32."""

    images: Any
    labels: Any


class Splits(NamedTuple):
    """What is learnt from, what recipes are chosen on, and what is looked at once, at the end."""

    train: Split
    validation: Split
    test: Split


class ImagePrograms:
    """Update and evaluation over images, for one seed on all devices or several seeds dealt out to them."""

    def __init__(
        self, method: Method, task: Task, splits: Splits, batch: int, updates: int, seeds: list[int], sharing: int
    ) -> None:
        self.shares = {"compile": 0.0, "update": 0.0, "evaluate": 0.0}
        self._splits, self._group, self._steps = splits, group_size(task.scene, task.shape[2]) * sharing, method.steps
        self._seed: Any = np.asarray(seeds if len(seeds) > 1 else seeds[0], np.uint32)
        self._hyper = jax.tree.map(lambda x: np.broadcast_to(x, self._seed.shape), method.hyper)

        def learner(seed: Array, hyper: PyTree) -> Learner:
            return method.init(stream(seed, LEARNER))._replace(hyper=hyper)

        def update(learner: Learner, seed: Array, iteration: Array, data: Split) -> tuple[Learner, Metrics]:
            key = stream(seed, UPDATE, iteration)

            def one(learner: Learner, k: Array) -> tuple[Learner, Metrics]:
                which_key, key_k = jax.random.split(jax.random.fold_in(key, k))
                which = jax.random.randint(apart(which_key), (batch // sharing,), 0, len(data.images))
                return method.update(learner, data.images, data.labels, which, key_k)

            learner, metrics = jax.lax.scan(one, learner, jnp.arange(updates))
            return learner, jax.tree.map(jnp.mean, metrics) | {
                "finite/observation": jnp.bool_(True),  # pixels are whole numbers
                "finite/reward": jnp.bool_(True),  # a NaN of the network shows in its parameters
                "finite/parameters": all_finite((learner.params, learner.opt_state)),
            }

        def evaluate(params: PyTree, seed: Array, iteration: Array, n: Array, data: Split, clutter: Array) -> Array:
            group = n * sharing + (jax.lax.axis_index(DATA) if sharing > 1 else 0)
            scenes = judged_scenes(data.images, clutter, task.scene, group)
            key = jax.random.fold_in(stream(seed, EVALUATE, iteration), group)
            log_prob, _ = method.look(params, scenes, key, 0.0, None)
            return log_prob[-1].argmax(-1) == data.labels

        if len(seeds) > 1:
            self._learner: Any = devices.over_seeds(learner, len(seeds), 0, 0)
            self._update: Any = devices.over_seeds(update, len(seeds), 0, 0, None, None)
            self._evaluate: Any = devices.over_seeds(evaluate, len(seeds), 0, 0, None, None, None, None)
        else:
            self._learner = devices.once(learner, sharing, _ALL)
            self._update = devices.over_environments(update, sharing, (_ALL,) * 4, (_ALL, _ALL))
            takes = (_ALL, _ALL, _ALL, _ALL, _SHARE, _ALL)
            self._evaluate = devices.over_environments(evaluate, sharing, takes, _SHARE)
        self._train: Any = None  # the training images, on the devices once the programs are compiled

    def like(self) -> State:
        return State(jax.eval_shape(self._learner, self._seed, self._hyper), (), self._seed)

    def compile(self) -> None:
        """Compile all the programs, and hand the training images to the devices."""
        if self._train is not None:
            return
        began = time.perf_counter()
        learner, i = self.like().learner, jax.ShapeDtypeStruct((), jnp.int32)
        train, some = self._splits.train, self._take(self._splits.test, 0)
        wanted = [
            devices.Program(self._update, (learner, self._seed, i, train)),
            devices.Program(self._evaluate, (learner.extra, self._seed, i, i, some, train.images), hot=False),
            devices.Program(self._learner, (self._seed, self._hyper), hot=False),
        ]
        self._update, self._evaluate, self._learner = devices.compile_all(wanted)
        self._train = jax.device_put(train, self._update.input_shardings[0][3])
        self.shares["compile"] += time.perf_counter() - began

    def init(self) -> State:
        self.compile()
        return State(self._learner(self._seed, self._hyper), (), self._seed)

    def iterate(self, state: State, iteration: int, timed: bool) -> tuple[State, Metrics]:
        self.compile()
        began = time.perf_counter()
        learner, metrics = self._update(state.learner, state.seed, np.int32(iteration), self._train)
        jax.block_until_ready(learner)
        self.shares["update"] += time.perf_counter() - began
        return State(learner, (), state.seed), metrics

    def evaluate(self, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        """Whether each of ``episodes`` validation images is recognised (1 or 0), and the glimpses taken."""
        return self._judge(self._splits.validation, state, iteration, episodes)

    def judge(self, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        """The same of the test images."""
        return self._judge(self._splits.test, state, iteration, episodes)

    def _judge(self, split: Split, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        self.compile()
        began = time.perf_counter()
        count, i = min(episodes, len(split.labels)), np.int32(iteration)
        right = [
            jax.device_get(
                self._evaluate(
                    state.learner.extra, state.seed, i, np.int32(n), self._take(split, n), self._train.images
                )
            )
            for n in range(-(-count // self._group))
        ]
        scores = np.concatenate(right, -1)[..., :count].astype(np.float32)
        self.shares["evaluate"] += time.perf_counter() - began
        return scores, np.full_like(scores, self._steps)

    def _take(self, split: Split, number: int) -> Split:
        """A group of images; behind the last one it begins again, so that every group has the same size."""
        which = np.arange(number * self._group, (number + 1) * self._group) % len(split.labels)
        return Split(split.images[which], split.labels[which])

    def close(self) -> None:
        pass
