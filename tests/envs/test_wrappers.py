"""Wrappers by their names: which there are, what they do to an environment, and how names and arguments are refused."""

from __future__ import annotations

import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from logpi.config.experiments import resolve
from logpi.config.settings import Wrapping
from logpi.config.wrappers import as_tables, split, wrappings
from logpi.control.sources import source_of
from logpi.envs.host import make_host
from logpi.envs.limits import time_limit
from logpi.envs.make import make, make_gymnasium
from logpi.envs.wrappers import GYMNASIUM, Wrapped, expanded, layers, stacked_frames
from logpi.errors import LogpiError


def pairs(asked, frame_stack=None):
    return [(name, dict(kwargs)) for name, kwargs in expanded(asked, frame_stack)]


STACK = [("frame-stack", {"stack_size": 4})]


def test_a_stack_goes_around_all_and_takes_the_place_of_the_outermost_stack():
    assert pairs([], 4) == STACK
    assert pairs([("time-limit", {"max_episode_steps": 9})], 4) == [("time-limit", {"max_episode_steps": 9}), *STACK]
    assert pairs([("frame-stack", {"stack_size": 2}), ("flatten-observation", {})], 4)[0][1] == {"stack_size": 2}
    assert pairs([("frame-stack", {"stack_size": 2})], 4) == STACK
    assert pairs(STACK, 1) == []
    assert pairs(STACK) == STACK
    assert stacked_frames(STACK) == 4
    assert stacked_frames([*STACK, ("flatten-observation", {})]) == 1


def test_atari_stands_for_the_standard_order():
    names = [name for name, _ in pairs([("atari", {})])]
    assert names == ["atari-frames", "episodic-life", "fire-reset", "sign-reward", "frame-stack"]
    assert pairs([("atari", {})])[-1] == ("frame-stack", {"stack_size": 4})
    assert pairs([("atari", {})], 2)[-1] == ("frame-stack", {"stack_size": 2})
    assert [name for name, _ in pairs([("atari", {"episodic_life": False, "stack_size": 1})])] == [
        "atari-frames",
        "fire-reset",
        "sign-reward",
    ]
    assert pairs(pairs([("atari", {})])) == pairs([("atari", {})])


def test_none_is_no_wrapper():
    assert pairs([("none", {})]) == []
    assert pairs([("none", {})], 4) == STACK


@pytest.mark.parametrize(
    ("asked", "frames", "message"),
    [
        ([("frame-stak", {})], None, "unknown wrapper 'frame-stak'; did you mean frame-stack?.* allowed: none, atari"),
        ([("TimeLimit", {})], None, "did you mean time-limit?"),
        ([("NormalizeObservation", {})], None, "--normalize-obs"),
        ([("normalize-reward", {})], None, "--normalize-reward"),
        ([("atari", {"noops": 3})], None, "wrapper atari has no argument 'noops'.*noop_max"),
        ([("none", {}), ("flatten-observation", {})], None, "none stands for no wrapper"),
        ([], 0, "frame_stack is 0; allowed: 1"),
        ([], 65, "frame_stack is 65; allowed: 1"),
    ],
)
def test_what_is_asked_for_wrongly(asked, frames, message):
    with pytest.raises(LogpiError, match=message):
        expanded(asked, frames)


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("frame-stack", {"stack_sise": 3}, "no argument 'stack_sise'; did you mean stack_size?"),
        ("frame-stack", {}, "needs stack_size="),
        ("clip-action", {"a": 1}, "it takes none"),
        ("gymnasium.wrappers:RecordVideo", {"video_folder": "/tmp/x"}, "of Gymnasium's there are"),
        ("gymnasium.wrappers.rendering:RecordVideo", {}, "of Gymnasium's there are"),
        ("gymnasium.wrappers:NormalizeObservation", {}, "--normalize-obs"),
    ],
)
def test_wrappers_that_cannot_be_built(name, kwargs, message):
    with pytest.raises(LogpiError, match=message):
        layers([(name, kwargs)])


