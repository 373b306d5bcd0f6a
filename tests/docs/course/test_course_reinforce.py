"""Page 2 of the course: its claims, and a solution of its exercise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from manual import definitions


@pytest.fixture(scope="module")
def program():
    return definitions("reinforce.py")


def test_the_estimate_is_the_derivative_of_the_objective(program):
    """The mean of r(τ) Σ ∇ log π against differences of J, of which neither knows the other."""
    n, h, keys = 2000, 0.2, jax.random.split(jax.random.key(3), 2000)
    gradients, _ = program.estimates(jnp.ones(2), keys)
    for k in range(2):
        ahead, behind = (program.estimates(jnp.ones(2).at[k].add(sign * h), keys)[1] for sign in (1, -1))
        difference = (ahead - behind) / (2 * h)
        error = np.hypot(difference.std(), gradients[:, k].std()) / n**0.5
        assert error < 0.15 * gradients.mean(axis=0)[1], "small beside the gradient"
        assert abs(gradients[:, k].mean() - difference.mean()) < 4 * error


def test_a_climb_goes_up(program):
    program.UPDATES = 100
    path, curve = program.climb(0)
    assert path.shape == (100, 2)
    assert curve[-10:].mean() > 1.5 * curve[:10].mean()
