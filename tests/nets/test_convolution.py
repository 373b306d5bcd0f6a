"""The convolution is JAX's own, and so are its gradients; within a loop they are as fast as alone."""

import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.nets import convolution
from logpi.nets.convolution import convolve, ordinary_convolutions

CASES = [  # (images, filters, stride, same)
    ((3, 6, 7, 4), (1, 1, 4, 5), 1, True),
    ((3, 6, 7, 4), (3, 3, 4, 5), 1, True),
    ((3, 6, 7, 4), (5, 3, 4, 5), 1, True),
    ((3, 9, 8, 4), (3, 3, 4, 5), 1, False),
    ((3, 20, 24, 2), (8, 8, 2, 5), 4, False),
    ((2, 19, 23, 2), (4, 4, 2, 5), 2, False),  # rows and columns that no filter reaches
    ((2, 11, 11, 3), (5, 5, 3, 4), 2, False),  # the stride does not divide the filter
    ((2, 9, 11, 3), (2, 3, 3, 4), 3, False),  # pixels between the filters' places
]


def _reference(images, filters, stride, same):
    padding, layout = "SAME" if same else "VALID", ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(images, filters, (stride, stride), padding, dimension_numbers=layout)


def _close(got, wanted):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), got, wanted)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("images_at_once", [1, 2, 100])
def test_value_and_both_gradients(case, images_at_once, monkeypatch):
    shape, size, *how = case
    images, filters = jax.random.normal(jax.random.key(0), shape), jax.random.normal(jax.random.key(1), size)
    monkeypatch.setattr(convolution._Size, "group", images_at_once)

    def loss(f, images, filters):
        return jnp.sin(f(images, filters, *how)).sum()

    for by in ((1, 2), 2, 1):
        _close(
            jax.value_and_grad(loss, by)(convolve, images, filters),
            jax.value_and_grad(loss, by)(_reference, images, filters),
        )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_for_other_compilers_it_is_one_operation(case):
    shape, size, *how = case
    images, filters = jax.random.normal(jax.random.key(0), shape), jax.random.normal(jax.random.key(1), size)
    with ordinary_convolutions():
        assert [str(found.primitive) for found in jax.make_jaxpr(convolve, (2, 3))(images, filters, *how).eqns] == [
            "conv_general_dilated"
        ]
        plain = convolve(images, filters, *how)
    _close(plain, convolve(images, filters, *how))


def test_several_filters_side_by_side():
    images, filters = (
        jax.random.normal(jax.random.key(0), (2, 5, 5, 3)),
        jax.random.normal(jax.random.key(1), (4, 3, 3, 3, 2)),
    )

    def gradient(f):
        return jax.vmap(jax.grad(lambda w: jnp.sin(f(images, w, 1, True)).sum()))(filters)

    _close(gradient(convolve), gradient(_reference))


def test_a_gradient_is_as_fast_within_a_loop():
    """XLA's own took twelve times as long."""
    images = jax.random.normal(jax.random.key(0), (32, 42, 42, 4))
    filters = [
        jax.random.normal(jax.random.key(1), (8, 8, 4, 32)),
        jax.random.normal(jax.random.key(2), (4, 4, 32, 64)),
    ]

    def loss(filters):
        hidden = jnp.maximum(convolve(images, filters[0], 4, same=False), 0)
        return jnp.square(convolve(hidden, filters[1], 2, same=False)).mean()

    def seconds(f, times):
        f = jax.jit(f)
        jax.block_until_ready(f(filters))
        taken = []
        for _ in range(7):
            began = time.perf_counter()
            jax.block_until_ready(f(filters))
            taken.append((time.perf_counter() - began) / times)
        return min(taken), statistics.median(taken)

    def loop(filters):
        down = lambda filters: jax.tree.map(lambda w, g: w - 1e-3 * g, filters, jax.grad(loss)(filters))  # noqa: E731
        return jax.lax.fori_loop(0, 4, lambda _, filters: down(filters), filters)

    for _ in range(3):  # other work on the machine
        alone, within = seconds(jax.grad(loss), 1), seconds(loop, 4)
        if within[0] < 1.5 * alone[0]:
            return
    pytest.fail(f"{within} seconds in a loop, {alone} alone")
