"""The mask of legal actions in ``info``, shown by the wrapper ``action-mask``."""

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium import spaces

from logpi.config.settings import Network
from logpi.envs.host import host_spec, make_host
from logpi.envs.masks import ActionMask
from logpi.envs.wrappers import Wrapped, layers
from logpi.errors import LogpiError
from logpi.nets.policy import make_policy


class Choice(gymnasium.Env):
    """Two choices at once, of which ``masks`` tells the legal ones, one mask a step."""

    def __init__(self, masks=(), seen=None, act=None):
        self.observation_space = spaces.Discrete(4) if seen is None else seen
        self.action_space = spaces.MultiDiscrete([2, 3]) if act is None else act
        self.masks = masks

    def told(self, number):
        return {} if number >= len(self.masks) else {"action_mask": self.masks[number]}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(0)
        self.time = 0
        return self.observation_space.sample(), self.told(0)

    def step(self, action):
        self.time += 1
        return self.observation_space.sample(), 1.0, self.time == 2, False, self.told(self.time)


LEFT = np.array([1, 0, 0, 1, 1], np.int8)


@pytest.mark.parametrize("mask", [LEFT, LEFT.tolist(), (LEFT[:2], LEFT[2:]), [[1, 0], [0, 1, 1]]])
def test_a_mask_may_have_several_forms(mask):
    env = ActionMask(Choice([mask]))
    obs, _ = env.reset()
    assert env.observation_space.contains(obs)
    assert obs["action_mask"].tolist() == LEFT.tolist()


def test_the_keys_of_a_dict_stay():
    parts = spaces.Dict({"x": spaces.Box(-1, 1, (2,)), "y": spaces.Discrete(2)})
    env = ActionMask(Choice([LEFT], parts))
    assert sorted(env.reset()[0]) == ["action_mask", "x", "y"]


def test_every_action_is_legal_where_an_episode_has_ended():
    env = ActionMask(Choice([LEFT, LEFT]))
    env.reset()
    assert env.step(np.array([0, 1]))[0]["action_mask"].tolist() == LEFT.tolist()
    obs, _, over, *_ = env.step(np.array([0, 1]))
    assert over
    assert obs["action_mask"].tolist() == [1] * 5


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (Choice([]), "info has no 'action_mask'"),
        (Choice([[1, 0]]), r"has the shape \(2,\), and there are 5 actions"),
        (Choice([LEFT], act=spaces.Box(-1, 1, (5,))), "needs a Discrete or MultiDiscrete action space"),
        (Choice([LEFT], spaces.Dict({"action_mask": spaces.MultiBinary(5)})), "has the key 'action_mask' already"),
    ],
)
def test_what_has_no_mask_is_refused(env, words):
    with pytest.raises(LogpiError, match=words):
        ActionMask(env).reset()


def test_a_policy_of_taxi_draws_legal_actions_alone():
    factory = Wrapped(lambda **kwargs: gymnasium.make("Taxi-v4", **kwargs), layers([("action-mask", {})]))
    vector = make_host(factory, 3)
    assert "action_mask" in host_spec(factory).observation_space.spaces
    policy = make_policy(vector.spec, Network(hidden=(8,)))
    params, key = policy.init(jax.random.key(0)), jax.random.key(1)
    obs = vector.reset(0).obs
    for move in range(20):
        legal = obs["action_mask"].astype(bool)
        assert 0 < legal.sum() < legal.size
        _, out = policy.apply(params, (), jax.tree.map(jax.numpy.asarray, obs))
        drawn = np.asarray(out.pi.sample(jax.random.fold_in(key, move)))
        assert legal[np.arange(3), drawn].all()
        vector.send(drawn)
        obs = vector.recv().obs
    vector.close()
