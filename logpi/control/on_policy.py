"""On-policy learning as a process: collect a trajectory by a compiled scan, then update on it.

What every method would repeat is here: normalisers, the count of timesteps, health checks of the data, and pieces of
work that are short enough to be interrupted between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.control.evaluation import device_evaluation
from logpi.control.rollout import Carry, Episodes, bounds_metrics, episode_metrics, rollout, rollout_block, start
from logpi.driver.process import (
    COLLECT,
    REPLICATED,
    SPREAD,
    SPREAD_ROWS,
    UPDATE,
    Effort,
    Now,
    Places,
    Process,
    State,
)
from logpi.driver.stages import Evaluation, Stage
from logpi.ops.collectives import after, all_finite, psum
from logpi.ops.normalization import Statistics, init_statistics, normalize_reward, observe
from logpi.types import Algorithm, Array, Begun, DeviceVector, Key, Learner, Metrics, PyTree, Steps, Trajectory

_LEARNER: PyTree = Learner(
    REPLICATED, REPLICATED, Statistics(REPLICATED, REPLICATED, SPREAD), REPLICATED, REPLICATED, REPLICATED
)
_CARRY: PyTree = Carry(SPREAD, SPREAD, SPREAD, SPREAD, Episodes(SPREAD, SPREAD, REPLICATED, REPLICATED, REPLICATED))
_TRAJECTORY: PyTree = Trajectory(*(SPREAD_ROWS,) * 6, memory=SPREAD)


# Uses of a parameter that a unit of work makes at most, where it can be cut: some tenths of a second of dense layers on
# one core, a second of convolutions, which use each parameter at many places
UNIT = 2**32


class Sizes(NamedTuple):
    """How much is collected and evaluated."""

    n_envs: int
    num_devices: int  # that share one learner's environments
    episodes: int  # of a periodic evaluation: those that a device plays at once
    normalize_obs: bool
    normalize_reward: bool
    effort: Effort  # of the compiler: a short run does not earn back slow compilation
    greedy: bool = True  # whether evaluations take the most probable action


def init(algorithm: Algorithm, obs: PyTree, sizes: Sizes) -> Callable[[Key], Learner]:
    """``Process.init`` of a method: its learner with empty statistics of ``obs``, one environment's shapes."""

    def begun(key: Key) -> Learner:
        statistics = init_statistics(obs, sizes.n_envs, sizes.normalize_obs, sizes.normalize_reward)
        return algorithm.init(key)._replace(statistics=statistics)

    return begun


def blank_trajectory(algorithm: Algorithm, learner: Learner, carry: Carry, key: Key) -> Trajectory:
    """A trajectory of zeros, of the shapes that a rollout from ``carry`` has."""
    rows = algorithm.n_steps
    chosen = jax.eval_shape(algorithm.act, acting(learner), carry.memory, carry.obs, key)

    def block(x: PyTree, length: int) -> PyTree:
        return jax.tree.map(lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), x)

    flat = jnp.zeros((rows, *carry.void.shape))
    action, log_prob = block((chosen.action, chosen.log_prob), rows)
    return Trajectory(block(carry.obs, rows + 1), action, log_prob, flat, flat, flat, carry.memory)


def _collect(vector: DeviceVector, algorithm: Algorithm, block: int) -> Stage:
    """The rollout in pieces of any number of blocks of ``block`` rows."""
    units = algorithm.n_steps // block

    def whole(state: State, now: Now) -> tuple[Carry, Trajectory]:
        return rollout(vector, algorithm, acting(state.learner), state.carry, now.key)

    def blocks(state: State, now: Now) -> tuple[Carry, Trajectory]:
        def one(unit: Array, made: tuple[Carry, Trajectory]) -> tuple[Carry, Trajectory]:
            return rollout_block(vector, algorithm, acting(state.learner), *made, now.key, unit * block, block)

        made: tuple[Carry, Trajectory] = jax.lax.fori_loop(now.begin, now.end, one, (state.carry, state.batch))
        return made

    def collect(state: State, now: Now) -> tuple[State, Metrics]:
        carry, trajectory = whole(state, now) if units == 1 else blocks(state, now)
        metrics = episode_metrics(carry.episodes) | bounds_metrics(vector.spec.action_space, trajectory)
        return state._replace(carry=carry, batch=trajectory), metrics

    return Stage("environment + policy", collect, ("carry", "batch"), COLLECT, units=units)


