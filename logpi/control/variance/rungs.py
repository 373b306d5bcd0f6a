"""The ladder as weights Ψ of the same trajectories: every rung by the function that its method learns with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, get_args

import jax
import jax.numpy as jnp
from gymnasium import spaces

from logpi.algorithms.common.critics import probabilities
from logpi.algorithms.common.learning import unroll
from logpi.algorithms.reinforce import UNDISCOUNTED, Rung, ladder
from logpi.ops import psi
from logpi.types import Array, Key, Learner, Number, Policy, PyTree, Space, Trajectory

GAE, Q_MINUS_V = "gae", "q-minus-v"
RUNGS: tuple[str, ...] = (*get_args(Rung), GAE, Q_MINUS_V)  # from the whole reward down to no reward that lies ahead
OVER_A_BATCH = ("batch-mean", "leave-one-out")  # baselines of other trajectories: theirs are estimates of a batch only
REFERENCE = "leave-one-out"  # with γ = 1: unbiased against the undiscounted J, whatever cuts the episodes


class Nets(NamedTuple):
    """Functions of V and Q beside a policy."""

    init: Callable[[Key], PyTree]
    value: Callable[[PyTree, PyTree], Array]  # (params, obs [..., *O]) -> V [...]
    action_value: Callable[[PyTree, PyTree], Array] | None  # -> Q [..., n]; None: the actions are not Discrete


class Baselines(NamedTuple):
    """What the rungs subtract, or put in the place of rewards; none of it depends on the trajectories measured."""

    params: PyTree  # of ``Nets``
    average: Array  # [] mean discounted return of the decisions of earlier trajectories


class Discounts(NamedTuple):
    """γ and λ of the rungs that have them."""

    gamma: Number
    gae_lambda: Number


def rungs_of(space: Space) -> tuple[str, ...]:
    """The rungs for an action space: Σ_a π(a|o) Q(o, a) needs Discrete actions."""
    return RUNGS if isinstance(space, spaces.Discrete) else tuple(name for name in RUNGS if name != Q_MINUS_V)


def weights(
    rungs: tuple[str, ...],
    nets: Nets,
    baselines: Baselines,
    discounts: Discounts,
    policy: Policy,
    learner: Learner,
    trajectory: Trajectory,
    batch: int,
) -> Array:
    """Ψ [K, T, B] of each of the ``rungs``, and of the reference as the last, K = len(rungs) + 1.

    Args:
        rungs: names.
        nets: functions of V and Q.
        baselines: their parameters.
        discounts: γ and λ.
        policy: π.
        learner: with π's parameters.
        trajectory: one episode a column, from its start; B is a multiple of ``batch``.
        batch: trajectories whose rewards make each other's baseline.
    """
    reward, mask = trajectory.reward, trajectory.mask
    value = nets.value(baselines.params, trajectory.obs)

    def of_reinforce(name: str, gamma: Number) -> Array:
        rows = (reward, gamma * trajectory.discount, mask, value)
        grouped = tuple(x.reshape(x.shape[0], -1, batch) for x in rows)
        each = jax.vmap(lambda r, d, m, v: ladder(name, r, d, m, v, baselines.average), 1, 1)
        return each(*grouped).reshape(reward.shape)

    def rung(name: str) -> Array:
        if name == GAE:
            return psi.gae(reward, discounts.gamma * trajectory.discount, mask, value, discounts.gae_lambda)
        if name == Q_MINUS_V:
            return _q_minus_v(nets, baselines, policy, learner, trajectory)
        return of_reinforce(name, 1.0 if name in UNDISCOUNTED else discounts.gamma)

    return jnp.stack([*map(rung, rungs), of_reinforce(REFERENCE, 1.0)])


def _q_minus_v(nets: Nets, baselines: Baselines, policy: Policy, learner: Learner, trajectory: Trajectory) -> Array:
    assert nets.action_value is not None
    out = unroll(policy, learner.params, learner.statistics, trajectory.obs, trajectory.mask, trajectory.memory)
    chance = probabilities(out)[:-1]
    obs = jax.tree.map(lambda x: x[:-1], trajectory.obs)
    return psi.action_advantage(nets.action_value(baselines.params, obs), chance, trajectory.action)
