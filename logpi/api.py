"""The Python API: ``logpi.train``, ``logpi.load``, and what the command line does beyond training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from logpi.algorithms.acting import make_act
from logpi.config.experiments import experiment_from_table, promised, resolve
from logpi.config.settings import RAM, Experiment, ImageSettings, Length, SelfPlaySettings, length_of, score_of
from logpi.control.agent import Agent, load_agent
from logpi.control.evaluation import evaluate_device, evaluate_host
from logpi.driver import devices
from logpi.envs.classic import CLASSIC
from logpi.envs.device import vectorize
from logpi.envs.host import HostFactory, make_host
from logpi.envs.load import registered
from logpi.envs.make import make, spec_of
from logpi.errors import LogpiError
from logpi.games.agent import is_game_agent
from logpi.ram import figures
from logpi.ram.agent import ImageAgent, is_image_agent, load_image_agent
from logpi.runs.folder import RunFolder, agent_folder
from logpi.runs.metrics import read_metrics
from logpi.training import session
from logpi.training.build import NOTHING, Method, Own
from logpi.types import DeviceEnv, Policy
from logpi.view.live import View, live
from logpi.view.plots import learning_curve
from logpi.view.video import render_episodes

# an environment: scores are returns; images: a share of right labels; a game: see ``logpi.games.evaluation.judges``
Kind = Literal["environment", "images", "game"]


class Outcome(NamedTuple):
    """A finished run: its folder, its scores and its pictures."""

    folder: RunFolder
    scores: np.ndarray[Any, Any]  # [S, episodes] returns of the last agent's final greedy evaluation
    timesteps: int  # environment moves learnt from
    kind: Kind  # what was learnt: decides what a score is
    pictures: dict[str, Path]  # what → file


def train(
    env: str,
    algo: str | None = None,
    *,
    policy: Policy | None = None,
    algorithm: Method | None = None,
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
        algorithm: a method of your own, ``(settings, policy, spec, obs) -> logpi.Algorithm``, with the settings of
            ``algo``.
        quiet: show nothing.
        run, network, env_kwargs: settings of ``logpi.config.settings.Run``, of ``Network``, and of the environment.
        **method: settings of the algorithm, such as ``total_timesteps`` or ``learning_rate``.

    Raises:
        LogpiError: a name or a setting is wrong, or the run failed; the message says what to do.
    """
    tables = {"run": run or {}, "method": method, "network": network or {}, "env_kwargs": env_kwargs or {}}
    experiment, _ = resolve(env, algo, tables)
    with live(length_of(experiment), f"{env} · {experiment.algo}", None, quiet) as view:
        return run_experiment(experiment, [f"logpi.train({env!r})"], view, Own(policy, algorithm))


def run_experiment(
    experiment: Experiment,
    command: list[str],
    view: View,
    own: Own = NOTHING,
) -> Outcome:
    """Train an experiment in a new run folder, then draw its curve and film its agent."""
    devices.prepare()
    return _show(session.start(experiment, command, view, own), experiment, view, own)


def resume(
    path: str | Path,
    view: View | None = None,
    *,
    policy: Policy | None = None,
    algorithm: Method | None = None,
    root: str = "runs",
) -> Outcome:
    """Continue an interrupted run from its newest good checkpoint, then draw and film as ``train`` does.

    Raises:
        LogpiError: as ``logpi.training.session.resume``.
    """
    devices.prepare()
    if view is None:
        with live(Length(1), str(path), None, quiet=True) as view:
            return resume(path, view, policy=policy, algorithm=algorithm, root=root)
    own = Own(policy, algorithm)
    outcome = session.resume(path, view, own, root)
    return _show(outcome, experiment_from_table(outcome.folder.config), view, own)


def load(path: str | Path, policy: Policy | None = None) -> Agent | ImageAgent:
    """The agent of a run (its best, in periodic evaluation), or of a folder with ``agent.json``.

    Raises:
        LogpiError: nothing that can be loaded is there.
    """
    folder = agent_folder(path)
    if is_game_agent(folder):
        raise LogpiError(
            f"{path} plays a board game: `logpi play` and `logpi arena` take it, in Python load_game_agent"
        )
    return load_image_agent(folder) if is_image_agent(folder) else load_agent(folder, policy)


