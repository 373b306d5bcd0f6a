"""Curves say what was measured: the mean, its interval over seeds, and no interval for one seed."""

import math

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from logpi.errors import LogpiError
from logpi.runs.metrics import STEPS
from logpi.view import plots
from logpi.view.panels import Axis
from logpi.view.plots import EVALUATION, TRAINING, Panel, clipped, compare, interval, learning_curve, seed_curves


def run(steps, values, name=TRAINING):
    return {STEPS: list(steps), name: list(values)}


@pytest.fixture
def axes(monkeypatch):
    """All axes that were drawn."""
    kept = []
    save = plots.save
    monkeypatch.setattr(plots, "save", lambda figure, path: (kept.extend(figure.axes), save(figure, path))[1])
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
        "evaluation (mean of 2 seeds, 95 % interval)",
    ]
    training, evaluation = drawn.lines
    np.testing.assert_allclose(training.get_ydata()[-1], np.mean([100_000 / 300, 100_000 / 200]))
    assert evaluation.get_linewidth() > 2 * training.get_linewidth()
    assert [label.get_text() for label in drawn.get_xticklabels()][1:3] == ["20k", "40k"]
    assert drawn.get_xlabel().startswith("steps")


def test_one_seed_has_no_band_and_says_so(tmp_path, axes):
    learning_curve([run([1, 2], [3.0, 4.0])], tmp_path / "c.png", "t")
    assert legend(axes[0]) == ["training (1 seed, no interval)"]
    assert not axes[0].collections


def test_compare_prefers_evaluation(tmp_path, axes):
    both = run([1, 2], [1.0, 2.0]) | {EVALUATION: [None, 9.0]}
    groups = {"ppo": [both, both], "a2c": [run([1, 2], [3.0, 4.0])]}
    path = compare([Panel("Cart", groups)], tmp_path / "c.png")
    assert path.exists()
    assert legend(axes[0]) == [
        "ppo, evaluation (mean of 2 seeds, 95 % interval)",
        "a2c, training (1 seed, no interval)",
    ]
    groups = {"ppo": [both, both], "a2c": [both, both]}
    compare([Panel("Cart", groups)], tmp_path / "c.png")
    assert legend(axes[1]) == ["ppo", "a2c"], "what is true of both is said once"
    assert axes[1].get_legend().get_title().get_text() == "evaluation (mean of 2 seeds, 95 % interval)"
    assert axes[0].lines[0].get_ydata().tolist() == [9.0]


def test_nothing_measured(tmp_path):
    for runs in ([], [{}], [run([1], [math.nan])]):
        with pytest.raises(LogpiError, match="until an episode has ended"):
            learning_curve(runs, tmp_path / "c.png", "t")
    with pytest.raises(LogpiError, match="a2c"):
        compare([Panel("Cart", {"a2c": [{}]})], tmp_path / "c.png")


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogpiError, match="cannot write"):
        learning_curve([run([1, 2], [3.0, 4.0])], tmp_path / "file" / "c.png", "t")


