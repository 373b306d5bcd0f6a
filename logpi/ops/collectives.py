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


def _shares() -> bool:
    """Whether this learner's environments lie on several devices."""
    try:
        jax.lax.axis_index(DATA)
    except NameError:  # no such axis here: this device has all the environments
        return False
    return True


def psum(tree: PyTree) -> PyTree:
    """``tree`` summed over the devices that share this learner's environments; itself where there is one device.

    All leaves travel as one message: on CPUs a message for each leaf would cost as much as one for all.
    """
    if not _shares():
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


def after(tree: PyTree, done: PyTree) -> PyTree:
    """``tree``, which is not used before ``done`` is computed: so a collective on it comes after those in ``done``.

    XLA on CPUs keeps the collectives of one computation in their order, but not those in a loop and those beside it;
    since all have the same channel, two on one device could then meet each other, and the process would crash. No
    simplification removes this dependency: it would have to know that no number is both NaN and 0.
    """
    if not _shares():
        return tree
    numbers = [jnp.ravel(x)[0] for x in jax.tree.leaves(done) if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
    if not numbers:  # it has no collectives either
        return tree
    never = jnp.any(jnp.stack([jnp.isnan(x) & (x == 0) for x in numbers]))
    return where(never, jax.tree.map(jnp.zeros_like, tree), tree)


def pmax(x: Array) -> Array:
    """The largest ``x`` of the devices that share this learner's environments."""
    return jax.lax.pmax(x, DATA) if _shares() else x


def all_gather(x: Array, axis: int) -> Array:
    """``x`` of all devices that share this learner's environments, concatenated along ``axis``."""
    return jax.lax.all_gather(x, DATA, axis=axis, tiled=True) if _shares() else x


def per_device_key(key: Key) -> Key:
    """A different key on each device, so that no two devices draw the same numbers for their environments."""
    return jax.random.fold_in(key, jax.lax.axis_index(DATA)) if _shares() else key


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
