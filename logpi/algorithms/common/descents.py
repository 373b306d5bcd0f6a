"""Updates of a few gradients, each over a whole trajectory: in one piece, or a few environments at a time.

A method says what each optimizer step goes down: a loss of the network's outputs at all rows. So a gradient over many
rows can be made in pieces, whatever the loss averages over: first the outputs, a few environments at a time; then the
loss's slope in each output, which takes no network; then, a few environments at a time, that slope pulled back to the
parameters and added up.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from logpi.algorithms.common.learning import descend, forward, improve
from logpi.ops.collectives import psum, ravel
from logpi.types import Array, Begun, Key, Learner, Metrics, Policy, PyTree, Steps, Trajectory


class Descent(NamedTuple):
    """One optimizer step of an update."""

    # (π at each decision [T, B], V at all T+1 observations) -> this device's share of the loss, and of what is logged
    loss: Callable[[Any, Array], tuple[Array, Metrics]]
    step_size: Array
    optimizer: str = ""  # the entry of ``opt_state`` that is its own; "": all of it


class Plan(NamedTuple):
    """An update on a trajectory."""

    descents: Sequence[Descent]  # one after the other
    metrics: Metrics
    extra: PyTree = ()  # the learner's ``extra`` after it


# (learner, trajectory, V [T+1, B] before the update) -> Plan; of the learner it reads no parameters
Planned: TypeAlias = Callable[[Learner, Trajectory, Array], Plan]


def in_one(policy: Policy, plan: Planned) -> Callable[[Learner, Trajectory, Key], tuple[Learner, Metrics]]:
    """The update as one piece, an ``Algorithm.update``."""

    def update(learner: Learner, trajectory: Trajectory, key: Key) -> tuple[Learner, Metrics]:
        statistics, metrics = learner.statistics, Metrics()
        _, value = forward(policy, learner.params, statistics, trajectory)
        made = plan(learner, trajectory, value)
        for each in made.descents:

            def loss(params: PyTree, each: Descent = each) -> tuple[Array, Metrics]:
                return each.loss(*forward(policy, params, statistics, trajectory))

            own = _own(learner.opt_state, each.optimizer)
            params, own, more = improve(loss, learner.hyper, learner.params, own, each.step_size)
            learner = learner._replace(params=params, opt_state=_put(learner.opt_state, each.optimizer, own))
            metrics |= more
        return learner._replace(extra=made.extra), metrics | made.metrics

    return update


def _own(opt_state: PyTree, name: str) -> PyTree:
    return opt_state[name] if name else opt_state


def _put(opt_state: PyTree, name: str, own: PyTree) -> PyTree:
    return {**opt_state, name: own} if name else own


class _Rows(NamedTuple):
    """What the steps of an update share."""

    value: Array  # V before the update, [T+1, B]
    outputs: PyTree  # (π [T, B], V [T+1, B]) at the parameters of the present descent
    slope: list[Array]  # of the loss in each real number of ``outputs``


def in_columns(policy: Policy, plan: Planned, count: int, parts: int) -> Steps:
    """The update in steps of B / ``parts`` environments each, of which there are two a descent and part.

    Args:
        policy: the network.
        plan: the update.
        count: of its descents.
        parts: number that divides B.
    """
    columns = _InColumns(policy, plan, count, parts)
    return Steps(2 * count * parts, columns.begin, columns.step)


@dataclasses.dataclass(frozen=True, eq=False)
class _InColumns:
    """The functions of ``in_columns``."""

    policy: Policy
    plan: Planned
    count: int
    parts: int

    def outputs(self, params: PyTree, learner: Learner, trajectory: Trajectory) -> PyTree:
        return forward(self.policy, params, learner.statistics, trajectory)

    def begin(self, learner: Learner, trajectory: Trajectory, key: Key) -> Begun:
        blank = _blank(jax.eval_shape(self.outputs, learner.params, learner, trajectory))
        made = self.plan(learner, trajectory, blank[1])
        logged = [jax.eval_shape(each.loss, *blank)[1] for each in made.descents]
        metrics: Metrics = functools.reduce(lambda a, b: a | b, [*map(_blank, logged), _blank(made.metrics)])
        rows = _Rows(blank[1], blank, _real(blank)[0])
        return Begun(rows, jnp.zeros_like(ravel(learner.params)[0]), metrics)

    def step(self, learner: Learner, trajectory: Trajectory, begun: Begun, k: Array) -> tuple[Learner, Begun, Metrics]:
        """The ``k``-th step: the outputs of every part, then the slope of every part, descent by descent."""
        number, place = k // (2 * self.parts), k % (2 * self.parts)
        part = place % self.parts
        learner, begun = jax.lax.cond(
            place < self.parts,
            lambda: self.ahead(learner, trajectory, begun, number, part),
            lambda: self.back(learner, trajectory, begun, number, part),
        )
        return learner, begun, {}

    def ahead(self, learner: Learner, trajectory: Trajectory, begun: Begun, number: Array, part: Array) -> _Step:
        """The outputs of some environments."""
        made = self.outputs(learner.params, learner, _columns(trajectory, part, self.parts))
        rows = begun.rows._replace(outputs=_written(begun.rows.outputs, made, part, self.parts))
        rows = rows._replace(value=jnp.where(number == 0, rows.outputs[1], rows.value))
        return learner, begun._replace(rows=rows)

    def back(self, learner: Learner, trajectory: Trajectory, begun: Begun, number: Array, part: Array) -> _Step:
        """The slope of some environments pulled back to the parameters; the last of them end the descent."""
        ready = functools.partial(self.sloped, learner, trajectory, begun, number)
        begun = jax.lax.cond(part == 0, ready, lambda: begun)
        some = _columns(trajectory, part, self.parts)
        _, pull = jax.vjp(lambda params: _real(self.outputs(params, learner, some))[0], learner.params)
        (gradient,) = pull(_cut(begun.rows.slope, part, self.parts))
        begun = begun._replace(rest=begun.rest + psum(ravel(gradient)[0]))
        done = functools.partial(self.descended, learner, trajectory, begun, number)
        return jax.lax.cond(part == self.parts - 1, done, lambda: (learner, begun))

    def sloped(self, learner: Learner, trajectory: Trajectory, begun: Begun, number: Array) -> Begun:
        """The loss's slope in the outputs, which are complete."""
        real, rebuilt = _real(begun.rows.outputs)

        def one(descent: Descent) -> tuple[list[Array], Metrics]:
            slope, metrics = jax.grad(lambda real: descent.loss(*rebuilt(real)), has_aux=True)(real)
            return slope, begun.metrics | psum(metrics)

        made = self.plan(learner, trajectory, begun.rows.value)
        slope, metrics = jax.lax.switch(number, [functools.partial(one, each) for each in made.descents])
        return begun._replace(rows=begun.rows._replace(slope=slope), metrics=metrics)

    def descended(self, learner: Learner, trajectory: Trajectory, begun: Begun, number: Array) -> _Step:
        """The learner after a descent, whose gradient is complete."""
        gradient = ravel(learner.params)[1](begun.rest)
        made = self.plan(learner, trajectory, begun.rows.value)

        def one(descent: Descent) -> Learner:
            own = _own(learner.opt_state, descent.optimizer)
            params, own = descend(gradient, learner.hyper, learner.params, own, descent.step_size)
            return learner._replace(params=params, opt_state=_put(learner.opt_state, descent.optimizer, own))

        after = jax.lax.switch(number, [functools.partial(one, each) for each in made.descents])
        last = number == self.count - 1
        extra = jax.tree.map(lambda new, old: jnp.where(last, new, old), made.extra, learner.extra)
        rest, metrics = jnp.zeros_like(begun.rest), begun.metrics | made.metrics
        return after._replace(extra=extra), begun._replace(rest=rest, metrics=metrics)


