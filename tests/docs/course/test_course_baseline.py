"""Page 6 of the course: its claims, and a solution of its exercise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from manual import definitions

from logpi.ops import psi


@pytest.fixture(scope="module")
def program():
    return definitions("baseline.py")


@pytest.fixture(scope="module")
def rows(program):
    return program.play_all(jnp.ones(2), jax.random.split(jax.random.key(1), 4000))


def test_the_best_constant_is_the_lowest_point_of_the_parabola(program, rows):
    """V(b) = E‖g - bS‖² - ‖E[g]‖², as E[S] = 0; its derivative is 0 at b = E[g·S] / E[S·S]."""
    _, score, reward, discount, mask = rows
    returns = psi.reward_to_go(reward, discount, mask)
    s, g = (np.asarray(program.estimate(weight, score, mask)) for weight in (jnp.ones_like(mask), returns))
    best = float((g * s).sum() / (s * s).sum())
    lowest, left, right, none = (
        program.variance(program.estimate(psi.minus_constant(returns, b), score, mask))
        for b in (best, best - 10, best + 10, 0.0)
    )
    assert lowest < min(left, right)
    assert left == pytest.approx(right, rel=0.05), "a parabola is symmetric about its lowest point"
    assert lowest < 0.65 * none
    assert best == pytest.approx(float((returns * mask).sum() / mask.sum()), rel=0.2), "about the mean of G"
    assert program.variance(program.estimate(psi.minus_constant(returns, 100.0), score, mask)) > 2 * none


def test_a_baseline_leaves_the_mean_and_takes_the_variance(program, rows):
    o, score, reward, discount, mask = rows
    returns = psi.reward_to_go(reward, discount, mask)
    value = jnp.concatenate([program.value(o, returns, mask), jnp.zeros((1, len(mask[0])))])
    weights = [
        psi.total_reward(reward, discount, mask),
        returns,
        psi.minus_leave_one_out(returns, mask),
        psi.minus_value(reward, discount, mask, value),
    ]
    found = [np.asarray(program.estimate(weight, score, mask)) for weight in weights]
    variances = [program.variance(g) for g in found]
    assert variances == sorted(variances, reverse=True)
    assert variances[-1] < variances[0] / 6
    for g in found[2:]:
        difference = g - found[1]
        error = difference.std(axis=0) / len(g) ** 0.5
        assert (abs(difference.mean(axis=0)) < 4 * error).all()
