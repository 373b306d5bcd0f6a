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
from logpi.nets.torsos import image_torso
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


CELLS: dict[str, Callable[[int], nn.RNNCellBase]] = {
    "gru": lambda size: nn.GRUCell(size),
    "lstm": lambda size: nn.OptimizedLSTMCell(size),
}


def initial_memory(cell: str, size: int, batch: int) -> tuple[Array, ...] | Array:
    """The cell's memory at the start of an episode, [B, size] each."""
    memory: tuple[Array, ...] | Array = CELLS[cell](size).initialize_carry(jax.random.key(0), (batch, size))
    return memory


def is_image(space: Space) -> bool:
    """Whether the torsos of images fit this space: H, W >= 36, channels last (or a stack of grey frames)."""
    return isinstance(space, spaces.Box) and len(space.shape) == 3 and min(image_shape(space)[:2]) >= 36


def torso_of(space: Space, config: HasTorso) -> str:
    """The torso for ``space``, one of ``logpi.nets.torsos.TORSOS`` or "mlp"."""
    if config.torso != "auto":
        return config.torso
    return "cnn" if is_image(space) else "mlp"


def sees_images(space: Space, config: HasTorso) -> bool:
    """Whether the standard network for ``space`` takes images."""
    return torso_of(space, config) != "mlp"


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
    torso: str
    gaussian: bool

    @nn.compact
    def __call__(self, memory: PyTree, x: Array) -> tuple[PyTree, Array, Array, Array | None]:
        net = self.config
        if self.torso != "mlp":
            actor = critic = image_torso(self.torso)(x)
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


def features_of(space: Space, torso: str) -> Callable[[PyTree], Array]:
    """The function from observations [...] of ``space`` to what ``torso`` takes: vectors [..., D], or pixels.

    Raises:
        LogpiError: the torso is of images, and the observations are not.
    """
    if torso == "mlp":
        return functools.partial(encode, space)
    if not is_image(space):
        raise LogpiError(
            f"torso={torso} needs images of at least 36x36 pixels, [H, W, C] or stacked frames [C, H, W], not {space}; "
            "choose torso mlp"
        )
    assert isinstance(space, spaces.Box)
    last = image_shape(space) == space.shape

    def images(obs: PyTree) -> Array:
        return jnp.asarray(obs) if last else jnp.moveaxis(jnp.asarray(obs), -3, -1)

    return images


def make_policy(spec: EnvSpec, config: Network | None = None) -> Policy:
    """The standard policy for an environment's spaces."""
    config = config or Network()
    space, action_space = spec.observation_space, spec.action_space
    torso, gaussian = torso_of(space, config), isinstance(action_space, spaces.Box)
    net, features = Net(output_size(action_space), config, torso, gaussian), features_of(space, torso)

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
