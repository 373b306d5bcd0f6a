"""AlphaGo's first stage: positions of records, the loss, the accuracy on games held out, and the run as a whole."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file
from small import CACHE, RUN, quick_compilation

from logpi.api.runs import resume, train
from logpi.arena.players.base import Referee, begin
from logpi.arena.replay import replay
from logpi.config.experiments import resolve
from logpi.driver.driver import Driver
from logpi.driver.progress import Progress
from logpi.errors import LogpiError
from logpi.games.agent import load_game_agent
from logpi.games.methods.alphago import loss, top_1
from logpi.games.network import PolicyValue
from logpi.games.records.examples import read_examples
from logpi.games.records.files import append
from logpi.games.records.positions import positions
from logpi.games.records.record import Record
from logpi.games.records.recorded import position_count, recorded
from logpi.games.replay import symmetric
from logpi.games.rules.make import make_game
from logpi.games.settings import BoardNetwork
from logpi.games.supervised import per_game
from logpi.ops.losses import policy_gradient
from logpi.runs.checkpoint import load_tree, save_tree
from logpi.tasks import NOTHING, task_of

NET = BoardNetwork(units=8, blocks=1, value_units=4)
SMALL = {"units": 8, "blocks": 1, "value_units": 4}
LEARN = {"batch_size": 16, "n_updates": 2, "held_out": 0.3, "held_out_sample": 16, "eval_opponent_simulations": 2}


def random_games(name, count, seed=0, **fields):
    """Records of random play."""
    game = make_game(name)
    referee, rng, found = Referee(game), np.random.default_rng(seed), []
    for _ in range(count):
        position, limit = begin(game), int(rng.integers(3, 12))
        while referee.result(position) is None and len(position.actions) < limit:
            position = referee.play(position, int(rng.choice(referee.legal(position))))
        found.append(Record(name, ("a", "b"), position.actions, 1.0, **fields))
    return found


@pytest.mark.parametrize("name", ["go-5x5", "connect-four", "othello"])
def test_a_position_is_what_the_rules_make_of_the_moves_before_it(name):
    game = make_game(name)
    records = [*random_games(name, 3), *random_games(name, 1, 1, plies=2)]
    if name == "go-5x5":
        records = [records[0]._replace(komi=0.5), *records[1:3], records[3]._replace(setup=3, plies=0)]
    games = recorded(game, records)
    count = int(position_count(games))
    found = positions(game, games, jnp.arange(count))
    observe, legal, n = jax.jit(game.observe), jax.jit(game.legal), 0
    for record, first in zip(records, games.first.tolist(), strict=True):
        for t, position in list(enumerate(replay(record)))[first:-1]:
            assert np.array_equal(found.obs[n], observe(position.state))
            assert np.array_equal(found.legal[n], legal(position.state))
            assert found.policy[n].argmax() == record.actions[t]
            assert found.policy[n].sum() == 1
            n += 1
    assert n == count


@pytest.fixture(scope="module")
def batch():
    game = make_game("go-5x5")
    games = recorded(game, random_games("go-5x5", 4))
    return game, positions(game, games, jnp.arange(12))


def test_the_move_turns_with_the_board(batch):
    game, samples = batch
    words = np.random.default_rng(0).integers(0, 2**32, 12, dtype=np.uint32)
    turned = symmetric(game, samples, jnp.asarray(words))
    assert (turned.policy.argmax(-1) != samples.policy.argmax(-1)).any()
    assert jnp.take_along_axis(turned.legal, turned.policy.argmax(-1)[:, None], 1).all()
    played = samples.policy.argmax(-1)
    for k, s in enumerate(words % 8):
        assert game.action_symmetries[s][turned.policy[k].argmax()] == played[k]
        cells = np.asarray(samples.obs[k]).reshape(25, -1)
        assert np.array_equal(np.asarray(turned.obs[k]).reshape(25, -1), cells[game.symmetries[s]])


def test_the_gradient_is_the_policy_gradient_of_the_experts_moves_with_weight_1(batch):
    """The theme: Σ Ψ ∇ log π(a | s) with Ψ = 1, summed by hand one position after the other."""
    game, samples = batch
    network = PolicyValue(NET, game.actions)
    params = network.init(jax.random.key(0), samples.obs)
    found = jax.grad(lambda p: loss(network.apply, p, samples, None)[0])(params)

    def one(p, k):
        logits = network.apply(p, samples.obs[k : k + 1])[0][0]
        legal = jnp.where(samples.legal[k], logits, -jnp.inf)
        log_pi = legal[samples.policy[k].argmax()] - jax.nn.logsumexp(legal)
        return policy_gradient(log_pi, jnp.float32(1.0)) / 12

    wanted = jax.grad(lambda p: sum(one(p, k) for k in range(12)))(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, wanted)


def test_accuracy_counts_the_first_choice_among_legal_moves(batch):
    _, samples = batch
    wrong = samples.policy[:, ::-1]
    first = jnp.where((jnp.arange(12) < 3)[:, None], 5 * samples.policy, 5 * wrong)
    illegal = jnp.where(samples.legal, first, 100.0)  # the greatest logits are of moves that are not allowed
    right = top_1(lambda params, obs: (illegal, None, None), None, samples)
    allowed = jnp.take_along_axis(samples.legal, wrong.argmax(-1)[:, None], 1)[:, 0]
    assert right[:3].tolist() == [1, 1, 1]
    assert not right[3:][allowed[3:]].any()


def test_the_interval_is_over_games_not_moves():
    right = np.array([1.0] * 50 + [0.0] * 50)
    mean, half = per_game(right, np.array([50, 50]))
    assert mean == 0.5
    assert half == pytest.approx(1.96 * np.sqrt(2 * 2 * 25**2) / 100)
    assert per_game(right, np.ones(100, int))[1] == pytest.approx(1.96 * 0.5 / np.sqrt(99), rel=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Games in which everybody plays the first legal point of the board's main line."""
    place = tmp_path_factory.mktemp("records")
    for record in random_games("go-5x5", 30):
        append(place / "games.sgf", record)
    (place / "bad.sgf").write_text("(;GM[1]SZ[5];B[aa];W[aa])")
    return place


