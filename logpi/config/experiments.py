"""Settings, from least to most binding: defaults ← the recipe of the environment ← a TOML file ← flags.

An unknown key is an error that names the nearest known one. Importing this module does not import JAX.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from logpi.config.settings import Experiment, Run, Section, Wrapping, idle_because
from logpi.config.stored import Recipe, recipe_for, recipes, settled
from logpi.config.values import from_table
from logpi.config.wrappers import PARTS, combined
from logpi.errors import LogpiError, near
from logpi.methods import AnyMethod, find_method, method_names, method_of
from logpi.own_code import absolute
from logpi.tasks import KINDS, NOTHING, Own, Place, Table, Task, check_learns, kind_of, record, task_of

S = TypeVar("S", bound=Section)
SECTIONS = ("run", "method", "network", "env_kwargs")


def promised(experiment: Experiment, given: Recipe | None = None) -> Recipe | None:
    """The recipe whose expected band is one of ``experiment`` too: its settings, however long it learns.

    That is ``given``, the recipe in a file, or one of logpi's. What learns with objects of a program has none: they may
    differ from what has their name.
    """
    if experiment.objects or experiment.policy or experiment.init_from:
        return None
    found = (given, recipe_for(experiment.env, experiment.algo))
    return next((recipe for recipe in found if recipe and _is_made_by(recipe, experiment)), None)


def _is_made_by(recipe: Recipe, experiment: Experiment) -> bool:
    """Whether ``experiment`` has the settings of ``recipe``, but for its length and its run."""
    task = task_of(experiment.env)
    if (recipe.env, recipe.algo) != (experiment.env, experiment.algo):
        return False
    suited = _suited(experiment, recipe)
    own = task.settle(from_table(type(experiment.method), suited["method"], "method"))
    method = dataclasses.replace(own, **{task.horizon: getattr(experiment.method, task.horizon)})
    network = from_table(type(experiment.network), suited.get("network", {}), "network")
    same = (experiment.method, experiment.network, experiment.env_kwargs, experiment.wrappers)
    wrappers = _wrappers(task, experiment.env, recipe, (), NOTHING)
    return same == (method, network, suited.get("env_kwargs", {}), wrappers)


def resolve(env: str, algo: str | None, *tables: Table, own: Own = NOTHING) -> tuple[Experiment, Recipe | None]:
    """The experiment that defaults, recipe and ``tables`` (a file's, then the flags') make together.

    Args:
        env: name of the task.
        algo: name of the method; None: as ``parts_of`` decides.
        tables: settings by section, the most binding ones last.
        own: what a Python program brings.

    Raises:
        LogpiError: unknown algorithm, section or key, or a value of the wrong type.
    """
    env = absolute(env) if ":" in env else env
    task, recipe, method = parts_of(env, algo, own)
    for layer in tables:
        _check_sections(layer)
    kwargs = {k: v for layer in tables for k, v in layer.get("env_kwargs", {}).items()}
    wrappers = _wrappers(task, env, recipe, tables, own)
    kinds = {"method": method.settings, "network": method.network}
    layers = [_suited_to(task, Place(env, kwargs, wrappers), recipe, kinds, own), *tables]

    def section(name: str, kind: type[S]) -> S:
        merged: dict[str, object] = {}
        for layer in layers:
            merged |= layer.get(name, {})
        return from_table(kind, merged, name)

    kwargs = {**layers[0].get("env_kwargs", {}), **kwargs}
    settings, network = section("method", method.settings), section("network", method.network)
    parts = (section("run", Run), settings, network, kwargs)
    return settled(Experiment(env, method.name, *parts, objects=own.given, wrappers=wrappers)), recipe


def _check_sections(layer: Table) -> None:
    if unknown := set(layer) - {*SECTIONS, *PARTS}:
        name = sorted(unknown)[0]
        if not isinstance(layer[name], Mapping | list):
            raise LogpiError(f"{name} stands outside of every section; write it below one of [{'], ['.join(SECTIONS)}]")
        raise LogpiError(f"unknown section [{name}]; allowed: {', '.join(SECTIONS)}{near(name, SECTIONS)}")
    for name in SECTIONS:
        if not isinstance(part := layer.get(name, {}), Mapping):
            raise LogpiError(f"{name} is {part!r}; it must be a table, [{name}] with a line for each setting")


def _wrappers(task: Task, env: str, recipe: Recipe | None, tables: Sequence[Table], own: Own) -> tuple[Wrapping, ...]:
    """The wrappers that the recipe or ``tables`` ask for, else those that the name stands for."""
    layers = [recipe.tables if recipe else {}, *tables]
    given = any(layer.get(part) is not None for layer in layers for part in PARTS)
    asked, frames = combined(layers) if given else (None, None)
    if asked is None:
        asked = [] if own.env is not None else [Wrapping(name, kwargs) for name, kwargs in task.wrappers(env)]
    if not asked and frames is None:
        return ()
    return tuple(Wrapping(name, kwargs) for name, kwargs in task.wrapping(env, asked, frames))


def wrappers_of(env: str, asked: Table) -> tuple[Wrapping, ...]:
    """The wrappers, innermost first, that training by the default method would put around the environment ``env``.

    Args:
        env: name of the environment.
        asked: "wrappers" and "frame_stack", as far as they are given: they take the place of the default ones.

    Raises:
        LogpiError: as ``config.wrappers.combined``, or the task takes none.
    """
    task, recipe, _ = parts_of(env, None)
    return _wrappers(task, env, recipe, (asked,), NOTHING)


def parts_of(env: str, algo: str | None, own: Own = NOTHING) -> tuple[Task, Recipe | None, AnyMethod]:
    """The task called ``env``, its recipe, and its method; ``algo``, or the one that the recipe or the task decides on.

    Raises:
        LogpiError: no such method, or not one of this task.
    """
    asked = None if algo is None else method_of(algo, own.method)
    task, recipe = record(kind_of(env)), recipe_for(env, algo)
    method = asked or find_method(recipe.algo if recipe else task.default_method(env))
    check_learns(env, method.name, method.task, method_names([task.name]))
    return task, recipe, method


def _suited_to(
    task: Task, place: Place, recipe: Recipe | None, kinds: Mapping[str, type[Section]], own: Own
) -> dict[str, Table]:
    """By section, what is taken beside the defaults where nothing is asked for: a recipe's, or what suits the spaces.

    ``kinds`` are the classes of "method" and "network".
    """
    suited = recipe.tables if recipe else _untuned(task, place, kinds, own)
    presets = _known({"method": task.presets(place)}, kinds)["method"]
    return {**suited, "method": {**presets, **suited.get("method", {})}}


def _untuned(task: Task, place: Place, kinds: Mapping[str, type[Section]], own: Own) -> Mapping[str, Table]:
    """What suits a task without a recipe, of the settings that ``kinds`` have."""
    return _known(task.untuned(place) if own.env is None else own.suited, kinds)


def _known(found: Mapping[str, Table], kinds: Mapping[str, type[Section]]) -> Mapping[str, Table]:
    names = {name: {field.name for field in dataclasses.fields(kind)} for name, kind in kinds.items()}
    return {name: {k: v for k, v in table.items() if k in names[name]} for name, table in found.items()}


def _kinds(experiment: Experiment) -> dict[str, type[Section]]:
    return {"method": type(experiment.method), "network": type(experiment.network)}


def _suited(experiment: Experiment, recipe: Recipe | None, own: Own = NOTHING) -> dict[str, Table]:
    task = task_of(experiment.env)
    return _suited_to(task, _place(experiment), recipe, _kinds(experiment), own)


def _place(experiment: Experiment) -> Place:
    return Place(experiment.env, experiment.env_kwargs, experiment.wrappers)


def without_recipe(experiment: Experiment, own: Own = NOTHING) -> str:
    """What is said of an experiment whose task and method have no recipe; "" where they have one."""
    if recipe_for(experiment.env, experiment.algo):
        return ""
    task = task_of(experiment.env)
    found = _untuned(task, _place(experiment), _kinds(experiment), own)
    suited = [f"{k} = {v}" for table in found.values() for k, v in table.items()]
    besides = f", and {', '.join(suited)} for its spaces unless you said otherwise" if suited else ""
    return f"no recipe for {experiment.env} with {experiment.algo}: the method's defaults{besides}"


class Listed(NamedTuple):
    """One line of ``logpi envs``."""

    env: str
    task: str  # kind of task
    runs_on: str  # "device" or "host"
    recipes: dict[str, tuple[float, float] | None]  # method -> expected band of the score


def environments() -> list[Listed]:
    """All that can be learnt by name: environments on the device, image tasks, games, and every Gymnasium id."""
    listed = []
    for task in map(record, KINDS):
        for name in task.names():
            bands = {r.algo: r.band for r in recipes() if r.env == name}
            listed.append(Listed(name, task.name, task.runs_on(name), bands))
    return sorted(listed, key=lambda entry: entry.env)


def check_used(experiment: Experiment, idle: Mapping[str, str], own: Own = NOTHING) -> None:
    """Refuse settings that were asked for and do nothing.

    Args:
        experiment: a value that is the default, or the recipe's, was not asked for.
        idle: "section.setting" -> why it does nothing in the task of ``experiment``.
        own: what a Python program brings.

    Raises:
        LogpiError: with the reason.
    """
    suited = _suited(experiment, recipe_for(experiment.env, experiment.algo), own)
    for where in ("run", "method", "network"):
        config = getattr(experiment, where)
        usual = from_table(type(config), suited.get(where, {}), where)
        for name, default in dataclasses.asdict(type(config)()).items():
            value, why = getattr(config, name), idle.get(f"{where}.{name}") or idle_because(config, name)
            if why and value not in (default, getattr(usual, name)):
                raise LogpiError(f"{where}.{name} is {value}, which would do nothing: {why}; leave it out")
