"""What replaces the agent in best/: a score that the noise does not explain."""

import numpy as np

from logpi.training.saving import Best, evaluated, from_json, none


def test_the_first_evaluation_is_the_best():
    assert none(2).better(np.array([[-1e9, -1e9], [0.0, 0.0]])).all()


def test_noise_replaces_nothing_and_a_difference_does():
    """Twenty episodes of deviation 50: the difference of two means has a deviation of 16."""
    noise = np.random.default_rng(0)
    best = evaluated(noise.normal(200, 50, (2000, 20)))
    assert 0.03 < best.better(noise.normal(200, 50, (2000, 20))).mean() < 0.08, "one in twenty"
    assert best.better(noise.normal(260, 50, (2000, 20))).mean() > 0.95


def test_without_noise_any_difference_counts_and_none_does_not():
    best = evaluated(np.full((1, 20), 499.0))
    assert best.better(np.full((1, 20), 499.1))
    assert not best.better(np.full((1, 20), 499.0))
    assert evaluated(np.array([[3.0]])).better(np.array([[3.5]])), "of one case no deviation is known"


def test_each_seed_is_judged_by_itself():
    best = evaluated(np.array([[1.0, 1.0], [5.0, 5.0]]))
    scores = np.array([[2.0, 2.0], [4.0, 4.0]])
    better = best.better(scores)
    assert better.tolist() == [True, False]
    assert best.replaced(scores, better).mean.tolist() == [2.0, 5.0]


def test_a_checkpoint_keeps_all_of_it():
    best = evaluated(np.random.default_rng(0).normal(size=(3, 5)))
    again = from_json(best.to_json())
    np.testing.assert_array_equal(again, best)
    assert from_json({"best": [1.0]}) == Best(np.array([1.0]), np.array([0.0])), "of an earlier version"
