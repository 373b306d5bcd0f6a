"""Environments of other packages: termination, time limits, and what is said where a package is missing."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import stand_ins
from small import Watcher, experiment, only_run, quick_compilation

import logpi.api as api
from logpi.config.experiments import resolve
from logpi.control.sources import source_of
from logpi.envs.adapters import ADAPTERS
from logpi.envs.adapters.teams import Teams
from logpi.envs.gym_vector import GymVector
from logpi.envs.make import make, make_named, vectorize
from logpi.errors import LogpiError
from logpi.training import session


def told(env, action, moves):
    """(observation, reward, terminated, truncated) of each of ``moves`` equal moves of one device environment."""
    vector = vectorize(env)
    state, _ = vector.reset(jax.random.key(0), 1)
    rows = []
    for _ in range(moves):
        state, step = vector.step(state, action)
        rows.append(tuple(float(np.asarray(x).ravel()[0]) for x in (step.obs, *step[1:])))
    return rows


def devices(monkeypatch, tmp_path):
    stand_ins.gymnax(monkeypatch)
    stand_ins.brax(monkeypatch)
    stand_ins.playground(monkeypatch, tmp_path / "menagerie")


RIGHT = {"gymnax:Walk-v0": jnp.array([1]), "brax:walk": jnp.ones((1, 1)), "playground:Walk": jnp.ones((1, 1))}


@pytest.mark.parametrize("name", RIGHT)
def test_an_end_by_the_task_is_told_from_a_time_limit(name, monkeypatch, tmp_path):
    devices(monkeypatch, tmp_path)
    env = make(name)
    assert env.spec.id == name
    rows = told(env, RIGHT[name], 5)
    assert rows[:3] == [(1, 1, 0, 0), (2, 2, 0, 0), (3, 3, 1, 0)]  # the final observation is the true one
    assert rows[3:] == [(0, 0, 0, 0), (1, 1, 0, 0)]  # a void row that resets, and the next episode


def test_a_time_limit_truncates(monkeypatch, tmp_path):
    devices(monkeypatch, tmp_path)
    for name, kwargs in (("gymnax:Walk-v0", {}), ("brax:walk", {"episode_length": 5})):
        env, vector = make(name, **kwargs), vectorize(make(name, **kwargs))
        state, _ = vector.reset(jax.random.key(0), 2)
        for move in range(5):  # to and fro
            act = jnp.full(2, move % 2) if env.action_space.shape == () else jnp.full((2, 1), 2.0 * (move % 2) - 1)
            state, step = vector.step(state, act)
        assert not step.terminated.any(), name
        assert step.truncated.all(), name
    assert make("playground:Walk").max_episode_steps == 10
    assert make("brax:walk").max_episode_steps == 1_000


def test_a_repeated_action_is_one_move_whose_rewards_are_added(monkeypatch, tmp_path):
    devices(monkeypatch, tmp_path)
    env = make("playground:WalkTwice")
    assert env.max_episode_steps == stand_ins.LIMIT
    assert told(env, jnp.ones((1, 1)), 1) == [(2, 1 + 2, 0, 0)]


def test_an_agent_does_not_see_what_is_for_critics_in_simulation(monkeypatch, tmp_path):
    devices(monkeypatch, tmp_path)
    assert make("playground:Walk").observation_space.shape == (1,)


def test_a_state_keeps_its_types(monkeypatch, tmp_path):
    """Packages put Python's numbers into a state, and other types in the next step."""
    devices(monkeypatch, tmp_path)
    for name in RIGHT:
        env = make(name)
        state, _ = env.reset(jax.random.key(0))
        after, *_ = env.step(state, RIGHT[name][0], jax.random.key(1))
        for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
            assert (old.shape, old.dtype) == (new.shape, new.dtype), name


