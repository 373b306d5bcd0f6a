"""A trained classifier as one function of arrays, for other programs to run (``logpi.export``)."""

from __future__ import annotations

import json
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from logpi.ram.agent import ImageAgent
from logpi.tasks import Exported
from logpi.types import Array


def exported(agent: ImageAgent) -> Exported:
    """An image [1, H, W, C] (and a first place [1, 2]) to class probabilities [1, T, K] and corners [1, T, 2].

    A place is (row, column) in [-1, 1], and a corner the top left pixel of the finest patch, as ``Looked`` has it.
    An agent that sees the whole image has no places: T is 1. One image at a time, as its table of sums depends on the
    batch.
    """
    draws, scene = np.random.default_rng(0), agent.task.scene
    images = draws.integers(0, 256, (1, scene.height, scene.width, agent.task.shape[2]), np.uint8)
    inputs = {"image": images}
    if not agent.config.sees_whole:
        inputs["first_place"] = draws.uniform(-1, 1, (1, 2)).astype(np.float32)

    def function(image: Array, *first: Array) -> Sequence[Array]:
        start = first[0] if first else jnp.zeros((1, 2))
        log_prob, corner = agent.look_from(agent.params, image.astype(jnp.float32), start)
        found = [jnp.exp(log_prob).swapaxes(0, 1)]
        return [*found, corner.swapaxes(0, 1)] if first else found

    outputs = ["probabilities"] if agent.config.sees_whole else ["probabilities", "corner"]
    return Exported(function, inputs, outputs, {"classes": json.dumps(agent.classes)}, single=True)
