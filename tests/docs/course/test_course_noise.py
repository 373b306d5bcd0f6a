"""Page 3 of the course: its claims, and a solution of its exercise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from manual import definitions


@pytest.fixture(scope="module")
def program():
    return definitions("noise.py")


def test_the_score_is_the_gradient_of_log_pi():
    """log π(right) = -log(1 + e^(-θ·o)), whose gradient is (1 - π(right)) o; of log π(left) it is (0 - π(right)) o."""

    def log_prob(theta, action, o):
        right = jax.nn.sigmoid(theta @ o)
        return jnp.log(jnp.where(action == 1, right, 1 - right))

    for theta, o in np.random.default_rng(0).normal(size=(10, 2, 2)).astype(np.float32):
        for action in (0, 1):
            score = (action - jax.nn.sigmoid(theta @ o)) * o
            np.testing.assert_allclose(jax.grad(log_prob)(theta, action, o), score, rtol=1e-4, atol=1e-6)


def test_four_times_the_episodes_halve_the_error(program):
    g = np.asarray(program.estimates(jnp.ones(2), jax.random.split(jax.random.key(1), 2000)))
    few, many = (g.reshape(-1, m, 2).mean(axis=1).var(axis=0).sum() ** 0.5 for m in (5, 20))
    assert many == pytest.approx(few / 2, rel=0.2)


def test_many_single_estimates_point_the_wrong_way(program):
    g = np.asarray(program.estimates(jnp.ones(2), jax.random.split(jax.random.key(1), 2000)))
    assert 0.2 < (g @ g.mean(axis=0) < 0).mean() < 0.5


def test_the_better_policy_has_the_lower_signal_to_noise_ratio(program):
    keys = jax.random.split(jax.random.key(2), 2000)
    snr = [
        np.linalg.norm(g.mean(axis=0)) / g.var(axis=0).sum() ** 0.5
        for g in map(np.asarray, (program.estimates(jnp.full(2, weight), keys) for weight in (1.0, 3.0)))
    ]
    assert snr[1] < snr[0]
