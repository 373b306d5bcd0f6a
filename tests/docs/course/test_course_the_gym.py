"""Page 12 of the course: its environment, and a solution of its exercise."""

import jax.numpy as jnp
import numpy as np
from gymnasium.utils.env_checker import check_env
from manual import definitions

from logpi.ops import psi


def test_a_cut_taken_for_an_end_loses_what_would_have_followed():
    gamma, reward, mask, value = 0.9, jnp.ones((5, 1)), jnp.ones((5, 1)), jnp.full((6, 1), 10.0)
    going_on = jnp.full((5, 1), gamma)
    truncated = psi.lambda_returns(reward, going_on, mask, value, 1.0)
    np.testing.assert_allclose(truncated, 10.0, rtol=1e-5)
    terminated = psi.lambda_returns(reward, going_on.at[-1].set(0.0), mask, value, 1.0)
    left = np.arange(5, 0, -1)[:, None]
    np.testing.assert_allclose(terminated, (1 - gamma**left) / (1 - gamma), rtol=1e-5)


def test_the_lander_is_a_gymnasium_environment_that_a_falling_stone_ends():
    env = definitions("lander.py").Lander()
    check_env(env, skip_render_check=True)
    env.reset(seed=0)
    env.height, moves, over = 10.0, 0, False
    while not over:
        _, reward, over, truncated, _ = env.step(0)
        moves += 1
        assert not truncated
    speed = (2 * 1.6 * 10.0) ** 0.5
    assert moves == round(speed / 1.6 / 0.1)
    assert abs(reward + speed) < 0.2
    assert reward == -0.05 - abs(env.speed)
