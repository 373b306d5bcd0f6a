"""Page 13 of the course: a solution of its exercise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

REWARD = jnp.array([1.0, 3.0])


def average(weight):
    """Σ_a π(a) Ψ(a) ∇ log π(a) at θ = (0, 0), where both actions have the probability 1/2."""
    score = jax.jacobian(jax.nn.log_softmax)(jnp.zeros(2))  # [action, parameter]
    return (0.5 * weight[:, None] * score).sum(axis=0)


def test_a_baseline_of_the_action_takes_the_gradient_away():
    gradient = jax.grad(lambda theta: jax.nn.softmax(theta) @ REWARD)(jnp.zeros(2))
    assert gradient[1] == pytest.approx(0.5)
    np.testing.assert_allclose(average(REWARD), gradient, atol=1e-6)
    np.testing.assert_allclose(average(REWARD - 2.0), gradient, atol=1e-6)  # a constant may be subtracted
    np.testing.assert_array_equal(average(REWARD - REWARD), 0.0)  # no variance, and no gradient
