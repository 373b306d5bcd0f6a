"""The standard preprocessing of Atari games, as wrappers: what DQN (Mnih et al. 2015) and OpenAI Baselines do.

Its order is: 1 to 30 no-ops at a reset, an action for 4 frames and the maximum of the last two, a lost life as an end,
FIRE after a reset, grey and 84x84 pixels by area, the reward's sign, a stack of 4 frames. Frames, grey and size are one
wrapper of Gymnasium's here, ``AtariPreprocessing``: neither lives nor FIRE look at pixels, so the result is the same.

Spawned workers import this module, so it imports no JAX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
from gymnasium.wrappers import AtariPreprocessing

if TYPE_CHECKING:
    from logpi.types import PyTree

    Answer = tuple[PyTree, Any, bool, bool, dict[str, Any]]  # observation, reward, terminated, truncated, info

NOOP = 0  # the first action of every game
PARTS = {"episodic-life": "episodic_life", "fire-reset": "fire_reset", "sign-reward": "clip_reward"}
START = (1, 2)  # FIRE, and the action after it, which some games want too


def start_actions(meanings: Sequence[str]) -> tuple[int, ...]:
    """What begins a life in a game whose actions have these ``meanings``; () where it does not wait for FIRE."""
    return START if len(meanings) > max(START) and meanings[START[0]] == "FIRE" else ()


class AtariFrames(AtariPreprocessing):
    """No-ops at a reset, 4 frames a step, their maximum, grey, 84x84 uint8: Gymnasium's AtariPreprocessing."""

    # of the environment: frames are skipped here, and read here too, so that its own observations may be the cheapest
    arguments: ClassVar[Mapping[str, object]] = {"frameskip": 1, "obs_type": "grayscale"}

    def __init__(
        self, env: gymnasium.Env, noop_max: int = 30, frame_skip: int = 4, screen_size: int | tuple[int, int] = 84
    ) -> None:
        """Args:
        env: an Atari game that skips no frames.
        noop_max: most no-ops at a reset; 0: none.
        frame_skip: frames of an action.
        screen_size: width and height of an observation in pixels.
        """
        super().__init__(env, noop_max=noop_max, frame_skip=frame_skip, screen_size=screen_size)
        limits = (env.spec and env.spec.max_episode_steps, self.ale.getInt("max_num_frames_per_episode"))
        frames = [limit for limit in limits if limit]
        # read as that of Gymnasium's TimeLimit: the limits inside count frames
        self._max_episode_steps = -(-min(frames) // frame_skip) if frames else None


class EpisodicLife(gymnasium.Wrapper):
    """A lost life ends the episode as terminated, and the next episode goes on with the game; in training only."""

    training_only = True

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._lives, self._goes_on = 0, False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[PyTree, dict[str, Any]]:
        """Go on after a lost life, by a no-op; a new game after its end, and where a seed is given."""
        over = seed is not None or not self._goes_on
        if not over:
            obs, _, terminated, truncated, info = self.env.step(NOOP)
            over = terminated or truncated
        if over:
            obs, info = self.env.reset(seed=seed, options=options)
        self._lives, self._goes_on = _lives(self), False
        return obs, info

    def step(self, action: Any) -> Answer:
        obs, reward, terminated, truncated, info = self.env.step(action)
        before, self._lives = self._lives, _lives(self)
        # some games show 0 lives for a few frames before they end
        lost = 0 < self._lives < before
        self._goes_on = lost and not (terminated or truncated)
        return obs, reward, terminated or lost, truncated, info


class FireReset(gymnasium.Wrapper):
    """FIRE where a game waits for it: after a reset, and after a lost life that ends no episode.

    So a life begins alike in training, where ``EpisodicLife`` resets, and in whole games. A game without FIRE stays as
    it is.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._start = start_actions(env.unwrapped.get_action_meanings())
        self._lives = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[PyTree, dict[str, Any]]:
        obs, info = self.env.reset(seed=seed, options=options)
        for action in self._start:
            obs, _, terminated, truncated, info = self.env.step(action)
            if terminated or truncated:
                obs, info = self.env.reset(options=options)
        self._lives = _lives(self)
        return obs, info

    def step(self, action: Any) -> Answer:
        obs, reward, terminated, truncated, info = self.env.step(action)
        before, self._lives = self._lives, _lives(self)
        if self._start and 0 < self._lives < before:
            for start in (NOOP, *self._start):
                if terminated or truncated:
                    break
                obs, more, terminated, truncated, info = self.env.step(start)
                reward = reward + more
            self._lives = _lives(self)
        return obs, reward, terminated, truncated, info


class SignReward(gymnasium.RewardWrapper):
    """The reward's sign: -1, 0 or 1, the clipping of Mnih et al. 2015; in training only."""

    training_only = True

    def reward(self, reward: Any) -> float:
        return float(np.sign(reward))


def standard(
    noop_max: int = 30,
    frame_skip: int = 4,
    screen_size: int = 84,
    episodic_life: bool = True,
    fire_reset: bool = True,
    clip_reward: bool = True,
    stack_size: int = 4,
) -> list[tuple[str, Mapping[str, object]]]:
    """Names and arguments of the wrappers of the standard preprocessing, innermost first."""
    frames = {"noop_max": noop_max, "frame_skip": frame_skip, "screen_size": screen_size}
    parts: list[tuple[bool, str, Mapping[str, object]]] = [
        (True, "atari-frames", frames),
        (episodic_life, "episodic-life", {}),
        (fire_reset, "fire-reset", {}),
        (clip_reward, "sign-reward", {}),
        (stack_size > 1, "frame-stack", {"stack_size": stack_size}),
    ]
    return [(name, kwargs) for wanted, name, kwargs in parts if wanted]


class Preprocessing(NamedTuple):
    """The standard preprocessing as one: what ``standard`` lists as wrappers."""

    noop_max: int = 30
    frame_skip: int = 4
    screen_size: int = 84
    episodic_life: bool = False
    fire_reset: bool = False
    clip_reward: bool = False
    stack_size: int = 1


def preprocessing(wrappers: Sequence[tuple[str, Mapping[str, object]]]) -> Preprocessing | None:
    """What ``standard`` was given to list these wrappers, innermost first; None where it would list none such."""
    given: dict[str, Any] = {}
    for name, kwargs in wrappers:
        given |= kwargs if name in ("atari-frames", "frame-stack") else {PARTS.get(name, name): True}
    try:
        found = Preprocessing(**given)
        listed = standard(**found._asdict())
    except TypeError:  # another wrapper, or another argument
        return None
    names = [name for name, _ in listed] == [name for name, _ in wrappers]
    return found if names and isinstance(found.screen_size, int) else None


def _lives(env: gymnasium.Env) -> int:
    return int(env.unwrapped.ale.lives())
