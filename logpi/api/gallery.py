"""A gallery of what can be learnt: each task with its spaces, its reward, its best agents, and films of them."""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from logpi.api.agents import film, film_random, load
from logpi.config.stored import recipes
from logpi.driver import devices
from logpi.errors import LogpiError, inert
from logpi.runs.cards import NAME, WEIGHTS
from logpi.runs.files import Json, read_text
from logpi.runs.folder import RunFolder
from logpi.runs.following import Following, RunState
from logpi.runs.lookup import agent_folder
from logpi.runs.shipped import ShippedAgent, shipped_agents
from logpi.tasks import record, task_of

FILMED = 400  # steps of an episode that are filmed at most
RANDOM, LOCAL, SHIPPED = "random", "local", "shipped"


class Shown(NamedTuple):
    """One agent of a task."""

    what: str  # "random", "local" (the best run of a folder) or "shipped" (comes with logpi)
    label: str  # for people
    path: Path | None  # folder of the run or of the agent; None of the random agent
    algo: str
    score: float  # NaN where it is not known
    low: float  # ends of the 95 % interval of its mean; NaN where that is not known
    high: float
    over: str  # what the score is of
    command: str  # that reproduces it
    filmed: bool  # whether there can be a film

    def to_json(self) -> Json:
        return self._asdict()


class Entry(NamedTuple):
    """One task of the gallery."""

    env: str
    kind: str  # of task: "control", "ram" or "games"
    what: str  # "an environment", …
    observation: str  # space
    action: str
    reward: str  # in words, or the bounds of the score; "" where neither is known
    limit: int | None  # steps after which an episode is cut
    score_label: str
    percent: bool
    note: str  # why something is missing; "" where nothing is
    methods: list[Json]  # recipes: "algo", "low", "high", "command"
    agents: list[Shown]

    def to_json(self) -> Json:
        return self._asdict() | {"agents": [agent.to_json() for agent in self.agents]}


def gallery(runs: str | Path = "runs", envs: Sequence[str] | None = None) -> list[Entry]:
    """Tasks with their best agents: those that have a recipe, an agent that comes with logpi, or a run.

    Args:
        runs: folder that holds the runs; the best of each task is shown, by its newest score.
        envs: names of the tasks; None: all of them.

    Raises:
        LogpiError: a task has no such name, or the installation is damaged.
    """
    following = Following(runs)
    following.refresh()
    shipped = {agent.name: agent for agent in shipped_agents()}
    known = dict.fromkeys([*shipped, *(recipe.env for recipe in recipes())])
    local = _best(following.states.values())
    names = [*known, *(env for env in local if env not in known)]
    wanted = names if envs is None else list(envs)
    return [_entry(env, Path(runs), local.get(env), shipped.get(env)) for env in wanted]


def _best(states: Any) -> dict[str, RunState]:
    """The run with the highest score of each task."""
    found: dict[str, RunState] = {}
    for state in states:
        if math.isfinite(state.score) and (state.env not in found or state.score >= found[state.env].score):
            found[state.env] = state
    return found


def _entry(env: str, root: Path, local: RunState | None, shipped: ShippedAgent | None) -> Entry:
    task = task_of(env)
    score = task.score(env)
    bands = {recipe.algo: recipe for recipe in recipes() if recipe.env == env}
    methods: list[Json] = []
    for algo, recipe in bands.items():
        low, high = recipe.band or (math.nan, math.nan)
        default = "" if recipe.default else f" --algo {algo}"
        methods.append({"algo": algo, "low": low, "high": high, "command": f"logpi train {env}{default}"})
    spaces = task.described(env)
    bounds = "" if score.low is None else f"the {score.label} lies between {score.low:g} and {score.high:g}"
    agents = [_random(env)] if spaces.draws else []
    agents += [_local(local, root)] if local else []
    agents += [_shipped(shipped)] if shipped else []
    return Entry(
        inert(env),
        task.name,
        task.what,
        spaces.observation,
        spaces.action,
        spaces.reward or bounds,
        spaces.limit,
        score.label,
        score.percent,
        spaces.note,
        methods,
        agents,
    )


def _random(env: str) -> Shown:
    command = f"logpi watch {shlex.quote(env)} --random"
    return Shown(RANDOM, "random actions", None, "", math.nan, math.nan, math.nan, "", command, True)


def _local(state: RunState, root: Path) -> Shown:
    folder = RunFolder(root / state.name)
    command = ""
    with contextlib.suppress(OSError, ValueError):
        command = inert(read_text(folder.command_file, 2**16)).strip().splitlines()[0]
    ends = (state.score - state.half, state.score + state.half)
    filmed = task_of(state.env).films and _has_agent(folder.path)
    label = f"best local run, {state.name}"
    return Shown(LOCAL, label, folder.path, state.algo, state.score, *ends, state.over, command, filmed)


def _has_agent(path: Path) -> bool:
    try:
        return agent_folder(path).is_dir()
    except LogpiError:
        return False


def _shipped(agent: ShippedAgent) -> Shown:
    results = agent.results
    low, high = results["interval"]
    over = f"{results['n_eval_episodes']:,} {results['over']}"
    command = f"logpi train --config {shlex.quote(str(agent.path / 'config.toml'))}"
    films = task_of(agent.name).films
    return Shown(
        SHIPPED, "comes with logpi", agent.path, agent.algo, results["mean_reward"], low, high, over, command, films
    )


def film_of(entry: Entry, agent: Shown, folder: Path) -> Path:
    """The film of an agent of the gallery, made once for each content of its files.

    Args:
        entry: the task.
        agent: one of its agents.
        folder: that keeps films; made if need be.

    Raises:
        LogpiError: it cannot be filmed.
    """
    name = folder / f"{film_name(entry, agent)}.mp4"
    for path in (name, name.with_suffix(".gif")):
        if path.is_file():
            return path
    if agent.path is None:
        return film_random(entry.env, name, steps=FILMED)
    episodes, steps = record(entry.kind).preview
    return film(load(agent.path), name, episodes, steps=steps)


def film_name(entry: Entry, agent: Shown) -> str:
    """What a film is called: another name once the agent has changed."""
    said = [entry.env, agent.what]
    if agent.path is not None:
        folder = agent_folder(agent.path)
        stats = [(folder / each).stat() for each in (NAME, WEIGHTS)]
        said += [str(folder), *(f"{found.st_mtime_ns} {found.st_size}" for found in stats)]
    plain = re.sub(r"[^A-Za-z0-9]+", "-", entry.env).strip("-")
    return f"{plain}-{agent.what}-{hashlib.sha256(repr(said).encode()).hexdigest()[:12]}"


def film_folder() -> Path:
    """Where films are kept between processes: beside the cache of compiled programs."""
    return devices.cache_folder().parent / "gallery"


def films(
    entries: Sequence[Entry], folder: Path, tell: Callable[[str], None] = lambda text: None
) -> Iterator[tuple[Entry, Shown, Path | None]]:
    """(task, agent, its film) of all that can be filmed; None where that fails, which ``tell`` hears of."""
    for entry in entries:
        for agent in entry.agents:
            if not agent.filmed:
                continue
            try:
                tell(f"filming {entry.env}: {agent.label}")
                yield entry, agent, film_of(entry, agent, folder)
            except (LogpiError, OSError) as error:
                tell(f"no film of {entry.env}, {agent.label}: {error}")
                yield entry, agent, None
