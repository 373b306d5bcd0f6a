"""Environments as a kind of task: Gymnasium's, device environments, and the user's own."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logpi.errors import LogpiError
from logpi.runs import scores
from logpi.tasks import (
    NO_WALK,
    NOTHING,
    Agent,
    Answer,
    Described,
    Exported,
    Facts,
    Film,
    Ladder,
    Length,
    Measured,
    Own,
    Place,
    Question,
    Score,
    Subject,
    Table,
    Task,
    Work,
    Wrappers,
    kind_of,
)

if TYPE_CHECKING:
    from logpi.config.settings import Experiment
    from logpi.runs.folder import RunFolder
    from logpi.types import Learner, PyTree


# Lowest and highest possible returns of an episode, where an environment's rewards and time limit imply them; source:
# the environments' documentation in Gymnasium 1.1. They hold for the default arguments of each environment.
PENDULUM = 200 * (math.pi**2 + 0.1 * 8**2 + 0.001 * 2**2)  # cost of 200 steps upside down at full speed and torque
RETURNS: dict[str, tuple[float, float]] = {
    "CartPole-v0": (0, 200),
    "CartPole-v1": (0, 500),
    "CartPoleNoVel-v1": (0, 500),
    "Acrobot-v1": (-500, 0),
    "MountainCar-v0": (-200, 0),
    "MountainCarContinuous-v0": (-99.9, 100),
    "MountainCarContinuousNoVel-v0": (-99.9, 100),
    "Pendulum-v1": (-PENDULUM, 0),
    "PendulumNoVel-v1": (-PENDULUM, 0),
    "FrozenLake-v1": (0, 1),
    "FrozenLake8x8-v1": (0, 1),
}
UNKNOWN = (None, None)
IS_ATARI = re.compile(r"(ale_py:)?(ALE/(?!.*-ram).+|(?!.*-ram).+NoFrameskip)-v\d+")  # games that show their pixels
ATARI: Wrappers = (("atari", {}),)  # around them where nothing else is asked for


def _names() -> list[str]:
    import gymnasium

    from logpi.envs.make import DEVICE, entries

    return sorted({*DEVICE, *entries(), *gymnasium.registry})


def _meant(name: str) -> str:
    from logpi.envs.near import elsewhere

    return elsewhere(name)


def _runs_on(name: str) -> str:
    from logpi.envs.make import DEVICE

    return "device" if name in DEVICE else "host"


def _untuned(place: Place) -> Mapping[str, Table]:
    """Settings that suit the spaces of an environment; {} where it cannot be built: training says why."""
    from logpi.envs.make import make_gymnasium
    from logpi.envs.presets import suited

    name, env_kwargs, wrappers = place
    key = (name, repr(sorted(env_kwargs.items())), repr(wrappers))
    if key not in _SUITED:
        _SUITED[key] = {}
        with contextlib.suppress(Exception):
            from logpi.control.sources import source_of

            spec = source_of(make_gymnasium(name, **env_kwargs), env_kwargs, wrappers=wrappers).spec()
            _SUITED[key] = suited(spec.observation_space, spec.action_space)
    return _SUITED[key]


def _presets(place: Place) -> Table:
    if not place.wrappers:
        return {}
    from logpi.envs.presets import stacked

    return stacked(place.wrappers)


_SUITED: dict[tuple[str, str, str], Mapping[str, Table]] = {}  # an environment is built once to see its spaces


def _wrappers(name: str) -> Wrappers:
    return ATARI if IS_ATARI.fullmatch(name) else ()


def _wrapping(name: str, wrappers: Wrappers, frames: int | None) -> Wrappers:
    from logpi.envs.wrappers import expanded

    return expanded(wrappers, frames)


def _build(experiment: Experiment, own: Own) -> Work:
    from logpi.config.stored import settings_card
    from logpi.config.wrappers import as_tables
    from logpi.control.agent import adopt, save_agent
    from logpi.control.build import idle_settings, parts, process

    made = parts(experiment, own)
    experiment = made.experiment
    network = None if own.policy or experiment.policy else experiment.network

    named = own.env is None or own.env_kwargs is not None
    kwargs = experiment.env_kwargs if own.env_kwargs is None else own.env_kwargs
    needed = {"env": not named, "algo": not made.acts_by_policy, "algorithm": not made.acts_by_policy}
    objects = [name for name in own.given if needed.get(name)]
    wrappers = as_tables(experiment.wrappers) if experiment.wrappers else []
    kept: Facts = {"env_kwargs": kwargs, "wrappers": wrappers, "policy": experiment.policy, "objects": objects}
    if not made.acts_by_policy:
        kept["method"] = settings_card(experiment)["method"]

    def save(folder: Path, acting: PyTree, facts: Facts) -> None:
        save_agent(folder, acting, made.spec, network, {**kept, **facts})

    def begin_with(learner: Learner, folder: Path) -> Learner:
        return adopt(learner, folder, network, made.spec)

    return Work(
        made.num_devices,
        lambda seed: process(experiment, made, seed),
        save,
        begin_with,
        in_turn=made.source.in_turn,
        experiment=experiment,
        packages=made.source.packages(experiment.run),
        notes=made.notes if made.records is None else (*made.notes, made.records.note),
        data="" if made.records is None else made.records.fingerprint,
        source="the recorded decisions",
        limits=made.limits,
        idle=NO_WALK | idle_settings(experiment, made.source, made.spec, made.algorithm, own),
    )


def _given(env: object) -> tuple[str, Table, Own]:
    from logpi.control.sources import source_of

    found = source_of(env, {}).given()
    name = found.name if kind_of(found.name) == TASK.name else f"own-{found.name}"  # not a game's, nor that of images
    return name, found.settings, Own(env=found.env, env_kwargs=found.env_kwargs, suited=found.suited)


def _load(folder: Path, own: Own = NOTHING) -> Any:
    from logpi.control.agent import load_agent

    agent = load_agent(folder, own)
    agent.env = own.env
    return agent


def _evaluate(agent: Any, asked: Question) -> Answer:
    if asked.passes is not None or asked.split is not None:
        raise LogpiError("passes and split are for agents that look at images; leave them out")
    from logpi.control.play import evaluate_episodes

    facts = evaluate_episodes(agent, asked)
    how = "sampled" if asked.sampled else "greedy"
    over = f"{facts['episodes']} {how} episodes on {facts['on']}, seed {facts['seed']}"
    if facts["cut"]:
        over += f", {facts['cut']} of them cut at {max(facts['lengths']):,.0f} steps"
    lines = [f"{facts['env']}: mean return {scores.summary(facts['returns'], over)}"]
    mean, half = facts["mean_reward"], math.nan if facts["interval"] is None else facts["interval"]
    measured = Measured(
        what="mean return of an episode",
        metric="mean_reward",
        mean=mean,
        low=mean - half,
        high=mean + half,
        cases=facts["episodes"],
        over=f"{how} episodes",
        deviation=facts["std_reward"],
        seed=facts["seed"],
        deterministic=not asked.sampled,
    )
    return Answer(facts, lines, mean, measured)


def _export(agent: Any) -> Exported:
    from logpi.control.deploy import exported

    return exported(agent)


def _film(agent: Any, wanted: Film) -> Path:
    from logpi.control.play import film

    return film(agent, wanted)


def _film_random(env: str, wrappers: Wrappers, wanted: Film) -> Path:
    from logpi.control.play import film_random

    return film_random(env, wrappers, wanted)


def _described(name: str) -> Described:
    from logpi.control.about import described

    return described(name)


def _episode(agent: Any, seed: int, sampled: bool) -> Any:
    from logpi.control.episode import watched

    return watched(agent, seed, sampled)


def _at_checkpoint(agent: Any, path: Path) -> Any:
    from logpi.control.variance.moments import at_checkpoint

    return at_checkpoint(agent, path)


def _variance(subject: Subject, asked: Ladder) -> Answer:
    from logpi.control.variance.moments import of_run, trained, untrained
    from logpi.control.variance.report import report

    if subject.experiment is not None:
        moments = [untrained(subject.experiment, subject.own, asked.seed)]
    elif subject.folder is not None:
        moments = of_run(subject.folder, subject.agent, asked.moments)
    else:
        moments = [trained(subject.agent)]
    return report(moments, asked)


def _pictures(agent: Agent, folder: RunFolder) -> dict[str, Path]:
    return {"video": _film(agent, Film(folder.videos / "best.mp4"))}


def _report(found: Any, experiment: Experiment) -> list[str]:
    means, episodes = found.mean(1), found.shape[1]
    how = "sampled" if experiment.run.eval_sampled else "greedy"
    if len(means) == 1:
        return [f"score {scores.summary(found[0], f'{episodes} {how} episodes')}"]
    mean, half = scores.interval(means[:, None])
    seeds = f"95 % interval over {len(means)} seeds, {episodes} {how} episodes each"
    return [f"score {scores.plus_minus(mean[0], half[0])} ({seeds})"]


TASK = Task(
    name="control",
    what="an environment",
    does="learns in environments",
    knows=lambda name: True,
    names=_names,
    meant=_meant,
    runs_on=_runs_on,
    default_method=lambda name: "ppo",
    score=lambda name: Score("mean return of an episode", False, *RETURNS.get(name, UNKNOWN)),
    length=lambda experiment: Length(int(experiment.method.total_timesteps)),
    build=_build,
    given=_given,
    load=_load,
    evaluate=_evaluate,
    film=_film,
    export=_export,
    film_random=_film_random,
    variance=_variance,
    described=_described,
    episode=_episode,
    at_checkpoint=_at_checkpoint,
    pictures=_pictures,
    report=_report,
    next_step=lambda experiment, path: f"logpi watch {path}",
    presets=_presets,
    preview=(None, 400),
    untuned=_untuned,
    wrappers=_wrappers,
    wrapping=_wrapping,
)
