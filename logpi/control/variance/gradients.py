"""Per-trajectory policy gradients of every rung at once, summed as they are made: memory does not grow with them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from logpi.algorithms.common.learning import unroll
from logpi.types import Array, Learner, Policy, PyTree, Trajectory


class Batches(NamedTuple):
    """What is kept of G batches of m trajectories; X is the mean gradient of a batch, [K] rungs, the reference last."""

    total: Array  # [K, D] Σ of all trajectories' gradients
    single: Array  # [G, K] Σ_i ‖g_i‖² over the batch's trajectories
    squared: Array  # [G, K] ‖X‖²
    along: Array  # [G, K] X · r, r the direction that is compared with
    apart: Array  # [G, K] ‖X - X_reference‖², or ‖X - ∇J‖² where that is known


def gradients(policy: Policy, learner: Learner, trajectory: Trajectory, weight: Array) -> PyTree:
    """Σ_t Ψ_t ∇ log π(a_t | o_t) of one trajectory, as the parameters with a leading axis [K] of the rungs.

    The network is run forward once; ``vmap`` over the rungs takes it backward. Trajectories are taken one after the
    other: XLA's batched matrix products are four times slower on CPUs than those of one trajectory.

    Args:
        policy: π.
        learner: with its parameters.
        trajectory: arrays [T, ...] of one environment, without log-probabilities.
        weight: Ψ [K, T].
    """
    one = jax.tree.map(lambda x: x[:, None], (trajectory.obs, trajectory.action, trajectory.mask))

    def log_prob(params: PyTree) -> Array:
        obs, action, mask = one
        shown = jax.tree.map(lambda x: x[:-1], obs)
        out = unroll(policy, params, learner.statistics, shown, mask, policy.memory(1))
        return (out.pi.log_prob(action) * mask)[:, 0]

    _, back = jax.vjp(log_prob, learner.params)
    found: PyTree = jax.vmap(lambda psi: back(psi)[0])(weight)
    return found


def batch_means(policy: Policy, learner: Learner, trajectory: Trajectory, weight: Array, size: int) -> Array:
    """[G, K, D]: the mean gradient of each of G batches of ``size`` columns; arguments as of ``batches``."""
    grouped = _grouped(trajectory, weight, size)

    def one(total: Array, x: tuple[Trajectory, Array]) -> tuple[Array, None]:
        return total + jax.vmap(lambda tree: ravel_pytree(tree)[0])(gradients(policy, learner, *x)), None

    def group(_: None, x: tuple[Trajectory, Array]) -> tuple[None, Array]:
        nothing = jnp.zeros((len(weight), ravel_pytree(learner.params)[0].size))
        return None, jax.lax.scan(one, nothing, x)[0] / size

    return jax.lax.scan(group, None, grouped)[1]


def _grouped(trajectory: Trajectory, weight: Array, size: int) -> tuple[Trajectory, Array]:
    """Columns in groups [G, size, ...], of what a gradient needs."""

    def columns(x: Array, axis: int) -> Array:
        x = jnp.moveaxis(x, axis, 0)
        return x.reshape(-1, size, *x.shape[1:])

    rows = trajectory._replace(log_prob=None, memory=(), reward=trajectory.mask, discount=trajectory.mask)
    return jax.tree.map(lambda x: columns(x, 1), rows), columns(weight, 2)


def batches(
    policy: Policy,
    learner: Learner,
    trajectory: Trajectory,
    weight: Array,
    size: int,
    direction: Array,
    exact: Array | None,
) -> Batches:
    """``Batches`` of the columns of ``trajectory``, ``size`` each.

    Args:
        policy: π.
        learner: with its parameters.
        trajectory: one episode a column.
        weight: Ψ [K, T, B], 0 in void rows or masked by them.
        size: m.
        direction: r [D].
        exact: ∇J [D]; None: it is not known.
    """
    grouped = _grouped(trajectory, weight, size)

    def one(single: tuple[Array, Array], x: tuple[Trajectory, Array]) -> tuple[tuple[Array, Array], None]:
        total, squared = single
        g = jax.vmap(lambda tree: ravel_pytree(tree)[0])(gradients(policy, learner, *x))
        return (total + g, squared + jnp.square(g).sum(1)), None

    def group(total: Array, x: tuple[Trajectory, Array]) -> tuple[Array, tuple[Array, ...]]:
        (mine, single), _ = jax.lax.scan(one, (jnp.zeros_like(total), jnp.zeros(len(total))), x)
        mean = mine / size
        apart = mean - jnp.broadcast_to(mean[-1] if exact is None else exact, mean.shape)
        return total + mine, (single, jnp.square(mean).sum(1), mean @ direction, jnp.square(apart).sum(1))

    first = jnp.zeros((len(weight), len(direction)))
    total, kept = jax.lax.scan(group, first, grouped)
    return Batches(total, *kept)
