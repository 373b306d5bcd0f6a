"""Page 1 of the course: its claims, and a solution of its exercise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from manual import definitions


@pytest.fixture(scope="module")
def returns():
    """The returns of n episodes of the policy whose two weights are equal."""
    program = definitions("objective.py")
    return lambda weight, n, seed: program.returns(jnp.full(2, weight), jax.random.split(jax.random.key(seed), n))


def test_three_policies_have_the_printed_means(returns):
    for weight, mean, deviation in ((0.0, 22.2, 12.0), (1.0, 47.2, 31.2), (3.0, 155.6, 78.8)):
        sample = returns(weight, 1000, seed=2)  # other episodes than the page's
        assert sample.mean() == pytest.approx(mean, abs=4 * 2**0.5 * deviation / 1000**0.5)
        assert sample.std() == pytest.approx(deviation, rel=0.25)


def test_the_standard_error_says_how_many_episodes_are_needed(returns):
    """One episode has the standard deviation 31, so (31 / 3)² = 107 episodes know J to within 3."""
    means = np.array([returns(1.0, 107, seed).mean() for seed in range(100)])
    assert means.std() == pytest.approx(3.0, rel=0.3)
