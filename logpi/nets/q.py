"""Action values Q(o, ·) of a discrete action space: a network, and a table (flax.linen)."""

from __future__ import annotations

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from gymnasium import spaces

from logpi.config.settings import Activation, Torso, finite, layers
from logpi.envs.spaces import legal_in
from logpi.errors import LogpiError
from logpi.nets.policy import MLP, Head, blank, features_of, torso_of
from logpi.nets.torsos import image_torso
from logpi.ops.distributions import EpsilonGreedy, masked
from logpi.types import Array, EnvSpec, Key, Output, Policy, PyTree

SMALL = 0.01  # gain of the last layer: the first values are close to 0
WIDE = 512  # units of a stream behind convolutions (Mnih et al. 2015)


@dataclasses.dataclass(frozen=True)
class QNetwork:
    """The network of action values: one output for each action."""

    # Layers before the heads: mlp, or of images cnn (Nature), impala, patches; auto: cnn for images of 36x36 and more
    torso: Torso = "auto"
    hidden: tuple[int, ...] = layers((64, 64))  # Hidden layer sizes of the MLP, in units
    activation: Activation = "relu"  # Activation function of the MLP's hidden layers
    layer_norm: bool = False  # Layer normalization before each activation function (Ba et al. 2016)
    # Dueling streams (Wang et al. 2016, eq. 9): V and the advantages each behind a last hidden layer of their own
    dueling: bool = False

    def idle_behind_cnn(self, box: bool) -> tuple[str, ...]:
        """Settings that do nothing where the torso is convolutions; dueling streams have a hidden layer each."""
        return ("hidden",) if self.dueling else ("hidden", "activation")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of action values: one number for each state and action."""

    initial_value: float = finite(0.0)  # Initial action value of every state and action, in units of the return


class QNet(nn.Module):
    """Q of each action from an encoded observation (or an image)."""

    actions: int
    config: QNetwork
    torso: str

    @nn.compact
    def __call__(self, x: Array) -> Array:
        net, images = self.config, self.torso != "mlp"
        hidden = (WIDE,) if images else net.hidden
        below = image_torso(self.torso, net.layer_norm) if images else None

        def mlp(units: tuple[int, ...], name: str) -> MLP:
            return MLP(units, net.activation, net.layer_norm, name=name)

        if not net.dueling:
            x = below(x) if below else mlp(hidden, "torso")(x)
            return Head(self.actions, SMALL, name="q")(x)
        x = below(x) if below else mlp(hidden[:-1], "torso")(x)
        value = Head(1, SMALL, name="value")(mlp(hidden[-1:], "value_stream")(x))
        advantage = Head(self.actions, SMALL, name="advantage")(mlp(hidden[-1:], "advantage_stream")(x))
        return value + advantage - advantage.mean(-1, keepdims=True)


def make_q(spec: EnvSpec, config: QNetwork | None = None) -> Policy:
    """The network of action values for an environment's spaces.

    Raises:
        LogpiError: the actions are not Discrete.
    """
    config = config or QNetwork()
    space, torso = spec.observation_space, torso_of(spec.observation_space, config)
    net, features = QNet(number_of_actions(spec), config, torso), features_of(space, torso)

    def init(key: Key) -> PyTree:
        return net.init(key, features(blank(space)))["params"]

    def apply(params: PyTree, memory: PyTree, obs: PyTree) -> tuple[PyTree, Output]:
        return memory, greedy(net.apply({"params": params}, features(obs)), legal_in(space, obs))

    return Policy(init, lambda batch: (), apply)


def make_table(spec: EnvSpec, config: Table | None = None) -> Policy:
    """A table of action values for an environment with Discrete observations.

    Raises:
        LogpiError: observations or actions are not Discrete.
    """
    config, space, actions = config or Table(), spec.observation_space, number_of_actions(spec)
    if not isinstance(space, spaces.Discrete):
        raise LogpiError(
            f"the observations of {spec.id} are {space}, and a table of action values has a row for each of a Discrete "
            "space: take dqn, whose network encodes any observation"
        )
    initial = config.initial_value

    def init(key: Key) -> PyTree:
        return {"q": jnp.full((int(space.n), actions), initial, jnp.float32)}

    def apply(params: PyTree, memory: PyTree, obs: Array) -> tuple[PyTree, Output]:
        return memory, greedy(params["q"][obs - int(space.start)], None)

    return Policy(init, lambda batch: (), apply)


def greedy(values: Array, legal: Array | None) -> Output:
    """Action values [*B, n] as a network's output: the greedy policy, and its value."""
    values = masked(values, legal).logits
    return Output(EpsilonGreedy(values, jnp.zeros(())), values.max(-1))


def number_of_actions(spec: EnvSpec) -> int:
    """The number of actions.

    Raises:
        LogpiError: the actions are not Discrete.
    """
    space = spec.action_space
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    raise LogpiError(
        f"the actions of {spec.id} are {space}, and action values are one number for each of a Discrete space: take "
        f"{'sac or ppo' if isinstance(space, spaces.Box) else 'ppo'}"
    )