def on_device(vector: DeviceVector, algorithm: Algorithm, obs: PyTree, sizes: Sizes) -> Process:
    """The process of a method on device environments; ``obs`` has the shapes of one environment's observation."""
    batch, effort = sizes.n_envs // sizes.num_devices, sizes.effort

    def begin(learner: Learner, key: Key) -> tuple[Carry, Trajectory]:
        carry = start(vector, algorithm, key, batch)
        return carry, blank_trajectory(algorithm, learner, carry, key)

    def evaluation(greedy: bool) -> Evaluation:
        return device_evaluation(vector, algorithm.policy, algorithm.act, sizes.episodes, sizes.num_devices, greedy)

    block = _block(algorithm.n_steps, UNIT // (parameters(algorithm) * batch))
    process = Process(
        init=init(algorithm, obs, sizes),
        start=begin,
        stages=(
            _collect(vector, algorithm, block)._replace(effort=effort),
            update_stage(algorithm)._replace(effort=effort),
        ),
        evaluation=evaluation(sizes.greedy),
        sampled=evaluation(False) if sizes.greedy else None,
        acting=acting,
        hyper=algorithm.hyper,
        rows=algorithm.n_steps * sizes.n_envs,
        places=Places(_LEARNER, _CARRY, _TRAJECTORY, acting=_LEARNER),
        num_devices=sizes.num_devices,
    )
    return in_pieces(process, algorithm, batch)


def _block(n_steps: int, most: int) -> int:
    """The largest divisor of ``n_steps`` up to ``most``; at least 1."""
    return max(n for n in range(1, n_steps + 1) if n_steps % n == 0 and (n <= most or n == 1))


def acting(learner: Learner) -> Learner:
    """The part of ``learner`` that acts: parameters, statistics, settings and counters."""
    return learner._replace(opt_state=(), extra=())


def learn(algorithm: Algorithm, learner: Learner, trajectory: Trajectory, key: Key) -> tuple[Learner, Metrics]:
    """One update with all that methods have in common.

    The statistics that were in force while the trajectory was collected are the ones it is learnt with.
    """
    new, metrics = algorithm.update(learner, _rescaled(learner, trajectory), key)
    new, health = count(algorithm, new, trajectory)
    return new, metrics | health


def _rescaled(learner: Learner, trajectory: Trajectory) -> Trajectory:
    """``trajectory`` with the rewards that are learnt from."""
    return trajectory._replace(reward=normalize_reward(learner.statistics, trajectory.reward))


def count(algorithm: Algorithm, learner: Learner, trajectory: Trajectory) -> tuple[Learner, Metrics]:
    """What follows an update on ``trajectory``: statistics, timesteps, and flags of what is finite."""
    trajectory = after(trajectory, learner.params)  # an update's loop has collectives of its own
    statistics = learner.statistics
    gamma = learner.hyper.gamma if statistics.reward != () else 1.0
    statistics = observe(statistics, trajectory, gamma, fresh=algorithm.whole_episodes)
    moves = psum(trajectory.mask.sum()).astype(jnp.int32)
    return learner._replace(statistics=statistics, timesteps=learner.timesteps + moves), health(trajectory)


def health(trajectory: Trajectory) -> Metrics:
    """Flags of what is finite in a trajectory, on all devices."""
    broken = {
        "finite/observation": ~all_finite(trajectory.obs),
        "finite/reward": ~all_finite(trajectory.reward),
    }
    counts = psum({name: jnp.int32(flag) for name, flag in broken.items()})
    return {name: number == 0 for name, number in counts.items()}


class SteppedBatch(NamedTuple):
    """What the stages hand on where an update is made in pieces."""

    trajectory: Trajectory
    begun: Begun
    metrics: Metrics  # [number] of each step


def update_stage(algorithm: Algorithm) -> Stage:
    """The update as one piece."""

    def update(state: State, now: Now) -> tuple[State, Metrics]:
        learner, metrics = learn(algorithm, state.learner, state.batch, now.key)
        return state._replace(learner=learner), metrics

    return Stage("update", update, ("learner",), UPDATE)


def _update_in_steps(algorithm: Algorithm, steps: Steps) -> Stage:
    """The update in pieces of any number of steps."""

    def update(state: State, now: Now) -> tuple[State, Metrics]:
        trajectory = _rescaled(state.learner, state.batch.trajectory)

        def step(k: Array, made: tuple[Learner, Begun, Metrics]) -> tuple[Learner, Begun, Metrics]:
            learner, begun, rows = made
            learner, begun, metrics = steps.step(learner, trajectory, begun, k)
            return learner, begun, jax.tree.map(lambda row, x: row.at[k].set(x), rows, metrics)

        begun = jax.lax.cond(
            now.begin == 0, lambda: steps.begin(state.learner, trajectory, now.key), lambda: state.batch.begun
        )
        made = (state.learner, begun, state.batch.metrics)
        learner, begun, rows = jax.lax.fori_loop(now.begin, now.end, step, made)
        counted, health = count(algorithm, learner, state.batch.trajectory)
        learner = jax.tree.map(lambda new, old: jnp.where(now.end == steps.number, new, old), counted, learner)
        batch = state.batch._replace(begun=begun, metrics=rows)
        return state._replace(learner=learner, batch=batch), jax.tree.map(jnp.mean, rows) | begun.metrics | health

    return Stage("update", update, ("learner", "batch"), UPDATE, units=steps.number)


def _blank_batch(steps: Steps, learner: Learner, trajectory: Trajectory, key: Key) -> SteppedBatch:
    """``SteppedBatch`` of zeros around a ``trajectory``."""
    begun = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(steps.begin, learner, trajectory, key))
    metrics = jax.eval_shape(steps.step, learner, trajectory, begun, jnp.int32(0))[2]
    return SteppedBatch(
        trajectory, begun, jax.tree.map(lambda x: jnp.zeros((steps.number, *x.shape), x.dtype), metrics)
    )


