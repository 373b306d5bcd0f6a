"""Learning games through the driver: it learns, resumes bit for bit, survives kill -9, refuses what cannot be."""

import json
import os
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file
from small import KILLER, ROOT, SETTINGS, Killed, Watcher, logpi, only_run, outcome, quick_compilation, resume, start

from logpi.arena.folder import snapshots
from logpi.cli.arena import arena
from logpi.config.experiments import resolve
from logpi.driver.driver import Driver
from logpi.driver.progress import Progress
from logpi.errors import LogpiError
from logpi.games.agent import load_game_agent
from logpi.games.evaluation.connect_four_labels import ILLEGAL, agreement, labelled, random_agreement
from logpi.games.rules.make import make_game
from logpi.methods import find_method
from logpi.runs.checkpoint import load_tree, read_meta, save_tree
from logpi.tasks import Own, task_of
from logpi.training import session

RUN = {"video": False, "tensorboard": False, "eval_episodes": 8, "final_episodes": 8, "eval_points": 2}
TINY = {
    "n_games": 16,
    "n_steps": 8,
    "simulations": 4,
    "batch_size": 64,
    "replay_ratio": 1.0,
    "replay_size": 1500,
    "total_timesteps": 1400,
    "eval_simulations": 2,
    "eval_opponent_simulations": 2,
}
NET = {"units": 32, "blocks": 1, "value_units": 8}
WIDTH = 64  # positions searched at once
KILLS = 4
TOE = make_game("tic-tac-toe")
STEP = jax.jit(jax.vmap(TOE.step))
SAYS = jax.jit(jax.vmap(lambda state: (TOE.legal(state), TOE.ended(state), TOE.outcome(state))))


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def experiment(log_dir, game="connect-four", algo="alphazero", run=None, network=None, **method):
    tables = {
        "run": {**RUN, "log_dir": str(log_dir), **(run or {})},
        "network": {**NET, **(network or {})},
        "method": {**TINY, **method},
    }
    return resolve(game, algo, tables)[0]


def flags(log_dir, total):
    """The same run as flags of ``logpi train``, saved at every iteration."""
    method = {**TINY, "total_timesteps": total}
    tables = ({**RUN, "log_dir": log_dir, "checkpoint_points": 10_000}, NET, method)
    found = ["connect-four", "--algo", "alphazero", "--quiet"]
    for name, value in (pair for table in tables for pair in table.items()):
        flag = name.replace("_", "-")
        found += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return found


def test_a_killed_run_resumes_exactly(tmp_path):
    watcher = Watcher()
    whole = session.start(experiment(tmp_path / "whole"), ["test"], watcher).folder
    assert watcher.rows == 11
    with pytest.raises(Killed):
        session.start(experiment(tmp_path / "cut"), ["test"], Watcher(kill_at=6))
    folder = only_run(tmp_path / "cut")
    assert folder.status == "interrupted"
    again = Watcher()
    resume(folder, again)
    assert 0 < again.rows <= 6
    assert outcome(folder) == outcome(whole)
    newest = max(folder.checkpoints.iterdir())
    rows = {name: array.shape[0] for name, array in load_file(newest).items() if ".replay." in name and array.ndim}
    assert set(rows.values()) == {88}, "a checkpoint holds the 11 x 8 rows that are filled, of 96"
    assert any("moves.obs" in name for name in rows)


def test_what_alphago_zero_saves_is_all_that_it_is(tmp_path):
    """With what the other systems leave off: an evaluator, searches of two lengths, resignation, games played on."""
    more = {
        "search": "puct",
        "playout_cap_simulations": 2,
        "resign_threshold": 0.01,
        "no_resign_fraction": 0.5,
        "gating_interval": 2,
        "gating_games": 8,
    }
    made = Driver(work(experiment(tmp_path, "hex-3x3", "alphago_zero", **more)).process(1), [1])

    def iterate(state, n):
        state, _, _ = made.iterate(state, Progress(iteration=n))
        return state._replace(metrics={}), jax.device_get(state.metrics)

    state = made.init()
    for n in range(3):
        state, _ = iterate(state, n)
    between = Progress(iteration=3)
    save_tree(tmp_path / "state", jax.device_get(made.kept.saved(state, between)), {})
    again = made.kept.restored(
        load_tree(tmp_path / "state", made.kept.like(between, made.kept.facts(state, between)))[0]
    )
    resigned = 0.0
    for n in range(3, 6):
        (state, metrics), (again, same) = iterate(state, n), iterate(again, n)
        assert metrics == same
        resigned += float(metrics["self_play/resigned"])
    assert resigned > 0
    jax.tree.map(np.testing.assert_array_equal, *jax.device_get((state, again)))


