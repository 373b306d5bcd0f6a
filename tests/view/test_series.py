"""Learning curves as numbers."""

import json

import numpy as np
import pytest
from pages import make_run

from logpi.errors import LogpiError
from logpi.runs.history import Histories
from logpi.runs.scores import interval
from logpi.view.series import learning_curves, metric_names, thinned


@pytest.fixture
def runs(tmp_path):
    """Three seeds of one setting, and one run of another."""
    for seed in range(3):
        make_run(tmp_path, f"ppo/CartPole-v1_{seed + 1}", rows=40, seed=10 * seed)
    make_run(tmp_path, "ppo/CartPole-v1_4", rows=40, rate=0.01)
    return tmp_path


def names(*numbers):
    return [f"ppo/CartPole-v1_{number}" for number in numbers]


def test_runs_that_differ_in_the_seed_are_one_curve_with_its_interval(runs):
    first, second = learning_curves(names(1, 2, 3, 4), root=runs)
    assert (first.label, second.label) == ("learning_rate 0.001", "learning_rate 0.01")
    assert (first.seeds, second.seeds, first.runs) == (3, 1, names(1, 2, 3))
    assert (first.metric, first.unit, first.percent) == ("eval/mean_reward", "steps", False)
    rows = np.arange(4, 40, 5)
    np.testing.assert_array_equal(first.x, 1000 * (rows + 1))
    mean, half = interval(np.stack([21.0 * rows + 10 * seed for seed in range(3)]))
    np.testing.assert_allclose(first.mean, mean)
    np.testing.assert_allclose(first.high - first.mean, half)
    assert np.isnan(second.low).all(), "one seed has no interval"


def test_by_seconds_and_any_metric(runs):
    (curve,) = learning_curves(names(1), "train/loss", by="seconds", root=runs)
    np.testing.assert_allclose(curve.x, 1.0 + 0.1 * np.arange(40))
    np.testing.assert_allclose(curve.mean, np.exp(-np.arange(40) / 10))
    assert curve.unit == "seconds"
    assert {"train/loss", "eval/mean_reward"} <= set(metric_names(names(1, 4), root=runs))
    (nothing,) = learning_curves(names(1), "nonsense", root=runs)
    assert (nothing.seeds, len(nothing.x)) == (0, 0)


def test_a_run_that_grows_is_read_on(runs):
    kept = Histories()
    (before,) = learning_curves(names(1), root=runs, histories=kept)
    with open(runs / names(1)[0] / "metrics.jsonl", "a") as file:
        file.write(json.dumps({"time/total_timesteps": 50_000, "eval/mean_reward": 1.0}) + "\n")
    (after,) = learning_curves(names(1), root=runs, histories=kept)
    assert (len(after.x), after.x[-1], after.mean[-1]) == (len(before.x) + 1, 50_000, 1.0)


def test_thinning_keeps_ends_and_extremes():
    values = np.sin(np.arange(10_000) / 50)
    values[4321], values[77] = 9.0, -9.0
    kept = thinned(values, 100)
    assert len(kept) <= 100
    assert {0, 77, 4321, 9999} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(thinned(values[:50], 100), np.arange(50))


def test_bad_arguments(runs):
    for options in ({"by": "hours"}, {"points": 1}, {"points": 10**9}):
        with pytest.raises(LogpiError, match="allowed"):
            learning_curves(names(1), root=runs, **options)
    with pytest.raises(LogpiError, match="not a run folder"):
        learning_curves(["nonsense"], root=runs)
