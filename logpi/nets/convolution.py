"""Convolutions at the speed of matrix products, within a compiled loop as outside of it.

XLA's CPU backend makes convolutions of images at 25 to 50 % of the rate of its matrix products, and misses its own
quick kernel for most gradients inside of a loop: 3 % there (JAX 0.10). So on a CPU a convolution is one product here,
of each pixel with the filters at all their k·l places, and a sum of the k·l results, each shifted to where it belongs.
A stride is taken out first: s·s neighbours become one pixel of s·s times as many channels. Both gradients are the
transposes of that, products as wide. A few images at a time keep the results within the cache. What keeps height and
width has XLA's convolution in the forward pass, which has its quick kernel there: searches of Go with two devices are
twice as fast by it, and compile sooner. Other devices have convolutions of their own.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Float

from logpi.types import Array, PyTree

CACHE = 2**21  # bytes of the results of a few images, at most; half of that and twice that are slower
_ordinary = contextvars.ContextVar("ordinary", default=False)


@contextlib.contextmanager
def ordinary_convolutions() -> Iterator[None]:
    """What is traced within has XLA's own convolutions, which another program's compiler knows too."""
    token = _ordinary.set(True)
    try:
        yield
    finally:
        _ordinary.reset(token)


def convolve(
    images: Float[Array, "B H W C"], filters: Float[Array, "k l C D"], stride: int = 1, same: bool = True
) -> Float[Array, "B h w D"]:
    """Convolution of images with filters.

    Args:
        images: [B, H, W, C].
        filters: [k, l, C, D].
        stride: pixels between two places of the filters, along both sides.
        same: the images are padded with zeros to h = H and w = W (odd k and l, stride 1); else no place of the filters
            leaves the image, and h = (H - k) // stride + 1.
    """
    if _ordinary.get():
        padding, layout = "SAME" if same else "VALID", ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(images, filters, (stride, stride), padding, dimension_numbers=layout)
    rows, columns = filters.shape[:2]
    if same:
        assert stride == 1
        assert rows % 2 == columns % 2 == 1
        return _convolve(images, filters, (rows // 2, columns // 2))
    more, missing = [], []
    for axis, size in enumerate((rows, columns)):  # filters of whole strides, and as much of the image as they reach
        whole, side = -(-size // stride) * stride, images.shape[1 + axis]
        reached = (side - size) // stride * stride + whole
        images = jax.lax.slice_in_dim(images, 0, min(reached, side), axis=1 + axis)
        more.append((0, whole - size))
        missing.append((0, max(0, reached - side)))
    images = jnp.pad(images, [(0, 0), *missing, (0, 0)])
    filters = jnp.pad(filters, [*more, (0, 0), (0, 0)])
    return _convolve(_folded(images, stride), _folded(filters[None], stride)[0], (0, 0))


def _folded(x: Array, s: int) -> Array:
    """[B, H, W, C] with s·s neighbours as one pixel [B, H/s, W/s, s·s·C]; of filters [1, k, l, C, D] the same."""
    if s == 1:
        return x
    b, h, w, *rest = x.shape
    x = x.reshape(b, h // s, s, w // s, s, *rest)
    return jnp.moveaxis(x, 3, 2).reshape(b, h // s, w // s, s * s * rest[0], *rest[1:])


class _Size(NamedTuple):
    """What decides how a convolution of stride 1 is made."""

    height: int
    width: int
    rows: int  # of a filter
    columns: int
    outputs: int
    margin: tuple[int, int]  # zeros around the image

    @property
    def out(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.height + 2 * self.margin[0] - self.rows + 1, self.width + 2 * self.margin[1] - self.columns + 1

    @property
    def group(self) -> int:
        """Images at a time."""
        return max(1, CACHE // (4 * self.height * self.width * self.rows * self.columns * self.outputs))


def _size(images: Array, filters: Array, margin: tuple[int, int]) -> _Size:
    (height, width), (rows, columns) = images.shape[1:3], filters.shape[:2]
    return _Size(height, width, rows, columns, filters.shape[3], margin)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(images: Array, filters: Array, margin: tuple[int, int]) -> Array:
    """Convolution of stride 1 with ``margin`` zeros on each side."""
    if margin != (0, 0):
        return _plain(images, filters, margin)
    size = _size(images, filters, margin)
    flat = _flat(filters)

    def cpu(images: Array, filters: Array) -> Array:
        return _in_groups(lambda x: _shifted(x, flat, size), size.group, images)

    return jax.lax.platform_dependent(images, filters, cpu=cpu, default=functools.partial(_plain, margin=margin))


def _plain(images: Array, filters: Array, margin: tuple[int, int]) -> Array:
    padding = [(m, m) for m in margin]
    return jax.lax.conv_general_dilated(images, filters, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _flat(filters: Array) -> Array:
    """Filters [k, l, C, D] as a matrix [C, k·l·D]."""
    return filters.transpose(2, 0, 1, 3).reshape(filters.shape[2], -1)


def _shifted(images: Array, flat: Array, size: _Size) -> Array:
    """One product, and its parts shifted and added; without a margin."""
    h, w = size.out
    made = (images.reshape(-1, images.shape[-1]) @ flat).reshape(
        *images.shape[:3], size.rows, size.columns, size.outputs
    )
    parts = [made[:, u : u + h, v : v + w, u, v] for u in range(size.rows) for v in range(size.columns)]
    return functools.reduce(jnp.add, parts)


def _spread(gradient: Array, size: _Size) -> Array:
    """The transpose of the shifts: [B, h, w, D] -> [B·H·W, k·l·D]."""
    (a, b), (h, w) = size.margin, (size.height, size.width)
    padded = jnp.pad(
        gradient, ((0, 0), *((n - 1 - m, n - 1 - m) for n, m in ((size.rows, a), (size.columns, b))), (0, 0))
    )
    up, left = size.rows - 1, size.columns - 1
    parts = [
        padded[:, up - u : up - u + h, left - v : left - v + w] for u in range(size.rows) for v in range(size.columns)
    ]
    return jnp.stack(parts, 3).reshape(-1, size.rows * size.columns * size.outputs)


def _forward(images: Any, filters: Any, margin: tuple[int, int]) -> tuple[Array, PyTree]:
    """``_convolve``, and what its gradients need; that by the images only where something depends on them."""
    kept = filters.value if images.perturbed else None
    return _convolve(images.value, filters.value, margin), (images.value, kept, jnp.zeros_like(filters.value))


def _backward(margin: tuple[int, int], kept: PyTree, gradient: Array) -> tuple[Array, Array]:
    images, filters, like = kept
    if isinstance(gradient, jax.custom_derivatives.SymbolicZero):
        return jnp.zeros_like(images), like
    size = _size(images, like, margin)

    def cpu(images: Array, gradient: Array, filters: Array | None) -> tuple[Array, Array]:
        flat = None if filters is None else _flat(filters).T

        def group(images: Array, gradient: Array) -> tuple[Array, Array]:
            spread = _spread(gradient, size)
            by_images = jnp.zeros_like(images) if flat is None else (spread @ flat).reshape(images.shape)
            return by_images, images.reshape(-1, images.shape[-1]).T @ spread

        by_images, by_filters = _added_in_groups(group, size.group, flat is not None, images, gradient)
        return by_images, by_filters.reshape(-1, size.rows, size.columns, size.outputs).transpose(1, 2, 0, 3)

    def default(images: Array, gradient: Array, filters: Array | None) -> tuple[Array, Array]:
        used = like if filters is None else filters
        by_images, by_filters = jax.vjp(functools.partial(_plain, margin=margin), images, used)[1](gradient)
        return by_images, by_filters

    found: tuple[Array, Array] = jax.lax.platform_dependent(images, gradient, filters, cpu=cpu, default=default)
    return found


_convolve.defvjp(_forward, _backward, symbolic_zeros=True)


def _cut(x: Array, most: int) -> tuple[Array, Array]:
    """``x`` [B, ...] as whole groups [G, g, ...] of at most ``most``, and the rest."""
    # a rest is compiled once more, so none is best where the groups stay large
    divisor = next(d for d in range(most, 0, -1) if len(x) % d == 0)
    group = divisor if 2 * divisor >= most else most
    groups = len(x) // group
    return x[: groups * group].reshape(groups, group, *x.shape[1:]), x[groups * group :]


def _in_groups(f: Callable[[Array], Array], group: int, x: Array) -> Array:
    if len(x) < 2 * group:
        return f(x)
    whole, rest = _cut(x, group)
    made = jax.lax.map(f, whole)
    made = made.reshape(-1, *made.shape[2:])
    return jnp.concatenate([made, f(rest)]) if len(rest) else made


def _added_in_groups(
    f: Callable[[Array, Array], tuple[Array, Array]], group: int, first: bool, x: Array, y: Array
) -> tuple[Array, Array]:
    """The first results of ``f`` side by side (where ``first``; else zeros), the second ones added up."""
    if len(x) < 2 * group:
        return f(x, y)
    (xs, x_rest), (ys, y_rest) = _cut(x, group), _cut(y, group)

    def step(added: Array, each: tuple[Array, Array]) -> tuple[Array, list[Array]]:
        one, more = f(*each)
        return added + more, [one] if first else []

    shape = jax.eval_shape(f, xs[0], ys[0])[1]
    added, made = jax.lax.scan(step, jnp.zeros(shape.shape, shape.dtype), (xs, ys))
    parts = [each.reshape(-1, *x.shape[1:]) for each in made]
    if len(x_rest):
        one, more = f(x_rest, y_rest)
        parts, added = [*parts, one], added + more
    return (jnp.concatenate(parts) if first else jnp.zeros_like(x)), added


class Convolution(nn.Module):
    """A layer of square filters; with ``same`` (an odd size, stride 1) images keep their height and width."""

    channels: int
    size: int = 3
    stride: int = 1
    same: bool = True
    kernel_init: Callable[..., Array] = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.size, self.size, x.shape[-1], self.channels)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.channels,))
        y = convolve(x, self.param("kernel", self.kernel_init, shape), self.stride, self.same)
        return y + jnp.broadcast_to(bias, y.shape)
