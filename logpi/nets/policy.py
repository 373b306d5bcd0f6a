"""The standard policy: encode the observation, torso, perhaps a recurrent cell, heads for π and V (flax.linen)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from logpi.config.settings import Network, Torso
from logpi.envs.actions import action_distribution, output_size
from logpi.envs.spaces import MASK, encode, leaf_dtype, legal_in
from logpi.errors import LogpiError
from logpi.types import Array, EnvSpec, Key, Output, Policy, PyTree, Space

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": nn.tanh, "relu": nn.relu, "silu": nn.silu}


def dense(units: int, scale: float) -> nn.Dense:
    """A linear layer with orthogonal weights of gain ``scale`` and zero bias (Saxe et al. 2014)."""
    return nn.Dense(units, kernel_init=nn.initializers.orthogonal(scale))


class Head(nn.Module):
    """A linear layer to a few outputs, with weights [units, D]: XLA's CPU products for their gradient are then six
    times faster than for [D, units], and the whole update a tenth.
    """

    units: int
    scale: float

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = self.param("kernel", nn.initializers.orthogonal(self.scale), (self.units, x.shape[-1]))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.units,))
        y = jax.lax.dot_general(x, kernel, (((x.ndim - 1,), (1,)), ((), ())))
        return y + jnp.broadcast_to(bias, y.shape)


class MLP(nn.Module):
    """Fully connected layers with ``hidden`` units: [..., D] to [..., hidden[-1]]."""

    hidden: Sequence[int]
    activation: str = "tanh"
    layer_norm: bool = False  # before each activation function

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for units in self.hidden:
            x = dense(units, math.sqrt(2))(x)
            x = ACTIVATIONS[self.activation](nn.LayerNorm()(x) if self.layer_norm else x)
        return x


class NatureCNN(nn.Module):
    """Three convolutions and a layer of 512 (Mnih et al. 2015): images [..., H, W, C] in [0, 1] to [..., 512]."""

    layer_norm: bool = False  # before each activation function

    @nn.compact
    def __call__(self, x: Array) -> Array:
        batch = x.shape[:-3]
        x = x.reshape(-1, *x.shape[-3:])
        for features, size, stride in ((32, 8, 4), (64, 4, 2), (64, 3, 1)):
            init = nn.initializers.orthogonal(math.sqrt(2))
            x = nn.Conv(features, (size, size), (stride, stride), "VALID", kernel_init=init)(x)
            x = nn.relu(nn.LayerNorm()(x) if self.layer_norm else x)
        x = dense(512, math.sqrt(2))(x.reshape(x.shape[0], -1))
        return nn.relu(nn.LayerNorm()(x) if self.layer_norm else x).reshape(*batch, -1)


CELLS: dict[str, Callable[[int], nn.RNNCellBase]] = {
    "gru": lambda size: nn.GRUCell(size),
    "lstm": lambda size: nn.OptimizedLSTMCell(size),
}


def initial_memory(cell: str, size: int, batch: int) -> tuple[Array, ...] | Array:
    """The cell's memory at the start of an episode, [B, size] each."""
    memory: tuple[Array, ...] | Array = CELLS[cell](size).initialize_carry(jax.random.key(0), (batch, size))
    return memory


def is_image(space: Space) -> bool:
    """Whether the Nature CNN's convolutions fit this space: H, W >= 36, channels last (or a stack of grey frames)."""
    return isinstance(space, spaces.Box) and len(space.shape) == 3 and min(image_shape(space)[:2]) >= 36


def sees_images(space: Space, config: HasTorso) -> bool:
    """Whether the standard network for ``space`` is convolutional."""
    return config.torso == "cnn" or (config.torso == "auto" and is_image(space))


def image_shape(space: spaces.Box) -> tuple[int, int, int]:
    """(H, W, C); frames stacked in front, [4, 84, 84], are moved last."""
    a, b, c = space.shape
    return (b, c, a) if a < min(b, c) else (a, b, c)


