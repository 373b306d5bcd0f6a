"""Perft: how many lines of legal moves there are from a position, in batches on the device."""

import jax
import jax.numpy as jnp
import numpy as np

BATCH = 4096


class Perft:
    """The counts of one game, each function compiled once."""

    def __init__(self, step, legal):
        """``step(state, action)`` and ``legal(state)`` [A] of the rules."""
        self._step, self._legal = jax.jit(jax.vmap(step)), jax.jit(jax.vmap(legal))
        self._count = jax.jit(jax.vmap(lambda state: legal(state).sum()))

    def __call__(self, state, depth):
        """[depth] numbers of lines of one move, two moves, …"""
        states, counts = jax.tree.map(lambda x: np.asarray(x)[None], state), []
        for _ in range(depth - 1):
            children = [self._children(part) for part in _parts(states)]
            states = jax.tree.map(lambda *x: np.concatenate(x), *children)
            counts.append(len(jax.tree.leaves(states)[0]))
        last = sum(int(np.asarray(self._count(_padded(part)))[: _size(part)].sum()) for part in _parts(states))
        return [*counts, last]

    def _children(self, part):
        which, action = np.nonzero(np.asarray(self._legal(_padded(part)))[: _size(part)])
        found = []
        for first in range(0, len(which), BATCH):
            chosen, moves = which[first : first + BATCH], action[first : first + BATCH]
            parents = _padded(jax.tree.map(lambda x, chosen=chosen: x[chosen], part))
            moves = np.pad(moves, (0, BATCH - len(moves)), mode="edge").astype(np.int32)
            after = self._step(parents, jnp.asarray(moves))
            found.append(jax.tree.map(lambda x, which=chosen: np.asarray(x)[: len(which)], after))
        return jax.tree.map(lambda *x: np.concatenate(x), *found)


def _size(states):
    return len(jax.tree.leaves(states)[0])


def _parts(states):
    return [jax.tree.map(lambda x, k=k: x[k : k + BATCH], states) for k in range(0, _size(states), BATCH)]


def _padded(states):
    return jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[:1], BATCH - len(x), 0)]), states)
