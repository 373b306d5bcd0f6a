"""The backward recursion against the definition, row by row and episode by episode, on random trajectories."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.ops.psi import first_of_episode, lambda_returns, n_step_returns

LENGTHS = (1, 2, 9)  # T; the trajectories are cut anywhere


def random_case(T, B=300):
    """(reward, discount, mask, value): each column episodes of random length that terminate, truncate or are cut.

    Every third column is a game with alternating turns (discount -γ), and every fifth starts with a void row.
    """
    rng = np.random.default_rng(T)
    reward, value = rng.normal(size=(T, B)), rng.normal(size=(T + 1, B))
    discount, mask = np.empty((T, B)), np.ones((T, B))
    for b in range(B):
        discount[:, b] = rng.choice([1.0, 0.9, 0.5]) * (-1 if b % 3 == 0 else 1)
        t = 0
        if b % 5 == 0:
            mask[0, b], t = 0, 1
        while t < T:
            end = t + rng.integers(0, 5)
            if end < T and rng.random() < 0.5:
                discount[end, b] = 0.0
            t = end + 1 + rng.integers(1, 3)  # one void row, or more: behind a whole episode all are
            mask[end + 1 : t, b] = 0
    reward[mask == 0], discount[mask == 0] = 100.0, -7.0
    return reward, discount, mask, value


def last_row(mask, t, b):
    """The last decision of the episode that row t belongs to, within the trajectory."""
    while t + 1 < len(mask) and mask[t + 1, b]:
        t += 1
    return t


def n_step_by_definition(reward, discount, mask, value, n, t, b):
    """r_t + γ_t r_{t+1} + … + γ_t…γ_{k} V(o_{k+1}), k the n-th row or the episode's last."""
    total, weight = 0.0, 1.0
    for k in range(t, min(t + n - 1, last_row(mask, t, b)) + 1):
        total += weight * reward[k, b]
        weight *= discount[k, b]
    return total + weight * value[k + 1, b]


def lambda_by_definition(reward, discount, mask, value, lam, t, b):
    """(1-λ) Σ_n λ^{n-1} G^(n), with all that remains on the longest (Sutton & Barto 2018, eq. 12.3)."""
    longest = last_row(mask, t, b) - t + 1
    steps = [n_step_by_definition(reward, discount, mask, value, n + 1, t, b) for n in range(longest)]
    weights = [(1 - lam) * lam**n for n in range(longest - 1)] + [lam ** (longest - 1)]
    return float(np.dot(weights, steps))


def decisions(mask):
    return [tuple(row) for row in np.argwhere(mask)]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("lam", [0.0, 0.3, 0.95, 1.0])
def test_lambda_returns_are_their_definition(T, lam):
    case = random_case(T)
    got = np.asarray(lambda_returns(*map(jnp.asarray, case), lam))
    for t, b in decisions(case[2]):
        assert abs(got[t, b] - lambda_by_definition(*case, lam, t, b)) < 1e-10, (t, b)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_n_step_returns_are_their_definition(T, n):
    case = random_case(T)
    got = np.asarray(n_step_returns(*map(jnp.asarray, case), n))
    for t, b in decisions(case[2]):
        assert abs(got[t, b] - n_step_by_definition(*case, n, t, b)) < 1e-10, (t, b)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("T", LENGTHS)
def test_the_extremes_are_one_step_and_monte_carlo(T):
    reward, discount, mask, value = case = tuple(map(jnp.asarray, random_case(T)))
    np.testing.assert_allclose(lambda_returns(*case, 0.0), reward + discount * value[1:], atol=1e-12)
    alive = np.asarray(mask, bool)
    whole = np.asarray(n_step_returns(*case, T))
    np.testing.assert_allclose(np.asarray(lambda_returns(*case, 1.0))[alive], whole[alive], atol=1e-10)


def test_an_example_by_hand():
    """γ = 0.5: two moves that terminate, the void row, two moves that the clock truncates, the void row, the cut."""
    reward = jnp.array([[1.0], [2.0], [99.0], [3.0], [4.0], [99.0], [5.0]])
    discount = jnp.array([[0.5], [0.0], [0.5], [0.5], [0.5], [0.5], [0.5]])
    mask = jnp.array([[1.0], [1.0], [0.0], [1.0], [1.0], [0.0], [1.0]])
    value = jnp.array([[10.0], [20.0], [30.0], [40.0], [50.0], [60.0], [70.0], [80.0]])
    got = lambda_returns(reward, discount, mask, value, 1.0)[:, 0]
    # 1 + 0.5·2; 2; -; 3 + 0.5·(4 + 0.5·60); 4 + 0.5·60 (the final observation's value); -; 5 + 0.5·80
    np.testing.assert_allclose(got[jnp.array([0, 1, 3, 4, 6])], [2.0, 2.0, 20.0, 34.0, 45.0])


def test_negamax_turns_the_sign_with_the_turn():
    """A game of three moves that its last mover wins: +1, -1, +1 from the mover's side at each move."""
    reward, discount = jnp.array([[0.0], [0.0], [1.0]]), jnp.array([[-1.0], [-1.0], [0.0]])
    got = lambda_returns(reward, discount, jnp.ones((3, 1)), jnp.full((4, 1), 7.0), 1.0)
    np.testing.assert_array_equal(got[:, 0], [1.0, -1.0, 1.0])


@pytest.mark.usefixtures("x64")
def test_nothing_crosses_a_void_row():
    """What a row's return depends on: rewards of its own episode from the row on, and no void row's."""
    T = 9
    reward, discount, mask, value = map(jnp.asarray, random_case(T, 60))
    slopes = jax.jacrev(lambda r: lambda_returns(r, discount, mask, value, 0.9).sum(1))  # columns do not mix
    slope = np.asarray(slopes(reward))  # [T, T, B]
    for t, b in decisions(mask):
        depends = np.flatnonzero(slope[t, :, b])
        assert depends[0] == t
        assert depends[-1] <= last_row(np.asarray(mask), t, b)


@pytest.mark.parametrize("T", LENGTHS)
def test_first_of_episode_repeats_the_first_row(T):
    mask = random_case(T)[2]
    x = np.random.default_rng(0).normal(size=mask.shape).astype(np.float32)
    got = np.asarray(first_of_episode(jnp.asarray(x), jnp.asarray(mask)))
    for t, b in decisions(mask):
        first = t
        while first and mask[first - 1, b]:
            first -= 1
        assert got[t, b] == x[first, b], (t, b)


def test_the_number_of_steps_is_checked_and_unrolling_changes_nothing():
    case = tuple(jnp.asarray(x, jnp.float32) for x in random_case(9))
    with pytest.raises(ValueError, match="n >= 1, not 0"):
        n_step_returns(*case, 0)
    np.testing.assert_allclose(lambda_returns(*case, 0.7, unroll=4), lambda_returns(*case, 0.7), rtol=1e-6, atol=1e-6)
