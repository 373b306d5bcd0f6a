"""A replay in a checkpoint: only its filled rows are written, and it comes back whole.

``axis`` is that of the rows: 1 where trained seeds are a leading axis, else 0.
"""

from __future__ import annotations

import jax
import numpy as np

from logpi.driver.process import Function, State, Window
from logpi.types import PyTree


def filled_rows(window: Window, state: State) -> int:
    """Rows that are filled; of several seeds, the most."""
    return int(np.max(jax.device_get(window.filled(state.carry))))


def cut(window: Window, state: State, count: int, axis: int) -> State:
    """``state`` with the first ``count`` rows of its replay."""

    def first(x: PyTree) -> PyTree:
        return np.asarray(x)[tuple(map(slice, _cut_shape(x.shape, count, axis)))]

    return _with_rows(window, state, first)


def cut_shapes(window: Window, shapes: State, count: int, axis: int) -> State:
    """The shapes of ``cut``, from those of a whole state."""

    def first(x: PyTree) -> PyTree:
        return jax.ShapeDtypeStruct(_cut_shape(x.shape, count, axis), x.dtype)

    return _with_rows(window, shapes, first)


def whole(window: Window, state: State, shapes: State) -> State:
    """``state`` with zeros behind the rows of its replay, in the ``shapes`` of a whole one."""
    return _with_rows(window, state, _padded, shapes)


def _padded(x: PyTree, like: PyTree) -> PyTree:
    if x.shape == like.shape:
        return x
    found = np.zeros(like.shape, like.dtype)
    found[tuple(map(slice, x.shape))] = x
    return found


def _with_rows(window: Window, state: State, change: Function, *others: State) -> State:
    """``state`` with each array of its replay changed; ``change`` gets the arrays of ``others`` too."""
    rows = jax.tree.map(change, *(window.rows(each.carry) for each in (state, *others)))
    return state._replace(carry=window.replaced(state.carry, rows))


def _cut_shape(shape: tuple[int, ...], count: int, axis: int) -> tuple[int, ...]:
    return (*shape[:axis], count, *shape[axis + 1 :])