def test_the_held_out_games_are_not_learnt_from(folder):
    game = make_game("go-5x5")
    found = read_examples(game, str(folder), 0.3)
    learnt, out = (
        {tuple(row[:n]) for row, n in zip(g.actions.tolist(), g.length, strict=True)} for g in found.examples
    )
    assert len(learnt) + len(out) == 31
    assert not learnt & out
    assert len(out) in range(3, 18)
    assert found.fingerprint == read_examples(game, str(folder), 0.3).fingerprint
    assert found.fingerprint != read_examples(game, str(folder), 0.4).fingerprint
    assert any("move that the rules forbid" in line for line in found.notes)
    with pytest.raises(LogpiError, match="31 to learn from and 0 held out, a fraction of 0; at least 1 of each"):
        read_examples(game, str(folder), 0.0)
    with pytest.raises(LogpiError, match="--records FOLDER"):
        read_examples(game, "", 0.3)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    with quick_compilation():
        run = {**RUN, "log_dir": str(tmp_path_factory.mktemp("runs"))}
        yield train("go-5x5", "alphago", run=run, network=SMALL, records=str(folder), total_timesteps=320, **LEARN)


def test_a_run_tells_what_it_learnt_from_and_measures_on_what_it_did_not(trained, folder):
    rows = [json.loads(line) for line in Path(trained.folder.path, "metrics.jsonl").read_text().splitlines()]
    assert all(0 <= row["records/held_out_accuracy"] <= 1 for row in rows if "train/policy_loss" in row)
    assert rows[-1]["train/policy_loss"] < np.log(26)
    report = Path(trained.folder.path, "records.txt").read_text()
    assert report.startswith("records: 31 of 31 games, ")
    assert f"{folder / 'bad.sgf'}, line 1: move 2, A5" in report
    config = Path(trained.folder.path, "config.toml").read_text()
    assert f'records = "{folder}"' in config