def test_every_short_name_is_a_wrapper_of_gymnasium():
    for name, kind in GYMNASIUM.items():
        assert issubclass(getattr(gymnasium.wrappers, kind), gymnasium.Wrapper), name
    (layer,) = layers([("gymnasium.wrappers:TimeLimit", {"max_episode_steps": 3})])
    assert layer.kind is gymnasium.wrappers.TimeLimit


def test_lists_become_tuples():
    (layer,) = layers([("reshape-observation", {"shape": [2, 2]})])
    assert layer(gymnasium.make("CartPole-v1")).observation_space.shape == (2, 2)


def test_a_wrapper_that_does_not_fit_is_named_with_what_it_was_put_around():
    made = Wrapped(make_gymnasium("CartPole-v1"), layers([("grayscale-observation", {})]))
    with pytest.raises(LogpiError, match=r"environment CartPole-v1 could not be built: wrapper grayscale-observation"):
        make_host(made, 1)


def test_a_classic_environment_is_gymnasiums_own_within_wrappers():
    source = source_of(make_gymnasium("CartPole-v1"), {}, wrappers=[("time-limit", {"max_episode_steps": 7}), *STACK])
    spec = source.spec()
    assert (spec.id, spec.max_episode_steps) == ("CartPole-v1", 7)
    assert spec.observation_space.shape == (4, 4)
    assert source.notes == ("wrappers: time-limit max_episode_steps=7, frame-stack stack_size=4",)


def test_a_stack_repeats_the_first_frame_and_has_the_newest_last():
    env = Wrapped(make_gymnasium("CartPole-v1"), layers([("frame-stack", {"stack_size": 3})]))()
    first, _ = env.reset(seed=0)
    assert (first == first[-1]).all()
    second = env.step(0)[0]
    np.testing.assert_array_equal(second[:2], first[1:])
    assert (second[2] != first[2]).any()


class Doubled(gymnasium.RewardWrapper):
    """Rewards in training are twice as high."""

    training_only = True

    def reward(self, reward):
        return 2 * reward


class Wide(gymnasium.ObservationWrapper):
    """Changes the space, which a wrapper for training alone must not."""

    training_only = True

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = spaces.Box(-9, 9, (5,), np.float32)

    def observation(self, obs):
        return np.zeros(5, np.float32)


def test_what_is_for_training_only_is_left_out_of_evaluations(monkeypatch):
    monkeypatch.setattr("logpi.envs.wrappers.OURS", {"doubled": Doubled, "wide": Wide})
    wrappers = [("doubled", {}), ("time-limit", {"max_episode_steps": 3})]
    source = source_of(make_gymnasium("CartPole-v1"), {}, wrappers=wrappers)
    assert source.notes == ("wrappers: time-limit max_episode_steps=3; in training only: doubled",)
    trained, drawn = source._factory(), source.drawn("rgb_array")
    for env, reward in ((trained, 2.0), (drawn, 1.0)):
        env.reset(seed=0)
        assert [env.step(0)[1] for _ in range(3)] == [reward] * 3
        assert env.step(0)[3], "truncated"
        assert time_limit(env) == 3
    with pytest.raises(LogpiError, match="for training only changes the spaces"):
        source_of(make_gymnasium("CartPole-v1"), {}, wrappers=[("wide", {})]).spec()


def test_the_rewards_of_gymnasiums_clip_reward_are_clipped_in_training_only():
    (layer,) = layers([("clip-reward", {"max_reward": 0.5})])
    assert layer.training_only


def test_wrapped_environments_go_to_workers():
    made = Wrapped(make_gymnasium("CartPole-v1"), layers(STACK))
    again = pickle.loads(pickle.dumps(made))
    assert again().observation_space.shape == (4, 4)
    vector = make_host(made, 2, vectorization="async")
    vector.reset(0)
    assert vector.start.shape == (2, 4, 4)
    vector.close()


def test_device_environments_take_none():
    with pytest.raises(LogpiError, match="probe/chain-v0 runs on the device"):
        source_of(make("probe/chain-v0"), {}, wrappers=STACK)


