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
        return self.each(jax.tree.map(lambda x: np.asarray(x)[None], state), depth)[0].tolist()

    def each(self, states, depth):
        """[n, depth] the same of n positions at once."""
        counts = np.zeros((_size(states), depth), np.int64)
        self._descend(states, np.arange(_size(states)), counts, 0)
        return counts

    def _descend(self, states, roots, counts, level):
        """Add the lines below ``states`` to the counts of their ``roots``; a batch at a time: memory is flat."""
        for first in range(0, len(roots), BATCH):
            part, owners = _cut(states, first), roots[first : first + BATCH]
            if level == counts.shape[1] - 1:
                np.add.at(counts[:, level], owners, np.asarray(self._count(_padded(part)))[: len(owners)])
                continue
            which, action = np.nonzero(np.asarray(self._legal(_padded(part)))[: len(owners)])
            np.add.at(counts[:, level], owners[which], 1)
            for k in range(0, len(which), BATCH):
                chosen = which[k : k + BATCH]
                self._descend(self._after(part, chosen, action[k : k + BATCH]), owners[chosen], counts, level + 1)

    def _after(self, states, chosen, action):
        parents = _padded(jax.tree.map(lambda x: x[chosen], states))
        moves = np.pad(action, (0, BATCH - len(action)), mode="edge").astype(np.int32)
        return jax.tree.map(lambda x: np.asarray(x)[: len(chosen)], self._step(parents, jnp.asarray(moves)))


def _size(states):
    return len(jax.tree.leaves(states)[0])


def _cut(states, first):
    return jax.tree.map(lambda x: x[first : first + BATCH], states)


def _padded(states):
    return jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[:1], BATCH - len(x), 0)]), states)
