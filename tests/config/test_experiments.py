"""Settings: what binds more wins, every key is checked, and a run's config.toml says it all."""

import contextlib
import dataclasses
import json
import math
import tomllib
from importlib.resources import files
from unittest import mock

import pytest

from logpi import api
from logpi.algorithms.a2c import A2C
from logpi.algorithms.ppo import PPO
from logpi.cli.train import parse_train
from logpi.config.experiments import promised, resolve
from logpi.config.settings import Experiment, Network, Run
from logpi.config.stored import (
    experiment_from_table,
    experiment_to_table,
    read_file,
    recipe_for,
    recipes,
    settings_card,
    settings_from,
)
from logpi.config.values import ALIASES, from_table
from logpi.errors import LogpiError
from logpi.runs.create import toml_text
from logpi.runs.files import json_text
from logpi.tasks import Length, task_of

RECIPE = recipe_for("CartPole-v1", "ppo")


def test_every_recipe_is_a_valid_experiment():
    assert len(recipes()) > 0
    for recipe in recipes():
        experiment, found = resolve(recipe.env, recipe.algo)
        assert found == recipe
        assert recipe.band is None or recipe.band[0] < recipe.band[1]
        assert recipe.seconds > 0
        for name, value in recipe.tables["method"].items():
            assert getattr(experiment.method, name) == value
    defaults = [recipe.env for recipe in recipes() if recipe.default]
    assert len(defaults) == len(set(defaults)), "one default a environment"


def test_an_environment_without_a_recipe_has_sound_defaults():
    experiment, recipe = resolve("Nothing-v0", None)
    assert (recipe, experiment.algo, experiment.method) == (None, "ppo", PPO())
    assert resolve("Nothing-v0", "a2c")[0].method == A2C()


@pytest.mark.parametrize(
    ("env", "same", "other"),
    [
        ("CartPole-v1", {"method": {"total_timesteps": 1e4}, "run": {"seed": 3}}, {"method": {"gamma": 0.5}}),
        ("CartPole-v1", {"run": {"eval_points": 2}}, {"env_kwargs": {"gravity": 5.0}}),
        ("ram/mnist", {"method": {"total_images": 1e5}}, {"method": {"data": "fashion-mnist"}}),
        ("ram/cluttered", {"run": {"seeds": 2}}, {"method": {"location_policy": "random"}}),
        ("ram/mnist", {}, {"network": {"core": "lstm"}}),
    ],
)
def test_a_recipe_promises_nothing_of_other_settings(env, same, other):
    for tables, kept in ((same, True), (other, False)):
        experiment, recipe = resolve(env, None, tables)
        assert recipe.band
        assert promised(experiment) == (recipe if kept else None)
    assert promised(resolve("Nothing-v0", None)[0]) is None


def test_what_a_training_is_counted_in():
    some = {"method": {"total_images": 3000, "n_glimpses": 4}}

    def length(experiment):
        return task_of(experiment.env).length(experiment)

    assert length(resolve("ram/mnist", None, some)[0]) == Length(12_000, "images", 4)
    assert length(resolve("ram/mnist", "classifier", {"method": {"total_images": 50}})[0]) == Length(50, "images", 1)
    assert length(resolve("hex-5x5", None, {"method": {"total_timesteps": 9}})[0]) == Length(9, "moves")
    assert length(resolve("CartPole-v1", None, {"method": {"total_timesteps": 9}})[0]) == Length(9, "steps")


def test_layers_from_least_to_most_binding(tmp_path):
    recipe = RECIPE.tables["method"]
    assert recipe["n_steps"] != PPO().n_steps
    assert resolve("CartPole-v1", None)[0].method.n_steps == recipe["n_steps"]
    assert resolve("CartPole-v1", None)[0].method.vf_coef == PPO().vf_coef

    file = tmp_path / "mine.toml"
    file.write_text("[method]\nn_steps = 48\ngamma = 0.5\n[run]\nseed = 3\n[env_kwargs]\na = 1\nb = 2\n")
    argv = ["CartPole-v1", "--config", str(file)]
    experiment = parse_train(argv)[0]
    assert (experiment.method.n_steps, experiment.method.gamma, experiment.run.seed) == (48, 0.5, 3)
    assert experiment.method.gae_lambda == recipe["gae_lambda"]

    argv += ["--gamma", "0.25", "--env-kwargs", "b=2.5", "c=hello", "d=[1, 2]"]
    experiment = parse_train(argv)[0]
    assert (experiment.method.n_steps, experiment.method.gamma) == (48, 0.25)
    assert experiment.env_kwargs == {"a": 1, "b": 2.5, "c": "hello", "d": [1, 2]}


