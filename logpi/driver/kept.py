"""A state on its way into a checkpoint and back: what is kept of it, its shapes, and how it goes on.

Between two iterations no batch is kept, and of a replay only its filled rows; it comes back whole. ``axis`` is that of
the rows: 1 where trained seeds are a leading axis, else 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from logpi.driver.process import LEARNER, START, Function, Jitted, Process, Spread, State, Window
from logpi.driver.progress import Progress
from logpi.driver.stages import stream
from logpi.runs.files import Json
from logpi.types import Learner, PyTree


class Kept:
    """What a ``Driver`` keeps of its states."""

    def __init__(
        self, process: Process, spread: Spread, seed: PyTree, hyper: PyTree, first: tuple[Jitted, Jitted]
    ) -> None:
        """``first`` is what ``logpi.driver.stages.initial`` made."""
        self._process, self._spread, self._seed, self._hyper, self._first = process, spread, seed, hyper, first
        self._axis = np.ndim(seed)
        self._shapes: State | None = None

    @property
    def traced(self) -> bool:
        """Whether ``shapes`` are known already."""
        return self._shapes is not None

    @property
    def shapes(self) -> State:
        """Shapes of a state."""
        if self._shapes is None:
            init, start = self._first
            learner = jax.eval_shape(init, stream(self._seed, LEARNER), self._hyper)
            carry, batch = jax.eval_shape(start, learner, stream(self._seed, START))
            self._shapes = State(learner, carry, batch, {}, self._seed)
        return self._shapes

    def share(self, other: Kept) -> None:
        """Take the shapes of another seed of the same process."""
        self._shapes = other.shapes._replace(seed=self._seed)

    @property
    def one_learner(self) -> Learner:
        """Shapes of one seed's learner."""
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[self._axis :], x.dtype), self.shapes.learner)

    def facts(self, state: State, progress: Progress) -> Json:
        """What a checkpoint tells beside its arrays, for ``like`` and ``restored``: the filled rows of a replay."""
        window = self._process.window
        return {} if window is None else {"filled": filled_rows(window, state)}

    def saved(self, state: State, progress: Progress) -> State:
        """What a checkpoint holds of ``state``."""
        if (window := self._process.window) is not None:
            state = cut(window, state, filled_rows(window, state), self._axis)
        return self._without_batch(state, progress)

    def like(self, progress: Progress, facts: Json | None = None) -> State:
        """Shapes of ``saved`` at ``progress``, for loading a checkpoint with these ``facts``."""
        state, window, filled = self.shapes, self._process.window, (facts or {}).get("filled")
        for stage in self._process.stages[: progress.stage]:
            if (progress.iteration + 1) % stage.every == 0:
                metrics = stage.metrics(self._process, self._spread, self.shapes)
                state = state._replace(metrics=state.metrics | metrics)
        if window is not None and filled is not None:
            state = cut_shapes(window, state, filled, self._axis)
        return self._without_batch(state, progress)

    def restored(self, state: State, facts: Json | None = None) -> State:
        """``state`` as a checkpoint with these ``facts`` holds it, ready to go on."""
        batch = state.batch
        if not jax.tree.leaves(batch):
            batch = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), self.shapes.batch)
        if (window := self._process.window) is not None:
            state = whole(window, state, self.shapes)
        return jax.tree.map(jnp.asarray, state._replace(batch=batch))

    def begun_with(self, state: State, first: Learner) -> State:
        """``state`` before the first iteration, with the arrays of ``first`` in its learners.

        What ``first`` holds as a shape alone stays as it is.
        """
        return self.restored(state._replace(learner=with_arrays(state.learner, first)))

    def with_settings(self, state: State) -> State:
        """``state``, a checkpoint's, with the settings of this process in place of its own."""
        return state._replace(learner=state.learner._replace(hyper=self._hyper))

    @property
    def arrays(self) -> list[str]:
        """Names of the settings that a learner holds as arrays, so that they may change; [] where it holds none."""
        return arrays_of(self._hyper)

    def changed(self, state: State, settings: Mapping[str, float]) -> State:
        """``state`` whose learners go on with other values of some ``settings`` of their method."""
        hyper = state.learner.hyper
        old = {name: getattr(hyper, name) for name in settings}
        new = {name: jnp.asarray(np.full(x.shape, settings[name], x.dtype)) for name, x in old.items()}
        return state._replace(learner=state.learner._replace(hyper=dataclasses.replace(hyper, **new)))

    def _without_batch(self, state: State, progress: Progress) -> State:
        between = progress.stage in (0, len(self._process.stages)) and progress.unit == 0
        return state._replace(batch=()) if between else state


def arrays_of(hyper: PyTree) -> list[str]:
    """Names of the settings that are arrays in ``hyper``, what a learner holds of them; [] where none is."""
    fields = dataclasses.fields(hyper) if dataclasses.is_dataclass(hyper) else ()
    return [field.name for field in fields if hasattr(getattr(hyper, field.name), "shape")]


def with_arrays(learner: Learner, first: Learner) -> Learner:
    """``learner``, of any number of seeds, with what ``first`` holds as arrays."""

    def chosen(old: PyTree, new: PyTree) -> PyTree:
        return old if isinstance(new, jax.ShapeDtypeStruct) else jnp.asarray(np.broadcast_to(new, old.shape))

    found: Learner = jax.tree.map(chosen, learner, first)
    return found


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
