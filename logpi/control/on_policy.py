"""On-policy learning as a process: collect a trajectory, then update on it.

Device environments are collected by one compiled scan; stateful (host) environments by a Python loop around the same
``act``. What every method would repeat is here: normalisers, the count of timesteps, and health checks of the data.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.control.evaluation import HostEvaluator, device_evaluation
from logpi.control.rollout import Carry, Episodes, episode_metrics, first_carry, rollout, rollout_host, start
from logpi.driver.process import (
    COLLECT,
    REPLICATED,
    SPREAD,
    SPREAD_ROWS,
    UPDATE,
    Function,
    Now,
    Places,
    Process,
    Seconds,
    State,
    Watch,
)
from logpi.driver.stages import HostStage, Stage
from logpi.ops.collectives import all_finite, psum
from logpi.ops.normalization import Statistics, init_statistics, normalize_reward, observe
from logpi.types import Act, Algorithm, DeviceVector, HostVector, Key, Learner, Metrics, PyTree, Trajectory

_LEARNER: PyTree = Learner(
    REPLICATED, REPLICATED, Statistics(REPLICATED, REPLICATED, SPREAD), REPLICATED, REPLICATED, REPLICATED
)
_CARRY: PyTree = Carry(SPREAD, SPREAD, SPREAD, SPREAD, Episodes(SPREAD, SPREAD, REPLICATED, REPLICATED, REPLICATED))
_TRAJECTORY: PyTree = Trajectory(*(SPREAD_ROWS,) * 6, memory=SPREAD)


class Sizes(NamedTuple):
    """How much is collected and evaluated."""

    n_envs: int
    num_devices: int  # that share one learner's environments
    episodes: int  # most episodes of an evaluation
    normalize_obs: bool
    normalize_reward: bool
    brief: bool  # the run is too short to earn back slow compilation


def acting(learner: Learner) -> Learner:
    """The part of ``learner`` that acts: parameters, statistics, settings and counters."""
    return learner._replace(opt_state=(), extra=())


def learn(algorithm: Algorithm, learner: Learner, trajectory: Trajectory, key: Key) -> tuple[Learner, Metrics]:
    """One update with all that methods have in common.

    The statistics that were in force while the trajectory was collected are the ones it is learnt with.
    """
    statistics = learner.statistics
    reward = normalize_reward(statistics, trajectory.reward)
    new, metrics = algorithm.update(learner, trajectory._replace(reward=reward), key)
    gamma = learner.hyper.gamma if statistics.reward != () else 1.0
    statistics = observe(statistics, trajectory, gamma, fresh=algorithm.whole_episodes)
    moves = psum(trajectory.mask.sum()).astype(jnp.int32)
    new = new._replace(statistics=statistics, timesteps=learner.timesteps + moves)
    broken = {
        "finite/observation": ~all_finite(trajectory.obs),
        "finite/reward": ~all_finite(trajectory.reward),
    }
    counts = psum({name: jnp.int32(flag) for name, flag in broken.items()})
    return new, metrics | {name: count == 0 for name, count in counts.items()}


def blank_trajectory(algorithm: Algorithm, learner: Learner, carry: Carry, key: Key) -> Trajectory:
    """A trajectory of zeros, of the shapes that a rollout from ``carry`` has."""
    rows = algorithm.n_steps
    chosen = jax.eval_shape(algorithm.act, acting(learner), carry.memory, carry.obs, key)

    def block(x: PyTree, length: int) -> PyTree:
        return jax.tree.map(lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), x)

    flat = jnp.zeros((rows, *carry.void.shape))
    action, log_prob = block((chosen.action, chosen.log_prob), rows)
    return Trajectory(block(carry.obs, rows + 1), action, log_prob, flat, flat, flat, carry.memory)


def _init(algorithm: Algorithm, obs: PyTree, sizes: Sizes) -> Callable[[Key], Learner]:
    def init(key: Key) -> Learner:
        statistics = init_statistics(obs, sizes.n_envs, sizes.normalize_obs, sizes.normalize_reward)
        return algorithm.init(key)._replace(statistics=statistics)

    return init


def _update(algorithm: Algorithm) -> Callable[[State, Now], tuple[State, Metrics]]:
    def update(state: State, now: Now) -> tuple[State, Metrics]:
        learner, metrics = learn(algorithm, state.learner, state.batch, now.key)
        return state._replace(learner=learner), metrics

    return update


def on_device(vector: DeviceVector, algorithm: Algorithm, obs: PyTree, sizes: Sizes) -> Process:
    """The process of a method on device environments; ``obs`` has the shapes of one environment's observation."""
    batch = sizes.n_envs // sizes.num_devices

    def begin(learner: Learner, key: Key) -> tuple[Carry, Trajectory]:
        carry = start(vector, algorithm, key, batch)
        return carry, blank_trajectory(algorithm, learner, carry, key)

    def collect(state: State, now: Now) -> tuple[State, Metrics]:
        carry, trajectory = rollout(vector, algorithm, acting(state.learner), state.carry, now.key)
        return state._replace(carry=carry, batch=trajectory), episode_metrics(carry.episodes)

    hot = not sizes.brief
    return Process(
        init=_init(algorithm, obs, sizes),
        start=begin,
        stages=(
            Stage("environment + policy", collect, ("carry", "batch"), COLLECT, hot=hot),
            Stage("update", _update(algorithm), ("learner",), UPDATE, hot=hot),
        ),
        evaluation=device_evaluation(vector, algorithm.policy, algorithm.act, sizes.episodes, sizes.num_devices),
        acting=acting,
        hyper=algorithm.hyper,
        rows=algorithm.n_steps * sizes.n_envs,
        places=Places(_LEARNER, _CARRY, _TRAJECTORY, acting=_LEARNER),
        num_devices=sizes.num_devices,
    )


