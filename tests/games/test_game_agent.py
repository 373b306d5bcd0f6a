"""Agents of games on the disk and back; settings, files and games that are refused."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import Watcher, quick_compilation

from logpi.arena.players.base import Referee, begin
from logpi.arena.players.make import make_player
from logpi.cli.main import main
from logpi.config.experiments import resolve
from logpi.errors import LogpiError
from logpi.games.agent import GameAgent, adopt, load_game_agent, save_game_agent
from logpi.games.evaluation.connect_four_labels import labelled
from logpi.games.evaluation.judges import evaluate_agent
from logpi.games.rules.make import make_game
from logpi.methods import find_method
from logpi.training import session

NET = {"units": 32, "blocks": 1, "value_units": 8}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture
def saved(tmp_path):
    """A new agent's folder."""
    chosen, _ = resolve("connect-four", "alphazero", {"network": NET})
    system = find_method("alphazero")(chosen.method, chosen.network, make_game("connect-four"))
    save_game_agent(tmp_path, system.init(jax.random.key(0)).params, chosen, {})
    return tmp_path


def test_a_run_begins_with_the_network_of_an_agent(saved):
    chosen, _ = resolve("connect-four", "alphazero", {"network": NET})
    system = find_method("alphazero")(chosen.method, chosen.network, make_game("connect-four"))
    shapes, kept = jax.eval_shape(system.init, jax.random.key(1)), load_game_agent(saved).params
    first = adopt(shapes, saved, chosen)
    for params in (first.params, first.extra.params):
        jax.tree.map(np.testing.assert_array_equal, params, kept)
    assert first.opt_state == shapes.opt_state
    other, _ = resolve("connect-four", "alphazero", {"network": NET | {"units": 16}})
    system = find_method("alphazero")(other.method, other.network, make_game("connect-four"))
    with pytest.raises(LogpiError, match=r"another \(settings of the network: units is 32 there and 16 here\)"):
        adopt(jax.eval_shape(system.init, jax.random.key(1)), saved, other)


@pytest.mark.parametrize(
    ("game", "algo", "tables", "words"),
    [
        ("hex-2x2", None, {}, "no board for 'hex-2x2'; allowed: squares from hex-3x3 to hex-19x19"),
        ("go-9x8", None, {}, "no board for 'go-9x8'; allowed: squares from go-5x5 to go-19x19"),
        ("hex-", None, {}, "unknown game 'hex-'"),
        (
            "tic-tac-toe",
            "ppo",
            {},
            "a board game, which ppo does not learn; its algorithms: alphago, alphago_rl, alphago_search",
        ),
        ("tic-tac-to", "alphazero", {}, "did you mean tic-tac-toe"),
        ("tic-tac-toe", None, {"env_kwargs": {"size": 3}}, "env_kwargs size: tic-tac-toe is a game"),
        ("tic-tac-toe", None, {"method": {"simulations": 0}}, "simulations is 0; it must be at least 1"),
        ("tic-tac-toe", None, {"method": {"n_games": 0}}, "n_games is 0; it must be at least 1"),
        (
            "tic-tac-toe",
            None,
            {"method": {"dirichlet_fraction": 1.5}},
            "dirichlet_fraction is 1.5; it must be between 0 and 1",
        ),
        ("tic-tac-toe", None, {"method": {"replay_size": -1.0}}, "replay_size is -1.0; it must be greater than 0"),
        (
            "tic-tac-toe",
            None,
            {"method": {"resign_threshold": -0.5}},
            "resign_threshold is -0.5; it must be at least 0",
        ),
        ("tic-tac-toe", None, {"method": {"search": "uct"}}, "search is 'uct'; allowed: 'gumbel', 'puct'"),
        ("tic-tac-toe", None, {"method": {"simulation": 3}}, "did you mean simulations"),
        ("tic-tac-toe", None, {"network": {"torso": "cnn"}}, "torso is 'cnn'; allowed: 'mlp', 'tower'"),
    ],
    ids=lambda x: str(x) if isinstance(x, str) else "",
)
def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path, game, algo, tables, words):
    tables = {**tables, "run": {"log_dir": str(tmp_path / "runs"), **tables.get("run", {})}}
    with pytest.raises(LogpiError, match=words):
        session.start(resolve(game, algo, tables)[0], ["test"], Watcher())
    assert not (tmp_path / "runs").exists()


def test_an_agent_comes_back_as_it_was(saved):
    agent = load_game_agent(saved)
    assert agent.game.id == "connect-four"
    states = jax.tree.map(lambda x: jnp.stack([x] * 3), agent.game.init())
    found = agent.search(states, 4)
    assert found.visits.shape == (3, 7)
    assert (np.asarray(found.visits).sum(1) == 4).all()


