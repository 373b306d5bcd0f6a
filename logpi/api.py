"""The Python API: ``logpi.train``, ``logpi.load``, and what the command line does beyond training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from logpi import devices, session
from logpi.agent import Agent, load_agent
from logpi.config import Experiment
from logpi.errors import LogpiError
from logpi.experiments import Recipe, recipe_for, resolve
from logpi.metrics import read_metrics
from logpi.runs import RunFolder, open_run
from logpi.types import Policy
from logpi.view.live import View, live
from logpi.view.plots import learning_curve


class Outcome(NamedTuple):
    """A finished run: its folder, its scores and its pictures."""

    folder: RunFolder
    scores: np.ndarray[Any, Any]  # [S, episodes] returns of the last agent's final greedy evaluation
    timesteps: int  # environment moves learnt from
    pictures: dict[str, Path]  # what → file


def train(
    env: str,
    algo: str | None = None,
    *,
    policy: Policy | None = None,
    quiet: bool = False,
    run: dict[str, Any] | None = None,
    network: dict[str, Any] | None = None,
    env_kwargs: dict[str, Any] | None = None,
    **method: Any,
) -> Outcome:
    """Train an agent, as ``logpi train`` does.

    Args:
        env: any name that ``logpi.make`` knows.
        algo: one of ``logpi algos``; the environment's recipe decides if None.
        policy: a network of your own (``logpi.Policy``) instead of the standard one.
        quiet: show nothing.
        run, network, env_kwargs: settings of ``logpi.config.Run``, of ``Network``, and of the environment.
        **method: settings of the algorithm, such as ``total_timesteps`` or ``learning_rate``.

    Raises:
        LogpiError: a name or a setting is wrong, or the run failed; the message says what to do.
    """
    tables = {"run": run or {}, "method": method, "network": network or {}, "env_kwargs": env_kwargs or {}}
    experiment, recipe = resolve(env, algo, tables)
    total = int(experiment.method.total_timesteps)
    with live(total, f"{env} · {experiment.algo}", None, quiet) as view:
        return run_experiment(experiment, recipe, [f"logpi.train({env!r})"], view, policy)


def run_experiment(
    experiment: Experiment, recipe: Recipe | None, command: list[str], view: View, policy: Policy | None = None
) -> Outcome:
    """Train an experiment in a new run folder, then draw its curve and film its agent."""
    devices.prepare()
    return _show(session.start(experiment, command, view, policy), experiment, recipe, view, policy)


def resume(path: str | Path, view: View | None = None, policy: Policy | None = None, root: str = "runs") -> Outcome:
    """Continue an interrupted run from its newest good checkpoint, then draw and film as ``train`` does.

    Raises:
        LogpiError: as ``logpi.session.resume``.
    """
    devices.prepare()
    from logpi.experiments import experiment_from_table

    if view is None:
        with live(1, str(path), None, quiet=True) as view:
            return resume(path, view, policy, root)
    outcome = session.resume(path, view, policy, root)
    experiment = experiment_from_table(outcome.folder.config)
    return _show(outcome, experiment, recipe_for(experiment.env, experiment.algo), view, policy)


def load(path: str | Path, policy: Policy | None = None) -> Agent:
    """The agent of a run (its best, in periodic evaluation), or of a folder with ``agent.json``.

    Raises:
        LogpiError: nothing that can be loaded is there.
    """
    folder = Path(path)
    if not (folder / "agent.json").exists():
        run = open_run(path)
        choices = [p for base in (run.best, run.last) for p in (base, *sorted(base.glob("seed_*")))]
        found = next((p for p in choices if (p / "agent.json").exists()), None)
        if found is None:
            raise LogpiError(f"{path} has no agent yet; wait for its first checkpoint, or `logpi resume {path}`")
        folder = found
    return load_agent(folder, policy)


def film(agent: Agent, path: Path, episodes: int = 1, seed: int = 0, sampled: bool = False) -> Path:
    """Film ``agent`` in Gymnasium's own version of its environment; the path may come back as .gif.

    Raises:
        LogpiError: the environment does not draw, or cannot be written.
    """
    from logpi.envs.host import HostFactory
    from logpi.envs.load import registered
    from logpi.envs.make import DEVICE, make
    from logpi.types import DeviceEnv
    from logpi.view.video import render_episodes

    name, kwargs = agent.spec.id, agent.facts.get("env_kwargs", {})
    source: DeviceEnv | HostFactory = (
        registered(name) if name in DEVICE and not name.startswith("probe/") else make(name, **kwargs)
    )
    if isinstance(source, DeviceEnv):
        raise LogpiError(f"{name} is a device environment without a picture; there is nothing to film")
    factory = source

    def build(render_mode: str) -> Any:
        return factory(render_mode=render_mode, **kwargs)

    return render_episodes(
        build, lambda obs: agent.act(obs, greedy=not sampled), path, episodes, seed, begin=agent.reset
    )


def _show(
    outcome: session.Outcome, experiment: Experiment, recipe: Recipe | None, view: View, policy: Policy | None
) -> Outcome:
    folder = outcome.folder
    band = (recipe.low, recipe.high) if recipe else None
    title = f"{experiment.env}, {experiment.algo}"
    pictures = {"curve": learning_curve([read_metrics(folder.metrics)], folder.curve, title, band)}
    if experiment.run.video:
        view.note("filming the trained agent")
        try:
            pictures["video"] = film(load(folder.path, policy), folder.videos / "best.mp4")
        except LogpiError as error:  # a run without a picture is still a good run
            view.note(f"no video: {error}")
    return Outcome(folder, outcome.scores, outcome.timesteps, pictures)
