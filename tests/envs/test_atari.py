"""Atari's standard preprocessing: lives, FIRE and rewards against a small emulator, frames against Gymnasium's."""

from __future__ import annotations

from types import SimpleNamespace

import gymnasium
import numpy as np
from atari_extra import needs_atari
from gymnasium import spaces
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

from logpi.control.sources import source_of
from logpi.envs.atari import EpisodicLife, FireReset, SignReward
from logpi.envs.host import make_host
from logpi.envs.make import make_gymnasium
from logpi.envs.wrappers import expanded

STANDARD = expanded([("atari", {})])
GAME = "ALE/Breakout-v5"


class Emulator(gymnasium.Env):
    """Three lives; one is lost at every fifth step after FIRE, and nothing moves before. Reward: 7 a moving step.

    ``log`` holds what was asked of it, R for a reset.
    """

    observation_space = spaces.Box(0, 255, (2,), np.uint8)
    action_space = spaces.Discrete(4)

    def __init__(self, meanings=("NOOP", "FIRE", "RIGHT", "LEFT"), limit=1_000):
        self.meanings, self.limit, self.log = meanings, limit, ""
        self.ale = SimpleNamespace(lives=lambda: self.lives)

    def get_action_meanings(self):
        return list(self.meanings)

    def reset(self, *, seed=None, options=None):
        self.lives, self.clock, self.moved, self.steps = 3, 0, False, 0
        self.log += "R"
        return self._obs(), {}

    def step(self, action):
        self.log += str(action)
        self.steps += 1
        self.moved = self.moved or action == 1
        self.clock += self.moved
        lost = self.moved and self.clock == 5
        if lost:
            self.lives, self.clock, self.moved = self.lives - 1, 0, False
        return self._obs(), 7.0, self.lives == 0, self.steps == self.limit, {}

    def _obs(self):
        return np.array([self.lives, self.clock], np.uint8)


def play(env, action=3, most=100):
    """(rewards, terminated, truncated) of one episode from where it stands."""
    rewards, terminated, truncated = [], False, False
    while not (terminated or truncated):
        _, reward, terminated, truncated, _ = env.step(action)
        rewards.append(reward)
        assert len(rewards) < most
    return rewards, terminated, truncated


def test_a_lost_life_terminates_and_the_next_episode_goes_on():
    game = Emulator()
    env = FireReset(EpisodicLife(game))
    for lives in (3, 2, 1):
        obs, _ = env.reset()
        assert obs.tolist() == [lives, 2]
        assert play(env)[1:] == (True, False)
    env.reset()
    assert game.log == "R12333" + "012333" * 2 + "R12"


def test_a_reset_with_a_seed_or_in_the_middle_of_a_life_begins_a_new_game():
    game = Emulator()
    env = EpisodicLife(game)
    env.reset()
    env.step(1)
    play(env)
    env.reset(seed=3)
    env.step(1)
    env.reset()
    assert game.log == "R13333" + "R1" + "R"


def test_a_time_limit_truncates_and_begins_a_new_game():
    game = Emulator(limit=4)
    env = EpisodicLife(game)
    env.reset()
    assert play(env)[1:] == (False, True)
    env.reset()
    assert game.log == "R3333R"


def test_a_life_that_is_lost_as_the_time_ends_terminates_and_begins_a_new_game():
    game = Emulator(limit=5)
    env = EpisodicLife(game)
    env.reset()
    env.step(1)
    assert play(env)[1:] == (True, True)
    env.reset()
    assert game.log == "R13333R"


def test_whole_games_begin_each_life_as_training_does():
    """Without ``EpisodicLife`` the same actions reach the emulator, and the reward of the whole game is seen."""
    whole, lives = Emulator(), Emulator()
    env = FireReset(whole)
    env.reset()
    rewards, terminated, _ = play(env)
    trained = SignReward(FireReset(EpisodicLife(lives)))
    clipped = []
    for _ in range(3):
        trained.reset()
        clipped += play(trained)[0]
    assert whole.log == lives.log
    assert terminated
    assert sum(rewards) == 7 * (len(whole.log) - len("R12"))
    assert clipped == [1.0] * 9


