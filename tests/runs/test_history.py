"""Rows that are read while they are written, and runs that are followed."""

import json
import math
import os

import numpy as np
import pytest
from pages import add_row, make_run

from logpi.errors import LogpiError
from logpi.runs import history
from logpi.runs.following import Following
from logpi.runs.history import Histories, History
from logpi.runs.metrics import all_commands, read_metrics, read_seconds


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_history_is_what_the_whole_file_says(tmp_path):
    folder = make_run(tmp_path, rows=30)
    found, whole = History(folder / "metrics.jsonl"), read_metrics(folder / "metrics.jsonl")
    assert found.read()
    assert not found.read(), "nothing is new"
    assert found.names == list(whole)
    for name, values in whole.items():
        np.testing.assert_array_equal(found.column(name), [math.nan if v is None else v for v in values], name)


def test_a_history_reads_on_from_where_it_was(tmp_path, monkeypatch):
    folder = make_run(tmp_path, rows=3)
    found = History(folder / "metrics.jsonl")
    found.read()
    parsed = []
    known = history.parse_rows
    monkeypatch.setattr(history, "parse_rows", lambda data, *rest: parsed.append(data) or known(data, *rest))
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"time/total_timesteps": 9')
        file.flush()
        assert not found.read(), "a row that is being written is not read"
        file.write('999, "new": 5}\n')
    assert found.read()
    assert parsed == [b'{"time/total_timesteps": 9999, "new": 5}\n']
    np.testing.assert_array_equal(found.column("new"), [np.nan] * 3 + [5])


def test_a_file_that_was_cut_or_replaced_is_read_anew(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, {"a": 1}, {"a": 2}, {"a": 3})
    found = History(path)
    found.read()
    write(path, {"a": 1})
    assert found.read()
    assert found.column("a").tolist() == [1]
    write(path, {"a": 7}, {"a": 8}, {"a": 9})  # longer than before, and another
    assert found.read()
    assert found.column("a").tolist() == [7, 8, 9]
    path.unlink()
    assert found.read()
    assert found.rows == 0
    assert not found.read()


def test_several_seeds_are_columns(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, {"s": 1}, {"s": 2, "x": [1.0, "nan"]}, {"s": 3, "x": [3.0, 4.0]})
    found = History(path)
    found.read()
    np.testing.assert_array_equal(found.column("x"), [[np.nan, np.nan], [1, np.nan], [3, 4]])
    with open(path, "a") as file:
        file.write('{"s": 4, "x": [1.0]}\n')
    with pytest.raises(LogpiError, match="another number of values"):
        found.read()


@pytest.mark.parametrize("text", ["[1]\n", '{"a": "x"}\n', '{"a": {}}\n', "\xff\n", "x" * (2**20 + 5)])
def test_lines_that_are_no_rows(tmp_path, text):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(text.encode("latin-1") + b"x" * (2**20 if len(text) > 100 else 0))
    with pytest.raises(LogpiError):
        History(path).read()


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with open(path, "wb") as file:
        file.truncate(2**33)
    with pytest.raises(LogpiError, match="is not followed"):
        History(path).read()


def test_histories_keep_what_was_asked_for_last(tmp_path):
    paths = [make_run(tmp_path, f"ppo/CartPole-v1_{k}", rows=10) / "metrics.jsonl" for k in range(4)]
    kept = Histories(most=100)
    first = kept.of(paths[0])
    assert kept.of(paths[0]) is first
    for path in paths[1:]:
        kept.of(path)
    assert kept.of(paths[0]) is not first, "it was forgotten"


def test_seconds_of_all_commands(tmp_path):
    np.testing.assert_allclose(all_commands(np.array([1.0, 2.0, 0.5, 1.5, 1.0])), [1, 2, 2.5, 3.5, 4.5])
    assert all_commands(np.zeros(0)).shape == (0,)
    folder = make_run(tmp_path, rows=4)
    steps, seconds = read_seconds(folder / "metrics.jsonl")
    assert steps == [1000, 2000, 3000, 4000]
    np.testing.assert_allclose(seconds, [1.0, 1.1, 1.2, 1.3])


# ---- runs that are followed ---------------------------------------------------------------------------------------


