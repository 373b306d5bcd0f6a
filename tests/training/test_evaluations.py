"""Evaluations of a run: greedy ones that lie far under training are named, and sampled ones are to be had."""

import json

import gymnasium
import numpy as np
import pytest
import small
from gymnasium import spaces

from logpi.config.experiments import resolve
from logpi.errors import LogpiError
from logpi.tasks import Own, task_of
from logpi.training import session

STEPS = 20


class Change(gymnasium.Env):
    """A reward of 1 for each action that differs from the one before, which nothing shows: chance is best."""

    observation_space, action_space = spaces.Box(-1, 1, (1,)), spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.before = self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.before = self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        reward = float(action != self.before)
        self.before, self.steps = action, self.steps + 1
        return np.zeros(1, np.float32), reward, False, self.steps == STEPS, {}


def train(log_dir, **run):
    tables = small.settings("ppo", log_dir, run={"eval_points": 4, "log_points": 20, **run}, total_timesteps=1280)
    experiment, _ = resolve("Change-v0", "ppo", tables)
    view = small.Watcher()
    trained = session.start(experiment, ["test"], view, Own(env=lambda: gymnasium.wrappers.TimeLimit(Change(), STEPS)))
    return trained, json.loads((trained.folder.path / "result.json").read_text()), view.told


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    with small.quick_compilation():
        yield tmp_path_factory.mktemp("change")


def test_a_greedy_policy_far_under_training_is_named_with_the_sampled_score(logs):
    trained, result, told = train(logs)
    assert trained.scores.mean() < 2
    assert result["greedy"]
    (drawn,) = result["sampled"]["mean_reward"]
    assert 7 < drawn < 13
    assert any("far under training; with sampled actions" in line for line in trained.lines)
    assert sum("the greedy policy scores" in text for text in told) == 1


def test_sampled_evaluation(logs):
    trained, result, told = train(logs, eval_sampled=True)
    assert 7 < trained.scores.mean() < 13
    assert trained.scores.std() > 0, "each episode draws its own actions"
    assert (result["greedy"], "sampled" in result) == (False, False)
    assert not [text for text in told if "greedy" in text]


@pytest.mark.parametrize("env", ["ram/mnist", "tic-tac-toe"])
def test_sampled_evaluation_is_of_environments(env):
    experiment, _ = resolve(env, None, {"run": {"eval_sampled": True}})
    with pytest.raises(LogpiError, match="eval_sampled is of environments"):
        task_of(env).build(experiment, Own())


def test_images_are_counted_in_images(tmp_path):
    experiment, _ = resolve("ram/mnist", None, {})
    counted = session.Session(None, experiment, None, small.Watcher())._counted
    assert counted(7 * 294_400) == "294,400 images"
    experiment, _ = resolve("CartPole-v1", None, {})
    assert session.Session(None, experiment, None, small.Watcher())._counted(1234) == "1,234 steps"
