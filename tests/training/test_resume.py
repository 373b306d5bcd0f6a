"""A run that is killed and resumed ends as if nothing had happened: bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small import (
    KILLER,
    ROOT,
    SETTINGS,
    Killed,
    Watcher,
    experiment,
    flags,
    logpi,
    only_run,
    outcome,
    quick_compilation,
    resume,
    start,
)

from logpi.errors import LogpiError
from logpi.own_code import name_code
from logpi.runs.checkpoint import read_meta
from logpi.runs.manage import stop
from logpi.training import session

Q_CHAIN = Path(__file__).parents[1] / "support" / "q_chain.py"
MOVES = {  # four first episodes hold about as many
    "CartPole-v1": 80,
    "MountainCar-v0": 800,
    "MountainCarContinuous-v0": 3996,
    "Acrobot-v1": 2000,
    "Pendulum-v1": 800,
}
WHOLE_EPISODES = ("reinforce", "actor_critic")


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def run_through(chosen):
    """(folder, rows of metrics) of ``chosen``, uninterrupted."""
    watcher = Watcher()
    folder = session.start(chosen, ["test"], watcher).folder
    return folder, watcher.rows


def killed(chosen, row):
    """The folder of ``chosen``, killed at ``row``, after that row was written but before it was checkpointed."""
    with pytest.raises(Killed):
        session.start(chosen, ["test"], Watcher(kill_at=row))
    folder = only_run(chosen.run.log_dir)
    assert folder.status == "interrupted"
    return folder


def assert_resumes_exactly(tmp_path, env, algo, **options):
    whole, rows = run_through(experiment(env, algo, tmp_path / "whole", **options))
    assert rows >= 4
    folder = killed(experiment(env, algo, tmp_path / "cut", **options), row=rows // 2 + 1)
    written = folder.metrics.read_bytes()
    watcher = Watcher()
    resume(folder, watcher)
    assert 0 < watcher.rows < rows
    assert any("resuming at" in note for note in watcher.told)
    assert outcome(folder) == outcome(whole)
    assert outcome(folder)["metrics.jsonl"].startswith(written)


@pytest.mark.parametrize(
    ("env", "algo"),
    [
        ("CartPole-v1", "reinforce"),
        ("CartPole-v1", "actor_critic"),
        ("Pendulum-v1", "actor_critic"),
        ("Acrobot-v1", "a2c"),
        ("MountainCarContinuous-v0", "a2c"),
        ("MountainCar-v0", "ppo"),
        ("Pendulum-v1", "ppo"),
    ],
)
def test_every_algorithm_and_every_environment(tmp_path, env, algo):
    moves = 4 * MOVES[env] if algo in WHOLE_EPISODES else 320
    assert_resumes_exactly(tmp_path, env, algo, total_timesteps=moves)


@pytest.mark.parametrize(
    ("env", "algo"), [("CartPole-v1", "dqn"), ("CartPole-v1", "pqn"), (f"{Q_CHAIN}:States", "q_learning")]
)
def test_value_methods(tmp_path, env, algo):
    name_code(str(Q_CHAIN))
    assert_resumes_exactly(tmp_path, env, algo)


@pytest.mark.parametrize("algo", ["reinforce", "ppo", "dqn"])
def test_several_seeds(tmp_path, algo):
    assert_resumes_exactly(tmp_path, "CartPole-v1", algo, run={"seeds": 3, "seed": 5})


@pytest.mark.parametrize("algo", ["actor_critic", "a2c"])
def test_normalisation(tmp_path, algo):
    moves = {"actor_critic": 3200, "a2c": 320}[algo]
    more = {"normalize_obs": True, "normalize_reward": True, "total_timesteps": moves}
    assert_resumes_exactly(tmp_path, "Pendulum-v1", algo, **more)


@pytest.mark.parametrize("algo", ["reinforce", "ppo"])
def test_memory(tmp_path, algo):
    assert_resumes_exactly(tmp_path, "CartPole-v1", algo, network={"memory": "gru"})


def test_rows_and_checkpoints_of_several_iterations(tmp_path):
    run = {"log_points": 6, "checkpoint_points": 3}
    assert_resumes_exactly(tmp_path, "CartPole-v1", "ppo", run=run, total_timesteps=1280)


def test_a_kill_between_the_last_checkpoint_and_the_result(tmp_path):
    """Nothing is left to train then: no row may be added."""
    folder, _ = run_through(experiment("CartPole-v1", "ppo", tmp_path))
    before = outcome(folder)
    (folder.path / "result.json").unlink()
    watcher = Watcher()
    resume(folder, watcher)
    assert watcher.rows == 0
    assert outcome(folder) == before


def test_a_finished_run_is_not_resumed(tmp_path):
    folder, _ = run_through(experiment("CartPole-v1", "ppo", tmp_path))
    with pytest.raises(LogpiError, match=r"has finished.*logpi eval"):
        resume(folder)


LONG = {"total_timesteps": 12_800, "run": {"checkpoint_points": 10_000, "eval_points": 5, "log_points": 1000}}


def test_kill_9_of_a_run_with_a_prioritized_replay(tmp_path):
    expected = outcome(run_through(experiment("CartPole-v1", "dqn", tmp_path / "whole", **LONG))[0])
    process, folder = begun(tmp_path / "cut", "dqn")
    process.kill()
    assert process.wait() == -signal.SIGKILL
    resume(folder)
    assert outcome(folder) == expected


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The outcome of a run long enough to be hit."""
    return outcome(run_through(experiment("CartPole-v1", "ppo", tmp_path_factory.mktemp("whole"), **LONG))[0])


