"""Page 5 of the course: its claims, and a solution of its exercise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from manual import definitions


@pytest.fixture(scope="module")
def program():
    return definitions("discount.py")


@pytest.fixture(scope="module")
def rows(program):
    return program.play_all(jnp.full(2, 3.0), jax.random.split(jax.random.key(1), 4000))


@pytest.fixture(scope="module")
def exact(program, rows):
    return np.asarray(program.estimates(rows, 1.0, 0.0).mean(axis=0))


def test_the_best_discount_factor_grows_with_the_number_of_episodes(program, rows, exact):
    gammas = [0.9, 0.95, 0.98, 0.99, 0.995, 1.0]
    found = [np.asarray(program.estimates(rows, gamma, 0.0)) for gamma in gammas]
    squared_bias = np.array([((g.mean(axis=0) - exact) ** 2).sum() for g in found])
    variance = np.array([g.var(axis=0).sum() for g in found])
    assert (np.diff(squared_bias) < 0).all()
    assert (np.diff(variance) > 0).all()
    best = [gammas[int((squared_bias + variance / m).argmin())] for m in (5, 20, 1000)]
    assert best[0] < best[1] < 1.0
    assert best[2] >= 0.995


def test_the_discount_improves_the_direction_only_where_the_mean_is_subtracted(program, rows, exact):
    plain, centred = (
        [program.cosine(program.estimates(rows, gamma, which), exact, 20) for gamma in (0.9, 1.0)]
        for which in (0.0, 1.0)
    )
    assert plain[0] < plain[1] - 0.1
    assert centred[0] > centred[1] + 0.03


def test_most_of_the_bias_is_a_matter_of_length(program, rows, exact):
    """c = ⟨g, ∇J⟩ / ⟨g, g⟩ for the mean g at γ = 0.9."""
    g = np.asarray(program.estimates(rows, 0.9, 0.0).mean(axis=0))
    c = (g @ exact) / (g @ g)
    without, with_c = (np.linalg.norm(k * g - exact) / np.linalg.norm(exact) for k in (1.0, c))
    print(f"without c {without:.2f}; with c = {c:.1f} {with_c:.2f}")
    assert without > 0.9
    assert with_c < 0.4
