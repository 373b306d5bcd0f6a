"""The game of ``docs/games.md`` from its file: checked, learnt, evaluated, played and rated by name."""

import json

import pytest
from own_game import write_connect3
from small import quick_compilation

from logpi.arena.api import play_tournament
from logpi.arena.players.base import RandomPlayer, begin
from logpi.arena.replay import replay
from logpi.cli.main import main
from logpi.errors import LogpiError
from logpi.games.records.files import read
from logpi.games.rules.make import make_game
from logpi.own_code import name_code

NAME = "connect3.py:connect3"
SMALL = ["--total-timesteps", "400", "--n-games", "8", "--n-steps", "16", "--batch-size", "16", "--simulations", "4",
         "--blocks", "1", "--units", "8", "--replay-size", "400", "--eval-points", "2", "--eval-episodes", "4",
         "--eval-simulations", "4", "--eval-opponent-simulations", "4", "--final-episodes", "4",
         "--no-tensorboard", "--no-video", "--quiet"]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    name_code(str(write_connect3(tmp_path)))
    return tmp_path


def resumed(run, monkeypatch):
    """The metrics of a run that goes on, from another folder, as if killed after its last checkpoint but one."""
    (run / "result.json").unlink()
    checkpoints = sorted((run / "checkpoints").glob("*.safetensors"))
    assert len(checkpoints) > 1
    checkpoints[-1].unlink()
    with monkeypatch.context() as patch:
        patch.chdir("/")
        assert main(["resume", str(run), "--quiet"]) == 0
    return (run / "metrics.jsonl").read_bytes()


def test_it_is_trained_evaluated_resumed_and_rated_by_its_file(folder, monkeypatch, capsys):
    with quick_compilation():
        assert main(["train", NAME, *SMALL]) == 0
        (run,) = (folder / "runs").glob("*/*")
        assert f"{folder}/{NAME}" in (run / "config.toml").read_text()
        assert main(["eval", str(run), "--episodes", "4"]) == 0
        whole = (run / "metrics.jsonl").read_bytes()
        assert resumed(run, monkeypatch) == whole, "it goes on bit for bit from the checkpoint before the last"
        capsys.readouterr()
        assert main(["arena", NAME, f"{run}:4", "random", "--games", "2", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["game"] == f"{folder}/{NAME}"
    assert found["folder"] == "arena/connect3_1"


def test_it_is_played_in_the_terminal(folder, monkeypatch, capsys):
    lines = iter(["2", "x", "moves", "save game", "quit"])

    def typed(prompt):
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", typed)
    assert main(["play", NAME, "--agent", "random", "--seed", "1"]) == 0
    said = capsys.readouterr().out
    assert "connect3  move 0" in said
    assert "'x' is not a move of connect-3; allowed: a column, 1 to 4" in said
    assert "saved: game.jsonl" in said
    game = make_game(NAME)
    with pytest.raises(LogpiError, match="name that game beside the record"):
        read(folder / "game.jsonl")
    (record,) = read(folder / "game.jsonl", game)
    assert len(replay(record)) == 3


def test_a_tournament_without_files_and_flags(folder):
    game = make_game(NAME)
    found = play_tournament(NAME, ["random", "mcts:8"], games=4, seed=3)
    assert found.folder is None
    assert not (folder / "arena").exists()
    assert [player.games for player in found.report.players] == [4, 4]
    assert len(found.duels[0].results) == 4
    json.dumps(found.to_json(), allow_nan=False)
    player = RandomPlayer(game, 1)
    player.name = "mine"
    again = play_tournament(game, ["random", player], games=2, out=folder / "result")
    assert (folder / "result" / "games.jsonl").exists()
    assert {standing.name for standing in again.report.players} == {"random", "mine"}
    assert player.choose([begin(game)]), "it was not closed"
    with pytest.raises(LogpiError, match="anchor 'x' does not play; allowed: random, mcts:8"):
        play_tournament(NAME, ["random", "mcts:8"], anchor="x")
    with pytest.raises(LogpiError, match="solver plays connect-four alone"):
        play_tournament(NAME, ["random", "solver"])
    with pytest.raises(LogpiError, match="is not played over GTP"):
        play_tournament(NAME, ["random", "gtp:gnugo"])
