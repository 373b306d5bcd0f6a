"""AlphaGo's third stage: outcomes of recorded games, from one position of each or from all."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import RUN, quick_compilation

from logpi.api.runs import train
from logpi.games.methods.alphago_value import error, loss, one_position, with_result
from logpi.games.network import PolicyValue
from logpi.games.records.examples import read_examples
from logpi.games.records.files import append
from logpi.games.records.positions import positions
from logpi.games.records.record import Record
from logpi.games.records.recorded import position_count, recorded
from logpi.games.rules.make import make_game
from logpi.games.settings import BoardNetwork

TOE = make_game("tic-tac-toe")
LINES = [((0, 3, 1, 4, 2), 1.0), ((0, 3, 1, 4, 8, 5), -1.0), ((0, 1, 2, 4, 3, 5, 7, 6, 8), 0.0)]


def toe(actions, outcome, **more):
    return Record("tic-tac-toe", ("", ""), actions, outcome, **more)


def test_the_target_is_the_outcome_for_the_player_to_move():
    games = recorded(TOE, [toe(*line) for line in LINES] + [toe((4, 0), None)])
    found = positions(TOE, games, jnp.arange(int(position_count(games))))
    wanted = [z * (-1) ** t for actions, z in LINES for t in range(len(actions))] + [0.0, 0.0]
    assert found.target.tolist() == wanted
    assert found.weight.tolist() == [1.0] * len(wanted)


def test_the_gradient_is_that_of_the_squared_error():
    """∂v/∂θ (z - v), times -2, summed by hand one position after the other."""
    games = recorded(TOE, [toe(*line) for line in LINES])
    samples = positions(TOE, games, jnp.arange(20))
    network = PolicyValue(BoardNetwork(units=8, blocks=1, value_units=4), TOE.actions)
    params = jax.tree.map(lambda x: 3 * x, network.init(jax.random.key(0), samples.obs))
    found = jax.grad(lambda p: loss(network.apply, p, samples, None)[0])(params)

    def value(p, k):
        return network.apply(p, samples.obs[k : k + 1])[1][0]

    def one(k):
        v, gradient = jax.value_and_grad(value)(params, k)
        return jax.tree.map(lambda g: -2 * (samples.target[k] - v) * g / 20, gradient)

    wanted = jax.tree.map(lambda *rows: sum(rows), *[one(k) for k in range(20)])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, wanted)
    assert error(network.apply, params, samples).shape == (20,)


def test_one_position_of_a_game_is_the_first_after_its_opening_or_drawn():
    assert one_position(toe(*LINES[0], plies=2)) == toe((0, 3, 1), 1.0, plies=2)
    assert one_position(toe(*LINES[0], setup=3)) == toe((0, 3, 1, 4), 1.0, plies=3, setup=3)
    assert one_position(toe((4, 0), None)) is None
    assert with_result(toe((4, 0), None)) is None
    assert with_result(toe(*LINES[0])) == toe(*LINES[0])
    rng = np.random.default_rng(0)
    drawn = [one_position(toe(tuple(rng.permutation(9).tolist()), 0.0)).plies for _ in range(900)]
    assert np.bincount(drawn, minlength=9).tolist() == pytest.approx([100] * 9, abs=40)
    assert one_position(toe(*LINES[2])) == one_position(toe(*LINES[2])), "the moves alone draw it"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("records")
    rng = np.random.default_rng(1)
    for _ in range(30):
        # who takes the centre has won, and these games are not over
        first = rng.permutation(9)[:4].tolist()
        outcome = 1.0 if 4 in first[::2] else -1.0
        append(place / "games.jsonl", toe(tuple(first), outcome, reason="resigned"))
    append(place / "games.jsonl", toe((0, 1), None, reason="unfinished"))
    return place


def test_the_parts_hold_one_position_of_each_game(folder):
    one, every = (read_examples(TOE, str(folder), 0.3, choose) for choose in (one_position, with_result))
    for part, whole in zip(one.examples, every.examples, strict=True):
        assert position_count(part) == len(part.length) == len(whole.length)
        assert position_count(whole) == 4 * len(whole.length)
    assert one.fingerprint != every.fingerprint


@pytest.mark.parametrize("kind", ["one", "all"])
def test_a_run_tells_both_errors(folder, tmp_path, kind, capsys):
    with quick_compilation():
        run = {**RUN, "log_dir": str(tmp_path), "eval_points": 1, "eval_episodes": 2, "final_episodes": 2}
        method = {"records": str(folder), "held_out": 0.3, "held_out_sample": 16, "batch_size": 16, "n_updates": 4}
        method |= {"eval_simulations": 2, "eval_opponent_simulations": 2, "learning_rate": 0.01, "positions": kind}
        network = {"units": 16, "blocks": 1, "value_units": 8}
        done = train("tic-tac-toe", "alphago_value", run=run, network=network, total_timesteps=4000, **method)
    rows = [json.loads(line) for line in (done.folder.path / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["train/value_loss"] < rows[0]["train/value_loss"]
    assert rows[-1]["records/held_out_value_error"] >= 0
    assert "mean squared error" in capsys.readouterr().out