def test_other_records_are_not_gone_on_with(trained, folder):
    append(folder / "later.sgf", random_games("go-5x5", 1, 7)[0])
    try:
        with quick_compilation(), pytest.raises(LogpiError, match=r"the records in .* are not those that this run"):
            resume(trained.folder.path, total_timesteps=640)
    finally:
        (folder / "later.sgf").unlink()


def test_the_agent_plays_by_its_policy_and_by_a_search(trained):
    agent = load_game_agent(Path(trained.folder.path, "last"))
    game = agent.game
    state = jax.tree.map(lambda x: jnp.asarray(x)[None], game.init())
    policy, _ = agent.evaluate(state)
    assert agent.search(state).action[0] == policy[0].argmax(), "one simulation: the policy's first choice"
    assert agent.search(state, 8).visits[0].sum() == 8


def test_the_first_stage_is_for_every_game_with_records(tmp_path):
    for record in random_games("connect-four", 20):
        append(tmp_path / "games.jsonl", record)
    with quick_compilation():
        run, method = {**RUN, "log_dir": str(tmp_path / "runs")}, {**LEARN, "records": str(tmp_path)}
        done = train("connect-four", "alphago", run=run, network=SMALL, total_timesteps=64, **method)
    assert Path(done.folder.path, "records.txt").exists()
    assert CACHE.exists()


def test_self_play_begins_with_the_policy_that_was_learnt_from_records(trained, tmp_path):
    """Also where its network has a further head: that one stays as it was drawn."""
    small = {"n_games": 2, "n_steps": 2, "batch_size": 4, "simulations": 2, "total_timesteps": 4}
    small |= {"learning_rate": 0.0, "final_learning_rate": 0.0}
    with quick_compilation():
        run = {**RUN, "log_dir": str(tmp_path), "eval_points": 1, "eval_episodes": 2, "final_episodes": 2}
        tables = {"init_from": trained.folder.path, "run": run, "network": SMALL, "weight_decay": 0.0}
        done = train("go-5x5", "alphazero", **tables, **small, ownership_coef=1.0, eval_opponent_simulations=2)
    begun = load_file(trained.folder.path / "best" / "agent.safetensors")
    whole = load_file(done.folder.path / "last" / "agent.safetensors")
    same = {name.replace("Head_1", "Head_2"): array for name, array in begun.items()}
    assert set(whole) - set(same) == {name for name in whole if "Head_1" in name}
    for name, array in same.items():
        np.testing.assert_allclose(whole[name], array, atol=1e-6)


def test_a_run_goes_on_bit_for_bit_from_what_it_saves(folder, tmp_path):
    """Also in the middle of an iteration, whose batches are part of what is saved there."""
    method = {**LEARN, "records": str(folder), "total_timesteps": 320}
    chosen, _ = resolve("go-5x5", "alphago", {"network": SMALL, "run": {"log_dir": str(tmp_path)}, "method": method})
    made = Driver(task_of("go-5x5").build(chosen, NOTHING).process(3), [3])
    state, now = made.init(), Progress()
    for _ in range(2):
        state, now, _ = made.iterate(state, now)
        state, now = made.fresh(state), now._replace(iteration=now.iteration + 1, stage=0, unit=0)
    state, now, stopped = made.iterate(state, now, lambda what, done, total: True)
    assert stopped
    assert now.stage == 1
    save_tree(tmp_path / "state", jax.device_get(made.kept.saved(state, now)), {})
    again = made.kept.restored(load_tree(tmp_path / "state", made.kept.like(now))[0])
    (one, at, _), (other, _, _) = made.iterate(state, now), made.iterate(again, now)
    assert at.stage == 3
    jax.tree.map(np.testing.assert_array_equal, *jax.device_get((one, other)))


def test_paths_are_absolute_in_a_run(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    found, _ = resolve("go-5x5", "alphago", {"method": {"records": folder.name}})
    assert found.method.records == str(folder)
