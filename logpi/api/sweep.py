"""Searches for settings from Python: ``logpi.sweep``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from logpi import own_code
from logpi.api.again import brought_to_its_end
from logpi.api.runs import train
from logpi.clusters.jobs import Job, Place
from logpi.clusters.place import HERE, place_of
from logpi.config.call import experiment_of
from logpi.config.settings import Experiment, Run
from logpi.config.stored import SettingsFile, read_file, settled
from logpi.config.values import plain
from logpi.driver import devices
from logpi.errors import LogpiError, NotFiniteError
from logpi.runs.create import toml_text
from logpi.runs.files import Json, atomic_write
from logpi.runs.lock import locked
from logpi.runs.scores import significant
from logpi.sweeps.folder import RECIPE, RUNS, TABLE, Plan, Reached, read_plan, write_plan
from logpi.sweeps.group import Group
from logpi.sweeps.halving import rounds as rounds_of
from logpi.sweeps.result import Row, band, markdown, recipe_table, rows_of
from logpi.sweeps.rounds import Rounds
from logpi.sweeps.samplers import sampler_of
from logpi.sweeps.search import Search, Tell
from logpi.sweeps.space import space_of
from logpi.tasks import Band, check_name, task_of
from logpi.training.signals import stop_on_signal

OUT = "sweep"  # folder
EPISODES = 20  # of the evaluation at the end of a round, where the settings do not say
SPACE = "space"  # section of a settings file
RESERVED = ("seed", "seeds", "log_dir")  # settings that the sweep itself decides
# of every configuration: it is evaluated at the end of a round, and nothing else ends it
BASE: Mapping[str, object] = {
    **{"video": False, "tensorboard": False, "tracker": "none"},
    **{"eval_points": 0, "stop_at": math.inf, "stop_unbeatable": False, "minutes": math.inf},
}


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A sweep that was made: where it lies, and what it has found."""

    folder: Path
    recipe: Path  # recipe.toml, which ``logpi train --config`` takes
    rows: Sequence[Row]  # every configuration, the best one first
    band: Band | None = None  # lowest and highest expected score of a further run; None: it was not trained again
    text: str = ""  # what ``logpi sweep`` says at the end

    @property
    def best(self) -> Mapping[str, Any]:
        """The best settings."""
        return self.rows[0].settings

    def __repr__(self) -> str:
        return f"Sweep({str(self.folder)!r}, score {significant(self.rows[0].score)}, {dict(self.best)})"

    def to_json(self) -> Json:
        """The outcome of ``logpi sweep --json``."""
        first = {"settings": self.best, "score": self.rows[0].score, "configuration": self.rows[0].number}
        expected = {"low": self.band[0], "high": self.band[1]} if self.band else {}
        return {"folder": self.folder, "recipe": self.recipe, "configurations": len(self.rows), **first, **expected}


def sweep(
    env: str | None = None,
    algo: str | None = None,
    *,
    space: Mapping[str, object] | None = None,
    config: str | Path | None = None,
    configurations: int = 64,
    seeds: int = 1,
    seed: int = 0,
    sampler: str = "random",
    batch: int = 16,
    halving: int = 0,
    rounds: int = 3,
    retrain: int = 5,
    out: str | Path = OUT,
    on: str = HERE,
    cores: int = 1,
    tell: Tell = lambda text: None,
    **settings: object,
) -> Sweep:
    """Search for the settings of a method, with many configurations in one compiled program.

    An interrupted sweep goes on when it is called again with the same ``out``, to the same numbers. Without ``env``,
    ``space`` and ``config`` the sweep in ``out`` goes on.

    Args:
        env: a name of ``logpi envs``; None: what ``config`` names.
        algo: name of the method; None: that of ``config`` or of the environment's recipe.
        space: what is searched, beside the table ``[space]`` of ``config``: settings of the method or its network, each
            with a list of values, ``{"log": [low, high]}`` or ``{"uniform": [low, high]}``.
        config: a TOML file of settings that all configurations have.
        configurations: number of configurations.
        seeds: number of seeds of each; the score is their mean.
        seed: first seed; the configurations are drawn by it too.
        sampler: "random", or "optuna" for its tree-structured Parzen estimator (``pip install optuna``).
        batch: number of configurations at a time, side by side, before Optuna learns from them.
        halving: factor η of successive halving: the best 1/η of the configurations go on from each round, for η times
            as long; 0: all train to the end.
        rounds: number of rounds, at most, where ``halving`` is not 0.
        retrain: number of seeds that train the best settings again, from which the recipe's band follows; 0: none.
        out: folder of the sweep.
        on: where configurations are trained: "here" in this process, "ray" or "ray:ADDRESS", "slurm" or
            "slurm:PARTITION", or "processes" of this machine. All machines must reach ``out`` by the same path.
        cores: CPUs that each program asks a cluster for.
        tell: called with a line for each program that was trained.
        **settings: settings that all configurations have, such as ``total_timesteps=60_000``.

    Returns:
        The folder, the recipe and every configuration.

    Raises:
        LogpiError: a name, a setting or a range is wrong, the place cannot be reached, or no configuration can be
            trained.
        KeyboardInterrupt: training was stopped; the same call goes on.
    """
    folder, plan = Path(out), _plan(env, algo, space, config, settings)
    plan = plan._replace(configurations=configurations, seeds=seeds, seed=seed, sampler=sampler, batch=batch)
    plan = plan._replace(halving=halving, rounds=rounds, retrain=retrain)
    named = [x for x in (env, algo) if x]  # not what files name
    return _gone_on(folder, plan if plan.env or plan.space else _old(folder), named, on, cores, tell)


