"""The pool of earlier selves that a policy plays against (Silver et al. 2016, Methods)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.ops.draws import below
from logpi.types import Array, PyTree


class Pool(NamedTuple):
    """Parameters of up to P policies; the first one is that of the beginning and stays."""

    params: PyTree  # [P, ...]
    added: Array  # [] int32: how many were added in all


def new_pool(params: PyTree, size: int) -> Pool:
    """A pool that holds ``params`` alone; ``size`` is 2 or more."""
    return Pool(jax.tree.map(lambda x: jnp.zeros((size, *x.shape), x.dtype).at[0].set(x), params), jnp.int32(1))


def add(pool: Pool, params: PyTree) -> Pool:
    """``pool`` with ``params``, in the place of the oldest but the first where it is full."""
    size = len(jax.tree.leaves(pool.params)[0])
    place = 1 + (pool.added - 1) % (size - 1)
    return Pool(jax.tree.map(lambda x, new: x.at[place].set(new), pool.params, params), pool.added + 1)


def draw(pool: Pool, word: Array) -> PyTree:
    """The parameters of one of the policies, each with the same probability, by a random word."""
    size = len(jax.tree.leaves(pool.params)[0])
    which = below(word, jnp.minimum(pool.added, size))
    return jax.tree.map(lambda x: x[which], pool.params)


def first(pool: Pool) -> PyTree:
    """The parameters of the beginning."""
    return jax.tree.map(lambda x: x[0], pool.params)
