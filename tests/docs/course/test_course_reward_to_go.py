"""Page 4 of the course: its claims, and a solution of its exercise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from manual import definitions


@pytest.fixture(scope="module")
def found():
    """(estimates by the total reward, by reward-to-go), Ψ of both, mask."""
    program = definitions("reward_to_go.py")
    return program.estimates(jnp.ones(2), jax.random.split(jax.random.key(1), 4000))


def test_the_weights_of_an_episode_are_its_length_and_a_count_down(found):
    _, (total, to_go), mask = found
    moves = int(mask[:, 0].sum())
    np.testing.assert_array_equal(total[:moves, 0], moves)
    np.testing.assert_array_equal(to_go[:moves, 0], np.arange(moves, 0, -1))


def test_the_variance_falls_to_a_third(found):
    (total, to_go), *_ = found
    ratio = total.var(axis=0).sum() / to_go.var(axis=0).sum()
    assert 2.5 < ratio < 4.5


def test_what_was_left_out_has_the_mean_zero_and_most_of_the_variance(found):
    """Total reward minus reward-to-go is the reward before t: the difference of the estimates is its sum."""
    (total, to_go), *_ = found
    past = np.asarray(total - to_go)
    error = past.std(axis=0) / len(past) ** 0.5
    assert (abs(past.mean(axis=0)) < 4 * error).all()
    assert past.var(axis=0).sum() > to_go.var(axis=0).sum()
