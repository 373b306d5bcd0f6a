"""Exploration noise: a standard normal at each move, with the memory that its colour says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.ops.noise import RATE, make_noise

B, T = 64, 2048


@pytest.fixture(scope="module", params=["white", "ou", "pink"])
def drawn(request):
    """(colour, [T, B, 2])."""
    noise = make_noise(request.param, 2)

    def move(memory, key):
        return noise.draw(memory, key, B)

    run = jax.jit(lambda keys: jax.lax.scan(move, noise.memory(B), keys)[1])
    return request.param, np.asarray(run(jax.random.split(jax.random.key(0), T)))


def test_every_move_is_standard_normal_from_the_first_on(drawn):
    _, x = drawn
    for t in (0, 1, 10, T - 1):
        assert abs(x[t].mean()) < 4 / np.sqrt(2 * B)
        assert abs(x[t].std() - 1) < 4 / np.sqrt(4 * B)
    assert abs(np.corrcoef(x[..., 0].ravel(), x[..., 1].ravel())[0, 1]) < 0.05, "dimensions are independent"


def test_each_colour_has_its_spectrum(drawn):
    colour, x = drawn
    if colour == "ou":
        lag = [(x[:-k] * x[k:]).mean() for k in (1, 5)]
        np.testing.assert_allclose(lag, [1 - RATE, (1 - RATE) ** 5], atol=0.02)
        return
    power = (np.abs(np.fft.rfft(x, axis=0)) ** 2).mean((1, 2))
    f = np.fft.rfftfreq(T)
    middle = (f > 1 / 500) & (f < 0.25)
    slope = np.polyfit(np.log(f[middle]), np.log(power[middle]), 1)[0]
    assert abs(slope - {"white": 0, "pink": -1}[colour]) < 0.15


def test_an_episode_begins_without_the_one_before():
    """Memory of 0, as behind a void row: the draw does not depend on what stood there."""
    noise = make_noise("pink", 1)
    old, _ = noise.draw(noise.memory(2), jax.random.key(0), 2)
    cleared = jax.tree.map(lambda x, fresh: x.at[0].set(fresh[0]), old, noise.memory(2))
    _, x = noise.draw(cleared, jax.random.key(1), 2)
    _, first = noise.draw(noise.memory(2), jax.random.key(1), 2)
    assert x[0] == first[0]
    assert x[1] != first[1]
    assert jnp.isfinite(x).all()
