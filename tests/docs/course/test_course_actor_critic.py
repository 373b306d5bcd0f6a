"""Page 8 of the course: a solution of its exercise."""

import jax.numpy as jnp
import numpy as np
import pytest

from logpi.ops import psi

GAMMA = 0.9


@pytest.fixture(scope="module")
def rows():
    """(reward, discount with γ, mask, V) of one episode of six moves, the last of which terminates."""
    draw = np.random.default_rng(0)
    reward, value = (jnp.asarray(draw.normal(size=(n, 1)), jnp.float32) for n in (6, 7))
    discount = GAMMA * jnp.ones((6, 1)).at[-1].set(0.0)
    return reward, discount, jnp.ones((6, 1)), value


def test_the_sum_of_discounted_td_errors_is_the_return_minus_v(rows):
    """δ_0 + γ δ_1 + γ² δ_2 + …: each γ V(o_{t+1}) cancels the -V(o_{t+1}) of the next term, and -V(o_0) is left."""
    reward, discount, _, value = (np.asarray(x)[:, 0] for x in rows)
    delta = reward + discount * value[1:] - value[:-1]
    powers = GAMMA ** np.arange(6)
    assert (powers * delta).sum() == pytest.approx((powers * reward).sum() - value[0], abs=1e-5)


def test_gae_is_the_td_error_at_0_and_the_return_minus_v_at_1(rows):
    reward, discount, _, value = rows
    np.testing.assert_allclose(psi.gae(*rows, 1.0), psi.minus_value(*rows), atol=1e-6)
    np.testing.assert_allclose(psi.gae(*rows, 0.0), reward + discount * value[1:] - value[:-1], atol=1e-6)
