"""Exploration noise: standard normal at each move, and from move to move white, or correlated within an episode.

A policy that adds fresh noise to each move wanders about where it is; noise that lasts goes somewhere. Each process has
mean 0 and deviation 1 at every move, so a policy's deviation means the same with any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from logpi.types import Array, Key, PyTree

Colour = Literal["white", "ou", "pink"]
RATE = 0.15  # θ of the Ornstein-Uhlenbeck process, by the move (Lillicrap et al. 2016, §7)
TIMES = 4.0 ** np.arange(6)  # of the processes whose sum is pink, in moves


class Noise(NamedTuple):
    """A process as pure functions; its memory is kept with a policy's, which starts at 0 in each episode."""

    memory: Callable[[int], PyTree]  # (B)
    draw: Callable[[PyTree, Key, int], tuple[PyTree, Float[Array, "B d"]]]  # (memory, key, B)


class Memory(NamedTuple):
    """Where correlated processes stand."""

    state: Float[Array, "B d K"]
    begun: Float[Array, " B"]  # 0 before an episode's first move, then 1


def make_noise(colour: Colour, size: int) -> Noise:
    """Noise in ``size`` dimensions.

    Args:
        colour: white; ou, an Ornstein-Uhlenbeck process (Uhlenbeck & Ornstein 1930; Lillicrap et al. 2016); or pink,
            whose power falls as 1/frequency (Eberhard et al. 2023). Pink noise is made here as a sum of processes of
            many times (van der Ziel 1950), which needs no list of an episode's numbers.
        size: dimensions d.
    """
    if colour == "white":
        return Noise(lambda batch: (), lambda memory, key, batch: ((), jax.random.normal(key, (batch, size))))
    decay = np.exp(-1.0 / TIMES) if colour == "pink" else np.array([1.0 - RATE])
    count, keeps = len(decay), jnp.asarray(decay, jnp.float32).reshape(1, 1, -1)

    def memory(batch: int) -> Memory:
        return Memory(jnp.zeros((batch, size, count)), jnp.zeros(batch))

    def draw(memory: Memory, key: Key, batch: int) -> tuple[Memory, Array]:
        fresh = jax.random.normal(key, (batch, size, count))
        moved = keeps * memory.state + jnp.sqrt(1.0 - jnp.square(keeps)) * fresh
        state = jnp.where(memory.begun[:, None, None] > 0, moved, fresh)  # an episode begins anywhere
        return Memory(state, jnp.ones(batch)), state.sum(-1) / np.sqrt(count)

    return Noise(memory, draw)
