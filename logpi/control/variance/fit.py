"""V and Q of a fixed policy, by least squares on the returns of trajectories that are not measured.

    φ ← argmin_φ E[(V_φ(o_t) - G_t)²],   ω ← argmin_ω E[(Q_ω(o_t, a_t) - G_t)²],   G_t = Σ_{t' ≥ t} γ^{t'-t} r_{t'}

Beyond a truncation G_t goes on with V of the last observation, so targets and V are made in turn (fitted value
iteration). Every policy and every moment of a training gets baselines of the same make, whatever its method learnt
beside it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from gymnasium import spaces

from logpi.algorithms.common.critics import chosen
from logpi.config.settings import Network
from logpi.control.variance.rungs import Baselines, Nets
from logpi.nets.critics import ActorCriticNetwork, make_critics
from logpi.nets.policy import example, make_policy
from logpi.ops import losses, psi
from logpi.ops.normalization import init_statistics, normalize_obs, observe
from logpi.types import Array, EnvSpec, Key, Number, PyTree, Trajectory

ROUNDS, STEPS, BATCH = 4, 500, 256  # of targets; optimizer steps in each; decisions of a step
LEARNING_RATE = 3e-3  # falls linearly to 0
HIDDEN = (64, 64)
TRAJECTORIES = 1_000  # to fit to, at least
MOST_BYTES = 2**29  # of their observations
HELD_OUT = 5  # every fifth trajectory
LEARNT = ("value", "action_value")  # parts of the parameters


def nets_of(spec: EnvSpec) -> Nets:
    """Networks of V and Q for an environment's spaces, with the scales of observations and returns in ``params``."""
    value_net = make_policy(spec, Network(hidden=HIDDEN))
    discrete = isinstance(spec.action_space, spaces.Discrete)
    critic_settings = ActorCriticNetwork(hidden=HIDDEN, activation="tanh")
    critics = make_critics(spec, critic_settings, 1) if discrete else None

    def init(key: Key) -> PyTree:
        first, second = jax.random.split(key)
        return {
            "value": value_net.init(first),
            "action_value": critics.init(second) if critics else (),
            "statistics": init_statistics(example(spec.observation_space), 1, True, False),
            "mean": jnp.zeros(()),
            "std": jnp.ones(()),
        }

    def value(params: PyTree, obs: PyTree) -> Array:
        out = value_net.apply(params["value"], (), normalize_obs(params["statistics"], obs))[1]
        return params["mean"] + params["std"] * jnp.asarray(out.value)

    def action_value(params: PyTree, obs: PyTree) -> Array:
        assert critics is not None
        q = critics.apply(params["action_value"], normalize_obs(params["statistics"], obs))[0]
        return params["mean"] + params["std"] * q

    return Nets(init, value, action_value if discrete else None)


class Fitted(NamedTuple):
    """Networks that were fitted, and how well."""

    baselines: Baselines
    explained: dict[str, Array]  # 1 - Var[G - V] / Var[G] on trajectories that were left out, and the same of Q


def fit(nets: Nets, params: PyTree, pilot: Trajectory, gamma: Number, key: Key) -> Fitted:
    """``Baselines`` from the trajectories ``pilot`` [T, B, ...], of which every fifth is left out to judge them.

    Args:
        nets: functions of V and Q.
        params: their first parameters, by ``nets.init``.
        pilot: trajectories, one a column.
        gamma: discount factor γ.
        key: of the minibatches.
    """
    mask, discount = pilot.mask, gamma * pilot.discount
    learnt_from = mask * jnp.broadcast_to(jnp.arange(mask.shape[1]) % HELD_OUT != 0, mask.shape)
    left_out = mask - learnt_from
    go = psi.reward_to_go(pilot.reward, discount, mask)
    average = losses.decision_mean(go, learnt_from)
    std = jnp.sqrt(losses.decision_mean(jnp.square(go - average), learnt_from)) + 1e-6
    seen = observe(params["statistics"], pilot._replace(mask=learnt_from), gamma)
    frozen = {"statistics": seen, "mean": average, "std": std}
    decisions = jnp.argsort(-learnt_from.reshape(-1))  # those that count come first
    count = jnp.maximum(learnt_from.sum().astype(jnp.int32), 1)
    optimizer = optax.adam(optax.linear_schedule(LEARNING_RATE, 0.0, ROUNDS * STEPS))
    rows, action = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (_shown(pilot), pilot.action))

    def targets(params: PyTree) -> Array:
        return psi.lambda_returns(pilot.reward, discount, mask, nets.value(params, pilot.obs), 1.0)

    def step(carry: tuple[PyTree, PyTree], k: Key, target: Array) -> tuple[tuple[PyTree, PyTree], None]:
        learnt, state = carry
        index = decisions[jax.random.randint(k, (BATCH,), 0, count)]
        obs, taken, y = jax.tree.map(lambda x: x[index], (rows, action, target))

        def loss(learnt: PyTree) -> Array:
            said = _said(nets, learnt | frozen, obs, taken)
            return sum((jnp.square((x - y) / std).mean() for x in said.values()), jnp.zeros(()))

        updates, state = optimizer.update(jax.grad(loss)(learnt), state)
        return (optax.apply_updates(learnt, updates), state), None

    def again(carry: tuple[PyTree, PyTree], k: Key) -> tuple[tuple[PyTree, PyTree], None]:
        target = targets(carry[0] | frozen).reshape(-1)
        return jax.lax.scan(lambda c, key: step(c, key, target), carry, jax.random.split(k, STEPS))

    learnt = {name: params[name] for name in LEARNT}
    (learnt, _), _ = jax.lax.scan(again, (learnt, optimizer.init(learnt)), jax.random.split(key, ROUNDS))
    found = learnt | frozen
    said, target = _said(nets, found, _shown(pilot), pilot.action), targets(found)
    explained = {name: losses.explained_variance(x, target, left_out) for name, x in said.items()}
    return Fitted(Baselines(found, average), explained)


def _shown(pilot: Trajectory) -> PyTree:
    """The observations of decisions."""
    return jax.tree.map(lambda x: x[:-1], pilot.obs)


def _said(nets: Nets, params: PyTree, obs: PyTree, action: Array) -> dict[str, Array]:
    """What V and Q say of observations [*N, ...] and actions [*N]."""
    said = {"value": nets.value(params, obs)}
    if nets.action_value is not None:
        said["action_value"] = chosen(nets.action_value(params, obs), action)
    return said


def pilot_chunks(columns: int, rows: int, bytes_of_row: int) -> int:
    """Chunks of ``columns`` episodes to fit to: of ``TRAJECTORIES``, or of as many as ``MOST_BYTES`` hold."""
    room = MOST_BYTES // max(1, rows * bytes_of_row)
    return max(1, math.ceil(min(TRAJECTORIES, room) / columns))