def ticks(axis):
    axis.figure.canvas.draw()
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.mark.parametrize("last", [3, 950, 20_000, 50_000, 100_000, 1_234_567, 2_000_000_000])
def test_every_tick_says_where_it_stands(tmp_path, axes, last):
    """12.5k was shown as 12k, and 2.5 steps as 2."""
    learning_curve([run([last // 3, last], [1.0, 2.0])], tmp_path / "c.png", "t")
    units = {"k": 1e3, "M": 1e6, "G": 1e9}
    shown = ticks(axes[0].xaxis)
    assert len(shown) >= 3
    for place, text in zip(axes[0].get_xticks(), shown, strict=True):
        assert float(text.rstrip("kMG")) * units.get(text[-1], 1) == pytest.approx(place, abs=1e-9)


def test_an_interval_ends_where_scores_end():
    values = np.array([[480.0, 100.0], [30.0, 490.0]])
    mean, half = interval(values)
    assert (mean + half > 500).all(), "wider than the game allows"
    assert (mean - half < 0).all()
    low, high = clipped(values, 0, 500)
    assert low.tolist() == [0, 0]
    assert high.tolist() == [500, 500]
    narrow = clipped(np.array([[200.0], [201.0], [202.0]]), 0, 500)
    assert 0 < narrow[0][0] < 201 < narrow[1][0] < 500


def test_bounds_that_a_score_has_passed_cut_nothing():
    values = np.array([[-1.0], [3.0]])
    mean, half = interval(values)
    np.testing.assert_allclose(clipped(values, 0, 500), [mean - half, mean + half])
    np.testing.assert_allclose(clipped(values, None, None), [mean - half, mean + half])


def test_a_wide_interval_leaves_the_curve_its_room_and_says_so(tmp_path, axes):
    seeds = [run([1, 2], [10.0, 300.0]), run([1, 2], [20.0, 40.0])]
    learning_curve(seeds, tmp_path / "c.png", "t")
    low, high = axes[0].get_ylim()
    assert low >= -150
    assert high <= 500
    assert "leave the picture" in axes[0].get_xlabel()
    learning_curve(seeds, tmp_path / "c.png", "t", axis=Axis(low=0, high=500))
    assert axes[1].get_ylim()[0] > -50
    band = np.concatenate([path.vertices for c in axes[1].collections for path in c.get_paths()])[:, 1]
    assert 0 <= band.min() < band.max() <= 500


def test_environments_do_not_share_an_axis(tmp_path, axes):
    panels = [
        Panel("CartPole-v1", {"ppo": [run([1, 2], [3.0, 500.0])]}),
        Panel("Acrobot-v1", {"ppo": [run([1, 2], [-500.0, -80.0])]}, Axis("mean return", unit="steps")),
        Panel("ram/mnist", {"ram": [run([1, 2], [0.5, 0.9])]}, Axis("accuracy", True, 0, 1, "images")),
    ]
    compare(panels, tmp_path / "c.png", "all of them")
    cart, acrobot, digits, empty = axes
    assert [a.get_title("left") for a in (cart, acrobot, digits)] == ["CartPole-v1", "Acrobot-v1", "ram/mnist"]
    assert cart.get_ylim()[0] >= -30
    assert acrobot.get_ylim()[1] <= 0
    assert (digits.get_xlabel(), digits.get_ylabel()) == ("images", "accuracy")
    assert all(text.endswith(" %") for text in ticks(digits.yaxis) if text)
    assert not empty.axison


def test_many_curves_are_told_apart_and_the_legend_covers_none(tmp_path, axes):
    groups = {f"learning_rate {k}": [run([1, 2, 3], [1.0, k, 2.0 * k])] for k in range(16)}
    compare([Panel("Cart", groups)], tmp_path / "c.png")
    (drawn,) = axes
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn.lines}) == 16
    box = drawn.get_legend().get_window_extent()
    assert box.y1 <= drawn.get_window_extent().y0 - 10
    assert box.y0 >= 0, "inside the picture"


@pytest.mark.parametrize(
    ("steps", "values"),
    [([7], [3.0]), ([0], [0.0]), ([1, 2], [5.0, 5.0]), ([1, 2, 3], [math.nan, 1.0, math.inf]), ([1, 2], [1e30, -1e30])],
)
def test_a_point_a_constant_and_what_is_not_finite_are_drawn(tmp_path, axes, steps, values):
    path = learning_curve([run(steps, values)], tmp_path / "c.png", "a title " * 40)
    assert path.stat().st_size > 5000
    (low, high), (left, right) = axes[0].get_ylim(), axes[0].get_xlim()
    known = [value for value in values if math.isfinite(value)]
    assert low < min(known) <= max(known) < high
    assert left == 0
    assert right > max(step for step, value in zip(steps, values, strict=True) if math.isfinite(value))
    assert len(axes[0].get_title("left").splitlines()) <= 3


def test_a_seed_without_a_value_is_counted_and_not_drawn(tmp_path, axes):
    learning_curve([run([1, 2], [[3.0, math.nan], [4.0, math.nan]])], tmp_path / "c.png", "t")
    assert legend(axes[0]) == ["training (1 of 2 seeds, no interval)"]


def test_seeds_without_a_common_step_are_named(tmp_path):
    with pytest.raises(LogpiError, match=r"no step in common: one is known to step 2, another from 5 on"):
        learning_curve([run([1, 2], [3.0, 4.0]), run([5, 6], [3.0, 4.0])], tmp_path / "c.png", "t")
