"""``logpi.train`` as notebooks and scripts call it: settings by name, plain values, a command that can be run."""

import shlex
from pathlib import Path

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest
from small import RUN, only_run, quick_compilation

import logpi
from logpi.cli.train import parse_train
from logpi.config.call import in_sections, python_command
from logpi.config.experiments import resolve
from logpi.config.stored import experiment_from_table, experiment_to_table
from logpi.config.values import plain
from logpi.errors import LogpiError

TINY = {"n_envs": 4, "n_steps": 16, "total_timesteps": 128, "hidden": [8], "quiet": True}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def test_a_setting_reaches_its_section():
    found = in_sections("CartPole-v1", "ppo", {"seed": 3, "seeds": 2, "hidden": [8], "clip_range": 0.1, "video": False})
    assert found == {
        "method": {"clip_range": 0.1},
        "network": {"hidden": [8]},
        "run": {"seed": 3, "seeds": 2, "video": False},
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sed": 3}, "unknown setting sed; did you mean seed"),
        ({"num_envs": 3}, "unknown setting num_envs; write n_envs"),
        ({"seed": 1, "run": {"seed": 2}}, "seed is given twice, by itself and in run="),
        ({"hidden": [1], "network": {"hidden": [2]}}, "hidden is given twice, by itself and in network="),
        ({"seed": -1}, "run.seed is -1"),
        ({"n_envs": True}, "method.n_envs is True, a bool; it must be a int"),
        ({"n_envs": np.True_}, "method.n_envs is True, a bool; it must be a int"),
        ({"learning_rate": "1e-3"}, "method.learning_rate is '1e-3', a str"),
        ({"policy": 3}, "policy is a int; allowed: a logpi.Policy"),
        ({"algorithm": "ppo"}, "algorithm is a str"),
        ({"env_kwargs": {"world": object()}}, "env_kwargs.world is a object, which a run's config.toml cannot hold"),
        ({"env_kwargs": {"worlds": [{"a": object()}]}}, r"env_kwargs.worlds.a is a object"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(tmp_path, given, message):
    given = {**given, "run": {"log_dir": tmp_path, **given.get("run", {})}}
    with pytest.raises(LogpiError, match=message):
        logpi.train("CartPole-v1", "a2c", **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("env", [3, gymnasium.make("CartPole-v1"), None])
def test_an_environment_that_is_no_name(tmp_path, env):
    with pytest.raises(LogpiError, match="function that builds"):
        logpi.train(env, "a2c", log_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_values_of_numpy_and_paths_are_plain():
    given = [np.float32(0.5), np.int64(3), np.bool_(True), np.array([1, 2]), jnp.float32(0.5), Path("a"), "b", None]
    assert list(map(plain, given)) == [0.5, 3, True, [1, 2], 0.5, "a", "b", None]
    method = {"n_envs": np.int32(4), "learning_rate": np.logspace(-4, -3, 2)[0], "normalize_obs": np.bool_(True)}
    network, run = {"hidden": np.array([8, 8])}, {"log_dir": Path("a"), "seed": np.uint32(7)}
    tables = {"method": method, "network": network, "run": run, "env_kwargs": {"gravity": np.float64(9), "d": (1, 2)}}
    found, _ = resolve("CartPole-v1", "a2c", tables)
    assert (found.method.n_envs, found.method.learning_rate, found.method.normalize_obs) == (4, 1e-4, True)
    assert (found.network.hidden, found.run.log_dir, found.run.seed) == ((8, 8), "a", 7)
    assert found.env_kwargs == {"gravity": 9.0, "d": (1, 2)}
    assert type(found.env_kwargs["gravity"]) is float


@pytest.mark.parametrize("way", ["flags", "file", "python"])
def test_a_relative_path_of_data_is_made_absolute_whichever_way_it_comes(tmp_path, monkeypatch, way):
    monkeypatch.chdir(tmp_path)
    if way == "flags":
        experiment, *_ = parse_train(["ram/own", "--data", "icons"])
    elif way == "file":
        Path("mine.toml").write_text('[method]\ndata = "icons"\n')
        experiment, *_ = parse_train(["ram/own", "--config", "mine.toml"])
    else:
        experiment, _ = resolve("ram/own", None, {"method": {"data": Path("icons")}})
    assert experiment.method.data == str(tmp_path / "icons")
    assert experiment_from_table(experiment_to_table(experiment)) == experiment


def test_a_run_says_how_to_make_it_again_and_that_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rate = np.float64(1e-3)
    first = logpi.train("CartPole-v1", "a2c", **TINY, run={**RUN, "log_dir": "first"}, learning_rate=rate, seed=5)
    command = (first.folder.path / "command.txt").read_text()
    program, flag, code = shlex.split(command)
    assert (program, flag) == ("python", "-c")
    exec(code.replace("first", "again"), {})
    again = only_run("again")
    assert again.metrics.read_bytes() == first.folder.metrics.read_bytes()
    assert again.config["run"]["seed"] == 5


def test_a_call_with_objects_says_which():
    assert python_command({"env": "CartPole-v1", "gamma": float("inf"), "policy": ""}, {}) == shlex.join(
        ["python", "-c", "import logpi; logpi.train(env='CartPole-v1', gamma=float('inf'))"]
    )
    said = python_command({"gamma": 0.5}, {"env": lambda: None, "policy": None})
    assert said.splitlines() == [
        "# a call in Python, with objects that no text holds: env (a function)",
        "# logpi.train(gamma=0.5)",
    ]


def test_an_outcome_in_a_notebook(tmp_path):
    outcome = logpi.train("CartPole-v1", "a2c", **TINY, run={**RUN, "log_dir": tmp_path})
    assert repr(outcome).startswith(f"Outcome('{tmp_path}/a2c/CartPole-v1_1', score ")
    assert len(repr(outcome)) < 200
    shown = outcome._repr_html_()
    assert shown.count("<img ") == 1, "the curve"
    assert "logpi watch" in shown


def test_names_that_a_caller_writes_are_imported(tmp_path):
    (tmp_path / "own.py").write_text(
        "import gymnasium\nclass Own(gymnasium.Env):\n"
        "    observation_space = action_space = gymnasium.spaces.Discrete(2)\n"
        "    def reset(self, *, seed=None, options=None):\n        return 0, {}\n"
        "    def step(self, action):\n        return 0, 1.0, True, False, {}\n"
    )
    name = f"{tmp_path}/own.py:Own"
    assert logpi.make(name).id == name
    assert logpi.check_env(name, steps=20).steps_per_second >= 0


SMALLEST = {**TINY, "total_timesteps": 64, "n_envs": 2, "n_steps": 8, "batch_size": 16}


def trained(tmp_path, env, **options):
    """The folder of a tiny run."""
    run = {"video": False, "tensorboard": False, "eval_episodes": 1, "final_episodes": 1, "eval_points": 1}
    return logpi.train(env, "ppo", run={**run, "log_dir": str(tmp_path)}, **SMALLEST, **options).folder


def test_a_factory_is_asked_for_again(tmp_path):
    folder = trained(tmp_path, lambda: gymnasium.make("FrozenLake-v1", is_slippery=False))
    assert folder.config["objects"] == ["env"]
    (folder.path / "result.json").unlink()
    with pytest.raises(LogpiError, match=r"objects of a Python program.*env=\.\.\."):
        logpi.resume(folder.path, quiet=True)
    with pytest.raises(LogpiError, match=r"trained with objects of a Python program: env"):
        logpi.train(config=folder.path / "config.toml", quiet=True)
    agent = logpi.load(folder.path)
    assert agent.facts["env_kwargs"]["is_slippery"] is False, "it is evaluated with the arguments that it had"


def test_an_environment_without_a_name_is_asked_for_again(tmp_path):
    def doubled():
        return gymnasium.wrappers.TransformReward(gymnasium.make("CartPole-v1"), lambda reward: 2 * reward)

    folder = trained(tmp_path, doubled)
    with pytest.raises(LogpiError, match=r"logpi\.load\(path, env=\.\.\.\)"):
        logpi.evaluate(folder.path, 1)
    found = logpi.evaluate(logpi.load(folder.path, env=doubled), 1).facts
    assert found["mean_reward"] == 2 * found["mean_ep_length"]


def test_a_vector_says_its_arguments(tmp_path):
    vector, other = (gymnasium.make_vec("CartPole-v1", num_envs=2, sutton_barto_reward=True) for _ in range(2))
    with pytest.raises(LogpiError, match="eval_env is the vector that is trained in"):
        trained(tmp_path, vector, eval_env=vector)
    folder = trained(tmp_path, vector, eval_env=other)
    assert logpi.load(folder.path).facts["env_kwargs"] == {"sutton_barto_reward": True}


@pytest.mark.parametrize("call", [logpi.load, logpi.evaluate], ids=["load", "evaluate"])
def test_what_is_no_agent_is_named(call):
    for given in (None, 3):
        with pytest.raises(LogpiError, match=f"is a {type(given).__name__}; allowed"):
            call(given)
