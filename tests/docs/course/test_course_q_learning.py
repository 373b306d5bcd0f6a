"""Page 9 of the course: its claims, and a solution of its exercise."""

import numpy as np
import pytest
from manual import definitions

SEEDS = range(3)


@pytest.fixture(scope="module")
def program():
    found = definitions("cliff.py")
    found.EPISODES = 300
    return found


def expected_sarsa(program, rng):
    """``q_learning`` with the mean of Q(s', ·) under the ε-greedy policy in place of its max."""
    q, epsilon = np.zeros((48, 4)), program.EPSILON

    def act(s, rng):
        return int(rng.integers(4)) if rng.random() < epsilon else int(q[s].argmax())

    def learn(s, a, r, following, terminated):
        mean = epsilon * q[following].mean() + (1 - epsilon) * q[following].max()
        q[s, a] += program.ALPHA * (r + program.GAMMA * (0.0 if terminated else mean) - q[s, a])

    return q, [program.play(act, learn, rng) for _ in range(program.EPISODES)]


def moves(program, table):
    return len(program.path(table)) - 1


def late(returns):
    """Mean return of the last third."""
    return np.mean(returns[-len(returns) // 3 :])


def test_q_learning_walks_along_the_edge_and_actor_critic_keeps_away(program):
    for seed in SEEDS:
        q, while_learning = program.q_learning(np.random.default_rng(seed))
        pi, others = program.actor_critic(np.random.default_rng(seed))
        assert moves(program, q) == 13
        assert 13 < moves(program, pi) <= 19
        assert late(while_learning) < -30 < late(others)


def test_the_mean_in_place_of_the_max_keeps_away_and_falls_less(program):
    for seed in SEEDS:
        q, returns = expected_sarsa(program, np.random.default_rng(seed))
        _, by_the_max = program.q_learning(np.random.default_rng(seed))
        assert moves(program, q) > 13
        assert late(returns) > late(by_the_max) + 10
