"""Before and after, in pairs."""

from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def pairs(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    import pairs

    return pairs


def test_the_order_changes_from_turn_to_turn(pairs, monkeypatch):
    asked = []
    monkeypatch.setattr(pairs, "told", lambda tree, words: asked.append(tree) or {"speed": float(len(asked))})
    found = pairs.in_turns(["A", "B"], pairs.Measurement((), ()), 3)
    assert asked == ["A", "B", "B", "A", "A", "B"]
    assert [(before["speed"], after["speed"]) for before, after in found] == [(1, 2), (4, 3), (5, 6)]


@pytest.mark.parametrize(
    ("more", "after", "said"),
    [(True, 104, "within"), (True, 90, "worse"), (False, 90, "better"), (False, 120, "worse")],
)
def test_the_verdict_knows_whether_more_is_better(pairs, more, after, said):
    row = pairs.line(pairs.Number("n", "something", "s", more), [({"n": 100.0}, {"n": float(after)})] * 3)
    assert said in str(row[-1])


def test_a_checkout_is_measured_by_its_own_package(pairs):
    pairs.check(pairs.TREE)
    with pytest.raises(SystemExit):
        pairs.check(BENCH)


def test_a_measurement_that_fails_is_told(pairs):
    with pytest.raises(RuntimeError, match="boom"):
        pairs.told(pairs.TREE, ("-c", "raise ValueError('boom')"))
