"""Off-policy learning as a process: collect, push into the replay, and make k updates on samples from it.

The replay lies in the carry beside the environments: donated, dealt out to the devices with them, part of every
checkpoint. How many updates follow a collected trajectory is a setting, not a shape of the driver.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from logpi.control.on_policy import acting, count
from logpi.control.replay import Replay, StoredRows, empty_replay, push, replay_rows
from logpi.control.rollout import Carry
from logpi.control.sampling import Sampler, sampler
from logpi.driver.process import REPLICATED, SPREAD, SPREAD_ROWS, STORE, UPDATE, Now, Places, Process, State, Window
from logpi.driver.stages import Stage
from logpi.errors import LogpiError
from logpi.ops.collectives import per_device_key
from logpi.ops.draws import key_of, words
from logpi.types import Algorithm, Array, Key, Learner, Metrics, PyTree, Trajectory

_REPLAY: PyTree = Replay(StoredRows(*(SPREAD_ROWS,) * 5), REPLICATED, REPLICATED, SPREAD)


class Collected(NamedTuple):
    """The carry: what is under way, and what has been collected."""

    envs: Carry
    replay: Replay
    chosen: PyTree  # the sampler's state


class ReplayedBatch(NamedTuple):
    """What the stages of one iteration hand on."""

    trajectory: Trajectory
    metrics: Metrics  # [k, ...] of each update; NaN before the first


Made: TypeAlias = tuple[Learner, PyTree, Metrics]  # learner, sampler's state, and metrics
# (learner, sampler's state, replay, random words [N, 2] of the sample, random words [2] of the update) -> Made
Update: TypeAlias = Callable[[Learner, PyTree, Replay, Array, Array], Made]


def _put(carry: Collected, rows: StoredRows) -> Collected:
    return carry._replace(replay=carry.replay._replace(rows=rows))


WINDOW = Window(lambda carry: carry.replay.rows, _put, lambda carry: carry.replay.filled)


def off_policy(collecting: Process, algorithm: Algorithm, n_envs: int) -> Process:
    """The process that collects as the on-policy one does and learns from a replay.

    Args:
        collecting: the on-policy process of ``algorithm`` (``logpi.control.on_policy``), whose update is left out.
        algorithm: a method with ``experience``; its ``update`` takes ``Transitions`` [N].
        n_envs: environments, B.

    Raises:
        LogpiError: no device has a whole sample of the batch, or the replay is too small.
    """
    experience, devices = algorithm.experience, collecting.num_devices
    assert experience is not None
    if experience.batch_size % devices:
        raise LogpiError(
            f"batch_size is {experience.batch_size}, which {devices} devices cannot share; take a multiple of {devices}"
        )
    rows = replay_rows(experience.capacity, n_envs, algorithm.n_steps, experience.n, experience.frames)
    collect, _ = collecting.stages
    choose = sampler(experience)
    batch_size = experience.batch_size // devices
    one = _update(algorithm, choose)

    def start(learner: Learner, key: Key) -> tuple[Collected, ReplayedBatch]:
        envs, trajectory = collecting.start(learner, key)
        replay = empty_replay(trajectory, rows, experience.frames)
        chosen = choose.empty(replay)
        drawn = jnp.zeros((batch_size, 2), jnp.uint32)
        metrics = jax.eval_shape(lambda: one(learner, chosen, replay, drawn, drawn[0])[2])
        blank = jax.tree.map(lambda x: jnp.full((experience.updates, *x.shape), jnp.nan, x.dtype), metrics)
        return Collected(envs, replay, chosen), ReplayedBatch(trajectory, blank)

    def store(state: State, now: Now) -> tuple[State, Metrics]:
        replay = push(state.carry.replay, state.batch.trajectory, experience.frames)
        chosen = choose.stored(state.carry.chosen, replay, algorithm.n_steps)
        return state._replace(carry=state.carry._replace(replay=replay, chosen=chosen)), {}

    wait = -(-experience.warmup // (algorithm.n_steps * n_envs))  # iterations
    update = _updates(algorithm, one, experience.updates, batch_size, max(wait, 1) - 1)
    # a sampler without a state leaves the carry as it is, which of several seeds would be copied
    replaced = ("learner", "carry", "batch") if experience.priority else ("learner", "batch")
    places = collecting.places
    return collecting._replace(
        start=start,
        stages=(
            collect.within(_enter, _leave),
            Stage("store", store, ("carry",), STORE, batched=True),
            Stage("update", update, replaced, UPDATE, units=experience.updates),
        ),
        acting=acting,
        window=WINDOW,
        places=Places(
            places.learner,
            Collected(places.carry, _REPLAY, choose.places),
            ReplayedBatch(places.batch, REPLICATED),
            acting=places.acting,
        ),
    )


def _update(algorithm: Algorithm, choose: Sampler) -> Update:
    """One update on a sample."""

    def one(learner: Learner, chosen: PyTree, replay: Replay, sample: Array, own: Array) -> Made:
        leaf, drawn = choose.draw(chosen, learner, replay, sample)
        new, metrics = algorithm.update(learner, drawn, key_of(own))
        return new, choose.learnt(chosen, leaf, drawn, learner), metrics

    return one


def _updates(
    algorithm: Algorithm, one: Update, number: int, batch_size: int, first: int
) -> Callable[[State, Now], tuple[State, Metrics]]:
    """``number`` updates on ``batch_size`` decisions, in pieces of any number; none before the iteration ``first``."""

    def update(state: State, now: Now) -> tuple[State, Metrics]:
        # drawn for all updates at once: a call of the generator takes as long as a small network's gradient
        own_key, sample_key = jax.random.split(now.key)
        (own,), (samples,) = words(own_key, (number, 2)), words(per_device_key(sample_key), (number, batch_size, 2))

        def step(k: Array, made: Made) -> Made:
            learner, chosen, metrics = one(made[0], made[1], state.carry.replay, samples[k], own[k])
            return learner, chosen, jax.tree.map(lambda each, x: each.at[k].set(x), made[2], metrics)

        waits = now.iteration < first
        end = jnp.where(waits, now.begin, now.end)
        made = (state.learner, state.carry.chosen, state.batch.metrics)
        learner, chosen, metrics = jax.lax.fori_loop(now.begin, end, step, made)
        counted, health = count(algorithm, learner, state.batch.trajectory)
        learner = jax.tree.map(lambda new, old: jnp.where(now.end == number, new, old), counted, learner)
        carry, batch = state.carry._replace(chosen=chosen), state.batch._replace(metrics=metrics)
        measured = jax.tree.map(lambda x: jnp.where(waits, jnp.nan, jnp.mean(x)), metrics)  # a batch is not resumed
        return state._replace(learner=learner, carry=carry, batch=batch), measured | health

    return update


def _enter(state: State) -> State:
    """The state as the collecting stage knows it."""
    return state._replace(carry=state.carry.envs, batch=state.batch.trajectory)


def _leave(outer: State, inner: State) -> State:
    """The whole state after the collecting stage."""
    carry, batch = outer.carry._replace(envs=inner.carry), outer.batch._replace(trajectory=inner.batch)
    return inner._replace(carry=carry, batch=batch)
