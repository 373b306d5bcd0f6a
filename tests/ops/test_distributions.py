"""Distributions against scipy, quadrature and their own samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from logpi.ops.distributions import (
    Categorical,
    Deterministic,
    DiagonalGaussian,
    MultiBinary,
    MultiDiscrete,
    TanhGaussian,
    masked,
)

RNG = np.random.default_rng(0)
LOGITS = jnp.asarray(RNG.normal(size=(4, 3, 5)), jnp.float32)  # [T, B, n]
MEAN, LOG_STD = jnp.asarray(RNG.normal(size=(2, 4, 3, 2)), jnp.float32)  # [T, B, d]
EACH = {
    "categorical": (Categorical(LOGITS), (), jnp.int32),
    "masked": (masked(LOGITS, LOGITS.mean() < LOGITS), (), jnp.int32),
    "multi-discrete": (MultiDiscrete((Categorical(LOGITS), Categorical(LOGITS[..., :2]))), (2,), jnp.int32),
    "multi-binary": (MultiBinary(LOGITS), (5,), jnp.int8),
    "gaussian": (DiagonalGaussian(MEAN, LOG_STD), (2,), jnp.float32),
    "tanh-gaussian": (TanhGaussian(MEAN, LOG_STD), (2,), jnp.float32),
}


def draw(pi, n, seed=0):
    """n samples [n, ...] of a distribution."""
    return np.asarray(jax.vmap(pi.sample)(jax.random.split(jax.random.key(seed), n)))


def matches(counts, probability):
    """Chi-square: samples in bins against the chance of each bin."""
    return stats.chisquare(counts, probability * counts.sum()).pvalue > 1e-3


@pytest.mark.parametrize("name", EACH)
def test_shapes_and_dtypes_for_batches_of_time_and_environments_plain_jitted_and_mapped(name):
    pi, event, dtype = EACH[name]
    key = jax.random.key(1)
    action = pi.sample(key)
    assert action.shape == pi.mode().shape == (4, 3, *event)
    assert action.dtype == pi.mode().dtype == dtype
    assert pi.entropy().shape == pi.log_prob(action).shape == (4, 3)
    np.testing.assert_allclose(jax.jit(lambda p: p.sample(key))(pi), action, rtol=1e-5)
    jitted = jax.jit(lambda p, a: (p.log_prob(a), p.entropy()))(pi, action)
    mapped = jax.vmap(lambda p, a: (p.log_prob(a), p.entropy()))(pi, action)
    for other in (jitted, mapped):
        np.testing.assert_allclose(other[0], pi.log_prob(action), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(other[1], pi.entropy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", EACH)
def test_entropy_is_the_mean_of_minus_log_prob_of_samples(name):
    pi, _, _ = EACH[name]
    pi = jax.tree.map(lambda x: x[0, 0], pi)
    surprise = -np.asarray(jax.vmap(pi.log_prob)(draw(pi, 20_000)))
    assert abs(surprise.mean() - pi.entropy()) < 4 * surprise.std() / np.sqrt(len(surprise)) + 1e-6


@pytest.mark.parametrize("name", EACH)
def test_the_mode_is_the_likeliest_action(name):
    if name == "tanh-gaussian":
        pytest.skip("the mode is tanh of the Gaussian's, the median: squashing moves the density's maximum")
    pi, _, _ = EACH[name]
    likeliest = jax.vmap(pi.log_prob)(jnp.asarray(draw(pi, 200))).max(0)
    assert (np.asarray(pi.log_prob(pi.mode())) >= np.asarray(likeliest) - 1e-6).all()


def test_categorical_against_scipy():
    p = special.softmax(np.asarray(LOGITS, np.float64), -1)
    for a in range(5):
        got = Categorical(LOGITS).log_prob(jnp.full((4, 3), a))
        np.testing.assert_allclose(got, np.log(p[..., a]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(Categorical(LOGITS).entropy(), stats.entropy(p, axis=-1), rtol=1e-5)
    assert matches(np.bincount(draw(Categorical(LOGITS[0, 0]), 20_000), minlength=5), p[0, 0])


def test_illegal_actions_have_probability_zero_and_finite_gradients():
    legal = jnp.array([1, 0, 1, 0, 1], jnp.int8)
    logits = jnp.array([0.5, 30.0, -1.0, -30.0, 2.0])
    pi = masked(logits, legal)
    p = np.exp(np.asarray(jax.vmap(pi.log_prob)(jnp.arange(5))))
    known = special.softmax(np.array([0.5, -1.0, 2.0]))
    np.testing.assert_array_equal(p[[1, 3]], 0.0)
    np.testing.assert_allclose(p[[0, 2, 4]], known, rtol=1e-5)
    np.testing.assert_allclose(pi.entropy(), stats.entropy(known), rtol=1e-5)
    assert set(np.unique(draw(pi, 5000))) == {0, 2, 4}
    assert masked(jnp.array([-5.0, 9.0]), jnp.array([1, 0])).mode() == 0

    by_log_prob, by_entropy = (
        np.asarray(jax.grad(f)(logits))
        for f in (lambda x: masked(x, legal).log_prob(jnp.int32(0)), lambda x: masked(x, legal).entropy())
    )
    np.testing.assert_allclose(by_log_prob[[0, 2, 4]], np.eye(3)[0] - known, atol=1e-6)
    for slope in (by_log_prob, by_entropy):
        assert np.isfinite(slope).all()
        np.testing.assert_array_equal(slope[[1, 3]], 0.0)


def test_only_one_legal_action_and_none_at_all_stay_finite():
    only = masked(jnp.zeros(3), jnp.array([0, 1, 0]))
    assert only.log_prob(jnp.int32(1)) == only.entropy() == 0.0
    none = masked(jnp.array([1.0, 2.0, 3.0]), jnp.zeros(3))  # the closing observation of a game
    assert np.isfinite(none.log_prob(none.sample(jax.random.key(0))))
    assert masked(LOGITS, None).logits is LOGITS


def test_multi_discrete_is_the_product_of_its_parts():
    pi, _, _ = EACH["multi-discrete"]
    action = pi.sample(jax.random.key(0))
    known = pi.parts[0].log_prob(action[..., 0]) + pi.parts[1].log_prob(action[..., 1])
    np.testing.assert_allclose(pi.log_prob(action), known)
    np.testing.assert_allclose(pi.entropy(), pi.parts[0].entropy() + pi.parts[1].entropy())
    twins = MultiDiscrete((Categorical(jnp.zeros(2)), Categorical(jnp.zeros(2))))
    joint = draw(twins, 8000) @ np.array([2, 1])
    assert matches(np.bincount(joint, minlength=4), np.full(4, 0.25))  # independent of each other


def test_multi_binary_against_scipy():
    p = special.expit(np.asarray(LOGITS, np.float64))
    action = MultiBinary(LOGITS).sample(jax.random.key(3))
    known = stats.bernoulli.logpmf(np.asarray(action), p).sum(-1)
    np.testing.assert_allclose(MultiBinary(LOGITS).log_prob(action), known, rtol=1e-5)
    np.testing.assert_allclose(MultiBinary(LOGITS).entropy(), stats.bernoulli.entropy(p).sum(-1), rtol=1e-5)
    ones = draw(MultiBinary(LOGITS[0, 0]), 20_000).sum(0)
    for count, chance in zip(ones, p[0, 0], strict=True):
        assert stats.binomtest(int(count), 20_000, chance).pvalue > 1e-3
    sure = MultiBinary(jnp.array([200.0, -200.0]))
    assert sure.entropy() == 0.0
    assert np.isfinite(sure.log_prob(jnp.array([0, 1], jnp.int8)))


def test_gaussian_against_scipy():
    pi, std = DiagonalGaussian(MEAN, LOG_STD), np.exp(LOG_STD)
    action = pi.sample(jax.random.key(3))
    known = stats.norm.logpdf(np.asarray(action, np.float64), MEAN, std).sum(-1)
    np.testing.assert_allclose(pi.log_prob(action), known, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pi.entropy(), stats.norm.entropy(MEAN, std).sum(-1), rtol=1e-5)
    one = DiagonalGaussian(MEAN[0, 0, :1], LOG_STD[0, 0, :1])
    assert stats.kstest(draw(one, 5000)[:, 0], "norm", (one.mean[0], np.exp(one.log_std[0]))).pvalue > 1e-3


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.8, 0.3), (-1.5, 0.7), (0.3, 0.05)])
def test_tanh_gaussian_is_a_density_by_the_change_of_variables(mean, std):
    pi = TanhGaussian(jnp.array([mean]), jnp.log(jnp.array([std])))
    u = mean + std * np.linspace(-4, 4, 41)
    known = stats.norm.logpdf(u, mean, std) - np.log1p(-np.square(np.tanh(u)))
    got = jax.vmap(pi.log_prob)(jnp.tanh(u)[:, None])
    np.testing.assert_allclose(got, known, rtol=1e-9, atol=1e-9)

    density = jax.jit(lambda a: jnp.exp(pi.log_prob(a[None])))
    peak = np.tanh(mean)
    total, _ = integrate.quad(lambda a: float(density(a)), -1, 1, points=[peak], limit=200)
    assert abs(total - 1) < 1e-6
    wide = TanhGaussian(jnp.array([mean, mean]), jnp.log(jnp.array([std, std])))
    np.testing.assert_allclose(wide.log_prob(jnp.tanh(u[[5, 9]])), known[5] + known[9])
    quantiles = stats.norm.cdf(np.arctanh(draw(pi, 5000)[:, 0]), mean, std)
    assert stats.kstest(quantiles, "uniform").pvalue > 1e-3


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("std", [0.01, 0.1, 0.3, 0.6, 1.0])
def test_the_tanh_gaussians_entropy_is_as_exact_as_it_claims(std):
    def known(mean):
        def surprise(u):
            slope = 2 * (np.log(2) - u - np.logaddexp(0, -2 * u))
            return stats.norm.pdf(u, mean, std) * (slope - stats.norm.logpdf(u, mean, std))

        return integrate.quad(surprise, mean - 12 * std, mean + 12 * std, limit=200)[0]

    means = np.linspace(-4, 4, 17)
    got = TanhGaussian(jnp.array(means)[:, None], jnp.full((17, 1), np.log(std))).entropy()
    np.testing.assert_allclose(got, [known(m) for m in means], rtol=0, atol=1e-3)


def test_a_saturated_action_has_a_finite_density_and_gradient():
    pi = TanhGaussian(jnp.array([0.0, 20.0]), jnp.zeros(2))
    for action in (jnp.array([1.0, 1.0]), jnp.array([-1.0, 1.0]), pi.sample(jax.random.key(0)), pi.mode()):
        value, slope = jax.value_and_grad(lambda m, a=action: TanhGaussian(m, pi.log_std).log_prob(a))(pi.mean)
        assert np.isfinite(value)
        assert np.isfinite(slope).all()
    assert np.isfinite(jax.grad(lambda m: TanhGaussian(m, pi.log_std).entropy().sum())(pi.mean)).all()
    assert (np.abs(draw(pi, 100)) <= 1).all()


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.3, 0.4), (-0.6, 2.5)])
def test_a_squashed_draw_has_the_density_whose_integral_is_the_chance(mean, std):
    """``at`` says the density at the action that it gives: integrated between two actions, the normal's chance."""
    pi = TanhGaussian(jnp.full((1,), mean), jnp.full((1,), np.log(std)))

    def density(action):
        noise = (np.arctanh(action) - mean) / std
        drawn, log_prob = pi.at(jnp.array([noise]))
        np.testing.assert_allclose(drawn[0], action, atol=1e-6)
        return float(np.exp(log_prob))

    for low, high in ((-0.9, -0.2), (-0.2, 0.5), (0.5, 0.97)):
        area, _ = integrate.quad(density, low, high, epsabs=1e-7)
        chance = np.diff(stats.norm.cdf(np.arctanh([low, high]), mean, std))[0]
        np.testing.assert_allclose(area, chance, rtol=2e-5)


def test_a_squashed_draw_at_the_bound_keeps_its_density_and_gradient():
    """At u = 12 the action is 1 in float32; log p(u) - log(1 - tanh²u) is as known, and its slope 2 tanh(u)."""
    log_prob, slope = jax.value_and_grad(lambda m: TanhGaussian(m, jnp.zeros(1)).at(jnp.zeros(1))[1])(jnp.array([12.0]))
    known = stats.norm.logpdf(0.0) - np.log(4 * np.exp(-24.0) / (1 + np.exp(-24.0)) ** 2)
    np.testing.assert_allclose(log_prob, known, rtol=1e-6)
    np.testing.assert_allclose(slope, [2.0], rtol=1e-5)


def test_a_deterministic_action_is_all_there_is():
    pi = Deterministic(jnp.array([[0.3, -1.0], [0.0, 0.5]]))
    np.testing.assert_array_equal(pi.sample(jax.random.key(0)), pi.mode())
    np.testing.assert_array_equal(pi.log_prob(pi.action.at[0, 1].add(1e-3)), [-np.inf, 0.0])
    np.testing.assert_array_equal(pi.entropy(), [0.0, 0.0])
