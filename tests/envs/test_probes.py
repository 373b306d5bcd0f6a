"""The probes do what their docstrings promise, and the two forms of a probe are the same to the last bit."""

from __future__ import annotations

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.envs.probes import PROBES, Advantage, Chain, advantage, chain, chain_gym, dict_obs, recall
from logpi.errors import LogpiError
from logpi.types import DeviceEnv

KEY = jax.random.key(0)


def device_episode(env: DeviceEnv, actions: list[int]) -> list[tuple[np.ndarray, np.ndarray, bool, bool]]:
    """Rows (obs, reward, terminated, truncated) until either flag; the first row is the reset."""
    limit = env.spec.max_episode_steps
    state, obs = env.reset(KEY)
    rows = [(np.array(obs), np.float32(0), False, False)]
    for t, action in enumerate(actions, start=1):
        state, obs, reward, terminated = env.step(state, jnp.int32(action), KEY)
        rows.append((np.array(obs), np.array(reward), bool(terminated), t == limit))
        if rows[-1][2] or rows[-1][3]:
            break
    return rows


def gym_episode(env: Any, actions: list[int]) -> list[tuple[np.ndarray, np.ndarray, bool, bool]]:
    rows = [(env.reset(seed=0)[0], np.float32(0), False, False)]
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(action)
        rows.append((obs, np.float32(reward), terminated, truncated))
        if terminated or truncated:
            break
    return rows


