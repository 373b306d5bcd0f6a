"""The standard policy: encode the observation, torso, perhaps a recurrent cell, heads for π and V (flax.linen)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Float, Shaped

from logpi.config.settings import Network
from logpi.envs.spaces import encode
from logpi.errors import LogpiError
from logpi.ops.distributions import (
    DiagonalGaussian,
    Distribution,
    MultiBinary,
    MultiDiscrete,
    TanhGaussian,
    masked,
)
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

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for units in self.hidden:
            x = ACTIVATIONS[self.activation](dense(units, math.sqrt(2))(x))
        return x


class NatureCNN(nn.Module):
    """Three convolutions and a layer of 512 (Mnih et al. 2015): images [..., H, W, C] in [0, 1] to [..., 512]."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        batch = x.shape[:-3]
        x = x.reshape(-1, *x.shape[-3:])
        for features, size, stride in ((32, 8, 4), (64, 4, 2), (64, 3, 1)):
            init = nn.initializers.orthogonal(math.sqrt(2))
            x = nn.relu(nn.Conv(features, (size, size), (stride, stride), "VALID", kernel_init=init)(x))
        x = nn.relu(dense(512, math.sqrt(2))(x.reshape(x.shape[0], -1)))
        return x.reshape(*batch, -1)


CELLS: dict[str, Callable[[int], nn.RNNCellBase]] = {
    "gru": lambda size: nn.GRUCell(size),
    "lstm": lambda size: nn.OptimizedLSTMCell(size),
}


def initial_memory(cell: str, size: int, batch: int) -> tuple[Array, ...] | Array:
    """The cell's memory at the start of an episode, [B, size] each."""
    memory: tuple[Array, ...] | Array = CELLS[cell](size).initialize_carry(jax.random.key(0), (batch, size))
    return memory


def output_size(space: Space) -> int:
    """Number of network outputs for a distribution over ``space``, without a Gaussian's deviations."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    assert space.shape is not None
    return int(np.prod(space.shape))


def action_distribution(
    space: Space,
    raw: Float[Array, "*B n"],
    log_std: Float[Array, " n"] | None,
    legal: Shaped[Array, "*B n"] | None,
    squash: bool,
) -> Distribution:
    """``raw``, n = ``output_size(space)``, as a distribution with batch shape ``*B``.

    ``legal`` marks the legal actions of a Discrete or MultiDiscrete space, 1 legal. Joint
    actions are flat, [..., d]; ``logpi.envs.spaces.to_env`` gives them the space's shape.
    """
    if isinstance(space, spaces.Discrete):
        return masked(raw, legal)
    if isinstance(space, spaces.MultiDiscrete):
        cuts = np.cumsum(space.nvec.reshape(-1))[:-1].tolist()
        parts = jnp.split(raw, cuts, axis=-1)
        allowed = [None] * len(parts) if legal is None else jnp.split(legal, cuts, axis=-1)
        return MultiDiscrete(tuple(masked(part, ok) for part, ok in zip(parts, allowed, strict=True)))
    if isinstance(space, spaces.MultiBinary):
        return MultiBinary(raw)
    assert log_std is not None
    log_std = jnp.broadcast_to(log_std, raw.shape)
    return TanhGaussian(raw, log_std) if squash else DiagonalGaussian(raw, log_std)


def is_image(space: Space) -> bool:
    """Whether the Nature CNN's convolutions fit this space: H, W >= 36, channels last (or a stack of grey frames)."""
    return isinstance(space, spaces.Box) and len(space.shape) == 3 and min(image_shape(space)[:2]) >= 36


def image_shape(space: spaces.Box) -> tuple[int, int, int]:
    """(H, W, C); frames stacked in front, [4, 84, 84], are moved last."""
    a, b, c = space.shape
    return (b, c, a) if a < min(b, c) else (a, b, c)


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


def make_policy(spec: EnvSpec, config: Network | None = None) -> Policy:
    """The standard policy for an environment's spaces."""
    config = config or Network()
    space, action_space = spec.observation_space, spec.action_space
    cnn = config.torso == "cnn" or (config.torso == "auto" and is_image(space))
    if cnn and not is_image(space):
        raise LogpiError(
            f"torso=cnn needs images of at least 36x36 pixels, [H, W, C] or stacked frames [C, H, W], not {space}; "
            "choose torso mlp"
        )
    gaussian = isinstance(action_space, spaces.Box)
    net = Net(output_size(action_space), config, cnn, gaussian)

    def features(obs: PyTree) -> Array:
        if not cnn:
            return encode(space, obs)
        x = jnp.asarray(obs, jnp.float32) / (255.0 if space.dtype == "uint8" else 1.0)
        assert isinstance(space, spaces.Box)
        return x if image_shape(space) == space.shape else jnp.moveaxis(x, -3, -1)

    def memory(batch: int) -> PyTree:
        return () if config.memory == "none" else initial_memory(config.memory, config.memory_size, batch)

    def init(key: Key) -> PyTree:
        obs = jax.tree.map(lambda x: jnp.zeros((1, *x.shape), x.dtype), example(space))
        return net.init(key, memory(1), features(obs))["params"]

    def apply(params: PyTree, state: PyTree, obs: PyTree) -> tuple[PyTree, Output]:
        state, raw, value, log_std = net.apply({"params": params}, state, features(obs))
        legal = obs.get("action_mask") if isinstance(obs, dict) else None
        return state, Output(action_distribution(action_space, raw, log_std, legal, config.squash), value)

    return Policy(init, memory, apply)


def example(space: Space) -> PyTree:
    """One observation's leaves, as shapes and dtypes in the structure that environments give."""
    if isinstance(space, spaces.Dict):
        return {name: example(part) for name, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(example(part) for part in space.spaces)
    if isinstance(space, spaces.Discrete):
        return jax.ShapeDtypeStruct((), jnp.int32)
    dtype = jnp.float32 if space.dtype == "float64" else jnp.int32 if space.dtype == "int64" else space.dtype
    return jax.ShapeDtypeStruct(space.shape, dtype)
