"""On-policy learning as a process on stateful (host) environments: a Python loop around a compiled ``act``."""

from __future__ import annotations

import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from logpi.control.evaluation import HostEvaluator
from logpi.control.host_rollout import rollout_host
from logpi.control.on_policy import Sizes, acting, blank_trajectory, in_pieces, init, update_stage
from logpi.control.rollout import Carry, Episodes, bounds_metrics, episode_metrics, first_carry
from logpi.driver.process import COLLECT, Function, Process, Seconds, State, Watch
from logpi.driver.stages import HostStage
from logpi.ops.draws import key_of
from logpi.types import Act, Algorithm, Array, HostVector, Key, Learner, Metrics, PyTree, Trajectory


class HostRollout:
    """Collecting in stateful environments, as the functions of a ``HostStage``.

    Several vectors, each of as many environments, make one batch: see ``rollout_host``.
    """

    def __init__(self, vectors: Sequence[HostVector], algorithm: Algorithm, obs: PyTree, seed: int) -> None:
        self._vectors, self._algorithm, self._obs, self._seed = vectors, algorithm, obs, seed
        self._batch = sum(vector.num_envs for vector in vectors)
        self._started = False

    def begin(self, learner: Learner, key: Key) -> tuple[Carry, Trajectory]:
        """Carry and a trajectory of zeros, before the first rollout."""
        carry = first_carry(self._algorithm, self._batch)
        shown = jax.tree.map(lambda x: jnp.zeros((self._batch, *x.shape), x.dtype), self._obs)
        return carry, blank_trajectory(self._algorithm, learner, carry._replace(obs=shown), key)

    def act(self, learner: Learner, memory: PyTree, shown: PyTree, words: Array) -> Act:
        """One decision, by its random ``words`` [2]."""
        return self._algorithm.act(learner, memory, shown, key_of(words))

    def arguments(self, state: State) -> tuple[PyTree, ...]:
        """Shapes of the arguments of ``act``."""
        size = self._batch // len(self._vectors)
        shown = jax.tree.map(lambda x: jax.ShapeDtypeStruct((size, *x.shape[2:]), x.dtype), state.batch.obs)
        memory = jax.tree.map(lambda x: jax.ShapeDtypeStruct((size, *x.shape[1:]), x.dtype), state.carry.memory)
        return acting(state.learner), memory, shown, jax.ShapeDtypeStruct((2,), jnp.uint32)

    def metrics(self, state: State) -> Metrics:
        """Shapes of what ``collect`` measures."""
        found: Metrics = jax.eval_shape(self._measured, state.carry.episodes, state.batch)
        return found

    def _measured(self, episodes: Episodes, trajectory: Trajectory) -> Metrics:
        return episode_metrics(episodes) | bounds_metrics(self._vectors[0].spec.action_space, trajectory)

    def collect(
        self, state: State, key: Key, iteration: int, act: Function, watch: Watch, seconds: Seconds
    ) -> tuple[State, Metrics] | None:
        """One rollout by the compiled ``act``; None where ``watch`` asked for a stop."""
        began = time.perf_counter()
        jax.block_until_ready(state.learner)
        seconds["update"] += time.perf_counter() - began  # which was under way until now
        if not self._started:
            # a resumed run's environments begin new episodes, on seeds that its first part did not use
            first = self._seed * 100_003 + iteration * self._batch
            for vector in self._vectors:
                vector.reset(seed=first)
                first += vector.num_envs
            state = _with_new_episodes(state, first_carry(self._algorithm, self._batch))
            self._started = True
        learner, decisions = acting(state.learner), self._algorithm.n_steps * len(self._vectors)
        # drawn on the host: on a CPU, JAX's generator would take longer at each move than a small network, and so
        # would a row of an array on the device
        drawn = np.random.SeedSequence(np.asarray(jax.random.key_data(key)).tolist())
        words = iter(drawn.generate_state(2 * decisions).reshape(-1, 2))

        def choose(memory: PyTree, shown: PyTree) -> Act:
            chosen: Act = act(learner, memory, shown, next(words))
            return chosen

        found = rollout_host(self._vectors, self._algorithm, choose, state.carry, seconds, watch)
        if found is None:
            return None
        carry, trajectory = found
        return state._replace(carry=carry, batch=trajectory), self._measured(carry.episodes, trajectory)


def on_host(
    vectors: Sequence[HostVector],
    evaluation: HostVector,
    algorithm: Algorithm,
    obs: PyTree,
    seed: int,
    sizes: Sizes,
) -> Process:
    """The process of a method on stateful environments; they begin new episodes when a run is resumed."""
    rollouts, shares = HostRollout(vectors, algorithm, obs, seed), ("policy", "environment")
    collect = HostStage(
        "rollout", rollouts.collect, rollouts.act, rollouts.arguments, rollouts.metrics, shares, stream=COLLECT
    )

    def close() -> None:
        for vector in (*vectors, evaluation):
            vector.close()

    process = Process(
        init=init(algorithm, obs, sizes),
        start=rollouts.begin,
        stages=(collect, update_stage(algorithm)),
        evaluation=HostEvaluator(evaluation, algorithm.policy, algorithm.act, obs, sizes.greedy),
        sampled=HostEvaluator(evaluation, algorithm.policy, algorithm.act, obs, False) if sizes.greedy else None,
        acting=acting,
        hyper=algorithm.hyper,
        rows=algorithm.n_steps * sizes.n_envs,
        close=close,
    )
    return in_pieces(process, algorithm, sizes.n_envs)


def _with_new_episodes(state: State, carry: Carry) -> State:
    """``state`` with nothing of the episodes that were under way but the finished ones' returns."""
    past, statistics = state.carry.episodes, state.learner.statistics
    window = {"returns": past.returns, "lengths": past.lengths, "finished": past.finished}
    statistics = statistics._replace(running=jax.tree.map(np.zeros_like, statistics.running))
    return state._replace(
        carry=carry._replace(episodes=carry.episodes._replace(**window)),
        learner=state.learner._replace(statistics=statistics),
    )
