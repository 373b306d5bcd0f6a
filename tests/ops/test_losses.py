"""Losses against arithmetic that a reader can redo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.ops import losses

MASK = jnp.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
X = jnp.array([[1.0, 2.0], [6.0, 1e6], [-1e6, 1e6]])


def test_means_leave_void_rows_out():
    assert losses.decision_mean(X, MASK) == 3.0  # (1 + 2 + 6) / 3 decisions
    assert losses.trajectory_mean(X, MASK) == 4.5  # (1 + 2 + 6) / 2 trajectories
    assert losses.decision_mean(X, jnp.zeros_like(MASK)) == 0.0


def test_policy_gradient_is_minus_psi_log_pi_and_psi_is_data():
    log_prob, psi = jnp.array([-0.5, -2.0]), jnp.array([3.0, -1.0])
    np.testing.assert_allclose(losses.policy_gradient(log_prob, psi), [1.5, -2.0])
    by_log_prob, by_psi = jax.grad(lambda *x: losses.policy_gradient(*x).sum(), (0, 1))(log_prob, psi)
    np.testing.assert_allclose(by_log_prob, -psi)
    np.testing.assert_array_equal(by_psi, 0.0)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.0, 2.0, -2.0, -2.0),  # at π = π_old the gradient is the policy gradient's
        (1.1, 2.0, -2.2, -2.2),  # inside the clip: -ρA
        (1.5, 2.0, -2.4, 0.0),  # a gain beyond 1 + ε: -1.2 · 2, no more to be had
        (1.5, -2.0, 3.0, 3.0),  # a loss beyond 1 + ε counts in full: 1.5 · 2
        (0.5, 2.0, -1.0, -1.0),  # a gain lost beyond 1 - ε counts in full
        (0.5, -2.0, 1.6, 0.0),  # -(0.8 · -2)
    ],
)
def test_clipped_surrogate(ratio, advantage, loss, slope):
    old = jnp.array(-1.3)
    log_prob, advantage = old + jnp.log(ratio), jnp.array(advantage)
    got, by_log_prob = jax.value_and_grad(losses.clipped_surrogate)(log_prob, old, advantage, 0.2)
    np.testing.assert_allclose(got, loss, rtol=1e-5)
    np.testing.assert_allclose(by_log_prob, slope, rtol=1e-5, atol=1e-6)  # dρ/d log π = ρ
    assert jax.grad(losses.clipped_surrogate, 2)(log_prob, old, advantage, 0.2) == 0.0


def test_ratio_metrics():
    ratio = jnp.array([[1.0, 1.1], [1.5, 9.0], [9.0, 0.1]])
    got = losses.ratio_metrics(jnp.log(ratio), jnp.zeros((3, 2)), losses.decision_weights(MASK), 0.2)
    # k3 = ρ - 1 - log ρ: 0, 0.1 - 0.09531, 0.5 - 0.405465
    np.testing.assert_allclose(got["train/approx_kl"], (0 + 0.00469 + 0.094535) / 3, rtol=1e-4)
    np.testing.assert_allclose(got["train/clip_fraction"], 1 / 3, rtol=1e-6)  # 1.5 only
    tiny = losses.ratio_metrics(jnp.full((1, 1), 1e-3), jnp.zeros((1, 1)), jnp.ones((1, 1)), 0.2)
    np.testing.assert_allclose(tiny["train/approx_kl"], 5e-7, rtol=0.1)  # ρ - 1 in float32 would be noise


def test_k3_estimates_the_divergence_of_the_old_policy_from_the_new():
    old, new = jnp.log(jnp.array([0.7, 0.2, 0.1])), jnp.log(jnp.array([0.4, 0.3, 0.3]))
    times = jnp.array([7, 2, 1])  # samples exactly as often as π_old draws them
    got = losses.ratio_metrics(jnp.repeat(new, times), jnp.repeat(old, times), jnp.full(10, 0.1), 0.2)
    np.testing.assert_allclose(got["train/approx_kl"], (jnp.exp(old) * (old - new)).sum(), rtol=1e-5)


def test_squared_error_moves_the_value_only():
    value, target = jnp.array(3.0), jnp.array(5.0)
    assert losses.squared_error(value, target) == 4.0
    assert jax.grad(losses.squared_error, (0, 1))(value, target) == (-4.0, 0.0)


def test_explained_variance():
    rng = np.random.default_rng(0)
    target, value = rng.normal(size=(2, 50, 3)).astype(np.float32)
    mask = (rng.random((50, 3)) < 0.7).astype(np.float32)
    alive = mask == 1
    known = 1 - np.var(target[alive] - value[alive]) / np.var(target[alive])
    value[~alive] = 1e3
    target[~alive] = -1e3
    value, target, mask = map(jnp.asarray, (value, target, mask))
    np.testing.assert_allclose(losses.explained_variance(value, target, mask), known, rtol=1e-4)
    np.testing.assert_allclose(losses.explained_variance(target, target, mask), 1.0)
    np.testing.assert_allclose(losses.explained_variance(target + 5.0, target, mask), 1.0, atol=1e-5)
    np.testing.assert_allclose(losses.explained_variance(jnp.zeros_like(target), target, mask), 0.0, atol=1e-5)
    np.testing.assert_allclose(losses.explained_variance(-target, target, mask), -3.0, atol=1e-4)  # 1 - 2²


def test_standardize_ignores_void_rows():
    got = np.asarray(losses.standardize(X, MASK))
    # mean 3, variance ((1-3)² + (2-3)² + (6-3)²) / 3 = 14/3
    np.testing.assert_allclose(got[[0, 0, 1], [0, 1, 0]], np.array([-2, -1, 3]) / np.sqrt(14 / 3), rtol=1e-5)
    np.testing.assert_array_equal(losses.standardize(jnp.full((2, 2), 7.0), jnp.ones((2, 2))), 0.0)


@pytest.mark.parametrize("largest", [1.0, 2.5, jnp.inf])
def test_huber_is_the_square_whose_gradient_is_clipped(largest):
    error, target = jnp.linspace(-4.0, 4.0, 33), jnp.ones(33)
    found, gradient = jax.vmap(jax.value_and_grad(lambda v, t: losses.huber(v, t, largest)))(error + target, target)
    np.testing.assert_allclose(gradient, np.clip(error, -largest, largest), atol=1e-6)
    small = np.abs(error) <= largest
    expected = np.where(small, 0.5 * error**2, np.abs(error) * min(largest, 9.0) - 0.5 * min(largest, 9.0) ** 2)
    np.testing.assert_allclose(found, expected, atol=1e-5)