def _plan(
    env: str | None,
    algo: str | None,
    space: Mapping[str, object] | None,
    config: str | Path | None,
    settings: Mapping[str, object],
) -> Plan:
    """What the arguments of a sweep and its settings file say together."""
    file = read_file(config) if config is not None else SettingsFile()
    if file.init_from:
        raise LogpiError(f"{config} has init_from: the configurations of a sweep begin untrained; leave it out")
    sections = dict(file.sections)
    searched = {**_table(sections.pop(SPACE, {})), **(space or {})}
    common = {name: plain(value) for name, value in settings.items()}
    return Plan(env or file.env, algo or file.algo, file.policy, searched, sections, common)


def _table(given: object) -> Mapping[str, object]:
    if not isinstance(given, Mapping):
        raise LogpiError(f"space is {given!r:.80}; it must be a table, [space] with a line for each setting")
    return given


def _old(folder: Path) -> Plan:
    """The plan in ``folder``, where nothing else is asked for."""
    found = read_plan(folder)
    if found is None:
        raise LogpiError(f"nothing to search: give an environment and a space; {folder} holds no sweep to go on")
    return found


def _check(plan: Plan) -> None:
    """Refuse what cannot be searched, or is out of range.

    Raises:
        LogpiError: with what is allowed.
    """
    for name, value, least in (
        ("configurations", plan.configurations, 1),
        ("seeds", plan.seeds, 1),
        ("batch", plan.batch, 1),
        ("seed", plan.seed, 0),
    ):
        if value < least:
            raise LogpiError(f"{name} is {value}; it must be at least {least}")
    if plan.retrain != 0 and plan.retrain < 2:
        raise LogpiError(
            f"retrain is {plan.retrain}; allowed: 0 (none), or at least 2: one seed says nothing of a spread"
        )
    if not plan.env:
        raise LogpiError("the sweep has no environment: give one, or env in the settings file")
    check_name(plan.env)
    if taken := [name for name in plan.settings if name in (*RESERVED, *BASE)]:
        raise LogpiError(f"{taken[0]} is a setting of a single run, and the sweep decides it; leave it out")
    whole = {*(field.name for field in dataclasses.fields(Run)), task_of(plan.env).horizon}
    for name in plan.space:
        if name in whole:
            raise LogpiError(f"space.{name}: only settings of the method and its network are searched; leave it out")
        if name in plan.settings:
            raise LogpiError(f"{name} is given twice, in the space and by itself; leave one out")


def _gone_on(folder: Path, plan: Plan, named: Sequence[str], on: str, cores: int, tell: Tell) -> Sweep:
    """Search from where the sweep in ``folder`` stands; raises as ``sweep``."""
    _check(plan)
    with locked(folder, "sweep"), own_code.command(named):
        own_code.require_code(plan.env, plan.algo, plan.policy)
        try:
            return _made(folder, plan, place_of(on, folder, cores), named, tell)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"`logpi sweep --out {folder}` goes on") from stop


