"""Page 0 of the course: its claims, and a solution of its exercise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from manual import definitions


def search(program, generations, sigma=1.0):
    """(μ, σ, candidates, their returns, score of μ) of each generation."""
    mu, sigma, found = jnp.zeros(4), sigma * jnp.ones(4), []
    for key in jax.random.split(jax.random.key(0), generations):
        mu, sigma, *rest = program.generation(mu, sigma, key)
        found.append((mu, sigma, *rest))
    return found


@pytest.fixture(scope="module")
def found():
    return search(definitions("search.py"), 3)


def test_three_generations_are_enough(found):
    assert found[0][4] < found[-1][4]
    assert found[-1][4] > 475


def test_one_candidate_has_no_spread_so_the_search_ends_after_its_first_generation():
    program = definitions("search.py")
    program.ELITE = 1
    first, *later = search(program, 3)
    assert first[1] == pytest.approx(np.zeros(4))
    for mu, _, theta, *_ in later:  # every candidate is the one that was best
        np.testing.assert_allclose(theta, np.tile(first[0], (40, 1)), rtol=1e-6)
        np.testing.assert_allclose(mu, first[0], rtol=1e-6)


def test_the_first_spread_does_not_matter_because_the_policy_has_no_scale(found):
    """θ · o > 0 and 3 θ · o > 0 are the same: so are the actions, the returns, the elite, and all that follows."""
    wider = search(definitions("search.py"), 3, sigma=3.0)
    for one, other in zip(found, wider, strict=True):
        np.testing.assert_array_equal(one[3], other[3])
        np.testing.assert_allclose(3 * one[0], other[0], rtol=1e-4)