def evaluate(
    agent: Agent | ImageAgent, episodes: int = 100, seed: int = 10_000, sampled: bool = False
) -> dict[str, Any]:
    """Play full episodes of Gymnasium's own version of the agent's environment (the device's where it has no other).

    Returns JSON-able facts: ``mean_reward``, ``std_reward``, ``interval`` (half-width of the mean's 95 % interval),
    ``mean_ep_length``, ``returns``. A classifier of images is judged by ``logpi.ram.evaluation.judge``.

    Raises:
        LogpiError: the environment cannot be made, or fails; the agent classifies images.
    """
    _check_episodes(episodes)
    if isinstance(agent, ImageAgent):
        raise LogpiError("this agent classifies images and plays no episodes; logpi.ram.evaluation.judge judges it")
    source = _gymnasium_version(agent)

    def decide(memory: Any, obs: Any, t: int = 0) -> Any:
        calls[0] += 1
        return agent.decide(agent.learner, memory, obs, jax.random.fold_in(key, calls[0]), greedy=not sampled)

    key, calls = jax.random.key(seed), [0]
    if isinstance(source, DeviceEnv):
        play = jax.jit(
            lambda learner: evaluate_device(
                vectorize(source), agent.policy, make_act(agent.policy), learner, key, episodes, not sampled
            )
        )
        returns, lengths = jax.device_get(play(agent.learner))
    else:
        with contextlib.closing(
            make_host(source, min(episodes, 20), env_kwargs=agent.facts.get("env_kwargs"))
        ) as vector:
            returns, lengths = evaluate_host(vector, agent.policy, decide, episodes, seed)
    return {
        "env": agent.spec.id,
        "on": "device" if isinstance(source, DeviceEnv) else "Gymnasium",
        "episodes": episodes,
        "seed": seed,
        "is_deterministic": not sampled,
        "mean_reward": float(np.mean(returns)),
        "std_reward": float(np.std(returns)),
        "interval": float(1.96 * np.std(returns, ddof=min(1, episodes - 1)) / np.sqrt(episodes)),
        "mean_ep_length": float(np.mean(lengths)),
        "returns": [float(x) for x in returns],
    }


def film(agent: Agent | ImageAgent, path: Path, episodes: int = 1, seed: int = 10_000, sampled: bool = False) -> Path:
    """Film ``agent`` in Gymnasium's own version of its environment, or at test images; the path may come back as .gif.

    Raises:
        LogpiError: the environment does not draw, the agent has no glimpses, or the video cannot be written.
    """
    _check_episodes(episodes)
    if isinstance(agent, ImageAgent):
        return figures.film(agent, path, episodes, seed, sampled)
    player = agent

    def act(obs: Any) -> Any:
        return player.act(obs, greedy=not sampled)

    build = _drawn(_gymnasium_version(agent), agent.spec.id, agent.facts.get("env_kwargs", {}))
    return _filmed(agent.spec.id, build, act, path, episodes, seed, begin=agent.reset)


def film_random(env: str, path: Path, episodes: int = 1, seed: int = 10_000) -> Path:
    """Film an agent that draws its actions uniformly.

    Raises:
        LogpiError: no such environment, it does not draw, or the video cannot be written.
    """
    _check_episodes(episodes)
    source = registered(env) if env in CLASSIC else make(env)
    space = spec_of(source).action_space
    space.seed(seed)
    return _filmed(env, _drawn(source, env, {}), lambda _: space.sample(), path, episodes, seed)


def _filmed(name: str, *arguments: Any, **options: Any) -> Path:
    try:
        return render_episodes(*arguments, **options)
    except LogpiError:
        raise
    except Exception as error:  # an environment may raise anything; what was filmed until then is on the disk
        raise LogpiError(
            f"filming {name} ended early: {type(error).__name__}: {error}. `logpi check-env` finds the cause"
        ) from error


def _check_episodes(episodes: int) -> None:
    if episodes < 1:
        raise LogpiError(f"episodes is {episodes}; it must be at least 1")


def _gymnasium_version(agent: Agent) -> DeviceEnv | HostFactory:
    name = agent.spec.id
    return registered(name) if name in CLASSIC else make(name, **agent.facts.get("env_kwargs", {}))


def _drawn(source: DeviceEnv | HostFactory, name: str, env_kwargs: dict[str, Any]) -> Callable[[str], Any]:
    if isinstance(source, DeviceEnv):
        raise LogpiError(f"{name} is a device environment, which draws no pictures; there is nothing to film")
    return lambda render_mode: source(render_mode=render_mode, **env_kwargs)


def _pictures(agent: Agent | ImageAgent, folder: RunFolder) -> dict[str, Path]:
    """What is drawn of a trained agent."""
    if not isinstance(agent, ImageAgent):
        return {"video": film(agent, folder.videos / "best.mp4")}
    if not isinstance(agent.config, RAM):
        return {}  # it sees everything at once
    return figures.pictures(agent, folder.path) | {"video": film(agent, folder.videos / "best.mp4", 6)}


def _show(outcome: session.Outcome, experiment: Experiment, view: View, own: Own) -> Outcome:
    folder = outcome.folder
    recipe = promised(experiment) if own == NOTHING else None
    band = recipe.band if recipe else None
    title = f"{experiment.env}, {experiment.algo}"
    pictures: dict[str, Path] = {}
    try:  # a run without pictures is still a good run
        measured = score_of(experiment.env)
        pictures["curve"] = learning_curve([read_metrics(folder.metrics)], folder.curve, title, band, measured)
    except LogpiError as error:
        view.note(f"no curve: {error}; `logpi plot {folder.path}` draws it")
    if experiment.run.video and not isinstance(experiment.method, SelfPlaySettings):
        view.note("filming the trained agent")
        try:
            pictures |= _pictures(load(folder.path, own.policy), folder)
        except LogpiError as error:
            view.note(f"no video: {error}")
    return Outcome(folder, outcome.scores, outcome.timesteps, _kind(experiment), pictures)


def _kind(experiment: Experiment) -> Kind:
    if isinstance(experiment.method, ImageSettings):
        return "images"
    return "game" if isinstance(experiment.method, SelfPlaySettings) else "environment"
