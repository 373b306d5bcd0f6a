"""Settings, from least to most binding: defaults ← the recipe of the environment ← a TOML file ← flags.

An unknown key is an error that names the nearest known one. Importing this module does not import JAX.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import tomllib
import typing
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from logpi.config.settings import Experiment, Run, check_ranges
from logpi.config.values import checked, near, plain, plain_argument
from logpi.errors import LogpiError
from logpi.methods import Method, find_method, method_names
from logpi.own_code import absolute
from logpi.runs.files import parse_toml
from logpi.tasks import KINDS, LAST, Table, Task, kind_of, record, task_of

SECTIONS = ("run", "method", "network", "env_kwargs")
HISTORY = "history"  # in config.toml: the lengths that a run had before, a table each
FORMAT_VERSION = 2  # of config.toml; 1 had no number, and other names of settings

# other spellings of Stable-Baselines3's names, CleanRL's above all, where the values mean the same
ALIASES = {
    "lr": "learning_rate",
    "timesteps": "total_timesteps",
    "num_envs": "n_envs",
    "num_steps": "n_steps",
    "clip_coef": "clip_range",
    "update_epochs": "n_epochs",
}


class Recipe(NamedTuple):
    """A tuned preset: one TOML file in ``logpi/recipes``."""

    env: str
    algo: str
    default: bool  # the algorithm that `logpi train ENV` takes
    source: str  # where its settings come from
    seconds: float  # training time on two cores
    tables: Table  # run, method, network
    low: float | None = None  # expected band of the mean greedy return after training, where it is known
    high: float | None = None

    @property
    def band(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)


@functools.cache
def recipes() -> list[Recipe]:
    """All recipes that ship with logpi."""
    found = []
    for file in sorted(resources.files("logpi.recipes").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            table = _of_this_format(tomllib.loads(file.read_text(encoding="utf-8")), file.name)
            head = table.pop("recipe")
            found.append(Recipe(tables=table, **head))
    return found


def recipe_for(env: str, algo: str | None) -> Recipe | None:
    """The recipe of an environment: of ``algo``, or the one marked as its default."""
    return next((r for r in recipes() if r.env == env and (r.default if algo is None else r.algo == algo)), None)


def promised(experiment: Experiment, resolved: tuple[Experiment, Recipe | None] | None = None) -> Recipe | None:
    """The recipe whose expected band is one of ``experiment`` too: its settings, however long it learns.

    ``resolved`` is what ``resolve`` makes of the task and the method alone, where that is known already.
    """
    if recipe_for(experiment.env, experiment.algo) is None:
        return None
    own, recipe = resolved or resolve(experiment.env, experiment.algo)
    length = task_of(experiment.env).horizon
    method = dataclasses.replace(own.method, **{length: getattr(experiment.method, length)})
    same = (experiment.method, experiment.network, experiment.env_kwargs) == (method, own.network, own.env_kwargs)
    return recipe if same and not experiment.policy and not experiment.init_from else None


def resolve(env: str, algo: str | None, *tables: Table) -> tuple[Experiment, Recipe | None]:
    """The experiment that defaults, recipe and ``tables`` (a file's, then the flags') make together.

    Raises:
        LogpiError: unknown algorithm, section or key, or a value of the wrong type.
    """
    env = absolute(env) if ":" in env else env
    task, recipe, method = parts_of(env, algo)
    for layer in tables:
        if unknown := set(layer) - set(SECTIONS):
            name = sorted(unknown)[0]
            raise LogpiError(f"unknown section [{name}]; allowed: {', '.join(SECTIONS)}{near(name, SECTIONS)}")
        for name, part in layer.items():
            if not isinstance(part, Mapping):
                raise LogpiError(f"{name} is {part!r}; it must be a table, [{name}] with a line for each setting")
    kwargs = {k: v for layer in tables for k, v in layer.get("env_kwargs", {}).items()}
    suited = recipe.tables if recipe else _untuned(task, env, kwargs, method)
    layers = [{"method": task.presets(env)}, suited, *tables]

    def section(name: str, kind: type[Any]) -> Any:
        merged: dict[str, Any] = {}
        for layer in layers:
            merged |= layer.get(name, {})
        return from_table(kind, merged, name)

    kwargs = {**suited.get("env_kwargs", {}), **kwargs}
    settings, network = section("method", method.settings), section("network", method.network)
    return settled(Experiment(env, method.name, section("run", Run), settings, network, kwargs)), recipe


def parts_of(env: str, algo: str | None) -> tuple[Task, Recipe | None, Method[..., Any]]:
    """The task called ``env``, its recipe, and its method; ``algo``, or the one that the recipe or the task decides on.

    Raises:
        LogpiError: no such method, or not one of this task.
    """
    asked = None if algo is None else find_method(algo)
    task, recipe = record(kind_of(env)), recipe_for(env, algo)
    method = asked or find_method(recipe.algo if recipe else task.default_method(env))
    _check_pair(env, task, method)
    return task, recipe, method


def settled(experiment: Experiment) -> Experiment:
    """``experiment`` as a run keeps it, whichever way its settings came: checked, with absolute paths, plain values.

    Raises:
        LogpiError: a setting is out of its range, or an argument of the environment is not a plain value.
    """
    for name in ("run", "method", "network"):
        check_ranges(name, getattr(experiment, name))
    kwargs = {name: plain_argument(f"env_kwargs.{name}", value) for name, value in experiment.env_kwargs.items()}
    return dataclasses.replace(
        experiment,
        env=absolute(experiment.env),
        policy=absolute(experiment.policy),
        method=task_of(experiment.env).settle(experiment.method),
        env_kwargs=kwargs,
    )


def _untuned(task: Task, env: str, env_kwargs: Table, method: Method[..., Any]) -> dict[str, Table]:
    """What suits a task without a recipe, of the settings that ``method`` has."""
    kinds = {"method": method.settings, "network": method.network}
    known = {name: {field.name for field in dataclasses.fields(kind)} for name, kind in kinds.items()}
    found = task.untuned(env, env_kwargs)
    return {name: {k: v for k, v in table.items() if k in known[name]} for name, table in found.items()}


def without_recipe(experiment: Experiment) -> str:
    """What is said of an experiment whose task and method have no recipe; "" where they have one."""
    if recipe_for(experiment.env, experiment.algo):
        return ""
    found = task_of(experiment.env).untuned(experiment.env, experiment.env_kwargs)
    suited = [f"{k} = {v}" for table in found.values() for k, v in table.items()]
    besides = f", and {', '.join(suited)} for its spaces unless you said otherwise" if suited else ""
    return f"no recipe for {experiment.env} with {experiment.algo}: the method's defaults{besides}"


def _check_pair(env: str, task: Task, method: Method[..., Any]) -> None:
    """Images, games and environments each have their own methods."""
    known = task.knows(env)
    if known and method.task == task.name:
        return
    if known and task.name != LAST:
        fit = ", ".join(method_names(task.name))
        raise LogpiError(f"{env} is {task.what}, which {method.name} does not learn; its algorithms: {fit}")
    own = record(method.task) if known else task
    name, there = method.name if own.name == method.task else own.default_method(env), own.names()
    raise LogpiError(f"{name} {own.does}, and {env!r} is not one of its tasks: {', '.join(there)}{near(env, there)}")


class SettingsFile(NamedTuple):
    """What a TOML file asks for; a run's own ``config.toml`` is one. "" where it does not say."""

    env: str = ""
    algo: str = ""
    policy: str = ""
    init_from: str = ""
    objects: tuple[str, ...] = ()  # parts that a Python program gave, which no file can hold
    sections: Table = MappingProxyType({})


