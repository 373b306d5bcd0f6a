"""Greedy (or sampled) evaluation with frozen statistics, on seeds that training never sees."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.control.host_rollout import LOOK
from logpi.driver.process import SPREAD, Case, Now, Process, Program, Programs, Scores, Spread, Watch
from logpi.driver.stages import Evaluation, unwatched
from logpi.ops.collectives import per_device_key, where
from logpi.types import Act, Array, DeviceVector, HostVector, Key, Learner, Policy, PyTree

if TYPE_CHECKING:
    from logpi.control.agent import Agent

Returns = tuple[NDArray[np.floating], NDArray[np.floating]]  # returns and lengths of episodes
LONGEST = 1_000  # moves of an evaluation episode in an environment without a time limit
Actor = Callable[..., Act]  # (learner, memory, obs, key, greedy)


class _Play(NamedTuple):
    env: PyTree
    obs: PyTree
    memory: PyTree
    alive: Array  # [N] bool
    ret: Array  # [N]
    length: Array  # [N]
    t: Array  # [1] int32


def device_evaluation(
    vector: DeviceVector, policy: Policy, act: Actor, episodes: int, num_devices: int = 1, greedy: bool = True
) -> Evaluation:
    """Returns and lengths of one episode in each of ``episodes`` environments at once; rewards unnormalised.

    Where more are asked for, as at the end of a run, further groups of as many follow.
    """
    limit, mine = vector.spec.max_episode_steps or LONGEST, -(-episodes // num_devices)

    def begin(acting: Learner, cases: PyTree, now: Now) -> _Play:
        env, first = vector.reset(per_device_key(now.key), mine)
        zero = jnp.zeros(mine)
        return _Play(env, first.obs, policy.memory(mine), jnp.ones(mine, bool), zero, zero, jnp.zeros(1, jnp.int32))

    def advance(acting: Learner, play: _Play, now: Now, until: Array) -> _Play:
        key = per_device_key(now.key)

        def going(play: _Play) -> Array:
            return jnp.any(play.alive) & (play.t[0] < until)

        def move(play: _Play) -> _Play:
            chosen = act(acting, play.memory, play.obs, jax.random.fold_in(key, play.t[0]), greedy)
            env, step = vector.step(play.env, chosen.action)
            return _Play(
                env,
                step.obs,
                chosen.memory,
                play.alive & ~(step.terminated | step.truncated),
                play.ret + jnp.where(play.alive, step.reward, 0.0),
                play.length + play.alive,
                play.t + 1,
            )

        return jax.lax.while_loop(going, move, play)

    def result(play: _Play) -> tuple[Array, Array, Array, Array]:
        return play.ret, play.length, play.t, ~jnp.any(play.alive, keepdims=True)

    return Evaluation(
        begin,
        advance,
        result,
        cases=lambda final, number: (),
        total=lambda final, asked: asked,
        limit=limit,
        final_offset=1,  # one past the run's own evaluations: other episodes
        play=SPREAD,
    )


def evaluate_device(
    vector: DeviceVector, policy: Policy, act: Actor, learner: Learner, key: Key, episodes: int, greedy: bool = True
) -> tuple[Array, Array]:
    """Returns and lengths [episodes] of one episode each, in one piece."""
    evaluation, zero = device_evaluation(vector, policy, act, episodes, greedy=greedy), jnp.int32(0)
    first, later = (Now(each, zero, zero, zero, ()) for each in jax.random.split(key))
    play = evaluation.advance(learner, evaluation.begin(learner, (), first), later, jnp.int32(evaluation.limit))
    ret, length, _, _ = evaluation.result(play)
    return ret, length


class HostEvaluator:
    """The same in stateful environments, which ``vector`` holds."""

    def __init__(self, vector: HostVector, policy: Policy, act: Actor, obs: PyTree, greedy: bool = True) -> None:
        self._vector, self._policy, self._act, self._obs, self._greedy = vector, policy, act, obs, greedy

    def programs(self, process: Process, spread: Spread, acting: PyTree, seed: Array) -> dict[str, Program]:
        """One decision for each environment."""
        batch = self._vector.num_envs
        shown = jax.tree.map(lambda x: jax.ShapeDtypeStruct((batch, *x.shape), x.dtype), self._obs)
        arguments = (acting, jax.eval_shape(lambda: self._policy.memory(batch)), shown, jax.random.key(0))

        def one(acting: Learner, memory: PyTree, obs: PyTree, key: Key) -> Act:
            return self._act(acting, memory, obs, key, self._greedy)

        return {"evaluate": Program(jax.jit(one), arguments, "quick")}

    def run(self, programs: Programs, acting: PyTree, case: Case, data: PyTree, watch: Watch) -> Scores | None:
        """Scores of the episodes asked for; None where ``watch`` asked for a stop."""
        iteration = case.iteration + case.final  # other episodes at the end
        seed = (1_000_000_007 + int(case.seed) * 100_003 + iteration * case.asked) % 2**31
        key, decide, calls = jax.random.key(seed), programs["evaluate"], 0

        def act(memory: PyTree, obs: PyTree) -> Act:
            nonlocal calls
            calls += 1
            return decide(acting, memory, obs, key if self._greedy else jax.random.fold_in(key, calls))

        return evaluate_host(self._vector, self._policy, act, case.asked, seed, watch)


def evaluate_host(
    vector: HostVector,
    policy: Policy,
    act: Callable[[PyTree, PyTree], Act],
    episodes: int,
    seed: int,
    watch: Watch = unwatched,
) -> Scores | None:
    """Returns and lengths [episodes] from a stateful vector, seeded afresh; None where ``watch`` asked for a stop.

    Args:
        vector: B environments.
        policy: which has the memory.
        act: compiled, (memory, obs) -> ``Act``.
        episodes: how many.
        seed: of the first environment.
        watch: told from time to time.

    How many episodes each of the B environments plays is fixed beforehand, so that short ones are not preferred.
    """
    batch = vector.num_envs
    shares = episodes // batch + (np.arange(batch) < episodes % batch)
    limit = vector.spec.max_episode_steps or LONGEST
    vector.reset(seed)
    fresh = policy.memory(batch)
    memory = fresh
    void: PyTree = np.zeros(batch, bool)
    ret, length = np.zeros(batch), np.zeros(batch)
    finished: list[list[tuple[float, float]]] = [[] for _ in range(batch)]
    looked, steps = time.monotonic(), 0
    while any(len(mine) < share for mine, share in zip(finished, shares, strict=True)):
        if time.monotonic() - looked > LOOK:
            looked = time.monotonic()
            if watch("evaluate", sum(map(len, finished)), episodes):
                return None
        chosen = act(memory, vector.start)
        vector.send(jax.tree.map(np.asarray, chosen.action))
        steps += 1
        step = vector.recv()
        ret += np.where(void, 0.0, step.reward)
        length += ~void
        ended = step.terminated | step.truncated
        for b in np.flatnonzero(ended | (length >= limit)):
            finished[b].append((ret[b], length[b]))
            ret[b], length[b] = 0.0, 0.0
        memory = where(void | (ended & vector.resets_within_step), fresh, chosen.memory)
        void = ended & (not vector.resets_within_step)
    kept = np.array([pair for mine, share in zip(finished, shares, strict=True) for pair in mine[:share]])
    return Scores(kept[:, 0], kept[:, 1], steps * batch)


def evaluate_agent(vector: HostVector, agent: Agent, episodes: int, seed: int, greedy: bool) -> Returns:
    """Returns and lengths [episodes] of a trained agent in a stateful vector."""
    key, calls = jax.random.key(seed), 0

    def decide(memory: Any, obs: Any) -> Any:
        nonlocal calls
        calls += 1
        return agent.decide(agent.learner, memory, obs, key, np.int32(calls), greedy=greedy)

    found = evaluate_host(vector, agent.policy, decide, episodes, seed)
    assert found is not None  # nothing watches
    return found.score, found.length
