"""The device's classic-control tasks against Gymnasium's, on the same states and actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from scipy import stats

from logpi.envs.classic import CLASSIC

PAIRS = 1500
PI = np.pi


class Case(NamedTuple):
    start_low: list[float]  # of the state after a reset
    start_high: list[float]
    low: list[float]  # of the states compared: the whole space, and for CartPole a little beyond its edge
    high: list[float]
    observe: Callable[[np.ndarray], np.ndarray]
    pump: Callable[[np.ndarray, np.random.Generator], Any]  # (state, rng) -> an action that gets somewhere
    state_atol: float = 1e-9
    float32_atol: float = 1e-5  # of obs, relative to its scale


def acrobot_obs(s: np.ndarray) -> np.ndarray:
    return np.array([np.cos(s[0]), np.sin(s[0]), np.cos(s[1]), np.sin(s[1]), s[2], s[3]])


CASES = {
    "CartPole-v1": Case(
        [-0.05] * 4,
        [0.05] * 4,
        [-2.5, -3.0, -0.22, -3.0],
        [2.5, 3.0, 0.22, 3.0],
        lambda s: s,
        lambda s, rng: int(rng.integers(2)) if rng.random() < 0.6 else int(s[2] + s[3] > 0),
    ),
    "MountainCar-v0": Case(
        [-0.6, 0.0],
        [-0.4, 0.0],
        [-1.2, -0.07],
        [0.6, 0.07],
        lambda s: s,
        lambda s, rng: int(rng.integers(3)) if rng.random() < 0.2 else 2 * int(s[1] > 0),
    ),
    "MountainCarContinuous-v0": Case(
        [-0.6, 0.0],
        [-0.4, 0.0],
        [-1.2, -0.07],
        [0.6, 0.07],
        lambda s: s,
        lambda s, rng: np.array([(1 if s[1] > 0 else -1) * rng.uniform(0.5, 1.5)]),
        state_atol=1e-7,  # Gymnasium rounds this state, and no other, to float32
    ),
    "Acrobot-v1": Case(
        [-0.1] * 4,
        [0.1] * 4,
        [-PI, -PI, -4 * PI, -9 * PI],
        [PI, PI, 4 * PI, 9 * PI],
        acrobot_obs,
        lambda s, rng: int(rng.integers(3)) if rng.random() < 0.1 else 2 * int(s[3] > 0),
        float32_atol=5e-5,  # four derivatives at up to 9π rad/s magnify the rounding
    ),
    "Pendulum-v1": Case(
        [-PI, -1.0],
        [PI, 1.0],
        [-20.0, -8.0],
        [20.0, 8.0],
        lambda s: np.array([np.cos(s[0]), np.sin(s[0]), s[1]]),
        lambda s, rng: np.array([rng.uniform(-3, 3)]),
    ),
}
IDS = list(CASES)


def gym(id: str) -> Any:
    env = gymnasium.make(id, disable_env_checker=True).unwrapped
    env.reset(seed=0)
    return env


def gym_step(env: Any, state: np.ndarray, action: Any) -> tuple[np.ndarray, np.ndarray, float, bool]:
    env.state = state.copy()
    env.steps_beyond_terminated = None
    obs, reward, terminated, truncated, _ = env.step(action)
    assert not truncated
    return np.array(env.state, np.float64), np.array(obs), float(reward), terminated


def draw_pairs(id: str) -> tuple[np.ndarray, np.ndarray]:
    case, rng = CASES[id], np.random.default_rng(1)
    states = rng.uniform(case.low, case.high, (PAIRS, len(case.low)))
    states[:50] = np.where(rng.random((50, len(case.low))) < 0.5, case.low, case.high)  # corners, walls
    space = CLASSIC[id]().spec.action_space
    if isinstance(space, spaces.Discrete):
        return states, rng.integers(space.n, size=PAIRS)
    return states, rng.uniform(1.5 * space.low, 1.5 * space.high, (PAIRS, 1))  # beyond the bounds too


def compare_pairs(id: str, dtype: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(state, obs, reward, terminated) of every pair, by Gymnasium and by the device."""
    states, actions = draw_pairs(id)
    if dtype == np.float32:
        states = states.astype(np.float32).astype(np.float64)
    if actions.dtype == np.float64:
        actions = actions.astype(dtype).astype(np.float64)
    env = gym(id)
    theirs = zip(*(gym_step(env, s, a) for s, a in zip(states, actions, strict=True)), strict=True)
    device_actions = actions.astype(dtype if actions.ndim == 2 else np.int32)
    step = jax.jit(jax.vmap(CLASSIC[id]().step, (0, 0, None)))
    ours = step(jnp.asarray(states, dtype), jnp.asarray(device_actions), jax.random.key(0))
    return [np.array(x) for x in theirs], [np.array(x) for x in ours]