class HostRollout:
    """Collecting in stateful environments, as the functions of a ``HostStage``."""

    def __init__(self, vector: HostVector, algorithm: Algorithm, obs: PyTree, seed: int) -> None:
        self._vector, self._algorithm, self._obs, self._seed = vector, algorithm, obs, seed
        self._started = False

    def begin(self, learner: Learner, key: Key) -> tuple[Carry, Trajectory]:
        """Carry and a trajectory of zeros, before the first rollout."""
        batch = self._vector.num_envs
        carry = first_carry(self._algorithm, batch)
        shown = jax.tree.map(lambda x: jnp.zeros((batch, *x.shape), x.dtype), self._obs)
        return carry, blank_trajectory(self._algorithm, learner, carry._replace(obs=shown), key)

    def act(self, learner: Learner, memory: PyTree, shown: PyTree, key: Key) -> tuple[Act, Key]:
        """One decision; the key goes round on the device: few arguments, few microseconds at each move."""
        key, mine = jax.random.split(key)
        return self._algorithm.act(learner, memory, shown, mine), key

    def arguments(self, state: State) -> tuple[PyTree, ...]:
        """Shapes of the arguments of ``act``."""
        shown = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), state.batch.obs)
        return acting(state.learner), state.carry.memory, shown, jax.random.key(0)

    def metrics(self, state: State) -> Metrics:
        """Shapes of what ``collect`` measures."""
        found: Metrics = jax.eval_shape(episode_metrics, state.carry.episodes)
        return found

    def collect(
        self, state: State, key: Key, iteration: int, act: Function, watch: Watch, seconds: Seconds
    ) -> tuple[State, Metrics] | None:
        """One rollout by the compiled ``act``; None where ``watch`` asked for a stop."""
        began = time.perf_counter()
        jax.block_until_ready(state.learner)
        seconds["update"] += time.perf_counter() - began  # which was under way until now
        if not self._started:
            # a resumed run's environments begin new episodes, on seeds that its first part did not use
            self._vector.reset(seed=self._seed * 100_003 + iteration * self._vector.num_envs)
            state = _with_new_episodes(state, first_carry(self._algorithm, self._vector.num_envs))
            self._started = True
        learner = acting(state.learner)

        def choose(memory: PyTree, shown: PyTree) -> Act:
            nonlocal key
            chosen, key = act(learner, memory, shown, key)
            return chosen

        found = rollout_host(self._vector, self._algorithm, choose, state.carry, seconds, watch)
        if found is None:
            return None
        carry, trajectory = found
        return state._replace(carry=carry, batch=trajectory), episode_metrics(carry.episodes)


def on_host(
    vector: HostVector, evaluation: HostVector, algorithm: Algorithm, obs: PyTree, seed: int, sizes: Sizes
) -> Process:
    """The process of a method on stateful environments; they begin new episodes when a run is resumed."""
    rollouts, shares = HostRollout(vector, algorithm, obs, seed), ("policy", "environment")
    collect = HostStage(
        "rollout", rollouts.collect, rollouts.act, rollouts.arguments, rollouts.metrics, shares, stream=COLLECT
    )

    def close() -> None:
        vector.close()
        evaluation.close()

    return Process(
        init=_init(algorithm, obs, sizes),
        start=rollouts.begin,
        stages=(collect, Stage("update", _update(algorithm), ("learner",), UPDATE)),
        evaluation=HostEvaluator(evaluation, algorithm.policy, algorithm.act, obs),
        acting=acting,
        hyper=algorithm.hyper,
        rows=algorithm.n_steps * vector.num_envs,
        close=close,
    )


def _with_new_episodes(state: State, carry: Carry) -> State:
    """``state`` with nothing of the episodes that were under way but the finished ones' returns."""
    past, statistics = state.carry.episodes, state.learner.statistics
    window = {"returns": past.returns, "lengths": past.lengths, "finished": past.finished}
    statistics = statistics._replace(running=jax.tree.map(np.zeros_like, statistics.running))
    return state._replace(
        carry=carry._replace(episodes=carry.episodes._replace(**window)),
        learner=state.learner._replace(statistics=statistics),
    )
