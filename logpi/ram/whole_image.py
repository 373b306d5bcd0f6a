"""The paper's baselines (Mnih et al. 2014, tables 1 and 2): classifiers that see the whole image at once."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, Num

from logpi.errors import LogpiError
from logpi.ops import losses
from logpi.ram.network import Params, dense, narrow
from logpi.ram.retina import WHITE
from logpi.ram.settings import WholeImageNetwork
from logpi.types import Array, Key, Metrics


def check(net: WholeImageNetwork, shape: tuple[int, int, int]) -> None:
    """Raises LogpiError where a convolution does not fit into its input, for images of ``shape`` (H, W, C)."""
    side = min(shape[:2])
    for number in range(1, len(net.channels) + 1 if net.net == "conv" else 1):
        if side < net.kernel:
            raise LogpiError(
                f"network.kernel is {net.kernel}, but convolution {number} of {len(net.channels)} gets only {side} "
                "pixels a side: take a smaller --kernel or --stride, or fewer --channels"
            )
        side = _after(side, net)


def init(key: Key, net: WholeImageNetwork, shape: tuple[int, int, int], classes: int) -> Params:
    """Parameters for images of ``shape`` (H, W, C)."""
    keys = iter(jax.random.split(key, 32))

    def weight(*dimensions: int, inputs: int) -> Float[Array, "*S"]:
        return math.sqrt(2 / inputs) * jax.random.normal(next(keys), dimensions)

    params: Params = {"convolutions": [], "layers": []}
    height, width, channels = shape
    if net.net == "conv":
        for out in net.channels:
            kernel = weight(net.kernel, net.kernel, channels, out, inputs=net.kernel**2 * channels)
            params["convolutions"].append({"w": kernel, "b": jnp.zeros(out)})
            height, width, channels = _after(height, net), _after(width, net), out
    inputs = height * width * channels
    for units in (net.units,) if net.net == "conv" else net.hidden:
        params["layers"].append({"w": weight(inputs, units, inputs=inputs), "b": jnp.zeros(units)})
        inputs = units
    params["action"] = {"w": 0.1 * weight(classes, inputs, inputs=inputs), "b": jnp.zeros(classes)}
    return params


def _after(side: int, net: WholeImageNetwork) -> int:
    """Side of a convolution's output, in pixels."""
    return (side - net.kernel) // net.stride + 1


def logits(params: Params, net: WholeImageNetwork, images: Num[Array, "B H W C"]) -> Float[Array, "B K"]:
    """Logits of the label, of images with pixels from 0 to 255."""
    x = images / WHITE
    for layer in params["convolutions"]:
        x = jax.lax.conv_general_dilated(
            x, layer["w"], (net.stride, net.stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x + jnp.broadcast_to(layer["b"], x.shape))
    x = x.reshape(len(x), -1)
    for layer in params["layers"]:
        x = jax.nn.relu(dense(layer, x))
    return narrow(params["action"], x)


def loss(
    params: Params, net: WholeImageNetwork, images: Num[Array, "B H W C"], label: Int[Array, " B"]
) -> tuple[Float[Array, ""], Metrics]:
    """Cross-entropy and its metrics, this device's share of both."""
    log_likelihood = jax.nn.log_softmax(logits(params, net, images))
    of_label = jnp.take_along_axis(log_likelihood, label[:, None], -1)[:, 0]
    correct = (log_likelihood.argmax(-1) == label) * 1.0
    once = jnp.ones_like(of_label)
    mean = losses.decision_mean(-of_label, once)
    return mean, {"train/classification_loss": mean, "train/accuracy": losses.decision_mean(correct, once)}
