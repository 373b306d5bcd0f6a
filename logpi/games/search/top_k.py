"""Selection of the few moves that a node keeps in games with thousands of actions."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from logpi.types import Array

BLOCK = 16  # of 4,672 scores: 292 blocks, then 32 * 16 scores for the 32 best


def best(scores: Array, k: int) -> tuple[Array, Array]:
    """The ``k`` largest of ``scores`` [B, A], the largest first, and where they are: [B, k] each.

    The k largest lie in the k blocks of the largest maxima, so that only those need to be sorted.
    """
    b, a = scores.shape
    count = -(-a // BLOCK)
    if count <= 2 * k:
        values, where = jax.lax.top_k(scores, k)
        return values, where
    # what fills the last block must lose against every action, illegal ones too
    blocks = jnp.pad(scores, ((0, 0), (0, count * BLOCK - a)), constant_values=-jnp.inf).reshape(b, count, BLOCK)
    _, which = jax.lax.top_k(blocks.max(-1), k)
    few = jnp.take_along_axis(blocks, which[:, :, None], 1).reshape(b, -1)
    values, where = jax.lax.top_k(few, k)
    return values, jnp.take_along_axis(which, where // BLOCK, 1) * BLOCK + where % BLOCK
