"""Agents at moments of their training, and their episodes step by step, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from logpi.api.agents import agent_of, load
from logpi.config.settings import check_seed
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import open_run
from logpi.runs.moments import nearest
from logpi.tasks import Agent, Episodes, record
from logpi.training.outcome import Outcome
from logpi.view.curves import config_of
from logpi.view.labels import differing


def load_moment(run: str | Path, timesteps: float, root: str | Path = "runs") -> Agent:
    """The agent of a run as it was at that saved moment of its training that is nearest to ``timesteps``.

    Moments are those of ``list_moments``. Of several seeds it is the first one's. Code that the run names is imported
    only if it is trusted, as in ``load``.

    Args:
        run: the run's folder, or its name in ``root``.
        timesteps: number of timesteps learnt from; ``agent.facts["timesteps"]`` says those of the agent.
        root: folder that holds the runs.

    Raises:
        LogpiError: no such run, it has no agent yet, or the nearest one cannot be loaded.
    """
    folder = open_run(run, root)
    found = nearest(folder, timesteps)
    if found.path.is_dir():
        return load(found.path)
    agent = load(folder.path)
    return record(agent.kind).at_checkpoint(agent, found.path)


def watch_episode(
    agent: Agent | str | Path | Outcome | RunFolder, seed: int = 10_000, sampled: bool = False
) -> Episodes:
    """Episodes of an agent step by step: pictures, π, V and the return so far; a person may act in its place.

    ``with logpi.watch_episode(agent) as episode: shot = episode.begin()``, then ``episode.step()`` until ``shot.over``.

    Args:
        agent: an agent (``load``), or the path of one or of its run.
        seed: seed of the first episode; the later ones continue its random stream.
        sampled: actions drawn from π, instead of the most probable ones.

    Raises:
        LogpiError: the agent cannot be loaded, is not one of an environment, or its environment cannot be made.
    """
    check_seed(seed)
    found = agent_of(agent)
    return record(found.kind).episode(found, seed, sampled)


def setting_differences(runs: Sequence[str | Path], root: str | Path = "runs") -> dict[str, list[str]]:
    """Settings that are not the same in all of R runs: name -> [R] values in words, "" where a run has no such setting.

    Args:
        runs: run folders, or their names in ``root``.
        root: folder that holds the runs.

    Raises:
        LogpiError: no such run, or its config.toml cannot be read.
    """
    return differing([config_of(open_run(run, root)) for run in runs])
