"""What a rollout holds: whole episodes, their returns, memory that stays inside, no step from one to the next."""

import functools
import itertools

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from logpi.algorithms.common.learning import forward, make_act
from logpi.config.settings import Network
from logpi.control.host_rollout import rollout_host
from logpi.control.rollout import WINDOW, Carry, episode_metrics, no_episodes, record, rollout, start
from logpi.driver.stages import unwatched
from logpi.envs.host import make_host
from logpi.envs.make import vectorize
from logpi.envs.probes import recall
from logpi.errors import LogpiError
from logpi.nets.policy import make_policy
from logpi.ops.normalization import Statistics
from logpi.types import Act, Algorithm, DeviceEnv, EnvSpec, Experience, Learner, Policy

T, B, LIMIT = 12, 6, 4
SPEC = EnvSpec("Ragged-v0", spaces.Box(0.0, 99.0, (2,)), spaces.Discrete(99), LIMIT)


def ragged():
    """Episodes of 1 to 6 moves, cut after 4; obs [moves made, moves in all], move number k earns k."""

    def show(state):
        return jnp.stack(state).astype(jnp.float32)

    def reset(key):
        state = (jnp.int32(0), jax.random.randint(key, (), 1, 7))
        return state, show(state)

    def step(state, action, key):
        clock, length = state[0] + 1, state[1]
        return (clock, length), show((clock, length)), clock.astype(jnp.float32), clock == length

    return DeviceEnv(SPEC, reset, step)


class Ragged(gymnasium.Env):
    """The same for Gymnasium."""

    observation_space, action_space = SPEC.observation_space, SPEC.action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.clock, self.length = 0, int(self.np_random.integers(1, 7))
        return np.array([0, self.length], np.float32), {}

    def step(self, action):
        self.clock += 1
        return np.array([self.clock, self.length], np.float32), self.clock, self.clock == self.length, False, {}


def limited():
    return gymnasium.wrappers.TimeLimit(Ragged(), LIMIT)


def counting(whole_episodes=False, n_steps=T):
    """Its memory counts the decisions, and its action tells the count: what it remembers is in the trajectory."""

    def act(learner, memory, obs, key, greedy=False):
        return Act(memory, jnp.zeros(memory.shape), memory + 1)

    policy = Policy(None, lambda batch: jnp.zeros(batch, jnp.int32), None)
    return Algorithm(None, act, None, policy, None, n_steps, whole_episodes)


def on_device(algorithm, iterations):
    vector = vectorize(ragged())
    collect = jax.jit(functools.partial(rollout, vector, algorithm))
    carry, found = start(vector, algorithm, jax.random.key(3), B), []
    for i in range(iterations):
        carry, trajectory = collect(None, carry, jax.random.key(i))
        found.append(jax.device_get((trajectory, carry.episodes)))
    return found


