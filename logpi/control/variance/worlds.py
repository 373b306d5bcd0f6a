"""``World``: where clouds of gradients are made: a small decision process, or an environment on the device."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.algorithms.reinforce import Reinforce, reinforce
from logpi.config.settings import Network
from logpi.control.variance import fit
from logpi.control.variance.processes import (
    PROCESSES,
    DecisionProcess,
    decision_process,
    environment_of,
    expected_gradient,
    objective,
    table_policy,
    values,
    visits,
)
from logpi.control.variance.rungs import Baselines, Nets
from logpi.control.variance.trajectories import episodes, in_pieces
from logpi.envs.make import DEVICE, vectorize
from logpi.errors import LogpiError, near
from logpi.nets.policy import example, make_policy
from logpi.ops.normalization import Statistics
from logpi.types import Algorithm, Array, DeviceEnv, DeviceVector, Learner, Number, Policy, PyTree, Trajectory

EPISODES = 64  # whose mean return stands for J where it is not known


class World(NamedTuple):
    """Environments, a kind of policy, and what is known of both."""

    name: str
    about: str  # in a sentence
    vector: DeviceVector
    algorithm: Algorithm  # that collects whole episodes
    first: PyTree  # parameters that the policy begins with
    nets: Nets
    # (learner, γ, source of trajectories) -> V and Q of the policy: exact, or fitted to the trajectories
    baselines: Callable[[Learner, float, Callable[[], Trajectory]], Baselines]
    objectives: Callable[[PyTree], Array]  # parameters [N, ...] -> J of each
    exact: Callable[[PyTree], PyTree] | None = None  # parameters -> ∇J; None: it is not known
    # (parameters, γ) -> E[g] of the rungs that are discounted and have a baseline of the state or none
    expected: Callable[[PyTree, Number], PyTree] | None = None


def world_of(target: str, hidden: tuple[int, ...], seed: int) -> World:
    """The world called ``target``; arguments and errors as of ``GradientLab``."""
    if target in PROCESSES:
        return _of_process(decision_process(target))
    if target not in DEVICE:
        known = [*PROCESSES, *DEVICE]
        raise LogpiError(f"unknown {target!r}; allowed: {', '.join(known)}{near(target, known)}")
    return _of_environment(DEVICE[target](), hidden, seed)


def _collecting(env: DeviceEnv, policy: Policy) -> Algorithm:
    return reinforce(Reinforce(), policy, env.spec, example(env.observation_space))


def _of_process(process: DecisionProcess) -> World:
    env, policy = environment_of(process), table_policy(process)
    nets = Nets(lambda key: {}, lambda params, s: params["value"][s], lambda params, s: params["action_value"][s])

    @jax.jit
    def known(theta: Array, gamma: Array) -> Baselines:
        q, v = values(process, theta, gamma)
        often = visits(process, theta)
        return Baselines({"value": v, "action_value": q}, (often * v).sum() / often.sum())

    def baselines(learner: Learner, gamma: float, pilot: Callable[[], Trajectory]) -> Baselines:
        found: Baselines = known(learner.params, jnp.float32(gamma))
        return found

    of = functools.partial(objective, process)
    parts = (vectorize(env), _collecting(env, policy), policy.init(jax.random.key(0)), nets, baselines)
    expected = jax.jit(functools.partial(expected_gradient, process))
    return World(process.name, process.about, *parts, jax.jit(jax.vmap(of)), jax.jit(jax.grad(of)), expected)


def _of_environment(env: DeviceEnv, hidden: tuple[int, ...], seed: int) -> World:
    policy = make_policy(env.spec, Network(hidden=hidden))
    algorithm, vector, nets = _collecting(env, policy), vectorize(env), fit.nets_of(env.spec)
    fitting = jax.jit(functools.partial(fit.fit, nets))

    def baselines(learner: Learner, gamma: float, pilot: Callable[[], Trajectory]) -> Baselines:
        first, second = jax.random.split(jax.random.key(seed))
        found: Baselines = fitting(nets.init(first), pilot(), jnp.float32(gamma), second).baselines
        return found

    @jax.jit
    def objectives(params: PyTree) -> Array:
        def mean_return(one: PyTree) -> Array:
            learner = Learner(one, (), Statistics(), (), jnp.int32(0))
            found = episodes(vector, in_pieces(algorithm), learner, jax.random.key(seed + 1), EPISODES)
            return (found.reward * found.mask).sum() / EPISODES

        return jax.vmap(mean_return)(params)

    about = f"A network with {' and '.join(map(str, hidden)) or 'no'} hidden units; J and ∇J are means over episodes."
    first = policy.init(jax.random.key(seed))
    return World(env.spec.id, about, vector, algorithm, first, nets, baselines, objectives)