@pytest.mark.parametrize(
    "argv",
    [
        ["Own-v0", "--algo", "a2c", "--gamma", "0.5", "--no-video"],
        ["--algo", "a2c", "Own-v0", "--gamma=0.5", "--no-video"],
        ["--gamma", "0.5", "--no-video", "Own-v0", "--algo=a2c"],
        ["--no-video", "--gamma", "0.5", "--algo=a2c", "Own-v0"],
    ],
)
def test_flags_in_any_order(argv):
    experiment, _, quiet, _ = parse_train(argv)
    expected = dataclasses.replace(A2C(), gamma=0.5)
    assert experiment == Experiment("Own-v0", "a2c", Run(video=False), expected, Network())
    assert not quiet


def test_names_of_other_libraries():
    for alias, name in ALIASES.items():
        assert name in {field.name for field in dataclasses.fields(PPO)}
        value = {"clip_coef": "0.5"}.get(alias, "256")
        experiment = parse_train(["CartPole-v1", f"--{alias.replace('_', '-')}", value])[0]
        assert getattr(experiment.method, name) == float(value)
        assert parse_train(["CartPole-v1", f"--{alias}={value}"])[0] == experiment
        with pytest.raises(LogpiError, match=f"write {name}"):
            resolve("CartPole-v1", "ppo", {"method": {alias: 8}})


@pytest.mark.parametrize("algo", ["reinforce", "actor_critic", "a2c", "ppo"])
def test_a_config_file_of_a_run_gives_the_same_experiment(algo):
    tables = {
        "run": {"seed": 4, "seeds": 2, "video": False},
        "method": {"learning_rate": 1 / 3, "max_grad_norm": math.inf, "lr_schedule": "linear"},
        "network": {"hidden": [3, 5], "memory": "lstm"},
        "env_kwargs": {"map_name": "8x8", "is_slippery": False},
    }
    experiment, _ = resolve("FrozenLake-v1", algo, tables)
    text = toml_text(experiment_to_table(experiment))
    assert experiment_from_table(tomllib.loads(text)) == experiment
    assert experiment.network.hidden == (3, 5)


def config_of(tmp_path, experiment):
    """The config.toml of a run of ``experiment``."""
    path = tmp_path / "config.toml"
    path.write_text(toml_text(experiment_to_table(experiment)))
    return path


def test_train_takes_the_config_file_of_a_run_as_it_is(tmp_path, monkeypatch):
    tables = {"run": {"seed": 4}, "method": {"gamma": 0.5}, "env_kwargs": {"map_name": "8x8"}}
    own = dataclasses.replace(resolve("FrozenLake-v1", "a2c", tables)[0], policy="/nets/mine.py:net")
    path = config_of(tmp_path, own)
    assert parse_train(["--config", str(path)])[0] == own
    assert parse_train([f"--config={path}", "--quiet", "FrozenLake-v1"])[0] == own
    seeded = dataclasses.replace(own, run=dataclasses.replace(own.run, seed=9), policy="/nets/b.py:net")
    assert parse_train(["--config", str(path), "--seed", "9", "--policy", "/nets/b.py:net"])[0] == seeded
    other = parse_train(["CliffWalking-v1", "--config", str(path)])[0]
    assert (other.env, other.algo, other.method) == ("CliffWalking-v1", "a2c", own.method)
    images, _ = resolve("ram/cluttered", "classifier", {"method": {"canvas": 70}})
    assert parse_train(["--config", str(config_of(tmp_path, images))])[0] == images

    asked = []
    monkeypatch.setattr("logpi.api.runs.presented", lambda *_: contextlib.nullcontext(mock.Mock()))
    monkeypatch.setattr("logpi.training.session.starting", lambda experiment, *rest: asked.append(experiment) or [])
    path = config_of(tmp_path, own)
    api.train(config=path)
    api.train("CliffWalking-v1", config=path, gamma=0.25)
    assert asked[0] == own
    assert (asked[1].env, asked[1].method) == ("CliffWalking-v1", dataclasses.replace(own.method, gamma=0.25))
    with pytest.raises(LogpiError, match="env is a NoneType"):
        api.train()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("format_version = 1\n", "format_version 1"),
        ("env = 3\n", "env is 3; it must be text"),
        ("seed = 3\n", r"seed stands outside of every section; write it below one of \[run\], \[method\]"),
        ("[run]\nsead = 3\n", "did you mean seed"),
    ],
)
def test_a_config_file_that_says_nothing_known_is_refused(tmp_path, text, error):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(LogpiError, match=error):
        parse_train(["CartPole-v1", "--config", str(tmp_path / "mine.toml")])


