"""Greedy (or sampled) evaluation with frozen statistics, on seeds that training never sees."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.types import Algorithm, Array, DeviceVector, Key, Learner, PyTree

LONGEST = 10_000  # moves of an evaluation episode in an environment without a time limit


class _Play(NamedTuple):
    env: PyTree
    obs: PyTree
    memory: PyTree
    alive: Array  # [N] bool
    ret: Array  # [N]
    length: Array  # [N]
    t: Array  # [] int32


def evaluate_device(
    vector: DeviceVector,
    algorithm: Algorithm,
    learner: Learner,
    key: Key,
    episodes: int,
    greedy: bool = True,
) -> tuple[Array, Array]:
    """Returns and lengths [episodes] of one episode in each of ``episodes`` environments; rewards unnormalised."""
    limit = vector.spec.max_episode_steps or LONGEST
    key, reset_key = jax.random.split(key)
    env, first = vector.reset(reset_key, episodes)
    zero = jnp.zeros(episodes)
    memory = algorithm.policy.memory(episodes)
    play = _Play(env, first.obs, memory, jnp.ones(episodes, bool), zero, zero, jnp.int32(0))

    def going(play: _Play) -> Array:
        return jnp.any(play.alive) & (play.t < limit)

    def move(play: _Play) -> _Play:
        act = algorithm.act(learner, play.memory, play.obs, jax.random.fold_in(key, play.t), greedy)
        env, step = vector.step(play.env, act.action)
        return _Play(
            env,
            step.obs,
            act.memory,
            play.alive & ~(step.terminated | step.truncated),
            play.ret + jnp.where(play.alive, step.reward, 0.0),
            play.length + play.alive,
            play.t + 1,
        )

    play = jax.lax.while_loop(going, move, play)
    return play.ret, play.length
