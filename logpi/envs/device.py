"""Vectors of device environments: the time limit, the random keys and next-step autoreset."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Int32

from logpi.envs.spaces import to_env
from logpi.ops.collectives import where
from logpi.types import Array, DeviceEnv, DeviceVector, Key, PyTree, Step


class VectorState(NamedTuple):
    """B environments between two moves."""

    inner: PyTree  # [B, ...] the environments' own states
    obs: PyTree  # [B, ...] their observations
    key: Key  # [B] each episode's key
    clock: Int32[Array, " B"]  # moves made in this episode
    over: Bool[Array, " B"]  # the episode has ended: the next move only resets


def vectorize(env: DeviceEnv) -> DeviceVector:
    """``env`` with B copies, its time limit, and next-step autoreset.

    A finished copy ignores its next action and resets: that row has reward 0 and no flags (``types.Trajectory.mask``
    is 0 there). Each episode draws from a key of its own, so the copies are independent of each other.
    """
    limit = env.spec.max_episode_steps

    def begin(keys: Key) -> tuple[PyTree, PyTree, Key]:
        pairs = jax.vmap(jax.random.split)(keys)
        inner, obs = jax.vmap(env.reset)(pairs[:, 0])
        return inner, _as_float32(obs), pairs[:, 1]

    def reset(key: Key, batch: int) -> tuple[VectorState, Step]:
        inner, obs, keys = begin(jax.random.split(key, batch))
        state = VectorState(inner, obs, keys, jnp.zeros(batch, jnp.int32), jnp.zeros(batch, bool))
        return state, Step(obs, jnp.zeros(batch), state.over, state.over)

    def step(state: VectorState, action: PyTree) -> tuple[VectorState, Step]:
        keys = jax.vmap(jax.random.fold_in)(state.key, state.clock + 1)
        moved = jax.vmap(env.step)(state.inner, to_env(env.spec.action_space, action), keys)
        inner, obs, reward, terminated = moved
        obs, clock = _as_float32(obs), state.clock + 1
        live = ~state.over
        terminated = terminated.astype(bool) & live
        truncated = (clock >= limit) & live if limit else jnp.zeros_like(live)
        reward = jnp.where(live, reward.astype(jnp.float32), 0.0)

        def restart(_: PyTree) -> tuple[PyTree, PyTree, Key, Array]:
            fresh = begin(jax.vmap(jax.random.fold_in)(state.key, jnp.zeros_like(clock)))
            chosen = where(state.over, fresh, (inner, obs, state.key))
            return (*chosen, jnp.where(state.over, 0, clock))

        # resets are rare: a step without any reset does not pay for drawing first states
        inner, obs, key, clock = jax.lax.cond(
            jnp.any(state.over), restart, lambda _: (inner, obs, state.key, clock), None
        )
        step = Step(obs, reward, terminated, truncated)
        return VectorState(inner, obs, key, clock, terminated | truncated), step

    return DeviceVector(env.spec, reset, step)


def _as_float32(obs: PyTree) -> PyTree:
    return jax.tree.map(lambda x: x.astype(jnp.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x, obs)
