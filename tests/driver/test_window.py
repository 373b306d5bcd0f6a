"""A replay in a checkpoint: what is filled comes back as it was, the rest as zeros."""

from typing import NamedTuple

import jax
import numpy as np
import pytest

from logpi.driver.kept import cut, cut_shapes, filled_rows, whole
from logpi.driver.process import State, Window


class Carry(NamedTuple):
    place: object
    ring: object
    count: object


WINDOW = Window(lambda carry: carry.ring, lambda carry, ring: carry._replace(ring=ring), lambda carry: carry.count)


def state(seeds, filled):
    """A ring of 5 rows of 3 columns."""
    lead = (seeds,) if seeds else ()
    ring = {"a": np.arange(1, 16, dtype=np.float32).reshape(5, 3), "b": np.ones((5, 3, 2), np.int8)}
    for array in ring.values():
        array[max(filled) :] = 0
    ring = {name: np.broadcast_to(array, lead + array.shape).copy() for name, array in ring.items()}
    count = np.asarray(filled if seeds else filled[0], np.int32)
    return State((), Carry(np.ones(4), ring, count), (), {}, np.zeros(lead, np.uint32))


@pytest.mark.parametrize("seeds", [0, 2])
@pytest.mark.parametrize("filled", [[0, 0], [2, 1], [3, 3], [5, 5]])
def test_what_is_filled_comes_back(seeds, filled):
    made, axis = state(seeds, filled), min(seeds, 1)
    count = filled_rows(WINDOW, made)
    assert count == max(filled)
    kept = cut(WINDOW, made, count, axis)
    assert kept.carry.ring["a"].shape == (*[seeds][:seeds], count, 3)
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), made)
    expected = cut_shapes(WINDOW, shapes, count, axis)
    jax.tree.map(lambda x, like: (x.shape, x.dtype) == (like.shape, like.dtype) or pytest.fail("shape"), kept, expected)
    again = whole(WINDOW, kept, shapes)
    jax.tree.map(np.testing.assert_array_equal, again, made)
