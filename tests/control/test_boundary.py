"""Where an episode ends: the same targets however the environment resets, and right ones (docs/boundary.md)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.algorithms.common.learning import make_act
from logpi.control.host_rollout import rollout_host
from logpi.control.rollout import Carry, no_episodes, rollout, start
from logpi.driver.stages import unwatched
from logpi.envs.host import make_host
from logpi.envs.make import vectorize
from logpi.envs.probes import chain, chain_gym
from logpi.ops import psi
from logpi.ops.distributions import Categorical
from logpi.ops.normalization import Statistics
from logpi.ops.psi import lambda_returns
from logpi.types import Algorithm, Learner, Output, Policy

T, B, GAMMA = 17, 3, 0.9
MODES = ["next_step", "same_step", "disabled"]
WALKS = {  # length, time_limit, terminates
    "terminated": (5, None, True),
    "truncated": (5, 3, True),
    "both at once": (4, 3, True),
    "truncated for ever": (4, 6, False),
}
POLICY = Policy(lambda key: (), lambda batch: (), lambda params, memory, obs: (memory, Output(uniform(obs), None)))
ALGORITHM = Algorithm(None, make_act(POLICY), None, POLICY, None, T)
LEARNER = Learner((), (), Statistics(), (), jnp.int32(0))


def uniform(obs):
    return Categorical(jnp.zeros((*obs.shape[:-1], 2)))


def true_value(obs, length, terminates):
    """V of one-hot positions [..., length]: the geometric sum of rewards 1 that are still to come."""
    moves = length - 1 - obs.argmax(-1)
    return (1 - GAMMA**moves) / (1 - GAMMA) if terminates else np.full(moves.shape, 1 / (1 - GAMMA))


@functools.cache
def on_device(walk, iterations=1):
    vector = vectorize(chain(*walk))
    collect = jax.jit(functools.partial(rollout, vector, ALGORITHM))
    carry, found = start(vector, ALGORITHM, jax.random.key(9), B), []
    for i in range(iterations):
        carry, trajectory = collect(LEARNER, carry, jax.random.key(i))
        found.append(jax.device_get(trajectory))
    return found


def on_host(walk, autoreset, iterations=1):
    vector = make_host(functools.partial(chain_gym, *walk), B, autoreset=autoreset)
    vector.reset(0)
    decide = jax.jit(ALGORITHM.act)
    carry, found = Carry((), (), (), jnp.zeros(B, bool), no_episodes(B)), []
    for i in range(iterations):
        keys = iter(jax.random.split(jax.random.key(i), T))

        def act(memory, obs, keys=keys):
            return decide(LEARNER, memory, obs, next(keys))

        carry, trajectory = rollout_host(
            [vector], ALGORITHM, act, carry, {"policy": 0.0, "environment": 0.0}, unwatched
        )
        found.append(trajectory)
    vector.close()
    return found


def targets(trajectory, value, lam):
    trajectory, value = jax.tree.map(jnp.asarray, (trajectory, value))
    discount = GAMMA * trajectory.discount
    returns = lambda_returns(trajectory.reward, discount, trajectory.mask, value, lam)
    advantage = psi.gae(trajectory.reward, discount, trajectory.mask, value, lam)
    np.testing.assert_allclose(advantage + value[:-1], returns, atol=1e-5)
    return np.where(trajectory.mask, returns, np.nan)


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS)
@pytest.mark.parametrize("lam", [0.0, 0.8, 1.0])
def test_all_ways_of_resetting_give_the_same_targets(walk, lam):
    """With the true values each λ-return is the true value; with wrong ones all ways are wrong alike."""
    ways = {"device": on_device(walk)[0]} | {mode: on_host(walk, mode)[0] for mode in MODES}
    wrong = np.random.default_rng(0).normal(size=walk[0]).astype(np.float32)
    ends = ways["device"].mask == 0
    assert ends.any()
    for trajectory in ways.values():
        obs = np.asarray(trajectory.obs)
        exact = true_value(obs, walk[0], walk[2]).astype(np.float32)
        assert trajectory.mask.shape == (T, B)
        np.testing.assert_allclose(targets(trajectory, exact, lam)[~ends], exact[:-1][~ends], rtol=1e-5)
        np.testing.assert_array_equal(obs, ways["device"].obs)
        np.testing.assert_array_equal(targets(trajectory, obs @ wrong, lam), targets(ways["device"], obs @ wrong, lam))


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS)
def test_device_and_host_trajectories_are_equal_bit_for_bit(walk):
    for ours, theirs in zip(on_device(walk, 3), on_host(walk, "next_step", 3), strict=True):
        for name in ("obs", "action", "log_prob", "reward", "discount", "mask"):
            a, b = np.asarray(getattr(ours, name)), np.asarray(getattr(theirs, name))
            np.testing.assert_array_equal(a, b, err_msg=name)
            assert name == "action" or a.dtype == b.dtype == np.float32


def test_truncation_taken_for_termination_gives_wrong_values():
    """What a `done` flag does: the target in front of a cut is 1 there, not 10."""
    walk = WALKS["truncated for ever"]
    for trajectory in (on_device(walk)[0], on_host(walk, "next_step")[0]):
        value = true_value(np.asarray(trajectory.obs), walk[0], walk[2]).astype(np.float32)
        void_next = np.concatenate([trajectory.mask[1:], np.ones((1, B))]) == 0
        assert void_next.any()
        assert (trajectory.discount == 1).all()
        as_done = trajectory._replace(discount=np.where(void_next, 0.0, 1.0).astype(np.float32))
        live = trajectory.mask > 0
        for lam in (0.0, 0.8, 1.0):
            right, wrong = targets(trajectory, value, lam), targets(as_done, value, lam)
            np.testing.assert_allclose(right[live], value[:-1][live], rtol=1e-5)
            np.testing.assert_allclose(wrong[void_next], 1.0, rtol=1e-6)
            assert (np.abs(wrong - value[:-1])[void_next] > 1).all()
