"""Random numbers from words: each distribution is what it says, and uses of one call are independent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from logpi.ops.draws import below, gumbel, key_of, one_of, uniform, words

COUNT = 100_000
LIKELY = 1e-4  # a p-value below it says that the distribution is another one


@pytest.fixture(scope="module")
def drawn():
    return jax.random.bits(jax.random.key(3), (COUNT,))


def test_words_are_those_of_one_call_cut_into_shapes():
    found = words(jax.random.key(1), (2,), (), (3, 4))
    assert [x.shape for x in found] == [(2,), (), (3, 4)]
    flat = np.concatenate([np.ravel(x) for x in found])
    np.testing.assert_array_equal(flat, jax.random.bits(jax.random.key(1), (15,)))
    np.testing.assert_array_equal(jax.random.key_data(key_of(found[0])), found[0])


def test_uniform_and_gumbel_have_their_distributions(drawn):
    u, g = np.asarray(uniform(drawn)), np.asarray(gumbel(drawn))
    assert 0 <= u.min() < u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > LIKELY
    assert stats.kstest(g, "gumbel_r").pvalue > LIKELY
    ends = jnp.asarray([0, 2**32 - 1], jnp.uint32)
    np.testing.assert_array_equal(uniform(ends), [0.0, 1.0 - 2.0**-23])
    assert np.isfinite(gumbel(ends)).all()


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_numbers_below_a_limit_are_equally_likely(drawn, limit):
    counts = np.bincount(below(drawn, limit), minlength=limit)
    assert len(counts) == limit
    assert limit == 1 or stats.chisquare(counts).pvalue > LIKELY


def test_each_allowed_entry_is_equally_likely_and_no_other_is_chosen(drawn):
    allowed = jnp.asarray([False, True, True, False, True, False])
    counts = np.bincount(one_of(drawn, jnp.broadcast_to(allowed, (COUNT, 6))), minlength=6)
    assert (counts[~np.asarray(allowed)] == 0).all()
    assert stats.chisquare(counts[np.asarray(allowed)]).pvalue > LIKELY
    only = jnp.asarray([[False, False, True], [True, False, False], [False, False, False]])
    np.testing.assert_array_equal(one_of(drawn[:3], only), [2, 0, 2])
