"""Expert records: a match is a file, what is there is not played again, and the games can be learnt from."""

import sys
from pathlib import Path

import pytest

from logpi.arena.players.base import RandomPlayer
from logpi.games.records.folder import read_folder
from logpi.games.rules.make import make_game

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def expert(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCH)
    import expert_records

    asked = []

    def player(name, game, seed):
        made = RandomPlayer(game, seed)
        made.name = name
        asked.append((name, seed))
        return made

    def run(games):
        asked.clear()
        words = ["--out", str(tmp_path), "--game", "go-5x5", "--games", str(games), "--levels", "1", "4"]
        monkeypatch.setattr(sys, "argv", ["expert_records.py", *words])
        assert expert_records.main() == 0
        return list(asked)

    monkeypatch.setattr(expert_records, "make_player", player)
    monkeypatch.setattr(expert_records, "A_MATCH", 2)
    monkeypatch.setattr(expert_records.devices, "prepare", lambda: None)
    return run


def test_what_was_played_is_kept_and_gone_on_from(expert, tmp_path):
    first = expert(2)
    assert len(first) == 2
    before = (tmp_path / "match-00000.sgf").read_bytes()
    (tmp_path / "match-00001.part").write_text("(;GM[1]SZ[5];B[aa")  # a match that was interrupted
    second = expert(4)
    assert len(second) == 2
    assert set(second).isdisjoint(first), "each match draws its own levels' seeds"
    assert (tmp_path / "match-00000.sgf").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))
    records, report = read_folder(tmp_path, make_game("go-5x5"))
    assert (report.files, report.games) == (2, 4)
    assert {name for record in records for name in record.players} <= {"gnugo:1", "gnugo:4"}
    assert all(2 <= record.plies < 11 and record.outcome is not None for record in records)
    assert records[0].players == records[1].players[::-1], "both colours"
    assert records[0].actions[: records[0].plies] == records[1].actions[: records[1].plies]
