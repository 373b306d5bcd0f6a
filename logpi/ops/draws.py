"""Random numbers of several uses from one call of the generator.

A compiled program spends about ten kernels on every call of JAX's generator, whatever it draws, and a kernel takes
longer to compile than to run. ``words`` draws for several uses at once; the functions below turn words into numbers.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int32, UInt32

from logpi.types import Array, Key

_TINY = 2.0**-24  # half the distance of two neighbours in ``uniform``


def words(key: Key, *shapes: tuple[int, ...]) -> list[UInt32[Array, "..."]]:
    """Independent random words, an array for each of ``shapes``."""
    sizes = [math.prod(shape) for shape in shapes]
    drawn, at, found = jax.random.bits(key, (sum(sizes),), jnp.uint32), 0, []
    for shape, size in zip(shapes, sizes, strict=True):
        found.append(jax.lax.slice(drawn, (at,), (at + size,)).reshape(shape))
        at += size
    return found


def key_of(drawn: UInt32[Array | np.ndarray, "*S 2"]) -> Key:
    """A key [*S] that is made of words."""
    return jax.random.wrap_key_data(jnp.asarray(drawn), impl="threefry2x32")


def uniform(drawn: UInt32[Array, "*S"]) -> Float[Array, "*S"]:
    """Uniform numbers in [0, 1), multiples of 2^-23."""
    one = jnp.uint32(0x3F800000)  # the bits of 1.0: with any fraction behind them a number in [1, 2)
    return jax.lax.bitcast_convert_type((drawn >> 9) | one, jnp.float32) - 1.0


def gumbel(drawn: UInt32[Array, "*S"]) -> Float[Array, "*S"]:
    """Standard Gumbel noise, -log(-log u)."""
    return -jnp.log(-jnp.log(uniform(drawn) + _TINY))


def below(drawn: UInt32[Array, "*S"], limit: Int32[Array, "..."] | int) -> Int32[Array, "*S"]:
    """Uniform whole numbers from 0 to ``limit`` - 1; probabilities differ by ``limit`` / 2^32 at most, relatively."""
    return (drawn % jnp.asarray(limit).astype(jnp.uint32)).astype(jnp.int32)


def one_of(drawn: UInt32[Array, "*S"], allowed: Bool[Array, "*S A"]) -> Int32[Array, "*S"]:
    """The number of an entry of ``allowed``, each with the same probability; A - 1 where none is."""
    rank = jnp.cumsum(allowed, -1, dtype=jnp.int32)
    count = rank[..., -1]
    chosen = below(drawn, jnp.maximum(count, 1))
    return jnp.minimum((rank <= chosen[..., None]).sum(-1, dtype=jnp.int32), allowed.shape[-1] - 1)


def by_weight(drawn: UInt32[Array, "*S"], weights: Float[Array, "*S A"]) -> Int32[Array, "*S"]:
    """The number of an entry, each with a probability proportional to its weight, 0 or more; one of them is above 0."""
    reached = jnp.cumsum(weights, -1)
    return jnp.argmax(reached > (uniform(drawn) * reached[..., -1])[..., None], -1).astype(jnp.int32)
