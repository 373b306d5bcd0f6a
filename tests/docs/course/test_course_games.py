"""Page 11 of the course: a solution of its exercise."""

import jax.numpy as jnp
import numpy as np

from logpi.ops import psi


def test_the_result_changes_its_sign_with_the_turn():
    """-1 where the turn passes to the opponent, 0 where the game is over."""
    reward = jnp.array([[0.0], [0.0], [0.0], [0.0], [1.0]])
    discount = jnp.array([[-1.0], [-1.0], [-1.0], [-1.0], [0.0]])
    z = psi.reward_to_go(reward, discount, jnp.ones((5, 1)))
    np.testing.assert_array_equal(z[:, 0], [1, -1, 1, -1, 1])  # moves 1, 3 and 5 are the winner's