@pytest.mark.parametrize("id", IDS)
def test_step_equals_gymnasium_in_float64(id: str) -> None:
    with jax.enable_x64(True):
        theirs, ours = compare_pairs(id, np.float64)
    assert ours[0].dtype == np.float64
    np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=CASES[id].state_atol)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=2e-7, atol=1e-7)  # Gymnasium's obs is float32
    np.testing.assert_allclose(ours[2], theirs[2], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(ours[3], theirs[3])
    assert id == "Pendulum-v1" or 20 < ours[3].sum() < PAIRS - 20, "both kinds of move must be among the pairs"


@pytest.mark.parametrize("id", IDS)
def test_step_equals_gymnasium_in_float32(id: str) -> None:
    theirs, ours = compare_pairs(id, np.float32)
    scale = np.abs(theirs[1]).max(axis=0)
    assert ours[1].dtype == ours[2].dtype == np.float32
    np.testing.assert_allclose(ours[1] / scale, theirs[1] / scale, rtol=0, atol=CASES[id].float32_atol)
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(ours[3], theirs[3])


def gym_episode(id: str, seed: int) -> tuple[np.ndarray, list[Any], list[tuple[Any, ...]]]:
    """First state, actions and (obs, reward, terminated) of one episode, to termination or the time limit."""
    env, rng, limit = gym(id), np.random.default_rng(seed), CLASSIC[id]().spec.max_episode_steps
    env.reset(seed=seed)
    first, actions, rows = np.array(env.state, np.float64), [], []
    for _ in range(limit):
        actions.append(CASES[id].pump(np.array(env.state), rng))
        obs, reward, terminated, _, _ = env.step(actions[-1])
        rows.append((np.array(obs), reward, terminated))
        if terminated:
            break
    return first, actions, rows


@pytest.mark.parametrize("id", IDS)
def test_whole_episodes_equal_gymnasium(id: str) -> None:
    """The device carries its own state through the episode, so an error of one move would grow.

    CartPole's policy is poor on purpose: a pole kept up for 500 moves magnifies even float64's rounding
    past 1e-5.
    """
    env = CLASSIC[id]()
    limit, key = env.spec.max_episode_steps, jax.random.key(0)

    @jax.jit
    def follow(state: jax.Array, actions: jax.Array) -> Any:
        def move(state: jax.Array, action: jax.Array) -> Any:
            state, *row = env.step(state, action, key)
            return state, row

        return jax.lax.scan(move, state, actions)[1]

    ended = 0
    with jax.enable_x64(True):
        for seed in range(4):
            first, actions, rows = gym_episode(id, seed)
            padded = np.array(actions + actions[-1:] * (limit - len(actions)))
            padded = padded.astype(np.int32) if padded.ndim == 1 else padded
            ours = [np.array(x)[: len(rows)] for x in follow(jnp.asarray(first), jnp.asarray(padded))]
            obs, reward, terminated = (np.array(x) for x in zip(*rows, strict=True))
            np.testing.assert_allclose(ours[0], obs, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(ours[1], reward, rtol=0, atol=1e-9)
            np.testing.assert_array_equal(ours[2], terminated)
            assert len(rows) > 10
            ended += terminated[-1]
    assert ended == (0 if id == "Pendulum-v1" else 4)


@pytest.mark.parametrize("id", IDS)
def test_reset_is_uniform_over_gymnasiums_range(id: str) -> None:
    case, env = CASES[id], gym(id)
    state, obs = jax.vmap(CLASSIC[id]().reset)(jax.random.split(jax.random.key(3), 2000))
    state, obs = np.array(state), np.array(obs)
    low, high = np.array(case.start_low), np.array(case.start_high)
    theirs = []
    for seed in range(500):
        env.reset(seed=seed)
        theirs.append(np.array(env.state))
    for i in range(state.shape[1]):
        if low[i] == high[i]:
            assert (state[:, i] == low[i]).all()
            assert all(s[i] == low[i] for s in theirs)
        else:
            assert stats.kstest(state[:, i], stats.uniform(low[i], high[i] - low[i]).cdf).pvalue > 1e-3
            assert stats.ks_2samp(state[:, i], [s[i] for s in theirs]).pvalue > 1e-3
            assert low[i] - 1e-6 <= state[:, i].min()
            assert state[:, i].max() <= high[i] + 1e-6
    free = state[:, low != high]
    correlation = np.atleast_2d(np.corrcoef(free.T)) - np.eye(free.shape[1])
    assert np.abs(correlation).max() < 0.1
    np.testing.assert_allclose(obs, [case.observe(s) for s in state.astype(np.float64)], atol=1e-6)


@pytest.mark.parametrize("id", IDS)
def test_spec_equals_gymnasiums(id: str) -> None:
    env = gymnasium.make(id)
    spec = CLASSIC[id]().spec
    assert (spec.id, spec.max_episode_steps) == (id, env.spec.max_episode_steps)
    for ours, theirs in [
        (spec.observation_space, env.observation_space),
        (spec.action_space, env.action_space),
    ]:
        assert ours == theirs
        assert ours.dtype == theirs.dtype
        if isinstance(ours, spaces.Box):
            np.testing.assert_array_equal(ours.low, theirs.low)
            np.testing.assert_array_equal(ours.high, theirs.high)


@pytest.mark.parametrize("id", IDS)
def test_step_keeps_the_types_of_reset(id: str) -> None:
    """Otherwise a scan over the state would not compile, or would compile twice."""
    env, key = CLASSIC[id](), jax.random.key(0)
    action = jax.ShapeDtypeStruct(env.spec.action_space.shape, jnp.float32)
    if isinstance(env.spec.action_space, spaces.Discrete):
        action = jax.ShapeDtypeStruct((), jnp.int32)
    state, obs = jax.eval_shape(env.reset, key)
    after = jax.eval_shape(env.step, state, action, key)
    described = [(x.shape, x.dtype, x.weak_type) for x in (state, obs, *after)]
    assert described[:2] == described[2:4]
    assert described[4:] == [((), np.float32, False), ((), np.bool_, False)]
    assert obs.shape == env.spec.observation_space.shape
    assert obs.dtype == np.float32