class HasTorso(Protocol):
    """Settings of a network with a torso."""

    @property
    def torso(self) -> Torso: ...


class Net(nn.Module):
    """π's parameters and V from an encoded observation (or an image)."""

    n_out: int
    config: Network
    cnn: bool
    gaussian: bool

    @nn.compact
    def __call__(self, memory: PyTree, x: Array) -> tuple[PyTree, Array, Array, Array | None]:
        net = self.config
        if self.cnn:
            actor = critic = NatureCNN()(x)
        elif net.shared or net.memory != "none":
            actor = critic = MLP(net.hidden, net.activation)(x)
        else:
            actor = MLP(net.hidden, net.activation, name="actor")(x)
            critic = MLP(net.hidden, net.activation, name="critic")(x)
        if net.memory != "none":
            memory, actor = CELLS[net.memory](net.memory_size)(memory, actor)
            critic = actor
        raw = Head(self.n_out, 0.01, name="pi")(actor)  # nearly uniform at first (Andrychowicz et al. 2021)
        value = Head(1, 1.0, name="value")(critic)[..., 0]
        init = nn.initializers.constant(net.log_std_init)
        log_std = self.param("log_std", init, (self.n_out,)) if self.gaussian else None
        return memory, raw, value, log_std


def features_of(space: Space, cnn: bool) -> Callable[[PyTree], Array]:
    """The function from observations [...] of ``space`` to what a torso takes: vectors [..., D], or images in [0, 1].

    Raises:
        LogpiError: the torso is convolutional, and the observations are not images.
    """
    if not cnn:
        return functools.partial(encode, space)
    if not is_image(space):
        raise LogpiError(
            f"torso=cnn needs images of at least 36x36 pixels, [H, W, C] or stacked frames [C, H, W], not {space}; "
            "choose torso mlp"
        )
    assert isinstance(space, spaces.Box)
    scale, last = 255.0 if space.dtype == "uint8" else 1.0, image_shape(space) == space.shape

    def images(obs: PyTree) -> Array:
        x = jnp.asarray(obs, jnp.float32) / scale
        return x if last else jnp.moveaxis(x, -3, -1)

    return images


def make_policy(spec: EnvSpec, config: Network | None = None) -> Policy:
    """The standard policy for an environment's spaces."""
    config = config or Network()
    space, action_space = spec.observation_space, spec.action_space
    cnn = sees_images(space, config)
    gaussian = isinstance(action_space, spaces.Box)
    net, features = Net(output_size(action_space), config, cnn, gaussian), features_of(space, cnn)

    def memory(batch: int) -> PyTree:
        return () if config.memory == "none" else initial_memory(config.memory, config.memory_size, batch)

    def init(key: Key) -> PyTree:
        return net.init(key, memory(1), features(blank(space)))["params"]

    def apply(params: PyTree, state: PyTree, obs: PyTree) -> tuple[PyTree, Output]:
        state, raw, value, log_std = net.apply({"params": params}, state, features(obs))
        legal = legal_in(space, obs)
        return state, Output(action_distribution(action_space, raw, log_std, legal, config.squash), value)

    return Policy(init, memory, apply)


def example(space: Space) -> PyTree:
    """One observation's leaves, as shapes and dtypes in the structure of ``logpi.envs.spaces.plain``."""
    if isinstance(space, spaces.Dict):
        mask = {MASK: jax.ShapeDtypeStruct(space[MASK].shape, np.int8)} if MASK in space.spaces else {}
        return {name: example(part) for name, part in space.spaces.items()} | mask
    if isinstance(space, spaces.Tuple):
        return tuple(example(part) for part in space.spaces)
    return jax.ShapeDtypeStruct(space.shape, leaf_dtype(space))


def blank(space: Space) -> PyTree:
    """A batch of one observation of zeros."""
    return jax.tree.map(lambda x: jnp.zeros((1, *x.shape), x.dtype), example(space))
