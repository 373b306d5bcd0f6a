"""Networks of the methods with action-value functions: an actor and N critics, or N critics of discrete actions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from gymnasium import spaces

from logpi.config.settings import Activation, Torso, layers
from logpi.envs.actions import action_distribution, output_size
from logpi.envs.spaces import legal_in
from logpi.errors import LogpiError
from logpi.nets.policy import MLP, Head, blank, features_of, torso_of
from logpi.nets.torsos import image_torso
from logpi.ops.distributions import Deterministic, Distribution, TanhGaussian
from logpi.types import Array, Critics, EnvSpec, Key, Output, Policy, PyTree

LOG_STD = (-20.0, 2.0)  # bounds of the natural logarithm of a squashed Gaussian's deviation (Haarnoja et al. 2018)


@dataclasses.dataclass(frozen=True)
class ActorCriticNetwork:
    """The networks of actor and critics: one torso of the same shape for each, none shared."""

    # Layers before the heads: mlp, or of images cnn (Nature), impala, patches; auto: cnn for images of 36x36 and more
    torso: Torso = "auto"
    hidden: tuple[int, ...] = layers((256, 256))  # Hidden layer sizes of actor and critics, in units
    activation: Activation = "relu"  # Activation function of the hidden layers

    def idle_behind_cnn(self, box: bool) -> tuple[str, ...]:
        """Settings that do nothing where the torso is convolutions: behind them a Box action joins an MLP."""
        return () if box else ("hidden", "activation")


class Torsos(nn.Module):
    """A torso and its heads: [..., D] (or images [..., H, W, C]) to one output [..., n] for each of ``heads``."""

    config: ActorCriticNetwork
    torso: str
    heads: Sequence[tuple[int, float]]  # (outputs, gain of the orthogonal weights)

    @nn.compact
    def __call__(self, x: Array, action: Array | None = None) -> tuple[Array, ...]:
        images = self.torso != "mlp"
        if images:
            x = image_torso(self.torso)(x)
        if action is not None:
            x = jnp.concatenate([x, action], -1)
        if not images or action is not None:
            x = MLP(self.config.hidden, self.config.activation)(x)
        return tuple(Head(units, gain)(x) for units, gain in self.heads)


def discrete_actor_critics(spec: EnvSpec, config: ActorCriticNetwork) -> Policy:
    """A categorical policy and critics of discrete actions.

    Raises:
        LogpiError: the actions are not Discrete.
    """

    def pi(raw: tuple[Array, ...], obs: PyTree) -> Distribution:
        legal = legal_in(spec.observation_space, obs)
        return action_distribution(spec.action_space, raw[0], None, legal, squash=False)

    if not isinstance(spec.action_space, spaces.Discrete):
        instead = "sac, td3 or ppo" if isinstance(spec.action_space, spaces.Box) else "ppo"
        raise LogpiError(
            f"the actions of {spec.id} are {spec.action_space}, and this method's critic has one value for each of a "
            f"Discrete space: take {instead}"
        )
    return _actor(spec, config, ((output_size(spec.action_space), 0.01),), pi)


def squashed_actor_critics(spec: EnvSpec, config: ActorCriticNetwork) -> Policy:
    """A squashed Gaussian whose deviation depends on the observation, and critics Q(o, a)."""

    def pi(raw: tuple[Array, ...], obs: PyTree) -> Distribution:
        return TanhGaussian(raw[0], jnp.clip(raw[1], *LOG_STD))

    n = output_size(spec.action_space)
    return _actor(spec, config, ((n, 0.01), (n, 0.01)), pi)


def deterministic_actor_critics(spec: EnvSpec, config: ActorCriticNetwork) -> Policy:
    """A deterministic policy, tanh of the network's output, and critics Q(o, a)."""

    def pi(raw: tuple[Array, ...], obs: PyTree) -> Distribution:
        return Deterministic(jnp.tanh(raw[0]))

    n = output_size(spec.action_space)
    return _actor(spec, config, ((n, 0.01),), pi)


def _actor(
    spec: EnvSpec,
    config: ActorCriticNetwork,
    heads: Sequence[tuple[int, float]],
    pi: Callable[[tuple[Array, ...], PyTree], Distribution],
) -> Policy:
    """A policy with critics, without memory and value: ``pi`` of the outputs of ``heads`` and the observation."""
    space = spec.observation_space
    torso = torso_of(space, config)
    net, features = Torsos(config, torso, heads), features_of(space, torso)

    def init(key: Key) -> PyTree:
        return net.init(key, features(blank(space)))["params"]

    def apply(params: PyTree, memory: PyTree, obs: PyTree) -> tuple[PyTree, Output]:
        return memory, Output(pi(net.apply({"params": params}, features(obs)), obs), None)

    return Policy(init, lambda batch: (), apply, critics=lambda count: make_critics(spec, config, count))


def make_critics(spec: EnvSpec, config: ActorCriticNetwork, count: int) -> Critics:
    """``count`` critics: of Box actions Q(o, a), of discrete ones all Q(o, ·) at once."""
    space, actions, continuous = spec.observation_space, spec.action_space, isinstance(spec.action_space, spaces.Box)
    torso = torso_of(space, config)
    head = (1 if continuous else output_size(actions), 1.0)
    net, features = Torsos(config, torso, (head,)), features_of(space, torso)

    def q(params: PyTree, x: Array, action: Array | None) -> Array:
        (out,) = net.apply({"params": params}, x, action)
        return out[..., 0] if continuous else out

    def init(key: Key) -> PyTree:
        x = features(blank(space))
        action = jnp.zeros((1, output_size(actions))) if continuous else None
        return tuple(net.init(k, x, action)["params"] for k in jax.random.split(key, count))

    def apply(params: PyTree, obs: PyTree, action: Array | None = None) -> Array:
        x = features(obs)
        return jnp.stack([q(each, x, action) for each in params])

    return Critics(init, apply)
