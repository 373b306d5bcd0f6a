"""Operations on pytrees of arrays, and the collectives over the devices that share one learner."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool

from logpi.types import Array, Key, PyTree

DATA = "data"  # the mesh axis along which the environments of one learner are dealt out to devices


def psum(tree: PyTree) -> PyTree:
    """``tree`` summed over the devices that share this learner's environments; itself where there is one device.

    All leaves travel as one message: on CPUs a message for each leaf would cost as much as one for all.
    """
    try:
        jax.lax.axis_index(DATA)
    except NameError:  # no such axis here: this device has all the environments
        return tree
    flat, unflatten = ravel(tree)
    return unflatten(jax.lax.psum(flat, DATA))


def ravel(tree: PyTree) -> tuple[Array, Callable[[Array], PyTree]]:
    """(the leaves of ``tree`` one after the other [N], the function that takes such a vector apart again).

    The values of ``jax.flatten_util.ravel_pytree``. The leaves are written one by one into zeros, since XLA on CPUs
    computes a concatenation, and what leads to it, element by element: the update of a network with layers of 256 units
    took 8 times as long. The largest leaf comes first: the first one is padded instead, with what leads to it computed
    for each zero too, which for the largest, a product of matrices, it is not.
    """
    like, unravel = ravel_pytree(tree)
    leaves = [jnp.ravel(leaf).astype(like.dtype) for leaf in jax.tree.leaves(tree)]
    starts = np.cumsum([0, *(leaf.size for leaf in leaves)])
    vector = jnp.zeros_like(like)
    for start, leaf in sorted(zip(starts, leaves, strict=False), key=lambda x: x[1].size, reverse=True):
        vector = jax.lax.dynamic_update_slice(vector, leaf, (start,))
    return vector, unravel


def pmax(x: Array) -> Array:
    """The largest ``x`` of the devices that share this learner's environments."""
    try:
        return jax.lax.pmax(x, DATA)
    except NameError:
        return x


def all_gather(x: Array, axis: int) -> Array:
    """``x`` of all devices that share this learner's environments, concatenated along ``axis``."""
    try:
        return jax.lax.all_gather(x, DATA, axis=axis, tiled=True)
    except NameError:
        return x


def per_device_key(key: Key) -> Key:
    """A different key on each device, so that no two devices draw the same numbers for their environments."""
    try:
        return jax.random.fold_in(key, jax.lax.axis_index(DATA))
    except NameError:
        return key


def where(flag: Bool[Array | np.ndarray, "*B"], yes: PyTree, no: PyTree) -> PyTree:
    """``jnp.where`` for pytrees: ``yes`` where ``flag`` is set, else ``no``; leaves are [*B, ...], PRNG keys too."""

    def leaf(a: Array, b: Array) -> Array:
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            data = leaf(jax.random.key_data(a), jax.random.key_data(b))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(a))
        return jnp.where(flag.reshape(flag.shape + (1,) * (a.ndim - flag.ndim)), a, b)

    return jax.tree.map(leaf, yes, no)


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether no float leaf holds a NaN or an infinity."""
    leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.all(jnp.isfinite(ravel(leaves)[0]))