def assert_same_rows(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for (obs, reward, *flags), (obs2, reward2, *flags2) in zip(ours, theirs, strict=True):
        assert obs.dtype == obs2.dtype == np.float32
        np.testing.assert_array_equal(obs, obs2)
        assert reward.tobytes() == reward2.tobytes()
        assert flags == flags2


@pytest.mark.parametrize(
    ("length", "time_limit", "terminates", "moves"),
    [
        (5, None, True, 4),
        (2, None, True, 1),
        (6, 3, True, 3),
        (4, 3, True, 3),  # both flags on one move
        (4, 9, False, 9),
        (4, None, False, 20),
    ],
)
def test_chain_is_the_same_on_device_and_host(
    length: int, time_limit: int | None, terminates: bool, moves: int
) -> None:
    actions = np.random.default_rng(0).integers(2, size=20).tolist()
    ours = device_episode(chain(length, time_limit, terminates), actions)
    host = chain_gym(length, time_limit, terminates)
    for _ in range(2):  # a second episode on the same object must start afresh
        assert_same_rows(ours, gym_episode(host, actions))
    assert len(ours) == moves + 1
    assert [row[0].argmax() for row in ours] == [min(t, length - 1) for t in range(moves + 1)]
    assert all(row[0].sum() == 1 for row in ours)
    assert [float(row[1]) for row in ours] == [0.0] + [1.0] * moves
    assert ours[-1][2] == (terminates and moves == length - 1)
    assert ours[-1][3] == (moves == time_limit)


@pytest.mark.parametrize("terminates", [True, False])
def test_chain_has_the_stated_values(terminates: bool) -> None:
    """The stated values solve the Bellman equation of the chain's own transitions, from every state."""
    length, gamma = 6, 0.9
    env = chain(length, terminates=terminates)
    left = length - 1 - np.arange(length)
    value = (1 - gamma**left) / (1 - gamma) if terminates else np.full(length, 1 / (1 - gamma))
    state, obs = env.reset(KEY)
    for i in range(length - 1 if terminates else length + 2):
        here = float(obs @ value)
        assert here == pytest.approx(value[min(i, length - 1)])
        state, obs, reward, terminated = env.step(state, jnp.int32(i % 2), KEY)
        assert here == pytest.approx(float(reward) + gamma * float(obs @ value) * (not terminated))
    assert bool(terminated) == terminates


def test_chain_that_cannot_move_is_refused() -> None:
    for make in (chain, Chain, chain_gym):
        with pytest.raises(LogpiError, match="length 1 "):
            make(1)


@pytest.mark.parametrize("env", [Chain(), chain_gym(4, 9, False), Advantage()])
def test_host_forms_have_the_device_spaces(env: Any) -> None:
    inner = env.unwrapped
    assert isinstance(inner, gymnasium.Env)
    spec = (advantage() if isinstance(inner, Advantage) else chain(inner.observation_space.shape[0])).spec
    assert env.observation_space == spec.observation_space
    assert env.action_space == spec.action_space


@pytest.mark.parametrize(("action", "reward"), [(0, -1.0), (1, 1.0)])
def test_advantage_pays_for_action_one(action: int, reward: float) -> None:
    ours = device_episode(advantage(), [action])
    assert_same_rows(ours, gym_episode(Advantage(), [action]))
    assert [float(row[1]) for row in ours] == [0.0, reward]
    assert [row[2] for row in ours] == [False, True]
    assert all(row[0].tolist() == [1.0] for row in ours)


@pytest.mark.parametrize("delay", [1, 4])
def test_recall_pays_only_for_the_remembered_cue(delay: int) -> None:
    env = recall(delay)
    cues = []
    for i in range(40):
        start, first = env.reset(jax.random.key(i))
        cues.append(float(first[0]))
        answer = int(first[0] > 0)
        for last, pay in [(answer, 1.0), (1 - answer, 0.0)]:
            state, rewards, ends, obs = start, [], [], []
            # Naming the cue earlier must neither pay nor count.
            for action in [answer] * delay + [last]:
                state, o, r, done = env.step(state, jnp.int32(action), KEY)
                rewards.append(float(r))
                ends.append(bool(done))
                obs.append(o.tolist())
            assert rewards == [0.0] * delay + [pay]
            assert ends == [False] * delay + [True]
            assert obs == [[0.0]] * (delay + 1)
    assert set(cues) == {-1.0, 1.0}
    assert 8 <= cues.count(1.0) <= 32


def test_recall_without_delay_is_refused() -> None:
    with pytest.raises(LogpiError, match="delay 0 "):
        recall(0)


def right_answer(obs: Any) -> list[int]:
    box, (number, bits) = obs["box"], obs["parts"]
    return [int(box[0] > box[1]), int(number), int(bits[0]) + 2 * int(bits[1])]


def test_dict_pays_a_third_for_each_part() -> None:
    env = dict_obs()
    state, obs = env.reset(jax.random.key(5))
    seen = set()
    for i in range(60):
        obs = jax.device_get(obs)
        assert env.spec.observation_space.contains(obs)
        right = right_answer(obs)
        assert env.spec.action_space.contains(np.array(right))
        seen.update(enumerate(right))
        for wrong in range(8):
            flip = np.array([wrong & 1, wrong >> 1 & 1, wrong >> 2])
            action = (np.array(right) + flip) % env.spec.action_space.nvec
            _, _, reward, terminated = env.step(state, jnp.asarray(action, jnp.int32), KEY)
            assert float(reward) == pytest.approx((3 - flip.sum()) / 3)
            assert not terminated
        state, obs, _, _ = env.step(state, jnp.asarray(right, jnp.int32), jax.random.key(i))
    assert seen == {(part, answer) for part, n in enumerate([2, 3, 4]) for answer in range(n)}
    assert env.spec.max_episode_steps == 8


@pytest.mark.parametrize("id", list(PROBES))
def test_step_keeps_the_types_of_reset(id: str) -> None:
    env = PROBES[id]()
    assert env.spec.id == id
    action = jax.ShapeDtypeStruct(env.spec.action_space.shape, jnp.int32)
    before = jax.eval_shape(env.reset, KEY)
    *after, reward, terminated = jax.eval_shape(env.step, before[0], action, KEY)

    def describe(tree: Any) -> Any:
        return jax.tree.map(lambda x: (x.shape, str(x.dtype), x.weak_type), tree)

    assert describe(tuple(after)) == describe(before)
    assert describe([reward, terminated]) == [((), "float32", False), ((), "bool", False)]
    assert env.spec.observation_space.contains(jax.device_get(env.reset(KEY)[1]))


@pytest.mark.parametrize("id", list(PROBES))
def test_probes_run_under_jit_scan_and_vmap(id: str) -> None:
    env = PROBES[id]()
    shape = env.spec.action_space.shape

    def run(key: jax.Array) -> jax.Array:
        def move(state: Any, key: jax.Array) -> Any:
            state, _, reward, _ = env.step(state, jnp.ones(shape, jnp.int32), key)
            return state, reward

        return jax.lax.scan(move, env.reset(key)[0], jax.random.split(key, 6))[1]

    rewards = jax.jit(jax.vmap(run))(jax.random.split(KEY, 3))
    assert rewards.shape == (3, 6)
    assert np.isfinite(rewards).all()
