"""Off-policy learning as a process: collect, push into the replay, and make k updates on samples from it.

The replay lies in the carry beside the environments: donated, dealt out to the devices with them, part of every
checkpoint. How many updates follow a collected trajectory is a setting, not a shape of the driver.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from logpi.control.on_policy import acting, health
from logpi.control.replay import Replay, Rows, empty_replay, push, replay_rows, sample
from logpi.control.rollout import Carry
from logpi.driver.process import REPLICATED, SPREAD_ROWS, STORE, UPDATE, Now, Places, Process, State, Window
from logpi.driver.stages import Stage
from logpi.errors import LogpiError
from logpi.ops.collectives import per_device_key, psum
from logpi.types import Algorithm, Array, Key, Learner, Metrics, PyTree, Trajectory

Update: TypeAlias = Callable[[Learner, Replay, Key], tuple[Learner, Metrics]]
_REPLAY: PyTree = Replay(Rows(*(SPREAD_ROWS,) * 5), REPLICATED, REPLICATED)


class Collected(NamedTuple):
    """The carry: what is under way, and what has been collected."""

    envs: Carry
    replay: Replay


class Work(NamedTuple):
    """What the stages of one iteration hand on."""

    trajectory: Trajectory
    metrics: Metrics  # [k, ...] of each update


def _put(carry: Collected, rows: Rows) -> Collected:
    return carry._replace(replay=carry.replay._replace(rows=rows))


WINDOW = Window(lambda carry: carry.replay.rows, _put, lambda carry: carry.replay.filled)


def off_policy(collecting: Process, algorithm: Algorithm, n_envs: int) -> Process:
    """The process that collects as the on-policy one does and learns from a replay.

    Args:
        collecting: the on-policy process of ``algorithm`` (``logpi.control.on_policy``), whose update is left out.
        algorithm: a method with ``experience``; its ``update`` takes ``Transitions`` [N].
        n_envs: environments, B.

    Raises:
        LogpiError: no device has a whole sample of the batch, or the replay holds less than two trajectories.
    """
    experience, devices = algorithm.experience, collecting.num_devices
    assert experience is not None
    if experience.batch_size % devices:
        raise LogpiError(
            f"batch_size is {experience.batch_size}, which {devices} devices cannot share; take a multiple of {devices}"
        )
    rows = replay_rows(experience.capacity, n_envs, algorithm.n_steps)
    collect, _ = collecting.stages

    def one(learner: Learner, replay: Replay, key: Key) -> tuple[Learner, Metrics]:
        sample_key, update_key = jax.random.split(key)
        transitions = sample(replay, per_device_key(sample_key), experience.batch_size // devices)
        return algorithm.update(learner, transitions, update_key)

    def start(learner: Learner, key: Key) -> tuple[Collected, Work]:
        envs, trajectory = collecting.start(learner, key)
        replay = empty_replay(trajectory, rows)
        metrics = jax.eval_shape(lambda: one(learner, replay, key)[1])
        zeros = jax.tree.map(lambda x: jnp.zeros((experience.updates, *x.shape), x.dtype), metrics)
        return Collected(envs, replay), Work(trajectory, zeros)

    def store(state: State, now: Now) -> tuple[State, Metrics]:
        trajectory = state.batch.trajectory
        replay = push(state.carry.replay, trajectory)
        return state._replace(carry=state.carry._replace(replay=replay)), health(trajectory)

    places = collecting.places
    return collecting._replace(
        start=start,
        stages=(
            collect.within(_enter, _leave),
            Stage("store", store, ("carry",), STORE),
            Stage("update", _updates(one, experience.updates), ("learner", "batch"), UPDATE, units=experience.updates),
        ),
        acting=acting,
        window=WINDOW,
        places=Places(
            places.learner, Collected(places.carry, _REPLAY), Work(places.batch, REPLICATED), acting=places.acting
        ),
    )


def _updates(one: Update, count: int) -> Callable[[State, Now], tuple[State, Metrics]]:
    """``count`` updates, in pieces of any number."""

    def update(state: State, now: Now) -> tuple[State, Metrics]:
        def step(k: Array, made: tuple[Learner, Metrics]) -> tuple[Learner, Metrics]:
            learner, metrics = one(made[0], state.carry.replay, jax.random.fold_in(now.key, k))
            return learner, jax.tree.map(lambda each, x: each.at[k].set(x), made[1], metrics)

        learner, metrics = jax.lax.fori_loop(now.begin, now.end, step, (state.learner, state.batch.metrics))
        moves = psum(state.batch.trajectory.mask.sum()).astype(jnp.int32)
        learner = learner._replace(timesteps=learner.timesteps + jnp.where(now.end == count, moves, 0))
        batch = state.batch._replace(metrics=metrics)
        return state._replace(learner=learner, batch=batch), jax.tree.map(jnp.mean, metrics)

    return update


def _enter(state: State) -> State:
    """The state as the collecting stage knows it."""
    return state._replace(carry=state.carry.envs, batch=state.batch.trajectory)


def _leave(outer: State, inner: State) -> State:
    """The whole state after the collecting stage."""
    carry, batch = outer.carry._replace(envs=inner.carry), outer.batch._replace(trajectory=inner.batch)
    return inner._replace(carry=carry, batch=batch)
