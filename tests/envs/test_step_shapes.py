"""Steps of device and host vectors have the shapes and dtypes that ``logpi.types.Step`` declares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import misfits

from logpi.envs.classic import cartpole
from logpi.envs.host import make_host
from logpi.envs.make import vectorize

B = 3


def test_of_a_device_vector():
    vector = vectorize(cartpole())
    state, first = vector.reset(jax.random.key(0), B)
    state, second = vector.step(state, jnp.zeros(B, jnp.int32))
    assert misfits(first) == misfits(second) == misfits(state) == []


@pytest.mark.parametrize("autoreset", ["next_step", "same_step", "disabled"])
def test_of_a_host_vector(autoreset):
    vector = make_host("CartPole-v1", B, autoreset=autoreset)
    assert misfits(vector.reset(0)) == []
    for _ in range(30):
        vector.send(np.zeros(B, np.int32))
        assert misfits(vector.recv()) == []
    vector.close()
