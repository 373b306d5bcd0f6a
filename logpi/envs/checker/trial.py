"""An environment while it is tried: actions as a policy draws them, and calls under watch."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gymnasium
import jax
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from logpi.envs.actions import random_action
from logpi.envs.spaces import legal_in, to_env
from logpi.envs.text import without_text
from logpi.envs.watchdog import HangError, limited
from logpi.types import Array, EnvSpec, Key, PyTree, Space

P = ParamSpec("P")
R = TypeVar("R")
BLOCK = 512  # actions drawn together where none depends on an observation


class Trial:
    """One environment, whose calls are given up when they hang, and whose output is caught."""

    def __init__(self, env: gymnasium.Env) -> None:
        self.env, self.printed, self.steps = env, "", 0

    def reset(self, seed: int | None = None) -> PyTree:
        """First observation of a new episode."""
        return without_text(self.env.observation_space, self._call("reset", self.env.reset, seed=seed)[0])

    def step(self, action: NDArray[np.generic]) -> tuple[PyTree, float, bool, bool]:
        """One move with an action of the policy: observation, reward, terminated, truncated."""
        self.steps += 1
        moved = to_env(self.env.action_space, action)
        obs, reward, terminated, truncated, _ = self._call(f"step {self.steps}", self.env.step, moved)
        return without_text(self.env.observation_space, obs), reward, bool(terminated), bool(truncated)

    def close(self) -> None:
        """Close the environment; a ``close`` that hangs or fails is left alone."""
        with contextlib.suppress(Exception, HangError), limited("close"):
            self.env.close()

    def _call(self, what: str, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        said = io.StringIO()
        with limited(what), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            answer = method(*args, **kwargs)
        self.printed = self.printed or said.getvalue().strip()
        return answer


class Chooser:
    """Actions for observations, as a policy draws them that prefers none of the legal ones."""

    def __init__(self, spec: EnvSpec, batch: tuple[int, ...] = (), seed: int = 0) -> None:
        self._spec, self._batch = spec, batch
        self._masked = jax.jit(lambda key, legal: random_action(spec.action_space, key, batch, legal))
        self._key, self._calls, self._block = jax.random.key(seed), 0, np.zeros(0)

    def __call__(self, obs: PyTree) -> NDArray[np.generic]:
        """An action [*batch, ...] for an observation [*batch, ...] as the environment gave it."""
        legal, at = legal_in(self._spec.observation_space, obs), self._calls % BLOCK
        self._calls += 1
        if legal is not None:
            return np.asarray(self._masked(self._next_key(), np.asarray(legal, np.int8)))
        if at == 0:
            self._block = np.asarray(random_action(self._spec.action_space, self._next_key(), (BLOCK, *self._batch)))
        drawn: NDArray[np.generic] = self._block[at]
        return drawn

    def _next_key(self) -> Key:
        self._key, mine = jax.random.split(self._key)
        return mine


def no_legal_action(action_space: Space, legal: NDArray[np.generic] | Array) -> NDArray[np.bool_]:
    """Whether a mask [..., n] leaves nothing to choose, in one part of the action at least."""
    legal = np.asarray(legal)
    sizes = action_space.nvec.ravel() if isinstance(action_space, spaces.MultiDiscrete) else np.zeros(1, int)
    parts = np.split(legal, np.cumsum(sizes)[:-1], axis=-1)
    return np.any([~(part != 0).any(-1) for part in parts], axis=0)