def begun(tmp_path, algo="ppo"):
    """A process that trains the same run, and its folder; returns once it has made progress."""
    process = start("train", "CartPole-v1", *flags(algo, tmp_path, **LONG))
    pattern = "*/*/checkpoints/iteration_*[1-9].safetensors"
    while not any(tmp_path.glob(pattern)):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    return process, only_run(tmp_path)


def test_kill_9_of_the_command(tmp_path, whole):
    process, folder = begun(tmp_path)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert folder.status == "interrupted"
    done = logpi("resume", folder.path, "--quiet")
    assert done.returncode == 0, done.stderr
    assert outcome(folder) == whole


@pytest.mark.parametrize("how", ["Ctrl-C", "logpi stop"])
def test_a_polite_end_saves_first(tmp_path, whole, how):
    process, folder = begun(tmp_path)
    if how == "Ctrl-C":
        process.send_signal(signal.SIGINT)
    else:
        assert stop(folder.path) == (folder.path, process.pid, "interrupted"), "SIGTERM"
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; saved at" in error
    assert f"logpi resume {folder.path}" in error
    assert "Traceback" not in error
    newest = read_meta(max(folder.checkpoints.glob("*.safetensors")))
    last_row = json.loads(folder.metrics.read_text().splitlines()[-1])
    assert newest["timesteps"] == last_row["time/total_timesteps"]
    assert newest["metrics_bytes"] == folder.metrics.stat().st_size
    resume(folder)
    assert outcome(folder) == whole


KILLS = 8  # 50 took a minute and a half, and found no more


# One process imports everything and forks a child for each kill, before JAX has started any thread.
def test_kills_at_random_moments(tmp_path, whole):
    process, folder = begun(tmp_path)
    process.kill()
    process.wait()
    arguments = [sys.executable, "-c", KILLER, str(folder.path), str(ROOT / "tests" / "support"), str(KILLS)]
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    progress = list(map(int, done.stdout.split()))
    assert len(progress) == KILLS + 1
    assert progress == sorted(progress), "a kill cost what a checkpoint had saved"
    assert progress[-1] > progress[0]
    resume(folder)
    assert outcome(folder) == whole
    assert not list(folder.path.rglob("*.tmp"))
