"""Sums over groups of numbers, level by level, by which an index is drawn in proportion to its number.

Schaul et al. (2016, appendix B.2.1) use a binary tree. Here each node has ``FAN`` children: a million numbers are four
levels, so a draw is four small steps instead of twenty, and each sum is made anew from its children, so that no
rounding adds up.
"""

from __future__ import annotations

from typing import TypeAlias

import jax.numpy as jnp
from jaxtyping import Float, Int

from logpi.types import Array

FAN = 32  # children of a node
SumTree: TypeAlias = tuple[Array, ...]  # float32 levels, from the numbers to at most FAN sums; each but the last padded


def empty(size: int) -> SumTree:
    """A tree of ``size`` zeros."""
    levels = []
    while size > FAN:
        size = -(-size // FAN)
        levels.append(jnp.zeros(size * FAN))
    return (*levels, jnp.zeros(size))


def put(tree: SumTree, index: Int[Array, " N"], number: Float[Array, " N"]) -> SumTree:
    """``tree`` with ``number`` (not negative) at ``index``; where an index stands twice, its numbers must be equal."""
    levels = [tree[0].at[index].set(number)]
    for level in tree[1:]:
        index = index // FAN
        levels.append(level.at[index].set(levels[-1].reshape(-1, FAN)[index].sum(-1)))
    return tuple(levels)


def total(tree: SumTree) -> Float[Array, ""]:
    """Sum of all numbers."""
    return tree[-1].sum()


def find(tree: SumTree, mass: Float[Array, " N"]) -> Int[Array, " N"]:
    """The index at which the running sum of the numbers exceeds ``mass``, in 0 to ``total(tree)``.

    A number of 0 is never found while another is positive, whatever is rounded.
    """
    index = jnp.zeros(mass.shape, jnp.int32)
    children = jnp.broadcast_to(tree[-1], (*mass.shape, tree[-1].size))
    for below in (*tree[-2::-1], None):
        sums = jnp.cumsum(children, -1)
        last = jnp.max(jnp.where(children > 0, jnp.arange(children.shape[-1])[None], 0), -1)
        # of a 0 the running sum need not be that before it: a parallel scan adds each sum up in another order
        inside = (sums > mass[:, None]) & (children > 0)
        child = jnp.where(inside.any(-1), inside.argmax(-1), last).astype(jnp.int32)
        before = jnp.take_along_axis(sums - children, child[:, None], -1)[:, 0]
        mass, index = mass - before, index * FAN + child
        if below is not None:
            children = below.reshape(-1, FAN)[index]
    return index