def in_pieces(process: Process, algorithm: Algorithm, batch: int) -> Process:
    """``process`` (collect, update) with its update cut into steps, where all together may take seconds.

    Args:
        process: collects a ``Trajectory``, then makes a whole update.
        algorithm: the method; one without ``steps`` is left as it is.
        batch: environments of one device.
    """
    work = 3 * algorithm.passes * algorithm.n_steps * batch * parameters(algorithm)
    if algorithm.steps is None or work <= UNIT:
        return process
    steps = algorithm.steps(next(n for n in range(1, batch + 1) if batch % n == 0 and (work <= n * UNIT or n == batch)))
    collect, _ = process.stages

    def start(learner: Learner, key: Key) -> tuple[Carry, SteppedBatch]:
        carry, trajectory = process.start(learner, key)
        return carry, _blank_batch(steps, learner, trajectory, key)

    def enter(state: State) -> State:
        return state._replace(batch=state.batch.trajectory)

    def leave(outer: State, inner: State) -> State:
        return inner._replace(batch=outer.batch._replace(trajectory=inner.batch))

    places = SteppedBatch(process.places.batch, Begun(SPREAD_ROWS, REPLICATED, REPLICATED), REPLICATED)
    return process._replace(
        start=start,
        stages=(collect.within(enter, leave), _update_in_steps(algorithm, steps)),
        places=process.places._replace(batch=places),
    )


def parameters(algorithm: Algorithm) -> int:
    """Number of parameters of the network."""
    shapes = jax.eval_shape(algorithm.init, jax.random.key(0)).params
    return max(1, sum(x.size for x in jax.tree.leaves(shapes)))
