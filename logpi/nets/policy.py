"""The standard policy: encode the observation, torso, perhaps a recurrent cell, heads for π and V."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from gymnasium import spaces

from logpi.config.settings import Network
from logpi.envs.spaces import encode
from logpi.errors import LogpiError
from logpi.nets import heads
from logpi.nets.torsos import CELLS, MLP, Head, NatureCNN, initial_memory
from logpi.types import Array, EnvSpec, Key, Output, Policy, PyTree, Space


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
    net = Net(heads.size(action_space), config, cnn, gaussian)

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
        return state, Output(heads.distribution(action_space, raw, log_std, legal, config.squash), value)

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
