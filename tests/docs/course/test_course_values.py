"""Page 7 of the course: its claims, and a solution of its exercise."""

import jax
import jax.numpy as jnp
import pytest
from manual import definitions

from logpi.ops import psi


@pytest.fixture(scope="module")
def program():
    found = definitions("values.py")
    found.EPISODES = 2000
    return found


def chances(program, state):
    right = program.chance_right(state)
    return jnp.stack([1 - right, right])


def test_bellmans_equation_holds(program):
    """Q(o, left) = r + γ V(o'): nothing of the move itself is random.."""
    state = jnp.array([0.0, 0.0, 0.1, 0.0])
    q = program.q_values(state, jax.random.key(0))
    following, _, reward, terminated = program.env.step(state, 0, jax.random.key(0))
    assert not terminated
    value = (chances(program, following) * program.q_values(following, jax.random.key(1))).sum()
    assert q[0] == pytest.approx(float(reward + program.GAMMA * value), abs=0.25)


def test_a_push_to_the_right_is_a_mistake_where_the_pole_falls_to_the_left(program):
    def advantage(angle, speed):
        state = jnp.array([0.0, 0.0, angle, speed])
        return psi.action_advantage(program.q_values(state, jax.random.key(2)), chances(program, state), jnp.int32(1))

    assert advantage(-0.1, -1.0) < -4
    assert advantage(0.2, 0.0) > 2
    assert abs(advantage(0.0, 0.0)) < 0.5


def test_values_are_at_most_one_over_one_minus_gamma(program):
    q = program.q_values(jnp.zeros(4), jax.random.key(3))
    assert 15 < q.min() < q.max() <= 1 / (1 - program.GAMMA) + 1e-3
