"""Atari games stepped by ale-py's own threads, with the standard preprocessing of ``logpi.envs.atari``.

Each game is a vector of one, so that a reset may take several moves while the others play on. ale-py skips the frames,
takes their maximum and scales them; lives, FIRE, the reward's sign and the stack of frames are done here, move for move
as the wrappers do it. Without no-ops and sticky actions the frames are those of the wrappers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from logpi.envs.atari import NOOP, Preprocessing, start_actions
from logpi.types import EnvSpec

ARGUMENTS = ("repeat_action_probability", "full_action_space", "max_num_frames_per_episode")  # of a game, that it takes


class Moved(NamedTuple):
    """What one game answered to one move of ``frame_skip`` frames."""

    frame: NDArray[np.uint8]  # [size, size]
    reward: float
    terminated: bool
    truncated: bool
    lives: int

    @property
    def over(self) -> bool:
        """Whether the game itself is over: the next move, whatever it is, begins a new one."""
        return self.terminated or self.truncated


class Game:
    """One game under way: what ``AtariFrames``, ``EpisodicLife`` and ``FireReset`` make of it, in that order."""

    def __init__(self, rom: str, how: Preprocessing, arguments: Mapping[str, Any]) -> None:
        from ale_py.vector_env import AtariVectorEnv

        self._how = how
        self._emulator = AtariVectorEnv(
            rom,
            1,
            num_threads=1,
            frameskip=how.frame_skip,
            img_height=how.screen_size,
            img_width=how.screen_size,
            stack_num=1,
            noop_max=how.noop_max,
            use_fire_reset=False,
            reward_clipping=False,
            **arguments,
        )
        meanings = [action.name for action in self._emulator.ale.get_action_set()]
        self._start = start_actions(meanings) if how.fire_reset else ()
        self._lives, self._goes_on = 0, False

    def first(self, seed: int | None) -> Moved:
        """The first observation of an episode.

        ``seed`` begins a new game, with this seed of the emulator and of its no-ops. None: the game goes on where a
        lost life ended the last episode, else another one begins.
        """
        if seed is None and self._goes_on:
            self.send(NOOP)
            return self.begin()
        obs, info = self._emulator.reset(seed=seed)
        self._goes_on = False
        return self._begun(Moved(obs[0, 0], 0.0, False, False, int(info["lives"][0])))

    def send(self, action: int) -> None:
        """Begin one move; the emulator's thread makes it."""
        self._emulator.send(np.array([action], np.int32))

    def recv(self) -> Moved:
        """The move as an episode sees it: a lost life may end it, and is followed by FIRE where it does not."""
        moved, lost = self._lived(self._moved())
        return self._fired(moved) if lost and not self._how.episodic_life else moved

    def begin(self) -> Moved:
        """The first observation of the next episode, after ``send(NOOP)``: of the next life, or of a new game."""
        return self._begun(self._anew())

    def _anew(self) -> Moved:
        """After ``send(NOOP)``: the game that goes on after a lost life, or a new one."""
        moved = self._moved()
        if self._goes_on and moved.over:
            moved = self._act(NOOP)
        self._goes_on = False
        return moved

    def _begun(self, moved: Moved) -> Moved:
        """FIRE behind the first observation; an episode that ends meanwhile begins anew."""
        self._lives = moved.lives
        for action in self._start:
            self.send(action)
            moved, _ = self._lived(self._moved())
            if moved.over:
                self.send(NOOP)
                moved = self._anew()
                self._lives = moved.lives
        return moved

    def _lived(self, moved: Moved) -> tuple[Moved, bool]:
        """(the move, terminated by a lost life where lives are episodes; whether a life was lost)."""
        lost = 0 < moved.lives < self._lives
        self._lives = moved.lives
        if not self._how.episodic_life:
            return moved, lost
        self._goes_on = lost and not moved.over
        return moved._replace(terminated=moved.terminated or lost), lost

    def _fired(self, moved: Moved) -> Moved:
        """A lost life that ends no episode: what ``FireReset`` plays then is part of the same move."""
        for action in (NOOP, *self._start) if self._start else ():
            if moved.over:
                break
            more = self._act(action)
            moved = more._replace(reward=moved.reward + more.reward)
        self._lives = moved.lives
        return moved

    def _act(self, action: int) -> Moved:
        self.send(action)
        return self._moved()

    def _moved(self) -> Moved:
        obs, reward, terminated, truncated, info = self._emulator.recv()
        flags = bool(terminated[0]), bool(truncated[0])
        return Moved(obs[0, 0], float(reward[0]), *flags, int(info["lives"][0]))


class Games(VectorEnv):
    """B games side by side, with next-step autoreset; observations [B, stack, size, size], or [B, size, size]."""

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self, spec: EnvSpec, num_envs: int, rom: str, how: Preprocessing, arguments: Mapping[str, Any]
    ) -> None:
        """Args:
        spec: spaces of one game within its wrappers.
        num_envs: B.
        rom: the game, as ale-py calls it: ``space_invaders``.
        how: the preprocessing.
        arguments: those of ``ARGUMENTS`` that are not ale-py's defaults.
        """
        self.num_envs, self._how = num_envs, how
        self.single_observation_space, self.single_action_space = spec.observation_space, spec.action_space
        self.observation_space = batch_space(spec.observation_space, num_envs)
        self.action_space = batch_space(spec.action_space, num_envs)
        self._games = [Game(rom, how, arguments) for _ in range(num_envs)]
        self._ended = np.zeros(num_envs, np.bool_)
        self._stack = np.zeros((num_envs, how.stack_size, how.screen_size, how.screen_size), np.uint8)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        for i, game in enumerate(self._games):
            self._stack[i] = game.first(None if seed is None else seed + i).frame
        self._ended[:] = False
        return self._shown(), {}

    def step_async(self, actions: NDArray[np.integer]) -> None:
        """Begin one move of every game; one whose episode has ended begins the next."""
        for game, action in zip(self._games, np.where(self._ended, NOOP, actions), strict=True):
            game.send(int(action))

    def step_wait(self) -> tuple[Any, ...]:
        """The moves that ``step_async`` began."""
        rewards = np.zeros(self.num_envs, np.float32)
        flags = np.zeros((2, self.num_envs), np.bool_)
        self._stack[:, :-1] = self._stack[:, 1:]
        for i, game in enumerate(self._games):
            if self._ended[i]:
                self._stack[i] = game.begin().frame
                continue
            moved = game.recv()
            self._stack[i, -1] = moved.frame
            rewards[i], flags[:, i] = moved.reward, (moved.terminated, moved.truncated)
        if self._how.clip_reward:
            rewards = np.sign(rewards)
        self._ended[:] = flags[0] | flags[1]
        return self._shown(), rewards, flags[0], flags[1], {}

    def step(self, actions: NDArray[np.integer]) -> tuple[Any, ...]:
        self.step_async(actions)
        return self.step_wait()

    def close_extras(self, **kwargs: Any) -> None:
        self._games = []

    def _shown(self) -> NDArray[np.uint8]:
        return self._stack if self._how.stack_size > 1 else self._stack[:, 0]
