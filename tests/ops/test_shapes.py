"""A wrong shape or dtype is an error where the mathematics is called, and in the fields of the public types."""

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError
from shapes import misfits

from logpi.ops import losses, psi
from logpi.ops.distributions import Categorical
from logpi.ops.normalization import merge, no_moments
from logpi.ram import retina
from logpi.types import Act, Step, Trajectory

T, B = 5, 3
ROWS, VALUES = jnp.ones((T, B)), jnp.ones((T + 1, B))


def test_right_shapes_pass_plain_jitted_and_mapped():
    assert psi.gae(ROWS, ROWS, ROWS, VALUES, 0.9).shape == (T, B)
    assert jax.jit(psi.gae)(ROWS, ROWS, ROWS, VALUES, 0.9).shape == (T, B)
    assert jax.vmap(psi.gae, (1, 1, 1, 1, None), 1)(ROWS, ROWS, ROWS, VALUES, 0.9).shape == (T, B)


@pytest.mark.parametrize(
    "call",
    [
        lambda: psi.gae(ROWS[0], ROWS, ROWS, VALUES, 0.9),  # [B]
        lambda: psi.gae(ROWS, ROWS, ROWS, VALUES[:-1], 0.9),  # V of T observations
        lambda: psi.gae(ROWS, ROWS, ROWS[:, :1], VALUES, 0.9),  # [T, 1] would broadcast
        lambda: jax.jit(psi.gae)(ROWS, ROWS, ROWS, VALUES[:-1], 0.9),
        lambda: psi.gae(ROWS, ROWS, ROWS > 0, VALUES, 0.9),  # bool
        lambda: psi.gae(ROWS, ROWS, ROWS, VALUES, ROWS),  # λ for each row
        lambda: psi.minus_leave_one_out(ROWS[:, 0], ROWS[:, 0]),
        lambda: psi.first_of_episode(ROWS, ROWS[:-1]),
        lambda: losses.mean(ROWS, ROWS[..., None]),
        lambda: losses.clipped_surrogate(ROWS, ROWS, ROWS[0], 0.2),
        lambda: merge(no_moments(()), jnp.ones((4, 2)), jnp.ones(4, bool)),
        lambda: Categorical(jnp.zeros((T, 4))).log_prob(jnp.zeros(T)),  # actions are integers
        lambda: retina.corner_of(jnp.zeros((B, 3)), (28, 28), 8),
        lambda: retina.glimpse_finest(jnp.zeros((B, 28, 28)), jnp.zeros((B, 2), jnp.int32), 8),
    ],
)
def test_a_wrong_shape_or_dtype_is_an_error(call):
    with pytest.raises(TypeCheckError):
        call()


def test_the_fields_of_the_public_types_are_checked_together():
    flags = jnp.zeros(B, bool)
    assert misfits(Step({"a": jnp.ones((B, 2))}, jnp.ones(B), flags, flags)) == []
    assert misfits(Act(jnp.zeros(B, int), jnp.ones(B), ())) == []
    assert misfits(Trajectory(VALUES, ROWS, ROWS, ROWS, ROWS, ROWS, ())) == []
    assert misfits(Step((), jnp.ones(B), flags, flags[:-1])) == ["truncated"]
    assert misfits(Step((), jnp.ones(B), flags, jnp.ones(B))) == ["truncated"]
    assert misfits(Act((), jnp.ones((B, 1)), ())) == ["log_prob"]
    assert misfits(Trajectory(VALUES, ROWS, ROWS, ROWS, ROWS[:-1], ROWS, ())) == ["discount"]