def _made(folder: Path, plan: Plan, place: Place, named: Sequence[str], tell: Tell) -> Sweep:
    """Search, train the best settings again, and write what was found."""

    def work(settings: Mapping[int, Json], names: Sequence[str], going: Sequence[int], share: float) -> Job:
        name = f"configurations {', '.join(map(str, going))}"
        return Job(name, train_group, (str(folder), plan, dict(settings), [*names], [*going], share, [*named]))

    with stop_on_signal(lambda what, done, total: None, tell) as stop:
        rows = _searched(folder, plan, Search(folder, place, work, stop.watch, tell))
    best = _experiment(folder, plan, rows[0].settings)
    table = markdown(rows, f"{best.env}, {best.algo}: {len(rows)} configurations")
    atomic_write(folder / TABLE, table.encode())
    source = f"logpi sweep, seed {plan.seed}: the best of {plan.configurations} configurations"
    recipe = folder / RECIPE
    atomic_write(recipe, toml_text(recipe_table(best, source)).encode())
    scores = _retrained(folder, plan, tell) if plan.retrain else []
    expected = band(scores, task_of(best.env).score(best.env)) if scores else None
    if expected:
        source += f"; low and high: a further seed, by {plan.retrain} others"
        atomic_write(recipe, toml_text(recipe_table(best, source, expected)).encode())
    return Sweep(folder, recipe, rows, expected, "\n".join([table.rstrip(), "", *_said(recipe, scores, expected)]))


def train_group(
    folder: str,
    plan: Plan,
    settings: Mapping[int, Json],
    names: Sequence[str],
    going: Sequence[int],
    share: float,
    named: Sequence[str],
    tell: Tell,
) -> dict[int, Reached]:
    """Train configurations side by side to a share of their length, and evaluate them; the work of a ``Job``.

    Args:
        folder: of the sweep.
        plan: that of the folder.
        settings: own settings of the group's configurations, by number.
        names: settings that are arrays of the group's program.
        going: numbers of those that are trained.
        share: of their length.
        named: code that the command named.
        tell: called with each line.

    Raises:
        LogpiError: the disk refuses, or one does not fit into memory.
        KeyboardInterrupt: training was stopped; what was done is saved.
    """
    with own_code.command(named), stop_on_signal(lambda what, done, total: None, tell) as stop:
        devices.prepare()
        group = Group({number: _experiment(Path(folder), plan, own) for number, own in settings.items()}, names)
        return Rounds(group, Path(folder), stop.watch).to(going, share)


def _searched(folder: Path, plan: Plan, search: Search) -> list[Row]:
    """Every configuration, the best one first; a sampler that learns gets them batch by batch."""
    sampler = sampler_of(plan.sampler, space_of(plan.space), plan.seed)
    every = range(plan.configurations)
    at_once = plan.batch if sampler.learns else len(every)
    for numbers in (every[first : first + at_once] for first in range(0, len(every), at_once)):
        settings = sampler.ask(numbers)
        experiments = {number: _experiment(folder, plan, own) for number, own in settings.items()}
        rounds = rounds_of(len(numbers), plan.halving, plan.rounds)
        write_plan(folder, plan)  # whose settings are allowed
        devices.prepare()
        search.through(experiments, settings, rounds)
        sampler.tell(search.merits(numbers))
    rows = rows_of(search.ledger, search.settings)
    if rows[0].reached[-1].merit is None:
        raise LogpiError("the numbers of every configuration became NaN or infinite; search lower learning rates")
    return rows


def _experiment(folder: Path, plan: Plan, own: Json) -> Experiment:
    """The experiment of a configuration with the settings ``own``."""
    table = {**BASE, "seed": plan.seed, "seeds": plan.seeds, "log_dir": str(folder / RUNS)}
    given = SettingsFile(sections=plan.sections)
    found = experiment_of(plan.env, plan.algo or None, given, {**plan.settings, **own}, run=table)
    run = dataclasses.replace(found.run, eval_episodes=found.run.eval_episodes or EPISODES)
    return settled(dataclasses.replace(found, policy=plan.policy, run=run))


def _retrained(folder: Path, plan: Plan, tell: Tell) -> list[float]:
    """Scores of seeds that had no part in the search, trained with the recipe in ``folder``; [] where they diverged."""
    place = folder / RUNS
    run = {"seed": plan.seed + plan.seeds, "seeds": plan.retrain, "log_dir": str(place)}
    run |= {name: BASE[name] for name in ("video", "tensorboard")}
    tell(f"training the best settings again, {plan.retrain} further seeds")
    try:
        found = brought_to_its_end(place, lambda: train(config=folder / RECIPE, quiet=True, run=run))
    except NotFiniteError as error:
        tell(f"the recipe has no band: {error}")
        return []
    return [float(score) for score in found.result["mean_reward"]]


def _said(recipe: Path, scores: Sequence[float], expected: Band | None) -> list[str]:
    """Last lines of a sweep."""
    if not expected:
        return [f"recipe  {recipe}", f"next    logpi train --config {recipe}"]
    low, high = map(significant, expected)
    mean = significant(sum(scores) / len(scores))
    again = f"trained again with {len(scores)} further seeds: {mean}; a further one is expected from {low} to {high}"
    return [again, f"recipe  {recipe}", f"next    logpi train --config {recipe}"]
