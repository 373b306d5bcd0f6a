"""Gymnasium's five classic-control tasks as pure functions on the device.

Physics, spaces and starting states are those of Gymnasium 1.x under the same ids, and
``tests/envs/test_classic.py`` compares them state by state. ``reset`` gives float32; ``step`` computes in
the precision of the state that it is given. Units: metre, radian, second. A force beyond its bounds is
clipped, as there; a discrete action is not checked.

Where the state is the observation they are one array, so a compiled loop carries it once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from logpi.types import Array, DeviceEnv, EnvSpec, Key

Transition = tuple[Array, Array, Array, Array]


def _box(high: list[float], low: list[float] | None = None) -> spaces.Box:
    """Float32 box; symmetric about zero unless ``low`` is given."""
    top = np.asarray(high, np.float32)
    return spaces.Box(-top if low is None else np.asarray(low, np.float32), top, dtype=np.float32)


def _uniform(key: Key, high: float, size: int) -> Array:
    return jax.random.uniform(key, (size,), jnp.float32, -high, high)


def _wrap(angle: Array) -> Array:
    """The same angle within [-π, π]."""
    return angle - 2 * math.pi * jnp.round(angle * (0.5 / math.pi))


_CARTPOLE_ANGLE = math.radians(12)
_CARTPOLE_TRACK = 2.4


def _cartpole_reset(key: Key) -> tuple[Array, Array]:
    state = _uniform(key, 0.05, 4)
    return state, state


def _cartpole_step(state: Array, action: Array, key: Key) -> Transition:
    gravity, pole_mass, total_mass, half_length, dt = 9.8, 0.1, 1.1, 0.5, 0.02
    moment = pole_mass * half_length
    _, velocity, angle, spin = state
    sin, cos = jnp.sin(angle), jnp.cos(angle)
    push = (jnp.where(action == 1, 10.0, -10.0) + moment * spin * spin * sin) / total_mass
    angular = (gravity * sin - cos * push) / (half_length * (4 / 3 - pole_mass * cos * cos / total_mass))
    linear = push - moment * angular * cos / total_mass
    state = state + dt * jnp.stack([velocity, linear, spin, angular])
    terminated = (jnp.abs(state[0]) > _CARTPOLE_TRACK) | (jnp.abs(state[2]) > _CARTPOLE_ANGLE)
    return state, state, jnp.float32(1.0), terminated


def cartpole() -> DeviceEnv:
    """CartPole-v1: state = obs [4] (position, velocity, angle, angular velocity); actions push left or right.

    Reward is 1 for every move, the last included. Source: Barto, Sutton and Anderson 1983.
    """
    observation = _box([2 * _CARTPOLE_TRACK, np.inf, 2 * _CARTPOLE_ANGLE, np.inf])
    spec = EnvSpec("CartPole-v1", observation, spaces.Discrete(2), 500)
    return DeviceEnv(spec, _cartpole_reset, _cartpole_step)


_CAR_LEFT, _CAR_RIGHT, _CAR_SPEED = -1.2, 0.6, 0.07


def _car_reset(key: Key) -> tuple[Array, Array]:
    position = jax.random.uniform(key, (), jnp.float32, -0.6, -0.4)
    state = jnp.stack([position, jnp.zeros_like(position)])
    return state, state


def _car_move(state: Array, thrust: Array, goal: float) -> tuple[Array, Array]:
    """The car after one move under ``thrust`` (speed gained a move), and whether it has reached ``goal``."""
    position, velocity = state
    velocity = jnp.clip(velocity + (thrust - 0.0025 * jnp.cos(3 * position)), -_CAR_SPEED, _CAR_SPEED)
    position = jnp.clip(position + velocity, _CAR_LEFT, _CAR_RIGHT)
    velocity = jnp.where((position <= _CAR_LEFT) & (velocity < 0), 0.0, velocity)
    return jnp.stack([position, velocity]), (position >= goal) & (velocity >= 0)


def _mountain_car_step(state: Array, action: Array, key: Key) -> Transition:
    state, terminated = _car_move(state, 0.001 * (action - 1).astype(state.dtype), goal=0.5)
    return state, state, jnp.float32(-1.0), terminated


def mountain_car() -> DeviceEnv:
    """MountainCar-v0: state = obs [2] (position, velocity); actions push left, coast, push right.

    Reward is -1 for every move. Source: Moore 1990.
    """
    observation = _box([_CAR_RIGHT, _CAR_SPEED], [_CAR_LEFT, -_CAR_SPEED])
    return DeviceEnv(EnvSpec("MountainCar-v0", observation, spaces.Discrete(3), 200), _car_reset, _mountain_car_step)


def _mountain_car_continuous_step(state: Array, action: Array, key: Key) -> Transition:
    force = action[0]
    state, terminated = _car_move(state, 0.0015 * jnp.clip(force, -1.0, 1.0), goal=0.45)
    # Gymnasium charges for the force that was asked for, not for the clipped one.
    return state, state, jnp.where(terminated, 100.0, 0.0) - 0.1 * force * force, terminated


def mountain_car_continuous() -> DeviceEnv:
    """MountainCarContinuous-v0: state = obs [2] (position, velocity); action [1], the force in [-1, 1].

    Reward is -0.1 force², plus 100 at the goal. Source: Moore 1990, as in Gymnasium.
    """
    observation = _box([_CAR_RIGHT, _CAR_SPEED], [_CAR_LEFT, -_CAR_SPEED])
    spec = EnvSpec("MountainCarContinuous-v0", observation, _box([1.0]), 999)
    return DeviceEnv(spec, _car_reset, _mountain_car_continuous_step)


_ACROBOT_SPEED_1, _ACROBOT_SPEED_2 = 4 * math.pi, 9 * math.pi


def _acrobot_obs(state: Array) -> Array:
    angle1, angle2, spin1, spin2 = state
    return jnp.stack([jnp.cos(angle1), jnp.sin(angle1), jnp.cos(angle2), jnp.sin(angle2), spin1, spin2])


def _acrobot_reset(key: Key) -> tuple[Array, Array]:
    state = _uniform(key, 0.1, 4)
    return state, _acrobot_obs(state)


def _acrobot_derivative(state: Array, torque: Array) -> Array:
    """Time derivative of the state [4], for links of unit mass, length and inertia with a centred mass.

    Source: Sutton and Barto 1998, section 11.3; d and φ are its names.
    """
    gravity = 9.8
    angle1, angle2, spin1, spin2 = state
    sin2, cos2 = jnp.sin(angle2), jnp.cos(angle2)
    d1 = 3.5 + cos2
    d2 = 1.25 + 0.5 * cos2
    phi2 = 0.5 * gravity * jnp.sin(angle1 + angle2)
    phi1 = 1.5 * gravity * jnp.sin(angle1) + phi2 - (0.5 * spin2 + spin1) * spin2 * sin2
    ratio = d2 / d1
    angular2 = (torque + ratio * phi1 - 0.5 * spin1 * spin1 * sin2 - phi2) / (1.25 - d2 * ratio)
    angular1 = -(d2 * angular2 + phi1) / d1
    return jnp.stack([spin1, spin2, angular1, angular2])


def _acrobot_step(state: Array, action: Array, key: Key) -> Transition:
    dt = 0.2
    torque = (action - 1).astype(state.dtype)
    k1 = _acrobot_derivative(state, torque)
    k2 = _acrobot_derivative(state + dt / 2 * k1, torque)
    k3 = _acrobot_derivative(state + dt / 2 * k2, torque)
    k4 = _acrobot_derivative(state + dt * k3, torque)
    angle1, angle2, spin1, spin2 = state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    spin1 = jnp.clip(spin1, -_ACROBOT_SPEED_1, _ACROBOT_SPEED_1)
    spin2 = jnp.clip(spin2, -_ACROBOT_SPEED_2, _ACROBOT_SPEED_2)
    state = jnp.stack([_wrap(angle1), _wrap(angle2), spin1, spin2])
    terminated = -jnp.cos(angle1) - jnp.cos(angle1 + angle2) > 1.0
    return state, _acrobot_obs(state), terminated.astype(jnp.float32) - 1, terminated


def acrobot() -> DeviceEnv:
    """Acrobot-v1: state [4] (two angles, two angular velocities); actions are a torque of -1, 0 or 1 N m.

    Obs [6] is cos and sin of each angle, then the velocities. Reward is -1 a move, 0 on the move that ends
    the episode. One move is one fourth-order Runge-Kutta step of 0.2 s. Source: Sutton 1996; Sutton and
    Barto 1998.
    """
    spec = EnvSpec("Acrobot-v1", _box([1.0] * 4 + [_ACROBOT_SPEED_1, _ACROBOT_SPEED_2]), spaces.Discrete(3), 500)
    return DeviceEnv(spec, _acrobot_reset, _acrobot_step)


_PENDULUM_SPEED, _PENDULUM_TORQUE = 8.0, 2.0


def _pendulum_obs(state: Array) -> Array:
    angle, spin = state
    return jnp.stack([jnp.cos(angle), jnp.sin(angle), spin])


def _pendulum_reset(key: Key) -> tuple[Array, Array]:
    state = _uniform(key, 1.0, 2) * np.array([math.pi, 1.0], np.float32)
    return state, _pendulum_obs(state)


def _pendulum_step(state: Array, action: Array, key: Key) -> Transition:
    gravity, mass, length, dt = 10.0, 1.0, 1.0, 0.05
    angle, spin = state
    torque = jnp.clip(action[0], -_PENDULUM_TORQUE, _PENDULUM_TORQUE)
    cost = _wrap(angle) ** 2 + 0.1 * spin * spin + 0.001 * torque * torque
    angular = 1.5 * gravity / length * jnp.sin(angle) + 3 / (mass * length**2) * torque
    spin = jnp.clip(spin + dt * angular, -_PENDULUM_SPEED, _PENDULUM_SPEED)
    state = jnp.stack([angle + dt * spin, spin])
    return state, _pendulum_obs(state), -cost, jnp.bool_(False)


def pendulum() -> DeviceEnv:
    """Pendulum-v1: state [2] (angle from upright, angular velocity); action [1], the torque in [-2, 2] N m.

    Obs [3] is cos, sin and the velocity. Reward is -(angle² + 0.1 velocity² + 0.001 torque²), of the state
    before the move. It never terminates.
    """
    spec = EnvSpec("Pendulum-v1", _box([1.0, 1.0, _PENDULUM_SPEED]), _box([_PENDULUM_TORQUE]), 200)
    return DeviceEnv(spec, _pendulum_reset, _pendulum_step)


CLASSIC: dict[str, Callable[[], DeviceEnv]] = {
    "CartPole-v1": cartpole,
    "MountainCar-v0": mountain_car,
    "MountainCarContinuous-v0": mountain_car_continuous,
    "Acrobot-v1": acrobot,
    "Pendulum-v1": pendulum,
}
