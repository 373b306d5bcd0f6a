"""Several seeds where one run trains one: host environments and games, each as it would learn alone."""

import json

import gymnasium
import pytest
from small import Killed, Watcher, experiment, only_run, outcome, quick_compilation, resume

from logpi import api
from logpi.arena.folder import snapshots
from logpi.config.experiments import check_used, resolve
from logpi.errors import LogpiError
from logpi.games.evaluation.walk import walking
from logpi.runs.metrics import read_rows
from logpi.tasks import NOTHING, task_of
from logpi.training import session

GAME = {  # programs that other tests of games have compiled before
    "n_games": 16,
    "n_steps": 8,
    "simulations": 4,
    "batch_size": 64,
    "replay_ratio": 1.0,
    "replay_size": 1500,
    "total_timesteps": 450,
    "eval_simulations": 2,
    "eval_opponent_simulations": 2,
}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def game(log_dir, run):
    """A tiny run of self-play."""
    brief = {"video": False, "tensorboard": False, "eval_episodes": 8, "final_episodes": 8, "eval_points": 2}
    network = {"units": 32, "blocks": 1, "value_units": 8}
    tables = {"run": {**brief, "log_dir": str(log_dir), **run}, "method": GAME, "network": network}
    return resolve("tic-tac-toe", "alphazero", tables)[0]


def host(log_dir, run):
    return experiment("FrozenLake-v1", "ppo", log_dir, run=run)


@pytest.mark.parametrize("kind", [game, host])
def test_each_seed_learns_as_it_would_alone(tmp_path, kind):
    watcher = Watcher()
    both = session.start(kind(tmp_path / "both", {"seeds": 2, "seed": 3}), ["test"], watcher).folder
    assert any(note == "2 seeds take turns in each iteration: about 2 times the time of one" for note in watcher.told)
    alone = session.start(kind(tmp_path / "alone", {"seed": 4}), ["test"], Watcher()).folder
    for name in ("agent.safetensors",):
        assert (both.last / "seed_4" / name).read_bytes() == (alone.last / name).read_bytes()
    result, single = (json.loads((folder.path / "result.json").read_text()) for folder in (both, alone))
    assert result["seeds"] == [3, 4]
    assert result["mean_reward"][1] == single["mean_reward"][0]
    assert both.manifest["seeds"] == [3, 4]
    for row, mine in zip(read_rows(both.metrics), read_rows(alone.metrics), strict=False):
        assert row["train/value_loss"][1] == mine["train/value_loss"]
        assert row["time/total_timesteps"] <= mine["time/total_timesteps"]
    assert both.best_agent == both.best / "seed_3"


def test_seeds_of_a_game_resume_exactly(tmp_path):
    whole = session.start(game(tmp_path / "whole", {"seeds": 2}), ["test"], Watcher()).folder
    with pytest.raises(Killed):
        session.start(game(tmp_path / "cut", {"seeds": 2}), ["test"], Watcher(kill_at=3))
    folder = only_run(tmp_path / "cut")
    resume(folder)
    assert outcome(folder) == outcome(whole)
    stages = snapshots(str(whole.path), 2)
    assert len(stages) == 2
    assert all(player.endswith("seed_0") for player in stages)


def test_training_ends_once_no_play_of_an_opponent_wins(tmp_path, monkeypatch):
    """Also if it is killed just then, and only if all seeds are so far."""
    walks = [False, True, False, True, True]  # seed 0 at the first evaluation; both at the second; both at the third
    asked = {"seeds": 2, "stop_unbeatable": True, "eval_points": 4}

    def trained(name, **kill):
        told = list(walks)
        walked = walking.__globals__["walk"]

        def walk(rules, choose):
            found = walked(rules, choose)
            return found._replace(lost=0 if not told or told.pop(0) else 1)

        with monkeypatch.context() as patched:
            patched.setitem(walking.__globals__, "walk", walk)
            return session.start(game(tmp_path / name, asked), ["test"], Watcher(**kill)).folder

    folder = trained("whole")
    result = json.loads((folder.path / "result.json").read_text())
    assert (folder.status, result["ended_by"]) == ("finished", "stop_unbeatable")
    assert 330 <= result["timesteps"] < 450, "at the third of four evaluations"
    ended = read_rows(folder.metrics)[-1]
    (folder.path / "result.json").unlink()
    watcher = Watcher()
    assert resume(folder, watcher).ended == "stop_unbeatable"
    assert (watcher.rows, read_rows(folder.metrics)[-1]) == (0, ended)


@pytest.mark.parametrize("env", ["connect-four", "CartPole-v1", "FrozenLake-v1", "ram/mnist"])
def test_what_is_never_walked_through_is_not_waited_for(env):
    chosen, _ = resolve(env, None, {"run": {"stop_unbeatable": True}})
    work = task_of(env).build(chosen, NOTHING)
    with pytest.raises(LogpiError, match=r"stop_unbeatable.*of at most nine moves, such as tic-tac-toe"):
        check_used(chosen, work.idle, NOTHING)


def test_a_vector_has_one_seed(tmp_path):
    vector = gymnasium.make_vec("FrozenLake-v1", num_envs=2, vectorization_mode="sync")
    with pytest.raises(LogpiError, match=r"seeds=2: a vector .* cannot be copied.*a function that builds it"):
        api.train(vector, "ppo", run={"seeds": 2, "log_dir": str(tmp_path)}, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_seeds_of_a_host_environment_are_resumed(tmp_path):
    with pytest.raises(Killed):
        session.start(host(tmp_path, {"seeds": 2}), ["test"], Watcher(kill_at=3))
    folder = only_run(tmp_path)
    watcher = Watcher()
    assert resume(folder, watcher).timesteps >= 320
    assert 0 < watcher.rows < 6
