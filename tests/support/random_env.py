"""An environment over any two spaces, which holds what it is given to them and answers with their extremes."""

import json
from collections import OrderedDict
from typing import ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from logpi.envs.space_json import space_from_json


def drawn(space, rng):
    """A member of ``space``: the ends of bounded numbers as often as not, in containers of unusual types."""
    if isinstance(space, spaces.Dict):
        return OrderedDict((key, drawn(part, rng)) for key, part in reversed(space.spaces.items()))
    if isinstance(space, spaces.Tuple):
        return tuple(drawn(part, rng) for part in space.spaces)
    if isinstance(space, spaces.Discrete):
        return space.dtype.type(space.start + rng.integers(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        return (space.start + rng.integers(space.nvec)).astype(space.dtype)
    if isinstance(space, spaces.MultiBinary):
        return rng.integers(2, size=space.shape).astype(np.int8)
    free = rng.normal(size=space.shape).astype(space.dtype)
    ends = np.where(rng.integers(2, size=space.shape) == 1, space.high, space.low)
    return np.where(space.bounded_below & space.bounded_above, ends, free).astype(space.dtype)


class RandomEnv(gymnasium.Env):
    """Spaces from JSON. An episode has 3 to 6 moves; ``info`` holds arrays of different length."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 20}
    max_episode_steps = 6

    def __init__(self, observation, action, render_mode=None):
        self.observation_space = space_from_json(json.loads(observation))
        self.action_space = space_from_json(json.loads(action))
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(3, 6))
        return self.obs(), {"found": np.zeros(self.left)}

    def step(self, action):
        assert self.legal(action), f"{action!r} is not in {self.action_space}, or illegal"
        self.left -= 1
        return self.obs(), float(self.np_random.normal()), self.left == 0, False, {"found": np.zeros(self.left)}

    def legal(self, action):
        """Whether the action is in its space, and in the mask where there is one."""
        if not self.action_space.contains(action):
            return False
        return self.mask is None or self.mask[int(action) - self.action_space.start] == 1

    def obs(self):
        found, self.mask = drawn(self.observation_space, self.np_random), None
        if isinstance(found, dict) and "action_mask" in found:
            self.mask = found["action_mask"]
            self.mask[self.np_random.integers(len(self.mask))] = 1
        return found

    def render(self):
        return np.full((32, 48, 3), 40 * self.left, np.uint8)
