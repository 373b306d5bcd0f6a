"""Curves say what was measured: the mean, its interval over seeds, and no interval for one seed."""

import math

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from logpi.errors import LogpiError
from logpi.runs.metrics import STEPS
from logpi.view import plots
from logpi.view.plots import EVALUATION, TRAINING, compare, interval, learning_curve, seed_curves


def run(steps, values, name=TRAINING):
    return {STEPS: list(steps), name: list(values)}


@pytest.fixture
def axes(monkeypatch):
    """The axes of the last picture."""
    kept = []
    save = plots._save
    monkeypatch.setattr(plots, "_save", lambda *a: (kept.append(a[1]), save(*a))[1])
    return kept


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_interval_is_students():
    values = np.random.default_rng(0).normal(size=(5, 3))
    mean, half = interval(values)
    low, high = stats.t.interval(0.95, 4, loc=values.mean(0), scale=stats.sem(values, axis=0))
    np.testing.assert_allclose(mean - half, low)
    np.testing.assert_allclose(mean + half, high)
    assert np.isnan(interval(values[:1])[1]).all()


def test_seeds_of_vmapped_and_separate_runs_are_pooled():
    vmapped = run([10, 20, 30], [[1.0, 3.0], None, [3.0, 5.0]])
    single = run([10, 20, 30], [5.0, 6.0, 7.0])
    steps, values = seed_curves([vmapped, single], TRAINING)
    assert steps.tolist() == [10, 20, 30]
    assert values.tolist() == [[1, 2, 3], [3, 4, 5], [5, 6, 7]]


def test_only_steps_that_every_seed_reached():
    runs = [run([10, 20, 30], [math.nan, 2.0, 3.0]), run([10, 20, 25], [5.0, 6.0, 6.5])]
    steps, values = seed_curves(runs, TRAINING)
    assert steps.tolist() == [20, 25]
    assert values.tolist() == [[2, 2.5], [6, 6.5]]


def test_learning_curve(tmp_path, axes):
    steps = range(1000, 101_000, 1000)
    values = {TRAINING: [[s / 300, s / 200] for s in steps], EVALUATION: [[s / 200, s / 199] for s in steps]}
    path = learning_curve([{STEPS: list(steps)} | values], tmp_path / "c.png", "Cart · $x$ · ppo", (475, 500))
    assert np.asarray(Image.open(path).convert("L")).std() > 5, "not a blank picture"
    (drawn,) = axes
    assert legend(drawn) == [
        "expected 475 to 500",
        "training (mean of 2 seeds, 95 % interval)",
        "greedy evaluation (mean of 2 seeds, 95 % interval)",
    ]
    training, evaluation = drawn.lines
    np.testing.assert_allclose(training.get_ydata()[-1], np.mean([100_000 / 300, 100_000 / 200]))
    assert evaluation.get_linewidth() > 2 * training.get_linewidth()
    assert [label.get_text() for label in drawn.get_xticklabels()][1:3] == ["20k", "40k"]
    assert drawn.get_xlabel() == "environment steps"


def test_one_seed_has_no_band_and_says_so(tmp_path, axes):
    learning_curve([run([1, 2], [3.0, 4.0])], tmp_path / "c.png", "t")
    assert legend(axes[0]) == ["training (1 seed, no interval)"]
    assert not axes[0].collections


def test_compare_prefers_evaluation(tmp_path, axes):
    both = run([1, 2], [1.0, 2.0]) | {EVALUATION: [None, 9.0]}
    path = compare({"ppo": [both, both], "a2c": [run([1, 2], [3.0, 4.0])]}, tmp_path / "c.png", "t")
    assert path.exists()
    assert legend(axes[0]) == [
        "ppo, greedy evaluation (mean of 2 seeds, 95 % interval)",
        "a2c, training (1 seed, no interval)",
    ]
    assert axes[0].lines[0].get_ydata().tolist() == [9.0]


def test_nothing_measured(tmp_path):
    for runs in ([], [{}], [run([1], [math.nan])]):
        with pytest.raises(LogpiError, match="until an episode has ended"):
            learning_curve(runs, tmp_path / "c.png", "t")
    with pytest.raises(LogpiError, match="a2c"):
        compare({"a2c": [{}]}, tmp_path / "c.png", "t")


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogpiError, match="cannot write"):
        learning_curve([run([1, 2], [3.0, 4.0])], tmp_path / "file" / "c.png", "t")
