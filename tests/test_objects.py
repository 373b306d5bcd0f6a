"""Parts of a run that a Python program brings as objects: trained with, asked for again, named where they are bad."""

import contextlib
import dataclasses
import typing
from unittest import mock

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from small import quick_compilation

import logpi
from logpi.algorithms.a2c import A2C, a2c
from logpi.algorithms.common.learning import make_act
from logpi.algorithms.ppo import ppo
from logpi.config.settings import fraction
from logpi.errors import LogpiError
from logpi.games.methods.alphazero import AlphaZero, alphazero
from logpi.games.network import BoardNetwork
from logpi.runs.cards import read_card
from logpi.types import Act

RUN = {"video": False, "tensorboard": False, "eval_episodes": 1, "final_episodes": 1, "eval_points": 1}
TINY = {"n_envs": 2, "n_steps": 8, "total_timesteps": 64, "hidden": [8], "quiet": True}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@dataclasses.dataclass(frozen=True)
class Bold(A2C):
    """A2C of a notebook."""

    boldness: float = fraction(0.25)  # Share of nothing


@logpi.method(settings=Bold, parent="a2c")
def bold(config, policy, spec, obs):
    return a2c(config, policy, spec, obs)


@logpi.method(settings=Bold)
def stubborn(config, policy, spec, obs):
    """It never takes the first action, which its network alone does not know."""
    usual = make_act(policy)

    def act(learner, memory, obs, key, greedy=False):
        chosen = usual(learner, memory, obs, key, greedy)
        return Act(jnp.ones_like(chosen.action), chosen.log_prob, chosen.memory)

    return a2c(config, policy, spec, obs)._replace(act=act)


def trained(tmp_path, env="CartPole-v1", algo="a2c", **options):
    return logpi.train(env, algo, run={**RUN, "log_dir": str(tmp_path)}, **{**TINY, **options}).folder


def interrupted(folder):
    """``folder`` as if its run had been killed after the last checkpoint."""
    (folder.path / "result.json").unlink()
    return folder.path


def test_a_method_of_a_program(tmp_path):
    folder = trained(tmp_path, algo=bold, boldness=0.5)
    assert folder.path.name == "CartPole-v1_1"
    assert folder.path.parent.name == "bold"
    assert folder.config["objects"] == ["algo"]
    assert folder.config["method"]["boldness"] == 0.5
    assert "algo (a Method)" in (folder.path / "command.txt").read_text()
    assert logpi.evaluate(folder.path, 2).facts["episodes"] == 2, "it acts by its network alone"
    path = interrupted(folder)
    with pytest.raises(LogpiError, match=r"objects of a Python program: algo.*logpi\.resume\(path, algo=\.\.\.\)"):
        logpi.resume(path, quiet=True)
    with pytest.raises(LogpiError, match=r"trained with objects of a Python program: algo"):
        logpi.train(config=path / "config.toml", quiet=True)
    with pytest.raises(LogpiError, match="trained with the method bold, and the one that was given is stubborn"):
        logpi.resume(path, algo=stubborn, quiet=True)
    assert logpi.resume(path, algo=bold, quiet=True).timesteps >= 64
    assert logpi.resume(path, algo=bold, total_timesteps=96, quiet=True).timesteps >= 96


def test_a_method_that_acts_in_its_own_way_is_needed_to_act(tmp_path):
    folder = trained(tmp_path, algo=stubborn)
    assert read_card(folder.last)["objects"] == ["algo"]
    with pytest.raises(LogpiError, match=r"logpi\.load\(path, algo=\.\.\.\)"):
        logpi.evaluate(folder.path, 1)
    agent = logpi.load(folder.path, algo=stubborn)
    assert {int(agent.act(x)) for x in np.random.default_rng(0).normal(size=(8, 4))} == {1}


def test_a_function_that_acts_in_its_own_way_is_needed_too(tmp_path):
    folder = trained(tmp_path, algorithm=stubborn.build)
    with pytest.raises(LogpiError, match=r"logpi\.load\(path, algorithm=\.\.\.\)"):
        logpi.load(folder.path)
    assert int(logpi.load(folder.path, algorithm=stubborn.build).act(np.zeros(4))) == 1


