"""The compiled programs of a run: the same few verbs for device and host environments.

Every random draw comes from (run seed, stream, iteration), so any iteration can be run again from a checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from logpi.control.evaluation import evaluate_device, evaluate_host
from logpi.control.rollout import Carry, Episodes, episode_metrics, no_episodes, rollout, rollout_host, start
from logpi.driver import devices
from logpi.ops.collectives import DATA, all_finite, select, total
from logpi.ops.normalization import Statistics
from logpi.types import Act, Algorithm, Array, DeviceVector, HostVector, Key, Learner, Metrics, PyTree, Trajectory

LEARNER, ENVS, COLLECT, UPDATE, EVALUATE = range(5)  # streams of random numbers


class State(NamedTuple):
    """All that a run changes: what a checkpoint holds. Trained seeds are a leading axis where there are several."""

    learner: Learner
    carry: Any  # the environments' Carry; () where there are none
    seed: Array  # [] or [S] uint32


class Programs(Protocol):
    """What the training loop calls; ``shares`` accumulates the seconds that each part of the work took."""

    shares: dict[str, float]

    def init(self) -> State: ...

    def like(self) -> State:
        """The shapes of a state, for loading a checkpoint."""
        ...

    def iterate(self, state: State, iteration: int, timed: bool) -> tuple[State, Metrics]: ...

    def evaluate(self, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        """Greedy (returns, lengths), [episodes] or [S, episodes]."""
        ...

    def judge(self, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        """``evaluate`` once more at the very end, on what neither training nor the choice of the best has seen."""
        ...

    def close(self) -> None: ...


def stream(seed: Array, which: int, iteration: Array | int = 0) -> Key:
    """The random key of one use in one iteration of a run."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), which), iteration)


def learn(
    algorithm: Algorithm, learner: Learner, trajectory: Trajectory, seed: Array, iteration: Array, beside: bool
) -> tuple[Learner, Metrics]:
    """One update. Of learners ``beside`` each other, one that has had its ``total_timesteps`` stays as it is."""
    new, metrics = algorithm.update(learner, trajectory, stream(seed, UPDATE, iteration))
    if beside:
        new = select(learner.timesteps >= learner.hyper.total_timesteps, learner, new)
    broken = {
        "finite/observation": ~all_finite(trajectory.obs),
        "finite/reward": ~all_finite(trajectory.reward),
        "finite/parameters": ~all_finite((new.params, new.opt_state, new.statistics)),
    }
    return new, metrics | jax.tree.map(lambda anywhere: anywhere == 0, total(jax.tree.map(jnp.int32, broken)))


# How a learner's environments are dealt out: along "data" where an array has one entry an environment.
_ALL: Any = PartitionSpec()
_ENV: Any = PartitionSpec(DATA)
_ROWS: Any = PartitionSpec(None, DATA)
_LEARNER: Any = Learner(_ALL, _ALL, Statistics(_ALL, _ALL, _ENV), _ALL, _ALL, _ALL)
_CARRY: Any = Carry(_ENV, _ENV, _ENV, _ENV, Episodes(_ENV, _ENV, _ALL, _ALL, _ALL))
_TRAJECTORY: Any = Trajectory(_ROWS, _ROWS, _ROWS, _ROWS, _ROWS, _ROWS, _ENV)
_STATE: Any = State(_LEARNER, _CARRY, _ALL)


