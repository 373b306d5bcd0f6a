"""The convolution is JAX's own, and so are its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.nets.convolution import convolve


def _reference(images, filters):
    return jax.lax.conv_general_dilated(images, filters, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (5, 3)])
def test_value_and_both_gradients(size):
    images = jax.random.normal(jax.random.key(0), (3, 6, 7, 4))
    filters = jax.random.normal(jax.random.key(1), (*size, 4, 5))

    def loss(f, images, filters):
        return jnp.sin(f(images, filters)).sum()

    for got, wanted in zip(
        jax.value_and_grad(loss, (1, 2))(convolve, images, filters),
        jax.value_and_grad(loss, (1, 2))(_reference, images, filters),
        strict=True,
    ):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), got, wanted)
