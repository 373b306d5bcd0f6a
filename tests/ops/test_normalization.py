"""Running statistics against numpy on all the data at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.ops.normalization import (
    init_statistics,
    merge,
    no_moments,
    normalize_obs,
    normalize_reward,
    observe,
)
from logpi.types import Trajectory

GAMMA = 0.9
OBS = {
    "image": jax.ShapeDtypeStruct((2, 2), jnp.uint8),
    "room": jax.ShapeDtypeStruct((), jnp.int32),
    "place": jax.ShapeDtypeStruct((3,), jnp.float32),
}


def trajectory(T, B, seed=0, void=0.3):
    rng = np.random.default_rng(seed)
    obs = {
        "image": rng.integers(0, 255, (T + 1, B, 2, 2), np.uint8),
        "room": rng.integers(0, 9, (T + 1, B), np.int32),
        "place": (5 + 3 * rng.normal(size=(T + 1, B, 3))).astype(np.float32),
    }
    mask = (rng.random((T, B)) > void).astype(np.float32)
    reward = rng.normal(size=(T, B)).astype(np.float32)
    zero = np.zeros((T, B), np.float32)
    return jax.tree.map(jnp.asarray, Trajectory(obs, zero, zero, reward * mask, 1 - zero, mask, ()))


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_merged_in_random_pieces_are_those_of_the_whole(offset):
    rng = np.random.default_rng(1)
    x = (offset + rng.normal(size=(5000, 3)) * [0.5, 1.0, 20.0]).astype(np.float32)
    weight = (rng.random(5000) < 0.8).astype(np.float32)
    moments, cuts = no_moments((3,)), np.sort(rng.integers(0, 5000, 12))
    for piece, w in zip(np.split(x, cuts), np.split(weight, cuts), strict=True):
        moments = merge(moments, jnp.asarray(piece), jnp.asarray(w))
    kept = x[weight == 1].astype(np.float64)
    assert moments.n == weight.sum()
    np.testing.assert_allclose(moments.mean, kept.mean(0), rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(moments.std, kept.std(0), rtol=2e-3)


def test_two_batch_axes_count_as_one_and_nothing_added_changes_nothing():
    x = jnp.asarray(np.random.default_rng(2).normal(size=(6, 4, 3)), jnp.float32)
    moments = merge(no_moments((3,)), x, jnp.ones((6, 4)))
    np.testing.assert_allclose(moments.mean, x.reshape(-1, 3).mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moments.std, x.reshape(-1, 3).std(0), rtol=1e-5)
    for a, b in zip(merge(moments, 99 * x, jnp.zeros((6, 4))), moments, strict=True):
        np.testing.assert_array_equal(a, b)


def test_nothing_seen_scales_nothing():
    np.testing.assert_array_equal(no_moments((3,)).std, 1.0)
    np.testing.assert_array_equal(merge(no_moments(()), jnp.ones(1), jnp.ones(1)).std, 1.0)


def test_off_means_untouched():
    statistics = init_statistics(OBS, 4, False, False)
    data = trajectory(5, 4)
    assert observe(statistics, data, GAMMA) == statistics
    assert normalize_obs(statistics, data.obs) is data.obs
    assert normalize_reward(statistics, data.reward) is data.reward


def test_observations_are_standardised_and_integers_left_alone():
    data = trajectory(400, 4)
    statistics = observe(init_statistics(OBS, 4, True, False), data, GAMMA)
    scaled = normalize_obs(statistics, data.obs)
    np.testing.assert_array_equal(scaled["image"], data.obs["image"])
    np.testing.assert_array_equal(scaled["room"], data.obs["room"])
    assert scaled["image"].dtype == jnp.uint8
    assert scaled["room"].dtype == jnp.int32
    acted_on = scaled["place"][:-1][data.mask > 0]
    np.testing.assert_allclose(acted_on.mean(0), 0.0, atol=1e-4)
    np.testing.assert_allclose(acted_on.std(0), 1.0, atol=1e-4)
    far = {**data.obs, "place": data.obs["place"] + 1e6}
    np.testing.assert_array_equal(normalize_obs(statistics, far)["place"], 10.0)
    single = jax.tree.map(lambda x: x[0, 0], data.obs)  # an observation without a batch
    np.testing.assert_allclose(normalize_obs(statistics, single)["place"], scaled["place"][0, 0])


def test_the_last_observation_is_left_to_the_next_trajectory():
    data = trajectory(10, 4)
    statistics = observe(init_statistics(OBS, 4, True, False), data, GAMMA)
    assert statistics.obs[1].n == data.mask.sum() < 40  # leaves are in sorted order: image, place, room
    assert statistics.obs[0] == statistics.obs[2] == ()


def test_rewards_are_divided_by_the_deviation_of_returns_that_restart_behind_void_rows():
    first, second = trajectory(30, 4), trajectory(20, 4, seed=5)
    statistics = init_statistics(OBS, 4, False, True)
    for data in (first, second):
        statistics = observe(statistics, data, GAMMA)

    reward, mask = (np.concatenate([getattr(d, k) for d in (first, second)]) for k in ("reward", "mask"))
    returns = []
    for b in range(4):
        g = 0.0
        for r, alive in zip(reward[:, b], mask[:, b], strict=True):
            g = GAMMA * g + r if alive else 0.0
            returns += [g] if alive else []
    assert statistics.reward.n == mask.sum()
    np.testing.assert_allclose(statistics.reward.std, np.std(returns), rtol=1e-4)
    got = normalize_reward(statistics, first.reward)
    np.testing.assert_allclose(got, first.reward / np.std(returns), rtol=1e-4)  # scaled, not shifted
    np.testing.assert_array_equal(normalize_reward(statistics, first.reward * 0 + 1e6), 10.0)