def test_a_game_without_fire_stays_as_it_is():
    game = Emulator(meanings=("NOOP", "UP", "RIGHT"))
    env = FireReset(game)
    env.reset()
    env.step(1)
    for _ in range(6):
        env.step(2)
    assert game.log == "R1222222"


def test_rewards_are_their_sign():
    signs = SignReward(Emulator())
    assert [signs.reward(x) for x in (-400.0, 0.0, 0.5, 30)] == [-1.0, 0.0, 1.0, 1.0]


def gymnasium_standard(**kwargs):
    """Gymnasium's own wrappers in the standard order, around the bare game."""
    game = gymnasium.make(make_gymnasium(GAME).spec, frameskip=1, disable_env_checker=True, **kwargs)
    return FrameStackObservation(AtariPreprocessing(game), 4)


def source(**arguments):
    return source_of(make_gymnasium(GAME), {}, wrappers=expanded([("atari", arguments)]))


@needs_atari
def test_frames_are_those_of_gymnasium():
    ours = source(fire_reset=False).drawn("rgb_array")
    theirs = gymnasium_standard()
    ours_obs, theirs_obs = ours.reset(seed=3)[0], theirs.reset(seed=3)[0]
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(300):
        assert ours_obs.shape == (4, 84, 84)
        assert ours_obs.dtype == np.uint8
        np.testing.assert_array_equal(ours_obs, theirs_obs)
        compared += bool(ours_obs.any())
        action = int(rng.integers(4))
        (ours_obs, *mine, _), (theirs_obs, *their, _) = ours.step(action), theirs.step(action)
        assert mine == their, "reward, terminated, truncated"
        if mine[1] or mine[2]:
            ours_obs, theirs_obs = ours.reset()[0], theirs.reset()[0]
    assert compared == 300
    ours.close()
    theirs.close()


@needs_atari
def test_spaces_and_time_limit():
    spec = source().spec()
    assert spec.observation_space == spaces.Box(0, 255, (4, 84, 84), np.uint8)
    assert spec.max_episode_steps == 27_000, "108,000 frames"
    short = source_of(make_gymnasium(GAME), {"max_episode_steps": 40}, wrappers=STANDARD)
    assert short.spec().max_episode_steps == 10


@needs_atari
def test_the_time_limit_truncates_training_too():
    still = expanded([("atari", {"fire_reset": False})])  # no ball, so that no life is lost
    env = source_of(make_gymnasium(GAME), {}, wrappers=still)._factory(max_num_frames_per_episode=160)
    env.reset(seed=0)
    steps = 0
    while True:
        _, _, terminated, truncated, _ = env.step(0)
        steps += 1
        assert not terminated
        if truncated:
            break
    assert steps <= 40
    env.close()


@needs_atari
def test_lives_end_training_episodes_and_no_others():
    trained, whole = source()._factory(), source().drawn("rgb_array")
    for env in (trained, whole):
        env.reset(seed=0)
    lives, games = [], 0
    while not games:
        _, reward, terminated, truncated, info = trained.step(3)
        assert reward in (-1.0, 0.0, 1.0)
        if terminated or truncated:
            lives.append(info["lives"])
            games += info["lives"] == 0
            trained.reset()
    assert lives == [4, 3, 2, 1, 0]
    terminated = truncated = False
    while not (terminated or truncated):
        _, _, terminated, truncated, info = whole.step(3)
    assert (info["lives"], terminated, truncated) == (0, True, False)
    trained.close()
    whole.close()


@needs_atari
def test_a_vector_gives_uint8_frames():
    wrapped = source()
    vector = make_host(wrapped._factory, 2)
    vector.reset(0)
    assert vector.start.dtype == np.uint8
    assert vector.start.shape == (2, 4, 84, 84)
    vector.close()