class DevicePrograms:
    """Rollout, update and evaluation of device environments, compiled side by side before the first iteration.

    Several seeds are dealt out to the devices; one seed's environments are, where that is worth it
    (``devices.sharing``).
    """

    def __init__(
        self,
        vector: DeviceVector,
        algorithm: Algorithm,
        batch: int,
        seeds: list[int],
        episodes: int,
        sharing: int,
        brief: bool,
    ) -> None:
        self.shares = {"compile": 0.0, "environment + policy": 0.0, "update": 0.0, "evaluate": 0.0}
        self._seed: Any = np.asarray(seeds if len(seeds) > 1 else seeds[0], np.uint32)
        self._hyper = jax.tree.map(lambda x: np.broadcast_to(x, self._seed.shape), algorithm.hyper)
        many = len(seeds) > 1
        self._sharing = sharing = 1 if many else sharing
        self._brief = brief

        def learner(seed: Array, hyper: PyTree) -> Learner:
            # settings come from outside, so that changing one compiles nothing
            return algorithm.init(stream(seed, LEARNER))._replace(hyper=hyper)

        def begin(seed: Array) -> Carry:
            return start(vector, algorithm, stream(seed, ENVS), batch // sharing)

        def collect(state: State, iteration: Array) -> tuple[Carry, Trajectory, Metrics]:
            key = stream(state.seed, COLLECT, iteration)
            carry, trajectory = rollout(vector, algorithm, state.learner, state.carry, key)
            return carry, trajectory, episode_metrics(carry.episodes)

        def update(learner: Learner, trajectory: Trajectory, seed: Array, iteration: Array) -> tuple[Learner, Metrics]:
            return learn(algorithm, learner, trajectory, seed, iteration, beside=many)

        def evaluate(learner: Learner, seed: Array, iteration: Array) -> tuple[Array, Array]:
            key, mine = stream(seed, EVALUATE, iteration), -(-episodes // sharing)
            return evaluate_device(vector, algorithm.policy, algorithm.act, learner, key, mine)

        def compiled(f: Callable[..., Any], axes: tuple[int | None, ...], takes: Any, gives: Any) -> Any:
            if many:
                return devices.over_seeds(f, len(seeds), *axes)
            return devices.over_environments(f, sharing, takes, gives)

        self._learner = (
            devices.over_seeds(learner, len(seeds), 0, 0) if many else devices.once(learner, sharing, _LEARNER)
        )
        self._begin = compiled(begin, (0,), (_ALL,), _CARRY)
        self._collect = compiled(collect, (0, None), (_STATE, _ALL), (_CARRY, _TRAJECTORY, _ALL))
        self._update = compiled(update, (0, 0, 0, None), (_LEARNER, _TRAJECTORY, _ALL, _ALL), (_LEARNER, _ALL))
        self._evaluate = compiled(evaluate, (0, 0, None), (_LEARNER, _ALL, _ALL), (_ENV, _ENV))
        self._compiled = False

    def like(self) -> State:
        learner = jax.eval_shape(self._learner, self._seed, self._hyper)
        return State(learner, jax.eval_shape(self._begin, self._seed), self._seed)

    def compile(self) -> None:
        """Compile all the programs."""
        if self._compiled:
            return
        began = time.perf_counter()
        state, i = self.like(), jax.ShapeDtypeStruct((), jnp.int32)
        _, trajectory, _ = jax.eval_shape(self._collect, state, i)
        wanted = [
            devices.Program(self._update, (state.learner, trajectory, state.seed, i), hot=not self._brief),
            devices.Program(self._collect, (state, i), hot=not self._brief),
            devices.Program(self._evaluate, (state.learner, state.seed, i), hot=False),
            devices.Program(self._learner, (self._seed, self._hyper), hot=False),
            devices.Program(self._begin, (self._seed,), hot=False),
        ]
        programs = devices.compile_all(wanted)
        self._update, self._collect, self._evaluate, self._learner, self._begin = programs
        self._compiled = True
        self.shares["compile"] += time.perf_counter() - began

    def init(self) -> State:
        self.compile()
        return State(self._learner(self._seed, self._hyper), self._begin(self._seed), self._seed)

    def iterate(self, state: State, iteration: int, timed: bool) -> tuple[State, Metrics]:
        self.compile()
        i = np.int32(iteration)
        # two programs of devices that wait for each other must not be under way at once: each may hold one device
        timed = timed or self._sharing > 1
        if timed:
            jax.block_until_ready(state)  # what was queued before is not this iteration's time
        began = time.perf_counter()
        carry, trajectory, episodes = self._collect(state, i)
        if timed:
            jax.block_until_ready(trajectory)
        middle = time.perf_counter()
        learner, metrics = self._update(state.learner, trajectory, state.seed, i)
        if timed:
            jax.block_until_ready(learner)
            self.shares["environment + policy"] += middle - began
            self.shares["update"] += time.perf_counter() - middle
        return State(learner, carry, state.seed), {**metrics, **episodes}

    def evaluate(self, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        self.compile()
        began = time.perf_counter()
        result = jax.device_get(self._evaluate(state.learner, state.seed, np.int32(iteration)))
        self.shares["evaluate"] += time.perf_counter() - began
        return tuple(x[..., :episodes] for x in result)  # one program plays as many as anybody asks for

    def judge(self, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        return self.evaluate(state, iteration + 1, episodes)  # one past the run's own evaluations: other episodes

    def close(self) -> None:
        pass


class HostPrograms:
    """The same for stateful environments: a Python loop around a compiled policy, and a compiled update."""

    def __init__(self, vector: HostVector, evaluation: HostVector, algorithm: Algorithm, seed: int) -> None:
        self.shares = {"compile": 0.0, "environment": 0.0, "policy": 0.0, "update": 0.0, "evaluate": 0.0}
        self._vector, self._evaluation, self._algorithm = vector, evaluation, algorithm
        self._seed: Any = np.uint32(seed)

        def init(seed: Array, hyper: PyTree) -> Learner:
            return algorithm.init(stream(seed, LEARNER))._replace(hyper=hyper)

        def act(params: PyTree, statistics: Statistics, memory: PyTree, obs: PyTree, key: Key) -> tuple[Act, Key]:
            # the key goes round on the device: few arguments, few microseconds at each move
            key, mine = jax.random.split(key)
            return algorithm.act(Learner(params, (), statistics, (), jnp.int32(0)), memory, obs, mine), key

        def update(learner: Learner, trajectory: Trajectory, seed: Array, i: Array) -> tuple[Learner, Metrics]:
            return learn(algorithm, learner, trajectory, seed, i, beside=False)

        self._init, self._act, self._update = jax.jit(init), jax.jit(act), jax.jit(update)
        self._stream = jax.jit(lambda seed, i: stream(seed, COLLECT, i))
        self._greedy = jax.jit(lambda learner, memory, obs, key: algorithm.act(learner, memory, obs, key, True))
        self._started = False
        self._compiled = False

    def like(self) -> State:
        batch = self._vector.num_envs
        learner = jax.eval_shape(self._init, self._seed, self._algorithm.hyper)
        return State(learner, self._first_carry(batch), self._seed)

    def _first_carry(self, batch: int) -> Carry:
        memory = self._algorithm.policy.memory(batch)
        return Carry((), (), memory, jnp.zeros(batch, bool), no_episodes(batch))

    def init(self) -> State:
        learner = self._init(self._seed, self._algorithm.hyper)
        return State(learner, self._first_carry(self._vector.num_envs), self._seed)

    def iterate(self, state: State, iteration: int, timed: bool) -> tuple[State, Metrics]:
        i = np.int32(iteration)
        if not self._started:
            # a resumed run's environments begin new episodes, on seeds that its first part did not use
            self._vector.reset(seed=int(self._seed) * 100_003 + iteration * self._vector.num_envs)
            state = self._with_new_episodes(state)
            self._started = True

        params, statistics, key = state.learner.params, state.learner.statistics, self._stream(self._seed, i)

        def act(memory: PyTree, obs: PyTree) -> Act:
            nonlocal key
            chosen, key = self._act(params, statistics, memory, obs, key)
            return chosen

        carry, trajectory = rollout_host(self._vector, self._algorithm, act, state.carry, self.shares)
        began = time.perf_counter()
        learner, metrics = self._update(state.learner, trajectory, self._seed, i)
        jax.block_until_ready(learner)
        name = "update" if self._compiled else "compile"
        self._compiled = True
        self.shares[name] += time.perf_counter() - began
        return State(learner, carry, state.seed), {**metrics, **episode_metrics(carry.episodes)}

    def _with_new_episodes(self, state: State) -> State:
        """``state`` with nothing of the episodes that were under way but the finished ones' returns."""
        carry, past, statistics = (
            self._first_carry(self._vector.num_envs),
            state.carry.episodes,
            state.learner.statistics,
        )
        window = {"returns": past.returns, "lengths": past.lengths, "finished": past.finished}
        statistics = statistics._replace(running=jax.tree.map(jnp.zeros_like, statistics.running))
        return state._replace(
            carry=carry._replace(episodes=carry.episodes._replace(**window)),
            learner=state.learner._replace(statistics=statistics),
        )

    def evaluate(self, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        began = time.perf_counter()
        acting, key = acting_part(state.learner), jax.random.key(0)
        seed = 1_000_000_007 + int(self._seed) * 100_003 + iteration * episodes

        def act(memory: PyTree, obs: PyTree) -> Any:
            return self._greedy(acting, memory, obs, key)

        result = evaluate_host(self._evaluation, self._algorithm.policy, act, episodes, seed % 2**31)
        self.shares["evaluate"] += time.perf_counter() - began
        return result

    def judge(self, state: State, iteration: int, episodes: int) -> tuple[np.ndarray[Any, Any], ...]:
        return self.evaluate(state, iteration + 1, episodes)

    def close(self) -> None:
        self._vector.close()
        self._evaluation.close()


def acting_part(learner: Learner) -> Learner:
    """``learner`` with only what acting needs, so that little is handed over at each move."""
    return Learner(learner.params, (), learner.statistics, (), jnp.int32(0))