def test_an_agent_that_keeps_few_moves_still_names_all(saved):
    agent, states = load_game_agent(saved), labelled("validation").state[:64]
    whole, value = agent.evaluate(states)
    sparing = dataclasses.replace(agent.config, max_children=3)
    few, same = GameAgent(agent.game, sparing, agent.net, agent.params, agent.facts).evaluate(states)
    np.testing.assert_array_equal(value, same)
    assert few.shape == whole.shape
    assert ((few > 0).sum(1) <= 3).all()
    kept = np.where(few > 0, whole, 0)
    np.testing.assert_allclose(few, kept / kept.sum(1, keepdims=True), atol=1e-5)
    np.testing.assert_array_equal(kept.max(1), whole.max(1))


def altered(folder, **fields):
    card = json.loads((folder / "agent.json").read_text())
    (folder / "agent.json").write_text(json.dumps({k: v for k, v in (card | fields).items() if v is not None}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"env": "othello"}, "expected float32"),
        ({"env": "checkers"}, "unknown game 'checkers'"),
        ({"env": None}, r"agent\.json is incomplete or altered"),
        ({"algo": "ppo"}, r"unknown setting|incomplete or altered"),
        ({"algo": "muzero"}, r"agent\.json is incomplete or altered"),
        ({"method": None}, r"agent\.json is incomplete or altered"),
        ({"method": {"simulations": -1}}, "simulations is -1"),
        ({"network": {**NET, "units": 33}}, "expected float32"),
        ({"network": {"unit": 33}}, "did you mean units"),
        ({"network": 3}, r"agent\.json is incomplete or altered"),
        ({"format_version": 99}, "upgrade logpi"),
        ({"format_version": "1"}, "this logpi reads 3: train it again"),
    ],
    ids=str,
)
def test_an_altered_agent_is_refused(saved, fields, words):
    altered(saved, **fields)
    with pytest.raises(LogpiError, match=words):
        load_game_agent(saved)


def test_a_damaged_agent_is_refused(saved):
    weights = saved / "agent.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LogpiError, match="truncated or not a safetensors file"):
        load_game_agent(saved)
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(LogpiError, match="SHA-256"):
        load_game_agent(saved)
    weights.unlink()
    with pytest.raises(LogpiError, match="there is no file"):
        load_game_agent(saved)
    (saved / "agent.json").write_text('{"task": ')
    with pytest.raises(LogpiError, match="no agent can be read from"):
        load_game_agent(saved)


def board(moves):
    """Connect Four after moves such as "1 2"."""
    game, referee = make_game("connect-four"), Referee(make_game("connect-four"))
    position = begin(game)
    for move in moves.split():
        position = referee.play(position, game.parse(move))
    return position


@pytest.mark.parametrize(("kind", "count"), [("{}:64", 64), ("mcts:64", 64)], ids=["a trained agent", "plain search"])
def test_players_that_search_see_a_win_and_say_what_they_expect(saved, kind, count):
    wins, quiet = board("1 7 1 7 1 6"), board("4")
    player = make_player(kind.format(saved), quiet.game)
    alone = player.choose([wins])[0]
    several = player.choose([quiet, wins, quiet])
    assert alone.action == several[1].action == 0, "four in the first column"
    assert alone.value > 0.5
    for position, answer in zip([quiet, wins, quiet], several, strict=True):
        if kind == "mcts:64":
            assert -1 <= answer.value <= 1
            continue
        assert sum(answer.visits.values()) == count
        assert answer.action == max(answer.visits, key=answer.visits.get)
        assert answer.variation[0] == answer.action
        referee = Referee(position.game)
        for number, action in enumerate(answer.variation):
            assert action in referee.legal(position)
            position = referee.play(position, action)
            assert referee.result(position) is None or number == len(answer.variation) - 1
    if kind != "mcts:64":
        assert len(several[0].variation) > 1


@pytest.mark.parametrize(("game", "count"), [("connect-four", 40), ("tic-tac-toe", 10)])
def test_an_evaluation_says_what_it_measured(tmp_path, game, count):
    method = {"eval_simulations": 4, "eval_opponent_simulations": 4}
    chosen, _ = resolve(game, "alphazero", {"network": NET, "method": method})
    save_game_agent(
        tmp_path,
        find_method("alphazero")(chosen.method, chosen.network, make_game(game)).init(jax.random.key(0)).params,
        chosen,
        {},
    )
    found = evaluate_agent(load_game_agent(tmp_path), count)
    assert found["count"] == count
    assert found["simulations"] == 4
    assert (0 if game == "connect-four" else -1) <= found["mean"] <= 1
    assert found["low"] <= found["mean"] <= found["high"]
    assert found["low"] < found["high"], "nor is all or nothing certain"


def test_an_agent_does_not_play_another_game(saved):
    with pytest.raises(LogpiError, match="plays connect-four, not othello"):
        make_player(str(saved), make_game("othello"))


@pytest.mark.parametrize("flags", [["--sampled"], ["--passes", "3"], ["--split", "validation"]])
def test_eval_refuses_what_is_not_for_games(saved, flags, capsys):
    assert main(["eval", str(saved), *flags]) == 1
    assert f"{flags[0]} is not for agents of board games" in capsys.readouterr().err
