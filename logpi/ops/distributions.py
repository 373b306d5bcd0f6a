"""Distributions over actions, as pytrees: ``sample(key)``, ``log_prob(action)``, ``entropy()``, ``mode()``.

Batch shape is the leading shape of the parameters; the event (the joint action) is summed over. Continuous actions
live in normalised coordinates: [-1, 1] is the environment's range (``logpi.envs.spaces.to_env``).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, Int8, Int32, Shaped

from logpi.types import Array, Key
from logpi.types import Distribution as Distribution

ILLEGAL = -1e9  # a logit so low that its probability is exactly 0 in float32, and finite so that gradients are too


class Categorical(NamedTuple):
    """One of n actions; ``logits`` [..., n], unnormalised. Actions are int32 [...]."""

    logits: Float[Array, "*B n"]

    def sample(self, key: Key) -> Int32[Array, "*B"]:
        return jax.random.categorical(key, self.logits).astype(jnp.int32)

    def log_prob(self, action: Int[Array, "*B"]) -> Float[Array, "*B"]:
        chosen = jax.nn.one_hot(action, self.logits.shape[-1], dtype=self.logits.dtype)
        return (jax.nn.log_softmax(self.logits) * chosen).sum(-1)

    def entropy(self) -> Float[Array, "*B"]:
        log_p = jax.nn.log_softmax(self.logits)
        return -(jnp.exp(log_p) * log_p).sum(-1)

    def mode(self) -> Int32[Array, "*B"]:
        return jnp.argmax(self.logits, -1).astype(jnp.int32)


class EpsilonGreedy(NamedTuple):
    """The best of n actions, or any legal one with probability ε (Sutton & Barto 2018, §2.2).

    ``values`` [..., n] are action values, ``ILLEGAL`` where an action is not legal; of equal ones the first is best. A
    network's output has ε = 0; the method that acts with it replaces ``epsilon``. Actions are int32 [...].
    """

    values: Float[Array, "*B n"]
    epsilon: Float[Array, ""]

    def probabilities(self) -> Float[Array, "*B n"]:
        legal = (self.values > ILLEGAL / 2).astype(self.values.dtype)
        best = jax.nn.one_hot(self.mode(), self.values.shape[-1], dtype=self.values.dtype)
        return self.epsilon * legal / legal.sum(-1, keepdims=True) + (1.0 - self.epsilon) * best

    def sample(self, key: Key) -> Int32[Array, "*B"]:
        return jax.random.categorical(key, jnp.log(self.probabilities())).astype(jnp.int32)

    def log_prob(self, action: Int[Array, "*B"]) -> Float[Array, "*B"]:
        return jnp.log(_chosen(self.probabilities(), action))

    def entropy(self) -> Float[Array, "*B"]:
        return jax.scipy.special.entr(self.probabilities()).sum(-1)

    def mode(self) -> Int32[Array, "*B"]:
        return jnp.argmax(self.values, -1).astype(jnp.int32)

    def value_of(self, action: Int[Array, "*B"]) -> Float[Array, "*B"]:
        """Q(o, a) of one action each."""
        return _chosen(self.values, action)


def _chosen(each: Float[Array, "*B n"], action: Int[Array, "*B"]) -> Float[Array, "*B"]:
    """``each`` at ``action``; a product, as XLA's gradient of an index is slow on CPUs."""
    return (each * jax.nn.one_hot(action, each.shape[-1], dtype=each.dtype)).sum(-1)


def masked(logits: Float[Array, "*B n"], legal: Shaped[Array, "*B n"] | None) -> Categorical:
    """Categorical over the legal actions only (``legal`` non-zero where legal)."""
    return Categorical(logits if legal is None else jnp.where(legal != 0, logits, ILLEGAL))


class MultiDiscrete(NamedTuple):
    """k independent categoricals of different sizes; actions are int32 [..., k]."""

    parts: tuple[Categorical, ...]

    def sample(self, key: Key) -> Int32[Array, "*B k"]:
        keys = jax.random.split(key, len(self.parts))
        return jnp.stack([p.sample(k) for p, k in zip(self.parts, keys, strict=True)], -1)

    def log_prob(self, action: Int[Array, "*B k"]) -> Float[Array, "*B"]:
        return sum((p.log_prob(action[..., i]) for i, p in enumerate(self.parts)), jnp.zeros(()))

    def entropy(self) -> Float[Array, "*B"]:
        return sum((p.entropy() for p in self.parts), jnp.zeros(()))

    def mode(self) -> Int32[Array, "*B k"]:
        return jnp.stack([p.mode() for p in self.parts], -1)


