"""Whose gradient is estimated: an untrained policy, or a run's as it was at its checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util

from logpi.config.settings import Experiment
from logpi.config.wrappers import wrappings
from logpi.control.agent import Agent
from logpi.control.build import parts
from logpi.control.sources import Source, source_of
from logpi.control.variance.trajectories import once
from logpi.envs.make import make, make_gymnasium
from logpi.errors import LogpiError
from logpi.ops.normalization import Statistics
from logpi.runs.checkpoint import Stored, read_arrays, read_meta
from logpi.runs.folder import RunFolder
from logpi.tasks import Own
from logpi.types import Learner, PyTree


class Moment(NamedTuple):
    """A policy at one moment of its training."""

    name: str  # for people
    timesteps: int  # learnt from
    agent: Agent
    source: Source  # of the environments that it learns in


def untrained(experiment: Experiment, own: Own, seed: int) -> Moment:
    """The policy that a training of ``experiment`` begins with; its observations are not normalized yet."""
    made = parts(experiment, own)
    learner = once(made.algorithm.init, jax.random.key(seed), effort="least")
    facts = {"env": made.spec.id, "algo": experiment.algo, "env_kwargs": experiment.env_kwargs, "timesteps": 0}
    agent = Agent(made.spec, made.algorithm.policy, learner.params, Statistics(), facts)
    return Moment("untrained", 0, agent, made.source)


def trained(agent: Agent) -> Moment:
    """An agent as it is."""
    steps = int(agent.facts.get("timesteps", 0))
    return Moment(f"step {steps:,}", steps, agent, _source(agent))


def of_run(folder: RunFolder, agent: Agent, count: int) -> list[Moment]:
    """``agent`` as it was at ``count`` checkpoints of its run, evenly spread over those that it kept, the oldest first.

    Of several seeds it is the first one. Without a checkpoint that can be read, it is ``agent`` alone.
    """
    saved = [path for _, path in sorted(folder.saved().items())]
    moments = [trained(at_checkpoint(agent, path)) for path in spread(saved, count)]
    return moments or [trained(agent)]


def spread(paths: list[Path], count: int) -> list[Path]:
    """``count`` of ``paths``, the last one among them and, of two or more, the first."""
    if len(paths) <= count:
        return paths
    chosen = np.linspace(len(paths) - 1, 0, count).round().astype(int)
    return [paths[i] for i in sorted(set(chosen.tolist()))]


def at_checkpoint(agent: Agent, path: Path) -> Agent:
    """``agent`` with the parameters and observation statistics that a checkpoint holds of its run.

    Raises:
        LogpiError: the file cannot be read, or is of another agent.
    """
    arrays, steps = read_arrays(path), int(read_meta(path).get("timesteps", 0))
    params = _restored(arrays, ".learner.params", agent.learner.params, path)
    statistics = _restored(arrays, ".learner.statistics.obs", agent.learner.statistics.obs, path)
    found = copy.copy(agent)
    found.facts = {**agent.facts, "timesteps": steps}
    found.learner = agent.learner._replace(params=params, statistics=Statistics(obs=statistics))
    return found


def _restored(arrays: Mapping[str, Stored], where: str, like: PyTree, path: Path) -> PyTree:
    """The arrays below ``where`` in the structure of ``like``; of several seeds, on a leading axis, the first one's."""

    def leaf(at: tuple[object, ...], x: jax.Array) -> jax.Array:
        array = arrays.get(where + tree_util.keystr(at))
        if array is not None and array.shape[1:] == x.shape and array.ndim == x.ndim + 1:
            array = array[0]
        if array is None or array.shape != x.shape:
            raise LogpiError(
                f"the checkpoint {path} is not one of this agent: {where}{tree_util.keystr(at)} is "
                f"{'missing' if array is None else list(array.shape)}, the agent's {list(x.shape)}; measure the agent "
                "itself, the folder best or last of the run"
            )
        return jnp.asarray(array)

    return tree_util.tree_map_with_path(leaf, like)


def _source(agent: Agent) -> Source:
    """The environments that the agent learns in: the device's, where it has them.

    Raises:
        LogpiError: it was trained in an object that has no name, and nothing was given.
    """
    kwargs, wrappers = agent.facts.get("env_kwargs", {}), wrappings(agent.facts.get("wrappers", ()))
    if agent.env is not None:
        return source_of(agent.env, kwargs, wrappers=wrappers)
    if "env" in agent.facts.get("objects", ()):
        raise LogpiError(
            f"this agent was trained in an object of a Python program, {agent.spec.id}, which its file cannot name: "
            "give logpi.variance the agent of logpi.load(path, env=...)"
        )
    named = make_gymnasium if wrappers else make
    return source_of(named(agent.spec.id, **kwargs), kwargs, wrappers=wrappers)


def policy_learner(agent: Agent) -> Learner:
    """What π needs of a learner: its parameters and how it sees observations."""
    statistics = Statistics(obs=agent.learner.statistics.obs)
    return Learner(agent.learner.params, (), statistics, (), jnp.int32(0))
