"""A folder of records: what is learnt from, and what is not, with causes and places."""

import jax
import numpy as np
import pytest

from logpi.errors import LogpiError
from logpi.games.records.files import append
from logpi.games.records.folder import held_out, read_folder
from logpi.games.records.record import AGAIN, ILLEGAL, NO_MOVES, NO_RECORDS, OTHER_GAME, UNREADABLE, Record
from logpi.games.records.recorded import begin, playable, recorded
from logpi.games.rules.make import make_game


@pytest.fixture(scope="module")
def go():
    return make_game("go-5x5")


def record(*actions, **fields):
    return Record("go-5x5", ("a", "b"), actions, fields.pop("outcome", 1.0), **fields)


def test_what_is_used_and_what_is_not(tmp_path, go):
    deep = tmp_path / "b" / "c"
    append(tmp_path / "a.sgf", record(12, 7, 11))
    append(tmp_path / "a.sgf", record(12, 7, 11))  # again
    append(tmp_path / "a.sgf", record(12, 7, 11, komi=0.5))
    append(deep / "d.SGF", record(12, 12, 3))  # on a stone
    append(deep / "d.SGF", record(25, 25, 3))  # after the end
    append(deep / "d.SGF", record(25, 25, plies=2))
    append(deep / "e.jsonl", Record("connect-four", ("", ""), (3,), None))
    (deep / "f.sgf").write_text("(;GM[1]SZ[5]AB[aa][bb];W[cc];B[dd])")
    (deep / "notes.txt").write_text("hello")
    (tmp_path / "link.sgf").symlink_to(tmp_path / "nowhere.sgf")
    records, report = read_folder(tmp_path, go)
    assert [(len(one.actions), one.komi, one.setup) for one in records] == [
        (3, 7.5, 0),
        (3, 0.5, 0),
        (1, 7.5, 0),
        (2, 7.5, 0),
        (5, None, 3),
    ]
    assert (report.files, report.games, report.used, report.moves) == (5, 8, 5, 3 + 3 + 1 + 2 + 2)
    causes = [fault.cause for fault in report.faults]
    assert sorted(causes) == sorted([NO_RECORDS, UNREADABLE, OTHER_GAME, AGAIN, ILLEGAL, ILLEGAL, NO_MOVES])
    lines = report.lines()
    assert lines[0] == "records: 5 of 8 games, 11 moves (files: 5)"
    assert lines[1].startswith(f"  2 × {ILLEGAL} (first {deep / 'd.SGF'}, line 1)")
    assert report.places().count("\n") == 7
    assert f"{ILLEGAL}\t{deep / 'd.SGF'}, line 1: move 2, C3\n" in report.places()


def test_no_record_is_an_error_that_says_why(tmp_path, go):
    with pytest.raises(LogpiError, match="no such folder"):
        read_folder(tmp_path / "none", go)
    append(tmp_path / "a.sgf", Record("go-9x9", ("", ""), (1,), None))
    with pytest.raises(LogpiError, match=f"no record of go-5x5 to learn from.*\n.*\n  1 × {OTHER_GAME}"):
        read_folder(tmp_path, go)


def test_one_file_is_read_too(tmp_path, go):
    append(tmp_path / "a.sgf", record(12, 7, 11))
    assert read_folder(tmp_path / "a.sgf", go).report.used == 1


def test_the_moves_alone_decide_which_games_are_held_out():
    rng = np.random.default_rng(0)
    games = [record(*rng.integers(0, 26, 8).tolist()) for _ in range(2000)]
    out = [held_out(one, 0.2) for one in games]
    assert 0.16 < np.mean(out) < 0.24
    assert out == [held_out(one._replace(komi=0.5, outcome=None, players=("", "")), 0.2) for one in games]
    assert not any(held_out(one, 0.0) for one in games)


def test_games_as_arrays(go):
    games = recorded(go, [record(12, 7, 11, komi=0.5, plies=1), record(3), record(4, 5, setup=2)])
    assert games.actions.tolist() == [[12, 7, 11], [3, 0, 0], [4, 5, 0]]
    assert (games.length.tolist(), games.first.tolist()) == ([3, 1, 2], [1, 0, 2])
    state = begin(games, jax.numpy.array([1, 0]))
    assert np.asarray(state.komi).tolist() == [7.5, 0.5]


def test_the_legal_moves_of_more_games_than_are_replayed_at_once():
    toe = make_game("tic-tac-toe")
    lines = [(0, 3, 1, 4, 2, 5), (0, 0), (), (0, 1, 2, 3)]  # won by the fifth move; on a stone; nothing; unfinished
    games = [Record("tic-tac-toe", ("", ""), lines[k % 4], None) for k in range(300)]
    assert playable(toe, recorded(toe, games)).tolist() == [(5, 1, 0, 4)[k % 4] for k in range(300)]
