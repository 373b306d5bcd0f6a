"""Page 10 of the course: a solution of its exercise."""

import jax
import jax.numpy as jnp
import numpy as np

from logpi.ops.distributions import DiagonalGaussian

MEAN, DEVIATION, DRAWS = 1.0, 0.5, 10_000


def test_three_weights_have_the_same_mean_and_falling_variance():
    drawn = MEAN + DEVIATION * np.random.default_rng(0).normal(size=DRAWS).astype(np.float32)
    mirrored = 2 * MEAN - drawn

    def log_prob(mean, place):
        return DiagonalGaussian(mean[None], jnp.log(DEVIATION)[None]).log_prob(place[None])

    score = np.asarray(jax.vmap(jax.grad(log_prob), (None, 0))(jnp.float32(MEAN), jnp.asarray(drawn)))
    np.testing.assert_allclose(score, (drawn - MEAN) / DEVIATION**2, rtol=1e-4, atol=1e-4)

    def f(place):
        return 10 + place**2

    estimates = [weight * score for weight in (f(drawn), f(drawn) - 11, (f(drawn) - f(mirrored)) / 2)]
    for g in estimates:
        assert abs(g.mean() - 2 * MEAN) < 4 * g.std() / DRAWS**0.5
    variances = [g.var() for g in estimates]
    assert variances[1] < variances[0] / 10
    assert variances[2] < variances[1]