def test_a_method_of_games_that_is_an_object(tmp_path):
    @logpi.method(settings=AlphaZero, network=BoardNetwork, task="games")
    def zero(config, net, game, num_devices=1):
        return alphazero(config, net, game, num_devices)

    small = {"n_games": 4, "n_steps": 8, "batch_size": 8, "simulations": 4, "blocks": 1, "units": 8, "replay_size": 200}
    small |= {"eval_simulations": 2, "eval_opponent_simulations": 2, "total_timesteps": 64}
    run = {**RUN, "log_dir": str(tmp_path), "final_episodes": 2}
    folder = logpi.train("tic-tac-toe", zero, run=run, quiet=True, **small).folder
    with pytest.raises(LogpiError, match=r"logpi\.load\(path, algo=\.\.\.\)"):
        logpi.load(folder.path)
    assert logpi.load(folder.path, algo=zero).game.id == "tic-tac-toe"
    assert logpi.resume(interrupted(folder), algo=zero, quiet=True).timesteps >= 64


def test_a_shipped_method_as_an_object_is_its_name(tmp_path):
    folder = trained(tmp_path, algo=ppo, batch_size=8)
    assert folder.config["algo"] == "ppo"
    assert folder.config["objects"] == []


def test_what_is_no_method_of_ones_own(tmp_path):
    def plain(config, policy, spec, obs):
        return a2c(config, policy, spec, obs)

    with pytest.raises(LogpiError, match=r"algo is a function; allowed: .*@logpi\.method"):
        trained(tmp_path, algo=plain)
    shadow = dataclasses.replace(bold, name="ppo")
    with pytest.raises(LogpiError, match="the method ppo has the name of another one"):
        trained(tmp_path, algo=shadow)
    assert not list(tmp_path.iterdir())


def settings(annotation, default=dataclasses.MISSING, name="mine", base=A2C, **options):
    """Settings with one more field."""
    field = dataclasses.field(**({} if default is dataclasses.MISSING else {"default": default}), **options)
    return dataclasses.make_dataclass("Mine", [(name, annotation, field)], bases=(base,), frozen=True)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [(int, 1), (float, 1.0), (bool, True), (str, "a"), (typing.Literal["a", "b"], "a"), (typing.Literal[1, 2], 2),
     (tuple[int, ...], (1, 2))],
)  # fmt: skip
def test_types_of_settings_that_are_allowed(annotation, default):
    assert logpi.method(settings=settings(annotation, default))(bold.build).name == "bold"
    mine = logpi.method(settings=settings(annotation, default))(bold.build)
    assert logpi.methods.method_of("bold", mine) == mine


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            settings(float | None, None),
            r"its settings.mine is declared as float \| None; allowed: int, float, bool, str",
        ),
        (settings(typing.Optional[int], 1), r"mine is declared as (Optional\[int\]|int \| None)"),  # noqa: UP045
        (settings(dict, default_factory=dict), "mine is declared as dict; allowed"),
        (settings(tuple[float, ...], (0.5,)), r"mine is declared as tuple\[float, \.\.\.\]"),
        (settings(np.ndarray, None), "mine is declared as ndarray"),
        (settings(typing.Literal["a", 1], "a"), r"mine is declared as Literal\['a', 1\]"),
        (settings("Nowhere", 1), "an annotation cannot be read: name 'Nowhere' is not defined"),
        (settings(float, "much"), "mine is 'much', a str; it must be a float"),
        (settings(float, 2.0, metadata=fraction(1.0).metadata), "mine is 2.0; it must be between 0 and 1"),
        (settings(tuple[int, ...], default_factory=lambda: [1]), r"mine is \[1\]; write a tuple, \(1,\)"),
        (settings(float, kw_only=True), "mine has no default"),
        (settings(int, 0, "seed"), "seed has the name of a flag that every run has"),
        (settings(int, 0, "hidden"), "hidden is a setting of its network too"),
        (settings(int, 0, base=object), "its settings lack total_timesteps, .*be a subclass of .*EnvironmentSettings"),
    ],
)
def test_settings_that_no_part_of_a_run_could_hold(tmp_path, kind, message):
    with pytest.raises(LogpiError, match=message):
        trained(tmp_path, algo=logpi.method(settings=kind)(bold.build))
    assert not list(tmp_path.iterdir())


