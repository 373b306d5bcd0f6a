"""The ring and what is drawn from it: what followed, n-step returns, episode ends, and both ways to choose."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.control.replay import StoredRows, empty_replay, push, replay_rows, transitions
from logpi.control.sampling import prioritised, uniform
from logpi.errors import LogpiError
from logpi.ops.normalization import Moments, Statistics
from logpi.types import Priority, Trajectory

GAMMA = 0.5
LEARNER = SimpleNamespace(hyper=SimpleNamespace(gamma=GAMMA), statistics=Statistics())


def rows(first, count, n_envs=2):
    """Row t, column b has the number 10 t + b everywhere; no episode ends."""
    number = 10.0 * (first + np.arange(count + 1))[:, None] + np.arange(n_envs)
    flat, one = jnp.asarray(number[:-1], jnp.float32), jnp.ones((count, n_envs))
    return Trajectory(jnp.asarray(number, jnp.float32)[..., None], flat, None, flat, one, one, ())


def drawn(sampler, replay, count, state=None, key=0):
    return jax.device_get(sampler.draw(state, LEARNER, replay, jax.random.bits(jax.random.key(key), (count, 2)))[1])


def filled(last=10, size=6, n_envs=2):
    """A ring of the newest 6 of 10 rows: it has wrapped, rows 4 to 9 are left."""
    replay = empty_replay(rows(0, 2, n_envs), size)
    for first in range(0, last, 2):
        replay = push(replay, rows(first, 2, n_envs))
    return replay


@pytest.mark.parametrize("n", [1, 2])
def test_samples_are_the_newest_rows_with_what_followed_them(n):
    found = drawn(uniform(n), filled(), 4000)
    times = (found.obs[:, 0] // 10).astype(int)
    assert set(times) == set(range(4, 10 - n)), "what followed the newest rows is not known yet"
    np.testing.assert_array_equal(found.next_obs, found.obs + 10 * n)
    first = found.obs[:, 0]
    np.testing.assert_allclose(found.reward, first if n == 1 else first + GAMMA * (first + 10))
    np.testing.assert_allclose(found.discount, GAMMA**n)
    counts, share = np.bincount(times)[4:], 1 / (6 - n)
    assert np.all(np.abs(counts - 4000 * share) < 5 * np.sqrt(4000 * share)), "every row is as likely as any other"
    assert found.mask.all()
    assert (found.weight == 1).all()


@pytest.mark.parametrize("choose", [uniform, lambda n: prioritised(n, PRIORITY)])
def test_rewards_of_a_return_are_scaled_and_clipped_one_by_one(choose):
    """By a deviation of 8: rewards above 80 are clipped to 10, each, not their sum."""
    statistics = Statistics(reward=Moments(jnp.float32(2), jnp.float32(0), jnp.float32(128)))
    learner = SimpleNamespace(hyper=LEARNER.hyper, statistics=statistics)
    sampler, replay = choose(2), filled()
    state = sampler.stored(sampler.empty(replay), replay, 6)
    found = jax.device_get(sampler.draw(state, learner, replay, jax.random.bits(jax.random.key(0), (400, 2)))[1])
    first = found.obs[:, 0]
    known = np.minimum(first / 8, 10) + GAMMA * np.minimum((first + 10) / 8, 10)
    np.testing.assert_allclose(found.reward, known, rtol=1e-5)
    assert found.reward.max() > 10


def test_before_there_are_two_rows_nothing_is_learnt_from():
    replay = push(empty_replay(rows(0, 1), 4), rows(0, 1))
    assert not drawn(uniform(1), replay, 8).mask.any()


def test_a_replay_too_small_is_refused():
    assert replay_rows(1000, 4, 5) == 250
    with pytest.raises(LogpiError, match="raise it to at least 40"):
        replay_rows(10, 4, 5)
    with pytest.raises(LogpiError, match=r"the 7 rewards of a return.*at least 60"):
        replay_rows(10, 4, 5, 7)
    with pytest.raises(LogpiError, match="counted in 32 bits"):
        replay_rows(10**12, 4, 5)


def test_the_ring_is_written_in_place():
    replay = push(empty_replay(rows(0, 2), 6), rows(0, 2))
    where = replay.rows.obs.unsafe_buffer_pointer()
    pushed = jax.jit(push, donate_argnums=0)(replay, rows(2, 2))
    assert pushed.rows.obs.unsafe_buffer_pointer() == where
    assert isinstance(pushed.rows, StoredRows)


def episodes():
    """One environment, rows 0 to 7: row 2 terminates, row 3 is void, row 5 is truncated, row 6 is void."""
    number = np.arange(9.0, dtype=np.float32)[:, None]
    discount, mask = np.ones((8, 1), np.float32), np.ones((8, 1), np.float32)
    discount[2], mask[3], mask[6] = 0, 0, 0
    arrays = map(jnp.asarray, (number[..., None], number[:-1], number[:-1] * mask, discount, mask))
    obs, action, reward, discount, mask = arrays
    return Trajectory(obs, action, None, reward, discount, mask, ())


@pytest.mark.parametrize(
    ("row", "reward", "discount", "following"),
    [
        (0, 0 + GAMMA * 1 + GAMMA**2 * 2, 0.0, None),  # three moves, of which the last terminates
        (1, 1 + GAMMA * 2, 0.0, None),  # termination: two rewards, and nothing is bootstrapped
        (2, 2, 0.0, None),
        (4, 4 + GAMMA * 5, GAMMA**2, 6.0),  # truncation: two rewards, then the value of the final observation
        (5, 5, GAMMA, 6.0),
    ],
)
def test_n_step_returns_stop_at_the_end_of_an_episode(row, reward, discount, following):
    replay = push(empty_replay(episodes(), 16), episodes())
    found = jax.device_get(transitions(replay, jnp.array([row]), jnp.array([0]), GAMMA, 3))
    assert found.reward == pytest.approx(reward)
    assert found.discount == pytest.approx(discount)
    assert following is None or found.next_obs.item() == following
    assert found.mask.item() == 1


def test_void_rows_are_not_learnt_from():
    replay = push(empty_replay(episodes(), 16), episodes())
    found = transitions(replay, jnp.array([3, 6]), jnp.array([0, 0]), GAMMA, 1)
    assert not found.mask.any()


@pytest.mark.parametrize("terminated", [False, True])
def test_a_row_whose_next_observation_is_lost_is_not_learnt_from(terminated):
    # as when a run on the host is resumed, or a vector that resets within the step pushed rows past the end
    before = rows(0, 2)
    replay = push(empty_replay(before, 8), before._replace(discount=before.discount.at[-1, 0].set(1.0 - terminated)))
    broken = rows(2, 2)
    replay = push(replay, broken._replace(obs=broken.obs.at[0, 0].set(-1.0)))  # environment 0 alone began anew
    mask = jax.device_get(replay.rows.mask)[:4]
    expected = np.ones((4, 2))
    expected[1, 0] = terminated  # nothing follows a termination, so nothing is lost
    np.testing.assert_array_equal(mask, expected)
    found = jax.device_get(transitions(replay, jnp.array([0]), jnp.array([0]), GAMMA, 2))
    if not terminated:
        assert found.next_obs.item() == 10, "a return stops before the row whose next observation is lost"
        assert found.discount.item() == GAMMA


PRIORITY = Priority(of=lambda learner, drawn: 1.0 + drawn.obs[:, 0], beta=lambda learner: jnp.float32(0.5))


def prioritised_ring(n=1):
    """The same ring with a priority of 1 + 10 t + b for row t, column b."""
    how = prioritised(n, PRIORITY)
    replay = empty_replay(rows(0, 2), 6)
    state = how.empty(replay)
    for first in range(0, 10, 2):
        replay = push(replay, rows(first, 2))
        state = how.stored(state, replay, 2)
    leaves = jnp.flatnonzero(state.tree[0])
    every = transitions(replay, leaves // 2, leaves % 2, GAMMA, n)
    return how, replay, state, how.learnt(state, leaves, every, LEARNER)


@pytest.mark.parametrize("n", [1, 2])
def test_new_decisions_have_the_highest_priority_and_unknown_ones_none(n):
    _, _, fresh, learnt = prioritised_ring(n)
    numbers = np.asarray(fresh.tree[0])[:12].reshape(6, 2)  # rows 6 7 8 9 4 5
    expected = np.ones((6, 2))
    expected[[3] if n == 1 else [2, 3]] = 0
    np.testing.assert_array_equal(numbers, expected)
    assert learnt.highest.item() == 1 + 10 * (9 - n) + 1


def test_decisions_are_drawn_in_proportion_to_their_priority_and_weighed_back():
    how, replay, _, state = prioritised_ring()
    count = 20_000
    found = drawn(how, replay, count, state)
    value, times = np.unique(found.obs[:, 0], return_counts=True)
    assert value.tolist() == [10 * t + b for t in range(4, 9) for b in range(2)]
    chance = (1 + value) / (1 + value).sum()
    assert np.all(np.abs(times - count * chance) <= 1 + 1e-3 * count * chance), "stratified: within one of its share"
    weight = dict(zip(found.obs[:, 0].tolist(), found.weight.tolist(), strict=True))
    np.testing.assert_allclose([weight[v] for v in value], (chance / chance.min()) ** -0.5, rtol=1e-5)
    assert found.mask.all()
    # a mean under the weights of β = 1 is the mean over the ring
    whole = prioritised(1, PRIORITY._replace(beta=lambda learner: jnp.float32(1)))
    found = drawn(whole, replay, count, state)
    assert np.average(found.obs[:, 0], weights=found.weight) == pytest.approx(value.mean(), rel=1e-3)


def test_overwritten_and_void_decisions_are_never_drawn():
    how = prioritised(1, PRIORITY)
    replay = push(empty_replay(episodes(), 16), episodes())
    state = how.stored(how.empty(replay), replay, 8)
    found = drawn(how, replay, 500, state)
    assert set(found.action.tolist()) == {0, 1, 2, 4, 5}
    nothing = drawn(how, empty_replay(episodes(), 16), 4, how.empty(replay))
    assert not nothing.mask.any()
    assert np.isfinite(nothing.weight).all()


def frames_of(trajectory, frames):
    """The same with stacks of frames for observations: the last numbers, the first of an episode repeated."""
    number, mask = np.asarray(trajectory.obs)[..., 0], np.asarray(trajectory.mask)
    stacks = np.zeros((*number.shape, frames), np.float32)
    for b in range(number.shape[1]):
        for t in range(len(number)):
            if t == 0 or mask[t - 1, b] == 0:
                stacks[t, b] = number[t, b]
            else:
                stacks[t, b] = [*stacks[t - 1, b, 1:], number[t, b]]
    return trajectory._replace(obs=jnp.asarray(stacks)[..., None])


@pytest.mark.parametrize("n", [1, 3])
def test_stacks_are_rebuilt_from_frames_that_are_stored_once(n):
    whole = frames_of(episodes(), 3)
    thin = push(empty_replay(whole, 16, 3), whole, 3)
    assert thin.rows.obs.shape == (16, 1, 1)
    row = jnp.arange(8 - n)
    env = jnp.zeros_like(row)
    found = jax.device_get(transitions(thin, row, env, GAMMA, n, 3))
    expected = jax.device_get(transitions(push(empty_replay(whole, 16), whole), row, env, GAMMA, n))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize("sampler", [uniform(1, 3), prioritised(1, PRIORITY._replace(of=None), 3)])
def test_rows_whose_frames_were_overwritten_are_not_drawn(sampler):
    whole = frames_of(rows(0, 10), 3)
    parts = [
        whole._replace(
            obs=whole.obs[t : t + 3],
            **{name: getattr(whole, name)[t : t + 2] for name in ("action", "reward", "discount", "mask")},
        )
        for t in range(0, 10, 2)
    ]
    replay = empty_replay(parts[0], 6, 3)
    state = sampler.empty(replay)
    for part in parts:
        replay = push(replay, part, 3)
        state = sampler.stored(state, replay, 2)
    found = drawn(sampler, replay, 1000, state)
    newest = found.obs[:, -1, 0]
    assert set((newest // 10).astype(int)) == {6, 7, 8}, "rows 4 and 5 had frames in rows 2 and 3"
    np.testing.assert_array_equal(found.obs[:, :, 0], newest[:, None] + [-20.0, -10.0, 0.0])


def test_observations_that_are_no_stacks_are_refused():
    with pytest.raises(LogpiError, match="as stacks of 4 frames their first axis would be 4"):
        empty_replay(rows(0, 2), 8, 4)
