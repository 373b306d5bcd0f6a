"""Classic tasks whose velocities are hidden, so that only a policy with a memory solves them.

Names are those of RL Baselines3 Zoo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from gymnasium import spaces

from logpi.envs.classic import cartpole, mountain_car_continuous, pendulum
from logpi.types import Array, DeviceEnv, Key, PyTree


def showing(build: Callable[[], DeviceEnv], name: str, seen: Sequence[int]) -> DeviceEnv:
    """The environment of ``build`` as ``name``, whose observation is the numbers ``seen`` of its own alone."""
    env, kept = build(), np.array(seen)
    whole = env.observation_space
    assert isinstance(whole, spaces.Box)

    def reset(key: Key) -> tuple[PyTree, Array]:
        state, obs = env.reset(key)
        return state, obs[kept]

    def step(state: PyTree, action: Array, key: Key) -> tuple[PyTree, Array, Array, Array]:
        state, obs, reward, terminated = env.step(state, action, key)
        return state, obs[kept], reward, terminated

    box = spaces.Box(whole.low[kept], whole.high[kept], dtype=np.float32)
    return DeviceEnv(env.spec._replace(id=name, observation_space=box), reset, step)


HIDDEN: dict[str, Callable[[], DeviceEnv]] = {
    name: partial(showing, build, name, seen)
    for name, build, seen in (
        ("CartPoleNoVel-v1", cartpole, (0, 2)),  # position and angle
        ("PendulumNoVel-v1", pendulum, (0, 1)),  # cos and sin of the angle
        ("MountainCarContinuousNoVel-v0", mountain_car_continuous, (0,)),  # position
    )
}