@pytest.mark.parametrize("algo", ["ram", "classifier"])
def test_a_config_file_of_a_run_over_images_gives_the_same_experiment(algo):
    tables = {"method": {"learning_rate": 1 / 3, "max_grad_norm": math.inf, "canvas": 70}}
    experiment, _ = resolve("ram/cluttered", algo, tables)
    assert experiment_from_table(tomllib.loads(toml_text(experiment_to_table(experiment)))) == experiment
    assert (experiment.method.canvas, experiment.method.num_distractors) == (70, 4), (
        "the flag over the task, the task's clutter"
    )


def test_values_are_checked_not_converted():
    assert from_table(PPO, {"total_timesteps": 1000}, "method").total_timesteps == 1000.0
    for value in ("1", True, None, [1]):
        with pytest.raises(LogpiError, match=r"method\.gamma is .* it must be a float"):
            from_table(PPO, {"gamma": value}, "method")
    with pytest.raises(LogpiError, match=r"method\.n_envs is True, a bool; it must be a int"):
        from_table(PPO, {"n_envs": True}, "method")


def test_an_infinite_setting_of_a_card_comes_back():
    """JSON has no infinity: where it is no default, it is a text in ``agent.json``."""
    settings = resolve("CartPole-v1", "dqn", {"method": {"max_td_error": math.inf}})[0]
    card = json.loads(json_text(settings_card(settings)))
    assert settings_from(card)[1] == settings.method


def test_a_recipe_is_a_settings_file_that_promises_its_band(tmp_path):
    for recipe in recipes():
        given = read_file(files("logpi.recipes") / f"{recipe.env.replace('/', '-')}.{recipe.algo}.toml")
        assert (given.env, given.algo, given.recipe) == (recipe.env, recipe.algo, recipe)
    own = tmp_path / "recipe.toml"
    own.write_text('[recipe]\nenv = "CartPole-v1"\nalgo = "a2c"\nlow = 300\nhigh = 400\n[method]\ngamma = 0.9\n')
    given = read_file(own)
    experiment = resolve(given.env, given.algo, given.sections)[0]
    assert promised(experiment) is None
    promise = promised(dataclasses.replace(experiment, method=A2C(gamma=0.9)), given.recipe)
    assert promise is not None
    assert promise.band == (300, 400)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipe = 1", "[recipe] needs env and algo; also allowed: default, source, seconds, low, high"),
        ('[recipe]\nenv = "CartPole-v1"', "[recipe] needs env and algo"),
        ('[recipe]\nenv = "CartPole-v1"\nalgo = "ppo"\nscore = 1', "[recipe] needs env and algo"),
        (
            '[recipe]\nenv = "CartPole-v1"\nalgo = "ppo"\nlow = "high"',
            "recipe.low is 'high', a str; it must be a float",
        ),
    ],
)
def test_a_recipe_that_was_altered_is_refused(tmp_path, text, said):
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(LogpiError) as error:
        read_file(tmp_path / "recipe.toml")
    assert said in str(error.value)
