"""Recorded episodes: made by an agent in an environment, and learnt from. Both are data sets of Minari on this machine.

Nothing is downloaded: a data set that is not here is an error.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from logpi.control.evaluation import LONGEST, Returns
from logpi.driver.process import REPLICATED, UPDATE, Now, Process, State
from logpi.driver.stages import Stage
from logpi.envs.gym_vector import describe
from logpi.envs.spaces import from_env, plain
from logpi.errors import LogpiError
from logpi.ops.normalization import Moments
from logpi.types import Algorithm, Array, Decisions, EnvSpec, Key, Learner, Metrics, PyTree

if TYPE_CHECKING:
    from logpi.control.agent import Agent

ID = re.compile(r"(?:[\w-]+/)*[\w-]+-v\d+")  # of a data set


class Recorded(NamedTuple):
    """What a run learns from."""

    decisions: Decisions
    fingerprint: str
    note: str  # how much there is


def read(dataset: str, spec: EnvSpec) -> Recorded:
    """All decisions of a data set, for the spaces of ``spec``.

    Raises:
        LogpiError: no data set is named, Minari is not installed, the data set is not on this machine, or it was
            recorded in other spaces.
    """
    if not dataset:
        raise LogpiError(
            "behaviour cloning needs the id of a data set, dataset; record one of a trained agent with "
            "logpi eval AGENT --record NAME-v0"
        )
    minari = _minari()
    try:
        found = minari.load_dataset(dataset)
    except Exception as error:
        there = ", ".join(sorted(minari.list_local_datasets())) or "none"
        raise LogpiError(
            f"cannot read the data set {dataset}: {describe(error)}; on this machine there are: {there}"
        ) from error
    for what, its, own in (
        ("observations", found.observation_space, spec.observation_space),
        ("actions", found.action_space, spec.action_space),
    ):
        if its != own:
            raise LogpiError(f"the data set {dataset} has the {what} {its}, and {spec.id} has {own}; take another one")
    episodes = [_decisions(episode, spec) for episode in found.iterate_episodes()]
    if not episodes:
        raise LogpiError(f"the data set {dataset} has no episodes; record some with logpi eval AGENT --record NAME-v0")
    decisions = jax.tree.map(lambda *x: np.concatenate(x), *episodes)
    content = hashlib.sha256()
    for leaf in jax.tree.leaves(decisions):
        content.update(np.ascontiguousarray(leaf).tobytes())
    number = len(jax.tree.leaves(decisions.action)[0])
    note = f"learns from {number:,} decisions in {len(episodes):,} episodes of the data set {dataset}"
    return Recorded(decisions, content.hexdigest(), note)


def _decisions(episode: Any, spec: EnvSpec) -> Decisions:
    """T decisions of an episode, whose last observation [T+1] no action follows."""
    obs = jax.tree.map(lambda x: x[:-1], plain(spec.observation_space, episode.observations))
    return Decisions(obs, from_env(spec.action_space, episode.actions))


def recorded(process: Process, algorithm: Algorithm, found: Recorded) -> Process:
    """``process`` with minibatches of ``found`` in place of what it collects.

    Args:
        process: of ``algorithm`` in the environment that it is evaluated in.
        algorithm: a method with ``records``; its ``update`` takes ``Decisions``.
        found: what it learns from.
    """
    records = algorithm.records
    assert records is not None
    number = len(jax.tree.leaves(found.decisions)[0])
    moments = _moments(found.decisions.obs)

    def init(key: Key) -> Learner:
        learner = process.init(key)
        if learner.statistics.obs == ():  # observations are not normalized
            return learner
        return learner._replace(statistics=learner.statistics._replace(obs=moments))

    def one(learner: Learner, key: Key, data: Decisions) -> tuple[Learner, Metrics]:
        which_key, update_key = jax.random.split(key)
        which = jax.random.randint(which_key, (records.batch_size,), 0, number)
        return algorithm.update(learner, jax.tree.map(lambda x: x[which], data), update_key)

    def start(learner: Learner, key: Key) -> tuple[tuple[()], Metrics]:
        metrics = jax.eval_shape(one, learner, key, found.decisions)[1]
        return (), jax.tree.map(lambda x: jnp.zeros((records.updates, *x.shape), x.dtype), metrics)

    def update(state: State, now: Now) -> tuple[State, Metrics]:
        def step(k: Array, made: tuple[Learner, Metrics]) -> tuple[Learner, Metrics]:
            learner, metrics = one(made[0], jax.random.fold_in(now.key, k), now.data)
            learner = learner._replace(timesteps=learner.timesteps + records.batch_size)
            return learner, jax.tree.map(lambda row, x: row.at[k].set(x), made[1], metrics)

        learner, rows = jax.lax.fori_loop(now.begin, now.end, step, (state.learner, state.batch))
        return state._replace(learner=learner, batch=rows), jax.tree.map(jnp.mean, rows)

    return process._replace(
        init=init,
        start=start,
        stages=(Stage("update", update, ("learner", "batch"), UPDATE, units=records.updates),),
        rows=records.batch_size * records.updates,
        places=process.places._replace(carry=REPLICATED, batch=REPLICATED),
        data=found.decisions,
    )


def _moments(obs: PyTree) -> tuple[Moments | tuple[()], ...]:
    """Mean and deviation of each float leaf of the observations [N, ...], as ``normalization`` keeps them."""

    def of(x: Any) -> Moments | tuple[()]:
        if x.dtype.kind != "f":
            return ()
        wide = x.astype(np.float64)
        mean = wide.mean(0)
        squares = np.square(wide - mean).sum(0)
        return Moments(*(jnp.asarray(value, jnp.float32) for value in (len(x), mean, squares)))

    return tuple(of(x) for x in jax.tree.leaves(obs))


def record(
    agent: Agent, build: Callable[[], gymnasium.Env], episodes: int, seed: int, greedy: bool, dataset: str
) -> Returns:
    """Play ``episodes`` of an agent, one after the other, into a new data set: their returns and lengths.

    Args:
        agent: which plays.
        build: makes the environment.
        episodes: how many.
        seed: of the first episode; the others have the following ones.
        greedy: take the most probable action.
        dataset: id of the data set, such as "cartpole/expert-v0".

    Raises:
        LogpiError: Minari is not installed, or a data set cannot have this id.
    """
    minari = _minari()
    if not ID.fullmatch(dataset):
        raise LogpiError(f"record {dataset!r}: the id of a data set is NAME-v0 or SPACE/NAME-v0")
    if dataset in minari.list_local_datasets():
        raise LogpiError(f"record {dataset}: this data set is there already; take another version, such as -v1")
    played: list[tuple[float, float]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what it would be good to publish with a data set
        env = minari.DataCollector(build(), jpeg_encoding=False)
        try:
            for episode in range(episodes):
                played.append(_played(agent, env, seed + episode, greedy))
            about = f"{episodes} episodes of {agent.spec.id} by an agent of logpi, seeds {seed} and on"
            env.create_dataset(dataset, algorithm_name=str(agent.facts.get("algo", "")), description=about)
        finally:
            env.close()
    returns, lengths = np.array(played).T
    return returns, lengths


def _played(agent: Agent, env: gymnasium.Env, seed: int, greedy: bool) -> tuple[float, int]:
    """(return, length) of one episode, cut where there is no time limit."""
    agent.reset(seed)
    obs, _ = env.reset(seed=seed)
    total, length, over, limit = 0.0, 0, False, agent.spec.max_episode_steps or LONGEST
    while not over and length < limit:
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs, greedy=greedy))
        total, length, over = total + float(reward), length + 1, bool(terminated or truncated)
    return total, length


def _minari() -> ModuleType:
    """Minari, with the storage that data sets are written into.

    Raises:
        LogpiError: it is not installed.
    """
    try:
        import_module("h5py")
        return import_module("minari")
    except ImportError as error:
        raise LogpiError(f"data sets need Minari: pip install 'logpi[minari]' ({error})") from error