class Joints(gymnasium.Env):
    """Two bounded joints, which have settings that suit them."""

    observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(3, np.float32), 1.0, self.steps > 4, False, {}


@pytest.mark.parametrize("env", [Joints, lambda: Joints()], ids=["class", "function"])
def test_settings_suit_the_spaces_of_an_object_too(tmp_path, env, capsys):
    folder = trained(tmp_path, env, quiet=False)
    assert folder.config["method"]["normalize_obs"] is True
    assert folder.config["network"]["log_std_init"] == -0.7
    assert "normalize_obs = True, log_std_init = -0.7 for its spaces" in capsys.readouterr().out
    asked = trained(tmp_path, env, normalize_obs=False)
    assert asked.config["method"]["normalize_obs"] is False


def test_settings_suit_the_spaces_of_a_vector(tmp_path):
    vector, other = (gymnasium.vector.SyncVectorEnv([Joints, Joints]) for _ in range(2))
    assert trained(tmp_path, vector, eval_env=other).config["network"]["log_std_init"] == -0.7


def test_an_environment_with_the_name_of_a_game_is_none(tmp_path):
    def othello():
        return gymnasium.wrappers.TimeLimit(Joints(), 5)

    folder = trained(tmp_path, othello)
    assert folder.config["env"] == "own-othello"
    assert logpi.evaluate(logpi.load(folder.path, env=othello), 1).facts["mean_reward"] == 5.0
    assert logpi.resume(interrupted(folder), env=othello, quiet=True).timesteps >= 64


class Walk:
    """A JAX environment."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)
    max_episode_steps = 5

    def reset(self, key):
        x = jax.random.uniform(key, (1,))
        return x, x

    def step(self, x, action, key):
        return x, x, 1.0, False


def test_a_jax_environment_as_a_class(tmp_path):
    folder = trained(tmp_path, Walk)
    assert folder.config["env"] == "Walk"
    assert logpi.evaluate(logpi.load(folder.path, env=Walk), 2).facts["mean_reward"] == 5.0


def test_what_builds_no_environment(tmp_path):
    class Broken(Walk):
        def step(self, x, action, key):
            return x, x[3:] @ x, 1.0, False

    for given, message in (
        (lambda: 3, r"<lambda>\(\) returned a int; allowed: a name such as"),
        (lambda: 1 / 0, r"<lambda>\(\) raised ZeroDivisionError"),
        (logpi.make_game("tic-tac-toe"), "env is a Game|a board game is given by its name"),
        (Broken, "Broken cannot be compiled"),
    ):
        with pytest.raises(LogpiError, match=message):
            trained(tmp_path, given)
    assert not list(tmp_path.iterdir())


def test_a_closed_vector_is_refused(tmp_path):
    def made():
        return gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")

    vector = made()
    trained(tmp_path, vector)
    with pytest.raises(LogpiError, match=r"the vector of environments CartPole-v1 is closed.*build another one"):
        trained(tmp_path, vector)
    wrapped = gymnasium.wrappers.vector.RecordEpisodeStatistics(made())
    wrapped.close()
    with pytest.raises(LogpiError, match="is closed"):
        trained(tmp_path, wrapped)
    with pytest.raises(LogpiError, match="is closed"):
        trained(tmp_path, made(), eval_env=vector)


def test_no_score_is_promised_to_what_an_object_changes(tmp_path, monkeypatch):
    said = []
    shown = contextlib.nullcontext(mock.Mock())
    monkeypatch.setattr("logpi.api.runs.presented", lambda experiment, recipe, *_: said.append(recipe) or shown)
    monkeypatch.setattr("logpi.training.session.starting", lambda *_: [])
    logpi.train("CartPole-v1", "ppo")
    logpi.train(lambda: gymnasium.make("CartPole-v1"), "ppo")
    logpi.train("CartPole-v1", "ppo", algorithm=ppo)
    assert [recipe is not None for recipe in said] == [True, False, False]
