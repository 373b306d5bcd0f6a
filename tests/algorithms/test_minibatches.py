"""The orders in which a rollout is cut into minibatches."""

import jax
import numpy as np
import pytest

from logpi.algorithms.common.learning import permutation


@pytest.mark.parametrize("n", [1, 2, 5, 256, 65_536, 65_537, 100_000])
def test_a_permutation_has_every_item_once(n):
    """Up to 2^16 items are packed into their words, and more are sorted beside them."""
    order = np.asarray(jax.jit(permutation)(jax.random.bits(jax.random.key(n), (n,))))
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    assert n < 100 or (order != np.arange(n)).mean() > 0.95


def test_every_order_of_a_few_items_is_as_likely():
    drawn = jax.random.bits(jax.random.key(0), (24_000, 4))
    orders = np.asarray(jax.jit(jax.vmap(permutation))(drawn))
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert np.abs(counts - 1000).max() < 150, "five standard deviations"