class MultiBinary(NamedTuple):
    """k independent bits with ``logits`` [..., k]; actions are int8 [..., k]."""

    logits: Float[Array, "*B k"]

    def sample(self, key: Key) -> Int8[Array, "*B k"]:
        return jax.random.bernoulli(key, jax.nn.sigmoid(self.logits)).astype(jnp.int8)

    def log_prob(self, action: Int[Array, "*B k"]) -> Float[Array, "*B"]:
        sign = 2.0 * action.astype(self.logits.dtype) - 1.0
        return jax.nn.log_sigmoid(sign * self.logits).sum(-1)

    def entropy(self) -> Float[Array, "*B"]:
        p = jax.nn.sigmoid(self.logits)
        return (jax.nn.softplus(self.logits) - p * self.logits).sum(-1)

    def mode(self) -> Int8[Array, "*B k"]:
        return (self.logits > 0).astype(jnp.int8)


class DiagonalGaussian(NamedTuple):
    """Independent normals, ``mean`` and ``log_std`` [..., d]; what falls outside [-1, 1] is clipped by ``to_env`` only.

    The density is of the unclipped sample, so the gradient is that of the unclipped policy.
    """

    mean: Float[Array, "*B d"]
    log_std: Float[Array, "*B d"]

    def sample(self, key: Key) -> Float[Array, "*B d"]:
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def log_prob(self, action: Float[Array, "*B d"]) -> Float[Array, "*B"]:
        z = (action - self.mean) * jnp.exp(-self.log_std)
        return -(0.5 * jnp.square(z) + self.log_std + 0.5 * math.log(2 * math.pi)).sum(-1)

    def entropy(self) -> Float[Array, "*B"]:
        log_std = jnp.broadcast_to(self.log_std, self.mean.shape)
        return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def mode(self) -> Float[Array, "*B d"]:
        return self.mean


class TanhGaussian(NamedTuple):
    """tanh of a diagonal Gaussian: actions in (-1, 1)^d (Haarnoja et al. 2018, appendix C).

    ``log_prob`` subtracts Σ log(1 - tanh²u), written as 2(log 2 - u - softplus(-2u)), which is finite for any u. No
    closed form exists for the entropy; ``entropy`` is the Gaussian's plus E[log-determinant] by 16-point
    Gauss-Hermite quadrature, exact to about 1e-3 for standard deviations up to 1.
    """

    mean: Float[Array, "*B d"]
    log_std: Float[Array, "*B d"]

    def _normal(self) -> DiagonalGaussian:
        return DiagonalGaussian(self.mean, self.log_std)

    def sample(self, key: Key) -> Float[Array, "*B d"]:
        return jnp.tanh(self._normal().sample(key))

    def at(self, noise: Float[Array, "*B d"]) -> tuple[Float[Array, "*B d"], Float[Array, "*B"]]:
        """(action, its log-probability) for standard normal ``noise``; gradients flow through both.

        The density is taken before tanh: near its ends float32 does not hold what arctanh would need.
        """
        u = self.mean + jnp.exp(self.log_std) * noise
        return jnp.tanh(u), self._normal().log_prob(u) - _log_slope_of_tanh(u).sum(-1)

    def log_prob(self, action: Float[Array, "*B d"]) -> Float[Array, "*B"]:
        edge = 1.0 - jnp.finfo(action.dtype).epsneg
        u = jnp.arctanh(jnp.clip(action, -edge, edge))
        return self._normal().log_prob(u) - _log_slope_of_tanh(u).sum(-1)

    def entropy(self) -> Float[Array, "*B"]:
        nodes, weights = _hermite(16)
        std = jnp.exp(self.log_std)
        slope = sum(w * _log_slope_of_tanh(self.mean + std * x) for x, w in zip(nodes, weights, strict=True))
        return self._normal().entropy() + jnp.asarray(slope).sum(-1)

    def mode(self) -> Float[Array, "*B d"]:
        return jnp.tanh(self.mean)


class Deterministic(NamedTuple):
    """All probability on one ``action`` [..., d]."""

    action: Float[Array, "*B d"]

    def sample(self, key: Key) -> Float[Array, "*B d"]:
        return self.action

    def log_prob(self, action: Float[Array, "*B d"]) -> Float[Array, "*B"]:
        return jnp.where((action == self.action).all(-1), 0.0, -jnp.inf)

    def entropy(self) -> Float[Array, "*B"]:
        return jnp.zeros(self.action.shape[:-1])

    def mode(self) -> Float[Array, "*B d"]:
        return self.action


def _log_slope_of_tanh(u: Float[Array, "*B d"]) -> Float[Array, "*B d"]:
    return 2.0 * (math.log(2.0) - u - jax.nn.softplus(-2.0 * u))


def _hermite(n: int) -> tuple[list[float], list[float]]:
    """Nodes and weights that integrate against the standard normal."""
    import numpy as np

    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return nodes.tolist(), (weights / weights.sum()).tolist()
