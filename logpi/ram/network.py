"""The parts of the recurrent attention model, by the paper's names (Mnih et al. 2014, §3.1, fig. 1).

Each is a pure function of its parameters; ``init`` makes them all. ``RamNetwork`` holds sizes and choices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from logpi.errors import LogpiError
from logpi.ram.settings import RamNetwork
from logpi.types import Array, Key, PyTree

Params: TypeAlias = PyTree[Float[Array, "..."]]
Memory: TypeAlias = Float[Array, "B H"] | tuple[Float[Array, "B H"], Float[Array, "B H"]]  # h, or the LSTM's (c, h)
WIDEST = 4  # widest coarsest patch, in longer sides of the image; 2 would cover it from any corner


def check(config: RamNetwork, shape: tuple[int, int]) -> None:
    """Raises LogpiError where the coarsest patch is far wider than images of ``shape`` (H, W)."""
    side = config.patch << min(config.scales - 1, 64)
    if side > WIDEST * max(shape):
        raise LogpiError(
            f"network.patch {config.patch} and network.scales {config.scales} make the coarsest patch {side} pixels "
            f"wide, which is mostly empty: the images have {shape[0]}x{shape[1]}. Allowed: up to "
            f"{WIDEST * max(shape)}; take a smaller --patch or fewer --scales"
        )


def init(key: Key, config: RamNetwork, pixels: int, classes: int) -> Params:
    """All parameters, for glimpses of ``pixels`` numbers and ``classes`` labels."""
    keys = iter(jax.random.split(key, 16))

    def layer(inputs: int, units: int, gain: float = math.sqrt(2.0)) -> Params:
        weight = gain / math.sqrt(inputs) * jax.random.normal(next(keys), (inputs, units))
        return {"w": weight, "b": jnp.zeros(units)}

    def head(units: int, inputs: int, gain: float = 0.1) -> Params:
        # [units, inputs]: on CPUs the gradient of a layer with few units is several times faster in this order
        weight = gain / math.sqrt(inputs) * jax.random.normal(next(keys), (units, inputs))
        return {"w": weight, "b": jnp.zeros(units)}

    half, glimpse, core = config.sensor_size, config.glimpse_size, config.core_size
    return {
        "glimpse": {
            "what": layer(pixels, half),
            "where": layer(where_features(config), half),
            "from_what": layer(half, glimpse),
            "from_where": layer(half, glimpse),
        },
        "core": _init_core(layer, config, glimpse, core),
        "action": head(classes, core),
        "location": {"hidden": layer(core, config.location_size), "mean": head(2, config.location_size)},
        "baseline": {
            "hidden": head(config.baseline_size, core, math.sqrt(2.0)),
            "value": head(classes, config.baseline_size),
        },
    }


def _init_core(layer: Callable[[int, int, float], Params], config: RamNetwork, glimpse: int, core: int) -> Params:
    if config.core == "lstm":
        gates = {"from_glimpse": layer(glimpse, 4 * core, 1.0), "from_core": layer(core, 4 * core, 1.0)}
        # a forget gate that is open at first (Jozefowicz et al. 2015)
        gates["from_glimpse"]["b"] = gates["from_glimpse"]["b"].at[core : 2 * core].set(1.0)
        return gates
    # a rectifier RNN whose recurrent weights are the identity at first (Le et al. 2015)
    return {"from_glimpse": layer(glimpse, core, 1.0), "from_core": {"w": jnp.eye(core), "b": jnp.zeros(core)}}


def dense(layer: Params, x: Float[Array, "*B inputs"]) -> Float[Array, "*B units"]:
    """A linear layer with weights [inputs, units]."""
    y = x @ layer["w"]
    return y + jnp.broadcast_to(layer["b"], y.shape)


def narrow(layer: Params, x: Float[Array, "*B inputs"]) -> Float[Array, "*B units"]:
    """A linear layer of few units, with weights [units, inputs]."""
    y = x @ layer["w"].T
    return y + jnp.broadcast_to(layer["b"], y.shape)


def where_features(config: RamNetwork) -> int:
    """Number of features that ``encode`` gives."""
    return 2 + 4 * config.fourier_features


def encode(location: Float[Array, "*B 2"], config: RamNetwork) -> Float[Array, "*B features"]:
    """Location features of the glimpse network: (row, column), and their sines and cosines at each frequency."""
    angles = [location * (math.pi * 2.0**j / 2) for j in range(config.fourier_features)]
    return jnp.concatenate([2.0 * location, *(f(a) for a in angles for f in (jnp.sin, jnp.cos))], -1)


def glimpse_network(
    params: Params, config: RamNetwork, patches: Float[Array, "B pixels"], location: Float[Array, "B 2"]
) -> Float[Array, "B {config.glimpse_size}"]:
    """g_t: what was seen, combined with where."""
    what = dense(params["from_what"], jax.nn.relu(dense(params["what"], patches)))
    where = dense(params["from_where"], jax.nn.relu(dense(params["where"], encode(location, config))))
    if config.combine == "product":
        return jax.nn.relu(what * (1 + where) + where)
    return jax.nn.relu(what + where)


def core_network(
    params: Params, config: RamNetwork, memory: Memory, glimpse: Float[Array, "B G"]
) -> tuple[Memory, Float[Array, "B H"]]:
    """(memory, h_t): rectifier units, h_t = relu(W h_{t-1} + U g_t), or an LSTM."""
    if isinstance(memory, tuple):
        c, h = memory
        i, f, o, new = jnp.split(dense(params["from_glimpse"], glimpse) + dense(params["from_core"], h), 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(new)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (c, h), h
    h = jax.nn.relu(dense(params["from_glimpse"], glimpse) + dense(params["from_core"], memory))
    return h, h


def first_memory(config: RamNetwork, batch: int) -> Memory:
    """The core network's memory before the first glimpse: zeros."""
    zero = jnp.zeros((batch, config.core_size))
    return (zero, zero) if config.core == "lstm" else zero


def location_network(params: Params, core: Float[Array, "*B H"]) -> Float[Array, "*B 2"]:
    """The mean of the next place, in [-1, 1]."""
    return jnp.tanh(narrow(params["mean"], jax.nn.relu(dense(params["hidden"], core))))


def action_network(params: Params, core: Float[Array, "*B H"]) -> Float[Array, "*B K"]:
    """Logits of the label."""
    return narrow(params, core)


def baseline(params: Params, core: Float[Array, "*B H"], label: Int[Array, "*B"]) -> Float[Array, "*B"]:
    """b_t: the reward expected of an image with this ``label``, from h_t.

    Knowing the label introduces no bias, since the label does not depend on the place that is drawn.
    """
    of_each = narrow(params["value"], jax.nn.relu(narrow(params["hidden"], core)))
    return jnp.take_along_axis(of_each, label[..., None], -1)[..., 0]