def read_file(path: str | Path) -> SettingsFile:
    """A TOML file with the sections ``[run]``, ``[method]``, ``[network]``, ``[env_kwargs]``, or a run's config.toml.

    Raises:
        LogpiError: it cannot be read, is not TOML, has another format, or names an environment that is not text.
    """
    try:
        table = parse_toml(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LogpiError(f"cannot read the config file {path}: {error}") from error
    sections = _of_this_format({"format_version": FORMAT_VERSION} | table, str(path))
    texts = ("env", "algo", "policy", "init_from")
    head = {name: sections.pop(name) for name in texts if name in sections}
    objects = sections.pop("objects", [])
    sections.pop(HISTORY, None)
    sections = _with_none(sections) if "env_kwargs_none" in sections else sections
    for name, value in head.items():
        if not isinstance(value, str):
            raise LogpiError(f'{path}: {name} is {value!r}; it must be text, such as {name} = "..."')
    if not (isinstance(objects, list) and all(isinstance(name, str) for name in objects)):
        raise LogpiError(f"{path}: objects is {objects!r}; it must be a list of names, such as []")
    return SettingsFile(**head, objects=tuple(objects), sections=sections)


def check_objects(objects: Sequence[str], given: Sequence[str], call: str) -> None:
    """Refuse to go on from a run that was trained with ``objects`` of a Python program that are not ``given`` again.

    Args:
        objects: names of the parts, such as "env".
        given: names of those that are here.
        call: what the message advises, with ARGUMENTS where they belong.

    Raises:
        LogpiError: some are missing.
    """
    if missing := [name for name in objects if name not in given]:
        call = call.replace("ARGUMENTS", ", ".join(f"{name}=..." for name in missing))
        raise LogpiError(
            f"the run was trained with objects of a Python program: {', '.join(missing)}. No file can hold them: give "
            f"the same again, {call}"
        )


def _of_this_format(table: Table, where: str) -> dict[str, Any]:
    """``table`` without its ``format_version``.

    Raises:
        LogpiError: another version, or none.
    """
    version = table.get("format_version", 1)
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        raise LogpiError(
            f"{where} has format_version {version}, this logpi reads {FORMAT_VERSION}: "
            + ("upgrade logpi" if newer else "settings had other names then; start again with `logpi train`")
        )
    return {name: value for name, value in table.items() if name != "format_version"}


def from_table(kind: type[Any], table: Table, where: str) -> Any:
    """A config dataclass from plain values; everything is checked.

    Raises:
        LogpiError: unknown key, a value of the wrong type, or one that is out of its range.
    """
    hints = typing.get_type_hints(kind)
    values = {}
    for key, given in table.items():
        value = plain(given)
        if key not in hints:
            hint = f"; write {ALIASES[key]}" if key in ALIASES else near(key, hints)
            raise LogpiError(f"unknown setting {where}.{key}{hint or '; allowed: ' + ', '.join(hints)}")
        values[key] = checked(f"{where}.{key}", hints[key], value)
    config = kind(**values)
    check_ranges(where, config)
    return config


def to_table(config: Any) -> dict[str, Any]:
    """A config dataclass as plain values."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()}


def settings_card(experiment: Experiment) -> dict[str, Any]:
    """What an agent's card says of its experiment, without infinite defaults: JSON has no infinity."""

    def finite(config: Any) -> dict[str, Any]:
        usual = to_table(type(config)())
        return {k: v for k, v in to_table(config).items() if v != math.inf or usual[k] != math.inf}

    sections = {"method": finite(experiment.method), "network": finite(experiment.network)}
    return {"env": experiment.env, "algo": experiment.algo, **sections}


def settings_from(card: Table) -> tuple[Any, Any]:
    """Settings of the method and of its network, from an agent's card.

    Raises:
        KeyError, ValueError, LogpiError: the card is incomplete or altered.
    """
    try:
        method = find_method(card["algo"])
    except LogpiError as error:
        raise ValueError(str(error)) from error
    return from_table(method.settings, card["method"], "method"), from_table(method.network, card["network"], "network")


def experiment_to_table(experiment: Experiment) -> dict[str, Any]:
    """What ``config.toml`` of a run holds; keyword arguments that are None stand in a list, as TOML has no null."""
    none = [name for name, value in experiment.env_kwargs.items() if value is None]
    return {
        "format_version": FORMAT_VERSION,
        "env": experiment.env,
        "algo": experiment.algo,
        "policy": experiment.policy,
        "init_from": experiment.init_from,
        "objects": list(experiment.objects),
        "run": to_table(experiment.run),
        "method": to_table(experiment.method),
        "network": to_table(experiment.network),
        "env_kwargs": {name: value for name, value in experiment.env_kwargs.items() if value is not None},
        **({"env_kwargs_none": none} if none else {}),
    }


def _with_none(table: Table) -> dict[str, Any]:
    """``table`` whose keyword arguments of the environment have those again that are None.

    Raises:
        LogpiError: either is of another type.
    """
    none, kwargs = table.get("env_kwargs_none", []), table.get("env_kwargs", {})
    if not (isinstance(none, list) and all(isinstance(name, str) for name in none) and isinstance(kwargs, Mapping)):
        raise LogpiError(f"env_kwargs_none is {none!r}; it must be a list of names beside a table [env_kwargs]")
    rest = {name: value for name, value in table.items() if name != "env_kwargs_none"}
    return rest | {"env_kwargs": {**kwargs, **dict.fromkeys(none)}}


def experiment_from_table(table: Table) -> Experiment:
    """The experiment of a run's ``config.toml``; a setting that it lacks has its default.

    Raises:
        LogpiError: another format, a missing part, or an unknown setting.
    """
    table = _of_this_format(table, "config.toml")
    try:
        env, algo, policy = (_text(table, name) for name in ("env", "algo", "policy"))
        method = find_method(algo)
        experiment = Experiment(
            env,
            method.name,
            from_table(Run, table["run"], "run"),
            from_table(method.settings, table["method"], "method"),
            from_table(method.network, table["network"], "network"),
            _with_none(table)["env_kwargs"],
            policy,
            str(table.get("init_from", "")),
            tuple(map(str, table.get("objects", ()))),
        )
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise LogpiError(
            f"config.toml is incomplete or altered ({error}); restore it, or start again with `logpi train`"
        ) from error
    return settled(experiment)


def _text(table: Table, name: str) -> str:
    """The text called ``name``; "" where a policy is missing."""
    value = table.get(name, "") if name == "policy" else table[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, which is not a text")
    return value


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
