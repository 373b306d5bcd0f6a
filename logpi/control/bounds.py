"""Lowest and highest possible returns of an episode, where an environment's rewards and time limit imply them.

Source: the environments' documentation in Gymnasium 1.1. They hold for the default arguments of each environment.
"""

from __future__ import annotations

import math

PENDULUM = 200 * (math.pi**2 + 0.1 * 8**2 + 0.001 * 2**2)  # cost of 200 steps upside down at full speed and torque
RETURNS: dict[str, tuple[float, float]] = {
    "CartPole-v0": (0, 200),
    "CartPole-v1": (0, 500),
    "Acrobot-v1": (-500, 0),
    "MountainCar-v0": (-200, 0),
    "MountainCarContinuous-v0": (-99.9, 100),
    "Pendulum-v1": (-PENDULUM, 0),
    "FrozenLake-v1": (0, 1),
    "FrozenLake8x8-v1": (0, 1),
}
UNKNOWN = (None, None)


def returns_of(name: str) -> tuple[float | None, float | None]:
    """(lowest, highest) return of an episode; None where it is not known."""
    return RETURNS.get(name, UNKNOWN)
