"""Legal actions: the key of their mask in an observation, and a wrapper that takes the mask from ``info``.

Spawned workers import this module, so it imports no JAX.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from logpi.errors import LogpiError

MASK = "action_mask"  # 1 where an action is legal: a key of an observation that is a Dict, and of ``info``
REST = "observation"  # key of an observation that is not a Dict, beside its mask


class ActionMask(gymnasium.Wrapper):
    """Shows the mask of legal actions that the environment tells in ``info["action_mask"]``.

    Observations become a Dict with the keys of the environment's own Dict, or ``observation``, and ``action_mask``. Of
    a MultiDiscrete space the mask is that of each choice one after the other; ``info`` may hold one array or several.
    Where an episode ends without a mask every action is legal, as none is taken.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._number = choices(env.action_space)
        seen = env.observation_space
        parts = dict(seen.spaces) if isinstance(seen, spaces.Dict) else {REST: seen}
        if MASK in parts:
            raise LogpiError(f"the observation has the key {MASK!r} already; leave the wrapper out")
        self._within = isinstance(seen, spaces.Dict)
        self.observation_space = spaces.Dict({**parts, MASK: spaces.MultiBinary(self._number)})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        obs, info = self.env.reset(seed=seed, options=options)
        return self._shown(obs, info, over=False), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        return self._shown(obs, info, bool(terminated or truncated)), reward, terminated, truncated, info

    def _shown(self, obs: Any, info: Mapping[str, Any], over: bool) -> dict[str, Any]:
        found = info.get(MASK)
        if found is None and not over:
            raise LogpiError(f"info has no {MASK!r}, which the wrapper action-mask shows; it has {sorted(info)}")
        mask = np.ones(self._number, np.int8) if found is None else _flat(found)
        if mask.shape != (self._number,):
            raise LogpiError(f"info[{MASK!r}] has the shape {mask.shape}, and there are {self._number} actions")
        return {**(obs if self._within else {REST: obs}), MASK: mask}


def choices(space: gymnasium.Space) -> int:
    """Number of actions that a mask of ``space`` tells of.

    Raises:
        LogpiError: the space is neither Discrete nor MultiDiscrete.
    """
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    raise LogpiError(f"a mask needs a Discrete or MultiDiscrete action space, not {space}")


def _flat(mask: Any) -> np.ndarray[Any, np.dtype[np.int8]]:
    """A mask as one array, where each choice may have one of its own."""
    parts = mask if isinstance(mask, tuple | list) and np.ndim(mask[0]) else [mask]
    return np.concatenate([np.asarray(part, np.int8).ravel() for part in parts])