def test_vectors_take_none():
    vector = gymnasium.make_vec("CartPole-v1", 2)
    with pytest.raises(LogpiError, match="wrap the environments that it is made of"):
        source_of(vector, {}, wrappers=STACK)
    vector.close()


def test_flags():
    argv = [
        "E",
        "--wrapper",
        "time-limit",
        "max_episode_steps=5",
        "--lr",
        "1",
        "--wrapper=a.py:B",
        "x=1",
        "--frame-stack=3",
    ]
    rest, found = split(argv)
    assert rest == ["E", "--lr", "1"]
    assert found["frame_stack"] == 3
    assert found["wrappers"] == [("time-limit", {"max_episode_steps": 5}), ("a.py:B", {"x": 1})]
    assert split(["--wrapper", "flatten-observation", "E"])[0] == ["E"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--wrapper"], "needs a name"),
        (["--wrapper", "--lr", "1"], "needs a name"),
        (["--wrapper", "a", "1=2"], "--wrapper a: '1=2' is not an assignment"),
        (["--frame-stack", "four"], "--frame-stack 'four'; it must be a whole number"),
    ],
)
def test_flags_that_are_malformed(argv, message):
    with pytest.raises(LogpiError, match=message):
        split(argv)


@pytest.mark.parametrize(
    "given",
    [5, "frame-stack", [5], [("a",)], [("a", 5)], [{"name": 5}], [{"names": "a"}], [Doubled], [("a", {"b": None})]],
)
def test_wrappers_that_no_file_can_hold(given):
    with pytest.raises(LogpiError, match="wrapper"):
        wrappings(given)


def test_wrappers_survive_a_file():
    given = [Wrapping("frame-stack", {"stack_size": 4}), Wrapping("time-limit", {"max_episode_steps": 5})]
    assert wrappings(as_tables(given)) == given
    assert wrappings([("frame-stack", {"stack_size": np.int64(4)})]) == given[:1]
    assert wrappings(["flatten-observation"]) == [Wrapping("flatten-observation", {})]


def test_the_last_one_that_asks_decides():
    asked = {"wrappers": [{"name": "time-limit", "kwargs": {"max_episode_steps": 5}}], "frame_stack": 4}

    def names(*tables, env="CartPole-v1"):
        return [name for name, _ in resolve(env, "ppo", *tables)[0].wrappers]

    assert names() == []
    assert names(asked) == ["time-limit", "frame-stack"]
    assert names(asked, {"frame_stack": 1}) == ["time-limit"]
    assert names(asked, {"wrappers": ["none"]}) == []
    assert names(asked, {"wrappers": []}) == []
    with pytest.raises(LogpiError, match="frame_stack is 'x'"):
        names({"frame_stack": "x"})
    with pytest.raises(LogpiError, match="tic-tac-toe is not an environment, and takes no wrappers"):
        resolve("tic-tac-toe", None, {"frame_stack": 4})


ATARI = ["atari-frames", "episodic-life", "fire-reset", "sign-reward", "frame-stack"]


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ("ALE/Pong-v5", ATARI),
        ("ale_py:ALE/Pong-v5", ATARI),
        ("PongNoFrameskip-v4", ATARI),
        ("ALE/Pong-ram-v5", []),
        ("Pong-v4", []),
        ("LunarLander-v3", []),
    ],
)
def test_atari_is_the_default_of_games_that_show_their_pixels(env, names):
    assert [name for name, _ in resolve(env, "ppo")[0].wrappers] == names
    assert [name for name, _ in resolve(env, "ppo", {"wrappers": ["none"]})[0].wrappers] == []


def test_a_replay_stores_each_frame_of_a_stack_once():
    asked = {"frame_stack": 3}
    assert resolve("LunarLander-v3", "dqn", asked)[0].method.stacked_frames == 3
    assert resolve("LunarLander-v3", "dqn", asked, {"method": {"stacked_frames": 1}})[0].method.stacked_frames == 1
    assert resolve("LunarLander-v3", "dqn")[0].method.stacked_frames == 1
    assert not hasattr(resolve("LunarLander-v3", "ppo", asked)[0].method, "stacked_frames")