def test_following_tells_of_what_has_changed(tmp_path):
    following = Following(tmp_path)
    assert following.refresh() == ({}, [])
    first = make_run(tmp_path, "ppo/CartPole-v1_1", rows=10, final=False)
    changed, gone = following.refresh()
    assert (list(changed), gone) == (["ppo/CartPole-v1_1"], [])
    state = changed["ppo/CartPole-v1_1"]
    assert (state.status, state.done, state.total, state.unit) == ("interrupted", 10_000, 10_000, "steps")
    assert state.speed == pytest.approx(10_000)
    assert (state.score, state.over) == (21.0 * 9, "evaluation")
    assert state.shares == pytest.approx({"compile": 1.0, "collect": 0.54, "update": 0.36})
    assert following.refresh() == ({}, [])
    make_run(tmp_path, "a2c/CartPole-v1_1", started="2026-11-28T20:00:00+00:00")
    assert list(following.refresh()[0]) == ["a2c/CartPole-v1_1"]
    assert list(following.states) == ["a2c/CartPole-v1_1", "ppo/CartPole-v1_1"], "the oldest first"
    add_row(first, 10)
    assert following.refresh()[0]["ppo/CartPole-v1_1"].done == 11_000
    (first / "failure.json").write_text('{"error": "loss is nan"}')
    assert following.refresh()[0]["ppo/CartPole-v1_1"].failure == "loss is nan"
    for path in first.iterdir():
        path.unlink()
    first.rmdir()
    assert following.refresh() == ({}, ["ppo/CartPole-v1_1"])
    assert list(following.states) == ["a2c/CartPole-v1_1"]


def test_a_final_score_has_the_interval_of_its_cases(tmp_path):
    make_run(tmp_path)
    (state,) = Following(tmp_path).refresh()[0].values()
    assert (state.score, state.over) == (400.0, "final evaluation, 100 cases")
    deviation = 20.0 * math.sqrt(100 / 99)
    assert state.half == pytest.approx(1.98422 * deviation / 10, rel=1e-5)


def test_a_score_of_several_seeds_has_the_interval_over_seeds(tmp_path):
    folder = make_run(tmp_path, seeds=[0, 1, 2])
    result = {"episodes": 100, "mean_reward": [1.0, 2.0, 3.0], "std_reward": [9.0, 9.0, 9.0]}
    (folder / "result.json").write_text(json.dumps(result))
    (state,) = Following(tmp_path).refresh()[0].values()
    assert (state.seeds, state.score, state.over) == (3, 2.0, "final evaluation, 3 seeds")
    assert state.half == pytest.approx(4.30265 / math.sqrt(3), rel=1e-5)


HOSTILE = {
    "no json": "{",
    "a list": "[]",
    "no names": "{}",
    "names are numbers": '{"algo": 1, "env": 2, "started": "2026-11-28T21:48:43+00:00"}',
    "no date": '{"algo": "a", "env": "b", "started": "yesterday"}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_manifest_that_is_no_good_hides_no_other_run(tmp_path, text):
    make_run(tmp_path)
    bad = make_run(tmp_path, "ppo/CartPole-v1_2")
    (bad / "manifest.json").write_text(text)
    following = Following(tmp_path)
    assert list(following.refresh()[0]) == ["ppo/CartPole-v1_1"]
    assert following.refresh() == ({}, [])


def test_files_of_a_stranger_are_not_waited_for(tmp_path):
    folder = make_run(tmp_path)
    for name in ("metrics.jsonl", "timing.jsonl", "result.json", "failure.json", "lock"):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
    (state,) = Following(tmp_path).refresh()[0].values()
    assert math.isnan(state.score)
    outside = make_run(tmp_path.parent / f"{tmp_path.name}-outside", "ppo/CartPole-v1_1")
    (tmp_path / "ppo" / "linked").symlink_to(outside)
    assert list(Following(tmp_path).refresh()[0]) == ["ppo/CartPole-v1_1"], "a link that leads out is no run"


def test_long_and_odd_names_are_cut_and_inert(tmp_path):
    make_run(tmp_path, env="\x1b[2J<script>" + "x" * 10_000)
    (state,) = Following(tmp_path).refresh()[0].values()
    assert "\x1b" not in state.env
    assert len(state.env) < 300