def work(chosen):
    return task_of(chosen.env).build(chosen, Own())


def test_kill_9_costs_the_unfinished_iteration_and_nothing_else(tmp_path):
    """The command once, then at random moments; what is saved never grows less, and the end is the same to the bit."""
    whole = logpi("train", *flags(tmp_path / "whole", 20_000))
    assert whole.returncode == 0, whole.stderr
    process = start("train", *flags(tmp_path / "cut", 20_000))
    while not any(tmp_path.glob("cut/*/*/checkpoints/iteration_*[1-9].safetensors")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    process.kill()
    process.wait()
    folder = only_run(tmp_path / "cut")
    assert folder.status == "interrupted"
    newest = read_meta(max(folder.checkpoints.glob("*.safetensors")))["progress"]["iteration"]
    rows = folder.metrics.read_text().splitlines()
    assert 0 <= len(rows) - newest <= 1
    arguments = [sys.executable, "-c", KILLER, str(folder.path), str(ROOT / "tests" / "support"), str(KILLS)]
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    progress = list(map(int, done.stdout.split()))
    assert progress == sorted(progress), "a kill cost what a checkpoint had saved"
    assert progress[-1] > progress[0]
    done = logpi("resume", folder.path, "--quiet")
    assert done.returncode == 0, done.stderr
    assert outcome(folder) == outcome(only_run(tmp_path / "whole"))


def test_the_agents_of_a_run_s_evaluations_play_each_other(tmp_path, monkeypatch, capsys):
    folder = session.start(experiment(tmp_path, "tic-tac-toe"), ["test"], Watcher()).folder
    monkeypatch.chdir(tmp_path)
    assert (
        arena(["tic-tac-toe", "random", "--snapshots-of", str(folder.path), "--games", "4", "--json", "--quiet"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    names = [player["name"] for player in found["players"]]
    assert {f"{int(stage.name) / 1000:g}k" for stage in folder.stages.iterdir()} == set(names) - {"random"}
    assert len(names) == 3
    assert (tmp_path / found["folder"] / "elo.png").stat().st_size > 10_000
    with pytest.raises(LogpiError, match="it has 2 agents; give at least 2 snapshots"):
        snapshots(str(folder.path), 1)


@pytest.fixture(scope="module")
def toe_run(tmp_path_factory):
    """(a run of tic-tac-toe's recipe, what it said meanwhile)."""
    tables = {"run": {**RUN, "eval_points": 1, "log_dir": str(tmp_path_factory.mktemp("toe"))}}
    view = Watcher()
    return session.start(resolve("tic-tac-toe", None, tables)[0], ["test"], view), view.told


@pytest.fixture(scope="module")
def toe(toe_run):
    """The agent of tic-tac-toe's recipe."""
    return load_game_agent(toe_run[0].folder.last)


def test_a_run_says_where_its_scores_stand_and_that_its_agent_cannot_be_beaten(toe_run, toe):
    trained, told = toe_run
    scale = json.loads((trained.folder.path / "result.json").read_text())["scale"]
    assert list(scale) == ["untrained", "plain MCTS, the opponent itself"]
    assert -1 <= scale["untrained"] <= 1
    assert any("scores to compare with: untrained" in text for text in told)
    assert any("to compare with: untrained" in line for line in trained.lines)
    lost, met = losses(toe, 0)
    assert not lost
    assert f"it cannot be beaten: every play of an opponent was walked through ({met:,} pos" in trained.lines[-1]


def losses(agent, simulations):
    """(games lost, positions met) by ``agent`` on either side, against every line of play that its opponent has."""

    def answers(states):
        """The positions after each legal move of each."""
        row, action = np.nonzero(SAYS(states)[0])
        return np.asarray(STEP(states[row], action.astype(np.int32)))

    def chosen(states):
        padded = np.resize(states, (-(-len(states) // WIDTH) * WIDTH, *states.shape[1:]))
        found = [agent.search(part, simulations).action for part in np.split(padded, len(padded) // WIDTH)]
        return np.concatenate(found)[: len(states)]

    lost, met, empty = 0, 0, np.asarray(TOE.init())[None]
    for states in (empty, answers(empty)):
        while len(states):
            states = np.unique(states, axis=0)
            met += len(states)
            moved = np.asarray(STEP(states, chosen(states)))
            states = moved[~np.asarray(SAYS(moved)[1])]
            if len(states):
                states = answers(states)
                _, ended, outcome = map(np.asarray, SAYS(states))
                lost += (outcome[ended] == -1).sum()
                states = states[~ended]
    return lost, met


@pytest.mark.parametrize("simulations", [0, 1], ids=["as evaluated", "the network alone"])
def test_tic_tac_toe_is_never_lost_whatever_the_opponent_does(toe, simulations):
    lost, met = losses(toe, simulations)
    assert met > 200
    assert lost == 0


def test_nobody_is_born_a_master(toe):
    """The check above does find who loses."""
    learnt = toe.params
    try:
        toe.params = find_method("alphazero")(toe.config, toe.net, toe.game).init(jax.random.key(0)).params
        assert losses(toe, 0)[0] > 5
    finally:
        toe.params = learnt


def test_the_evaluator_knows_the_better_network(toe):
    config = resolve("tic-tac-toe", "alphago_zero", {"method": {"gating_games": 64, "gating_simulations": 2}})[0].method
    method = find_method("alphago_zero")(config, toe.net, toe.game)
    new, gate = method.init(jax.random.key(0)), method.gate
    play = jax.jit(lambda learner, key: gate.advance(learner, gate.start(key), key, gate.plies))

    def match(newest, best):
        learner = new._replace(params=newest, extra=new.extra._replace(params=best))
        after = jax.device_get(gate.decide(learner, play(learner, jax.random.key(1))))
        return after.extra.params, after.extra.match

    def same(x, y):
        return all(jax.tree.leaves(jax.tree.map(np.array_equal, x, y)))

    best, found = match(toe.params, new.params)
    assert found["gating/score"] > 0.6
    assert found["gating/promotions"] == 1
    assert same(best, toe.params)
    best, found = match(new.params, toe.params)
    assert found["gating/score"] < 0.4
    assert found["gating/promotions"] == 0
    assert same(best, toe.params)
    best, found = match(toe.params, toe.params)
    assert found["gating/score"] == 0.5, "each opening by both sides, and draws are half a point"


def test_connect_four_gets_better_than_random(tmp_path):
    """Of the network's moves alone, one in three keeps the value before it has learnt; a search would hide much."""
    method = {"n_games": 64, "total_timesteps": 30_000, "simulations": 16, "batch_size": 256, "replay_ratio": 4.0}
    chosen = experiment(
        tmp_path, run={"eval_points": 0, "final_episodes": 200}, network={"units": 64}, replay_size=3e4, **method
    )
    folder = session.start(chosen, ["test"], Watcher()).folder
    agent = load_game_agent(folder.last)
    result = json.loads((folder.path / "result.json").read_text())
    measured = result["agreement"]["decision"]
    assert measured["share"] == pytest.approx(result["mean_reward"][0])
    assert measured["n"] == result["episodes"] == sum(group["n"] for group in result["agreement"]["by_ply"].values())
    assert measured["low"] < measured["share"] < measured["high"]
    positions = labelled("validation")
    policy, value = agent.evaluate(positions.state)
    found = agreement(np.where(positions.legal, policy, -1).argmax(1), positions)["decision"]
    assert found["low"] > random_agreement(positions)["decision"] + 0.1
    best = np.sign(np.where(positions.legal, positions.score, ILLEGAL).max(1))
    assert np.corrcoef(value, best)[0, 1] > 0.2


@pytest.mark.skipif(jax.local_device_count() != 2, reason="needs two devices")
def test_games_that_cannot_be_dealt_out_stay_on_one_device(tmp_path):
    for sizes, num_devices in (({}, 2), ({"batch_size": 63}, 1), ({"n_games": 15}, 1)):
        assert work(experiment(tmp_path, **sizes)).num_devices == num_devices