@pytest.mark.parametrize("package", ADAPTERS)
def test_a_package_that_is_missing_is_named_with_its_extra(package, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr("logpi.envs.adapters.import_module", absent)
    with pytest.raises(LogpiError, match=rf"needs {ADAPTERS[package].title}: pip install 'logpi\[{package}\]'"):
        make(f"{package}:anything")


@pytest.mark.parametrize(
    ("name", "kwargs", "words"),
    [
        ("gymnax:Wolk-v0", {}, r"gymnax has no environment 'Wolk-v0'; did you mean Walk-v0\? it has Other-v1, Walk-v0"),
        ("gymnax:Walk-v0", {"stert": 1}, r"gymnax:Walk-v0 could not be built with \{'stert': 1\}: TypeError"),
        ("brax:wolk", {}, "brax has no environment 'wolk'; did you mean walk"),
        ("brax:walk", {"backend": "other"}, "could not be built with .*: ValueError: backend other"),
        ("playground:Walk", {"episode": 3}, "could not be built with .*: KeyError"),
        ("playground:Robot", {}, "needs the robots of mujoco_menagerie, and logpi downloads nothing"),
        ("pettingzoo:mpe2.simple_v3", {}, "write pettingzoo:FAMILY.NAME .* such as mpe2.simple_spread_v3:parallel_env"),
        ("pettingzoo:classic.turns_v0", {}, "has no parallel_env; agents that take turns are not supported"),
        ("pettingzoo:butterfly.wolk_v0", {}, r"importing pettingzoo.butterfly.wolk_v0 raised ModuleNotFoundError"),
        ("pettingzoo:butterfly.walk_v0", {"other": True}, "left and right observe different spaces"),
    ],
)
def test_bad_names_and_arguments(name, kwargs, words, monkeypatch, tmp_path):
    devices(monkeypatch, tmp_path)
    stand_ins.pettingzoo(monkeypatch)
    with pytest.raises(LogpiError, match=words):
        make(name, **kwargs)


def test_a_gymnax_that_counts_a_time_limit_as_an_end_is_refused(monkeypatch):
    class Old(stand_ins.GymnaxWalk):
        is_truncated = property()  # as if it was not there

    stand_ins.gymnax(monkeypatch, Old)
    with pytest.raises(LogpiError, match="counts a time limit as the end of the task"):
        make("gymnax:Walk-v0")


def team(monkeypatch, **kwargs):
    stand_ins.pettingzoo(monkeypatch)
    return make("pettingzoo:butterfly.walk_v0", **kwargs)


def moves(vector, *actions):
    """The steps that follow ``actions``, [columns] each."""
    vector.reset(seed=3)
    for action in actions:
        vector.send(np.array(action))
        yield vector.recv()


def test_each_agent_is_a_column_until_its_episode_ends(monkeypatch):
    found = team(monkeypatch)
    vector = GymVector(Teams(found, 4), found.spec.id)
    first = vector.reset(seed=3)
    assert first.obs.ravel().tolist() == [0, 1, 0, 1]
    steps = list(moves(vector, [0, 1, 1, 1], [1, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]))
    # copy 0: its second agent reaches 3 in move 2 and is gone; the first is cut in move 5, and then both columns end
    assert [step.obs[1, 0] for step in steps[:5]] == [2, 3, 0, 0, 0]
    assert [step.reward[1] for step in steps[:5]] == [2, 3, 0, 0, 0]
    assert [step.terminated[:2].tolist() for step in steps[:4]] == [[False, False]] * 4
    assert steps[4].terminated[:2].tolist() == [False, True]
    assert steps[4].truncated[:2].tolist() == [True, False]
    assert steps[5].obs[:2].ravel().tolist() == [0, 1]  # the void row: both begin again
    assert steps[5].reward[:2].tolist() == [0, 0]
    # copy 1: the first agent terminates in move 3, the second goes on to the limit
    assert [step.reward[2] for step in steps[:5]] == [1, 2, 3, 0, 0]
    assert steps[4].terminated[2:].tolist() == [True, False]


def test_an_agent_that_is_gone_may_do_anything(monkeypatch):
    found = team(monkeypatch, mask=True)
    vector = GymVector(Teams(found, 2), found.spec.id)
    *_, last = moves(vector, [0, 1], [1, 1], [0, 0])
    assert last.obs["action_mask"].tolist() == [[1, 1], [1, 1]]
    assert last.obs["x"][1].tolist() == [0]


def test_columns_are_whole_teams(monkeypatch):
    with pytest.raises(LogpiError, match=r"n_envs is 3, and each of the 2 agents .* take a multiple of 2, such as 4"):
        source_of(team(monkeypatch), {}).check(
            resolve("pettingzoo:butterfly.walk_v0", "ppo", {"method": {"n_envs": 3}})[0]
        )


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    with quick_compilation():
        yield


def test_agents_train_evaluate_and_are_filmed_together(monkeypatch, tmp_path):
    team(monkeypatch)
    asked = experiment("pettingzoo:butterfly.walk_v0", "ppo", tmp_path, run={"eval_episodes": 3}, n_envs=4)
    watcher = Watcher()
    session.start(asked, ["test"], watcher)
    assert any("2 agents share one policy" in note for note in [*watcher.notes, *watcher.told])
    agent = api.load(only_run(tmp_path).path)
    answer = api.evaluate(agent, 5)
    assert (answer.facts["on"], answer.facts["episodes"]) == ("PettingZoo", 5)
    assert api.film(agent, tmp_path / "film.gif", 1).exists()


def test_an_agent_of_another_package_is_evaluated_there(monkeypatch, tmp_path):
    stand_ins.gymnax(monkeypatch)
    session.start(experiment("gymnax:Walk-v0", "ppo", tmp_path, total_timesteps=1280), ["test"], Watcher())
    answer = api.evaluate(only_run(tmp_path).path, 4)
    assert answer.facts["env"] == "gymnax:Walk-v0"
    assert -15 <= answer.score <= 15


REAL = {"gymnax": "gymnax:CartPole-v1", "brax": "brax:fast", "mujoco_playground": "playground:CartpoleBalance"}


@pytest.mark.parametrize("package", REAL)
def test_the_real_package_steps(package):
    pytest.importorskip(package)
    env = make(REAL[package])
    vector = vectorize(env)

    @jax.jit
    def run(key):
        state, _ = vector.reset(key, 2)
        action = jnp.zeros((2, *(env.action_space.shape or ())), jnp.int32 if package == "gymnax" else jnp.float32)
        return jax.lax.scan(lambda state, _: vector.step(state, action), state, None, 30)[1]

    steps = run(jax.random.key(0))
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(steps.obs))
    if package == "gymnax":  # a pole that is always pushed to one side falls
        assert steps.terminated.any()
        assert not steps.truncated.any()


def test_a_real_parallel_environment_steps():
    pytest.importorskip("pettingzoo")
    pytest.importorskip("pygame")
    importlib.import_module("pettingzoo.classic.rps_v2")
    found = make("pettingzoo:classic.rps_v2", max_cycles=3)
    vector = GymVector(Teams(found, 4), found.spec.id)
    steps = list(moves(vector, *[[0, 1, 2, 2]] * 4))
    assert steps[0].reward.tolist() == [-1, 1, 0, 0]
    assert any(step.truncated.all() for step in steps)
    assert not any(step.terminated.any() for step in steps)


FILE = """
from stand_ins import ParallelWalk as parallel_env
"""


def test_agents_of_a_file(tmp_path):
    path = tmp_path / "agents.py"
    path.write_text(FILE)
    with pytest.raises(LogpiError, match="read it, and if you trust it"):
        make(f"{path}:parallel_env")
    found = make_named(f"{path}:parallel_env", max_cycles=7)
    assert found.agents == ("left", "right")
    assert found.spec.max_episode_steps == 7
