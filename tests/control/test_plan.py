"""How much an environment is evaluated: as many episodes as asked for, else as fit; cut where there is no limit."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from logpi.config.experiments import resolve, without_recipe
from logpi.control.build import parts
from logpi.control.evaluation import LONGEST, evaluate_host
from logpi.control.host_plan import longest_episode
from logpi.envs.presets import suited
from logpi.tasks import Own
from logpi.types import Act, EnvSpec, Policy

BOX, TWO = spaces.Box(-1, 1, (3,)), spaces.Discrete(2)


class Endless(gymnasium.Env):
    """No episode ends."""

    observation_space, action_space, length = BOX, TWO, None

    def __init__(self, render_mode=None):
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(3, np.float32), 1.0, self.steps == self.length, False, {}


class Short(Endless):
    """Episodes of three steps, which nothing announces."""

    length = 3


class Patient(Short):
    max_episode_steps = 1_000_000


class Broken(Endless):
    def step(self, action):
        raise RuntimeError("no")


def test_random_moves_tell_how_long_episodes_are():
    assert longest_episode(Short, {}, 100) == 3
    assert longest_episode(Endless, {}, 100) == 0
    assert longest_episode(Broken, {}, 100) is None, "training tells what is wrong"


@pytest.mark.parametrize(
    ("env", "algo", "settings", "passes"),
    [
        ("CartPole-v1", "dqn", {"n_steps": 4, "gradient_steps": 8, "batch_size": 64}, 16),
        ("CartPole-v1", "qac", {"qf_steps": 3}, 3),
        ("CartPole-v1", "qac", {"replay": True, "n_steps": 8, "gradient_steps": 4, "batch_size": 64}, 4),
        ("Pendulum-v1", "td3", {"n_steps": 8, "gradient_steps": 1, "batch_size": 8}, 1),
    ],
)
def test_how_often_a_move_is_learnt_from_is_known(env, algo, settings, passes):
    made = parts(resolve(env, algo, {"method": {"n_envs": 8, **settings}})[0], Own())
    assert made.algorithm.passes == passes


def plan_of(env, **run):
    experiment, _ = resolve("Own-v0", "ppo", {"run": run, "method": {"total_timesteps": 100_000}})
    made = parts(experiment, Own(env=env))
    return made.plan, made.notes[1:]  # the first says what steps the environments


def test_no_time_limit_is_said_before_training_and_cuts_evaluations():
    plan, (note,) = plan_of(Endless)
    assert (plan.episodes, plan.longest) == (4, LONGEST)
    assert note == (
        "Own-v0 has no time limit: evaluation episodes are cut at 1,000 moves; no episode ended in 1,000 random moves: "
        "give it one (gymnasium.wrappers.TimeLimit, or max_episode_steps where it is registered)"
    )
    assert plan_of(Endless, eval_episodes=30)[0].episodes == 30
    plan, notes = plan_of(Short)
    assert (plan.episodes, plan.longest, notes) == (20, 12, ())
    assert plan_of(Broken)[1] == ("Own-v0 has no time limit: evaluation episodes are cut at 1,000 moves",)


def test_whole_episodes_are_not_padded_to_a_limit_beyond_all_use():
    experiment, _ = resolve("Own-v0", "reinforce", {})
    made = parts(experiment, Own(env=Patient))
    assert made.algorithm.n_steps == 1000
    assert "cut at --n-steps 1,000" in made.notes[-1]


class Vector:
    """B environments whose episodes have lengths of their own; return of an episode: its number."""

    resets_within_step = True
    start = np.zeros((3, 1))
    spec = EnvSpec("own", BOX, TWO)

    def __init__(self, lengths):
        self.lengths, self.num_envs = np.array(lengths), len(lengths)
        self.steps, self.clock, self.episode = 0, np.zeros(3, int), np.zeros(3)

    def reset(self, seed=None):
        pass

    def send(self, action):
        self.steps += 1

    def recv(self):
        self.clock += 1
        ended = self.clock >= self.lengths
        reward = np.where(ended, 10.0 * np.arange(3) + self.episode, 0.0)
        self.episode += ended
        self.clock[ended] = 0
        return type("Step", (), {"reward": reward, "terminated": ended, "truncated": np.zeros(3, bool)})


@pytest.mark.parametrize(
    ("episodes", "returns"), [(3, [0, 10, 20]), (4, [0, 1, 10, 20]), (5, [0, 1, 10, 11, 20]), (2, [0, 10])]
)
def test_as_many_episodes_as_asked_for(episodes, returns):
    policy = Policy(lambda key: (), lambda batch: (), lambda *args: None)
    vector = Vector([2, 5, 4])
    found = evaluate_host(vector, policy, lambda memory, obs: Act(np.zeros(3), None, ()), episodes, 0)
    assert found.score.tolist() == returns
    assert found.steps == 3 * vector.steps
    assert vector.steps == max(sum([2, 5, 4][int(r) // 10] for r in returns if r // 10 == b) for b in range(3))


@pytest.mark.parametrize(("limit", "length"), [(None, LONGEST), (1_600, 1_500)])
def test_an_episode_is_cut_only_where_there_is_no_time_limit(limit, length):
    policy, vector = Policy(lambda key: (), lambda batch: (), lambda *args: None), Vector([1_500] * 3)
    vector.spec = EnvSpec("own", BOX, TWO, limit)
    found = evaluate_host(vector, policy, lambda memory, obs: Act(np.zeros(3), None, ()), 3, 0)
    assert found.length.tolist() == [length] * 3


ROBOT = {"method": {"normalize_obs": True}, "network": {"log_std_init": -0.7}}
JOINTS = spaces.Box(-2, 2, (6,))


@pytest.mark.parametrize(
    ("seen", "acts", "settings"),
    [
        (BOX, JOINTS, ROBOT),
        (BOX, spaces.Box(-2, 2, (1,)), {}),
        (BOX, spaces.Box(-np.inf, np.inf, (6,)), {}),
        (BOX, TWO, {}),
        (spaces.Box(0, 255, (84, 84), np.uint8), JOINTS, {}),
        (spaces.Dict(a=BOX), JOINTS, {}),
    ],
)
def test_settings_that_suit_the_spaces(seen, acts, settings):
    assert suited(seen, acts) == settings


def test_what_has_no_recipe_says_so_and_suits_its_spaces():
    pytest.importorskip("Box2D")
    experiment, recipe = resolve("BipedalWalker-v3", None)
    assert recipe is None
    assert (experiment.method.normalize_obs, experiment.network.log_std_init) == (True, -0.7)
    assert without_recipe(experiment) == (
        "no recipe for BipedalWalker-v3 with ppo: the method's defaults, and normalize_obs = True, log_std_init = -0.7 "
        "for its spaces unless you said otherwise"
    )
    asked, _ = resolve("BipedalWalker-v3", "a2c", {"method": {"normalize_obs": False}})
    assert not asked.method.normalize_obs
    assert without_recipe(resolve("CartPole-v1", None)[0]) == ""
    assert without_recipe(resolve("hex-5x5", None)[0]) == "no recipe for hex-5x5 with alphazero: the method's defaults"
    assert resolve("Pendulum-v1", "a2c")[0].network.log_std_init == 0.0
