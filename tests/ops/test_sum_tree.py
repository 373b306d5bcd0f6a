"""Drawing an index in proportion to its number, against running sums in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.ops import sum_tree


@pytest.mark.parametrize("size", [1, 31, 32, 33, 1000, 40_000])
def test_a_mass_finds_the_number_in_which_it_lies(size):
    chance = np.random.default_rng(size)
    number = chance.integers(0, 5, size).astype(np.float32)
    number[size // 2] = 3
    tree = sum_tree.put(sum_tree.empty(size), jnp.arange(size), jnp.asarray(number))
    assert sum_tree.total(tree) == number.sum()
    sums = np.cumsum(number)
    mass = np.concatenate([chance.integers(0, int(number.sum()), 200) + 0.5, [0.25, number.sum() - 0.25]])
    found = np.asarray(sum_tree.find(tree, jnp.asarray(mass, jnp.float32)))
    np.testing.assert_array_equal(found, np.searchsorted(sums, mass, side="right"))


def test_numbers_are_replaced_and_zeros_are_never_found():
    tree = sum_tree.put(sum_tree.empty(5000), jnp.arange(5000), jnp.ones(5000))
    tree = sum_tree.put(tree, jnp.arange(1, 5000), jnp.zeros(4999))
    tree = sum_tree.put(tree, jnp.array([4321, 4321]), jnp.array([0.1, 0.1]))
    assert sum_tree.total(tree) == pytest.approx(1.1)
    mass = jnp.linspace(0, 1.1, 101)  # the last one is the total itself
    assert set(np.asarray(sum_tree.find(tree, mass)).tolist()) == {0, 4321}


@pytest.mark.parametrize("size", [32, 1000, 5000])
def test_a_mass_at_a_running_sum_finds_no_zero_however_it_is_rounded(size):
    """Masses at the float32 running sums and next to them, where the sum at a 0 may differ from the one before it."""
    chance = np.random.default_rng(size)
    find = jax.jit(sum_tree.find)
    for _ in range(10):
        number = (chance.random(size) ** 6 * (chance.random(size) < 0.3)).astype(np.float32)
        number[0] = 1e-9  # one at least
        tree = sum_tree.put(sum_tree.empty(size), jnp.arange(size), jnp.asarray(number))
        sums = np.asarray(jnp.cumsum(jnp.asarray(number)))
        mass = np.concatenate([sums, np.nextafter(sums, np.float32(0)), np.nextafter(sums, np.float32(np.inf))])
        assert (number[np.asarray(find(tree, jnp.asarray(mass)))] > 0).all()
