"""Greedy (or sampled) evaluation with frozen statistics, on seeds that training never sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.ops.collectives import apart, select
from logpi.types import Act, Array, DeviceVector, HostVector, Key, Learner, Policy, PyTree

Actor = Callable[..., Act]  # (learner, memory, obs, key, greedy)
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
    policy: Policy,
    act: Actor,
    learner: Learner,
    key: Key,
    episodes: int,
    greedy: bool = True,
) -> tuple[Array, Array]:
    """Returns and lengths [episodes] of one episode in each of ``episodes`` environments; rewards unnormalised."""
    limit = vector.spec.max_episode_steps or LONGEST
    key, reset_key = jax.random.split(apart(key))
    env, first = vector.reset(reset_key, episodes)
    zero = jnp.zeros(episodes)
    memory = policy.memory(episodes)
    play = _Play(env, first.obs, memory, jnp.ones(episodes, bool), zero, zero, jnp.int32(0))

    def going(play: _Play) -> Array:
        return jnp.any(play.alive) & (play.t < limit)

    def move(play: _Play) -> _Play:
        chosen = act(learner, play.memory, play.obs, jax.random.fold_in(key, play.t), greedy)
        env, step = vector.step(play.env, chosen.action)
        return _Play(
            env,
            step.obs,
            chosen.memory,
            play.alive & ~(step.terminated | step.truncated),
            play.ret + jnp.where(play.alive, step.reward, 0.0),
            play.length + play.alive,
            play.t + 1,
        )

    play = jax.lax.while_loop(going, move, play)
    return play.ret, play.length


def evaluate_host(
    vector: HostVector, policy: Policy, act: Callable[[PyTree, PyTree], Act], episodes: int, seed: int
) -> tuple[Any, Any]:
    """Returns and lengths [episodes] from a stateful vector, seeded afresh; ``act(memory, obs)`` is compiled.

    Each of the B environments plays the same number of episodes, so that short ones are not preferred.
    """
    batch = vector.num_envs
    rounds = -(-episodes // batch)
    vector.reset(seed)
    fresh = policy.memory(batch)
    memory = fresh
    void: Any = np.zeros(batch, bool)
    ret, length = np.zeros(batch), np.zeros(batch)
    finished: list[list[tuple[float, float]]] = [[] for _ in range(batch)]
    while min(map(len, finished)) < rounds:
        chosen = act(memory, vector.start)
        step = vector.step(jax.tree.map(np.asarray, chosen.action))
        ret += np.where(void, 0.0, step.reward)
        length += ~void
        ended = step.terminated | step.truncated
        for b in np.flatnonzero(ended | (length >= LONGEST)):
            finished[b].append((ret[b], length[b]))
            ret[b], length[b] = 0.0, 0.0
        memory = select(void | (ended & vector.resets_within_step), fresh, chosen.memory)
        void = ended & (not vector.resets_within_step)
    kept = np.array([pair for column in finished for pair in column[:rounds]])
    return kept[:episodes, 0], kept[:episodes, 1]
