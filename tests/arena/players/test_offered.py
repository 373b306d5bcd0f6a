"""Players that a game has here."""

import json

import pytest

import logpi
from logpi.arena.players import offered
from logpi.arena.players.make import make_player
from logpi.games.rules.make import make_game


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(offered.shutil, "which", lambda program, path=None: None)
    monkeypatch.setattr(offered.importlib.util, "find_spec", lambda name: None)


def texts(game, root):
    return [offer.text for offer in logpi.list_players(make_game(game), root)]


def test_without_anything_installed_there_is_search_and_chance(nothing_installed, tmp_path):
    assert texts("go-5x5", tmp_path) == texts("connect-four", tmp_path) == ["mcts", "random"]


def test_solvers_and_engines_are_of_their_game(monkeypatch, tmp_path):
    monkeypatch.setattr(offered.shutil, "which", lambda program, path=None: f"/usr/bin/{program}")
    monkeypatch.setattr(offered.importlib.util, "find_spec", lambda name: object())
    assert texts("go-5x5", tmp_path) == ["mcts", "gnugo:1", "gnugo:10", "random"]
    assert texts("othello", tmp_path) == ["mcts", "rhino:1", "rhino:5", "random"]
    assert texts("connect-four", tmp_path) == ["mcts", "solver", "random"]
    assert texts("chess", tmp_path) == ["mcts", "random"]


def test_agents_come_first_the_newest_at_the_top(nothing_installed, tmp_path):
    for number, (env, has_agent) in enumerate(
        [("hex-4x4", True), ("hex-4x4", True), ("hex-4x4", False), ("othello", True)]
    ):
        run = tmp_path / "alphazero" / f"run_{number}"
        (run / "last").mkdir(parents=True)
        facts = {
            "algo": "alphazero",
            "env": env,
            "started": f"2026-01-0{number + 1}T00:00:00+00:00",
            "status": "finished",
        }
        (run / "manifest.json").write_text(json.dumps(facts))
        if has_agent:
            (run / "last" / "agent.json").write_text("{}")
    found = logpi.list_players(make_game("hex-4x4"), tmp_path)
    assert [offer.label for offer in found[:2]] == ["alphazero/run_1", "alphazero/run_0"]
    assert [offer.text for offer in found[2:]] == ["mcts", "random"]
    assert all(offer.searches for offer in found[:3])


def test_what_is_offered_can_be_made(tmp_path):
    game = make_game("tic-tac-toe")
    for offer in logpi.list_players(game, tmp_path):
        player = make_player(f"{offer.text}:8" if offer.searches else offer.text, game)
        assert hasattr(player, "trees") == offer.searches
        player.close()
