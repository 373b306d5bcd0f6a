"""Small operations on pytrees of arrays."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from logpi.types import Array, PyTree


def select(flag: Array, yes: PyTree, no: PyTree) -> PyTree:
    """Leaf by leaf, ``yes`` where ``flag`` [B] is set and ``no`` elsewhere; leaves are [B, ...], PRNG keys too."""

    def leaf(a: Array, b: Array) -> Array:
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            data = leaf(jax.random.key_data(a), jax.random.key_data(b))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(a))
        return jnp.where(flag.reshape(flag.shape + (1,) * (a.ndim - flag.ndim)), a, b)

    return jax.tree.map(leaf, yes, no)


def all_finite(tree: PyTree) -> Array:
    """[] bool: no float leaf holds a NaN or an infinity."""
    leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.all(jnp.isfinite(ravel_pytree(leaves)[0]))