def on_host(algorithm, iterations, parts=1, vectorization="sync"):
    vectors = [make_host(limited, B // parts, vectorization=vectorization) for _ in range(parts)]
    for number, vector in enumerate(vectors):
        vector.reset(3 + number * vector.num_envs)
    carry, found = Carry((), (), algorithm.policy.memory(B), jnp.zeros(B, bool), no_episodes(B)), []

    def act(memory, obs):
        return algorithm.act(None, memory, obs, None)

    for _ in range(iterations):
        seconds = {"policy": 0.0, "environment": 0.0}
        carry, trajectory = rollout_host(vectors, algorithm, act, carry, seconds, unwatched)
        found.append((trajectory, jax.tree.map(np.array, carry.episodes)))
    for vector in vectors:
        vector.close()
    return found


WAYS = {"device": on_device, "host": on_host, "halves": functools.partial(on_host, parts=2)}


def joined(found, name):
    return np.concatenate([np.asarray(getattr(trajectory, name))[:T] for trajectory, _ in found])


@pytest.mark.parametrize("way", WAYS)
def test_no_step_and_no_memory_crosses_from_one_episode_to_the_next(way):
    found = WAYS[way](counting(), 4)
    obs, reward, discount, mask, action = (joined(found, n) for n in ("obs", "reward", "discount", "mask", "action"))
    ended = np.zeros(B, bool)  # whether the row before ended an episode
    clock, lengths = np.zeros(B), []
    for t in range(4 * T):
        np.testing.assert_array_equal(mask[t], ~ended)
        clock = np.where(ended, clock, obs[t, :, 0])
        np.testing.assert_array_equal(obs[t, :, 0], clock, "a void row shows the end of its own episode")
        np.testing.assert_array_equal(action[t][~ended], clock[~ended], "the memory is as old as the episode")
        np.testing.assert_array_equal(reward[t], np.where(ended, 0, clock + 1))
        over = (clock + 1 == np.minimum(obs[t, :, 1], LIMIT)) & ~ended
        terminated = over & (clock + 1 == obs[t, :, 1])
        np.testing.assert_array_equal(discount[t], 1 - terminated)
        lengths += list(clock[over] + 1)
        if t + 1 < 4 * T:
            np.testing.assert_array_equal(obs[t + 1, :, 0], np.where(ended, 0, clock + ~ended))
        clock, ended = clock + 1, over
    assert set(lengths) == {1, 2, 3, 4}
    assert 0 < (discount == 0).sum() < len(lengths), "both kinds of ends"
    for (before, _), (after, _) in itertools.pairwise(found):
        np.testing.assert_array_equal(np.asarray(before.obs)[T], np.asarray(after.obs)[0])


@pytest.mark.parametrize("way", WAYS)
def test_returns_and_lengths_of_finished_episodes(way):
    found = WAYS[way](counting(), 4)
    returns, lengths = [], []
    ret, length = np.zeros(B), np.zeros(B)
    for trajectory, episodes in found:
        mask, reward = np.asarray(trajectory.mask), np.asarray(trajectory.reward)
        obs = np.asarray(trajectory.obs)
        for t in range(T):
            ret, length = ret + reward[t], length + mask[t]
            for b in np.flatnonzero((mask[t] > 0) & (obs[t, :, 0] + 1 == np.minimum(obs[t, :, 1], LIMIT))):
                returns.append(ret[b])
                lengths.append(length[b])
                ret[b] = length[b] = 0
        assert episodes.finished == len(returns)
        np.testing.assert_array_equal(episodes.returns[: len(returns)], returns)
        np.testing.assert_array_equal(episodes.lengths[: len(returns)], lengths)
        metrics = episode_metrics(episodes)
        np.testing.assert_allclose(metrics["rollout/ep_rew_mean"], np.mean(returns), rtol=1e-6)
        np.testing.assert_allclose(metrics["rollout/ep_len_mean"], np.mean(lengths), rtol=1e-6)
    assert B * 4 < len(returns) < WINDOW


@pytest.mark.parametrize("way", WAYS)
def test_whole_episodes(way):
    """Each iteration starts afresh in every column, and only the first episode counts."""
    found = WAYS[way](counting(whole_episodes=True, n_steps=6), 3)
    total = 0
    for trajectory, episodes in found:
        obs, mask, reward = (np.asarray(getattr(trajectory, name)) for name in ("obs", "mask", "reward"))
        length = np.minimum(obs[0, :, 1], LIMIT).astype(int)
        assert (obs[0, :, 0] == 0).all()
        np.testing.assert_array_equal(mask, np.arange(6)[:, None] < length)
        np.testing.assert_array_equal(reward, np.where(mask, np.arange(6.0)[:, None] + 1, 0))
        terminated = obs[0, :, 1] <= LIMIT
        np.testing.assert_array_equal(np.asarray(trajectory.discount)[length - 1, np.arange(B)], ~terminated)
        np.testing.assert_array_equal(obs[length, np.arange(B), 0], length)
        np.testing.assert_array_equal(np.asarray(trajectory.memory), np.zeros(B))
        counted = np.where(mask, np.asarray(trajectory.action), np.arange(6)[:, None])
        np.testing.assert_array_equal(counted, np.broadcast_to(np.arange(6)[:, None], (6, B)))
        np.testing.assert_array_equal(np.sort(episodes.lengths[total : total + B]), np.sort(length))
        np.testing.assert_array_equal(np.sort(episodes.returns[total : total + B]), np.sort(length * (length + 1) / 2))
        total += B
        assert episodes.finished == total


@pytest.mark.parametrize("whole_episodes", [False, True])
def test_halves_make_the_rows_of_the_whole(whole_episodes):
    whole = on_host(counting(whole_episodes), 3)
    halves = on_host(counting(whole_episodes), 3, parts=2, vectorization="async")
    for (one, episodes), (two, others) in zip(whole, halves, strict=True):
        for name, left, right in zip(one._fields, one, two, strict=True):
            np.testing.assert_array_equal(left, right, err_msg=name)
        for name in ("ret", "length", "finished"):
            np.testing.assert_array_equal(getattr(episodes, name), getattr(others, name), err_msg=name)
        for name in ("returns", "lengths"):  # the same ones; within a row the first half's come first
            np.testing.assert_array_equal(np.sort(getattr(episodes, name)), np.sort(getattr(others, name)))


@pytest.mark.parametrize("rows", [1, 7, 60])
def test_the_window_keeps_the_last_hundred(rows):
    """However many episodes end at once: 60 rows of 6 hold more than the window."""
    rng = np.random.default_rng(rows)
    episodes, expected = no_episodes(B), []
    assert np.isnan(episode_metrics(episodes)["rollout/ep_rew_mean"])
    for _ in range(max(4, 400 // (rows * B))):
        ended = rng.random((rows, B)) < 0.7
        ret = rng.normal(size=(rows, B)).astype(np.float32)
        length = rng.integers(1, 500, (rows, B)).astype(np.float32)
        episodes = record(episodes, jnp.asarray(ret), jnp.asarray(length), jnp.asarray(ended))
        expected += list(zip(ret[ended], length[ended], strict=True))
        kept = min(len(expected), WINDOW)
        found = list(zip(np.array(episodes.returns)[:kept], np.array(episodes.lengths)[:kept], strict=True))
        assert sorted(found) == sorted(expected[-WINDOW:])
        assert episodes.finished == len(expected)
    assert len(expected) > WINDOW
    np.testing.assert_allclose(
        episode_metrics(episodes)["rollout/ep_len_mean"], np.mean([x[1] for x in expected[-WINDOW:]]), rtol=1e-5
    )


@pytest.mark.parametrize("memory", ["gru", "lstm"])
def test_learning_sees_the_memory_that_acted(memory):
    """log π of a recurrent policy, computed again from a trajectory that starts within an episode, is what it was."""
    env = recall(delay=3)
    vector = vectorize(env)
    policy = make_policy(env.spec, Network(hidden=(8,), memory=memory, memory_size=4))
    with jax.numpy_rank_promotion("allow"):
        params = jax.tree.map(lambda x: 3 * x, policy.init(jax.random.key(1)))
        learner = Learner(params, (), Statistics(), (), jnp.int32(0))
        algorithm = Algorithm(None, make_act(policy), None, policy, None, 11)
        collect = jax.jit(functools.partial(rollout, vector, algorithm))
        carry = start(vector, algorithm, jax.random.key(0), B)
        for i in range(3):
            carry, trajectory = collect(learner, carry, jax.random.key(i))
            pi, _ = forward(policy, params, Statistics(), trajectory)
            live = np.asarray(trajectory.mask) > 0
            again = np.asarray(pi.log_prob(trajectory.action))
            np.testing.assert_allclose(again[live], np.asarray(trajectory.log_prob)[live], rtol=1e-4, atol=1e-5)
        forgetful = trajectory._replace(memory=policy.memory(B))
        pi, _ = forward(policy, params, Statistics(), forgetful)
        assert not np.allclose(pi.log_prob(trajectory.action)[live], trajectory.log_prob[live], atol=1e-3)


def test_a_memory_and_a_reset_within_the_step_do_not_go_together():
    vector = make_host(limited, B, autoreset="same_step")
    vector.reset(0)
    carry = Carry((), (), jnp.zeros(B, jnp.int32), jnp.zeros(B, bool), no_episodes(B))
    with pytest.raises(LogpiError, match=r"resets within the step.*next_step"):
        rollout_host([vector], counting(), None, carry, {}, unwatched)
    stacks = counting()._replace(experience=Experience(100, 8, 1, frames=4))
    with pytest.raises(LogpiError, match=r"stacked frames cannot be rebuilt.*next_step, or stacked_frames 1"):
        rollout_host([vector], stacks, None, carry, {}, unwatched)
    vector.close()