_Step: TypeAlias = tuple[Learner, Begun]


def _blank(shapes: PyTree) -> PyTree:
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)


def _real(tree: PyTree) -> tuple[list[Array], Callable[[list[Array]], PyTree]]:
    """The leaves of real numbers, in which a loss has a slope; and what puts others in their place."""
    leaves, structure = jax.tree.flatten(tree)
    real = [jnp.issubdtype(x.dtype, jnp.floating) for x in leaves]

    def rebuilt(found: list[Array]) -> PyTree:
        new = iter(found)
        return jax.tree.unflatten(structure, [next(new) if r else x for x, r in zip(leaves, real, strict=True)])

    return [x for x, r in zip(leaves, real, strict=True) if r], rebuilt


def _cut(tree: PyTree, part: Array, parts: int, axis: int = 1) -> PyTree:
    """Part number ``part`` of the environments, which lie along ``axis``."""

    def cut(x: Array) -> Array:
        size = x.shape[axis] // parts
        return jax.lax.dynamic_slice_in_dim(x, part * size, size, axis)

    return jax.tree.map(cut, tree)


def _columns(trajectory: Trajectory, part: Array, parts: int) -> Trajectory:
    some: Trajectory = _cut(trajectory._replace(memory=()), part, parts)
    return some._replace(memory=_cut(trajectory.memory, part, parts, axis=0))


def _written(whole: PyTree, some: PyTree, part: Array, parts: int) -> PyTree:
    """``whole`` with part number ``part`` of the environments from ``some``."""

    def put(x: Array, y: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(x, y, part * (x.shape[1] // parts), 1)

    return jax.tree.map(put, whole, some)
