"""Settings as they are stored: recipes, a TOML file of the user's, a run's ``config.toml``, and an agent's card.

Importing this module does not import JAX.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from logpi.config.settings import Experiment, Run, Section, check_ranges
from logpi.config.values import checked, from_table, plain_argument, to_table
from logpi.config.wrappers import as_tables, wrappings
from logpi.errors import LogpiError
from logpi.methods import Method, method_of
from logpi.own_code import absolute
from logpi.runs.files import Json, parse_toml
from logpi.tasks import NOTHING, Own, Table, task_of

S = TypeVar("S", bound=Section)

LOAD = "logpi.load(path, ARGUMENTS)"  # what messages advise where an agent needs objects
RECIPE = "recipe"  # section of a recipe: what it is for
HISTORY = "history"  # in config.toml: the lengths that a run had before, a table each
FORMAT_VERSION = 2  # of config.toml; 1 had no number, and other names of settings


class Recipe(NamedTuple):
    """A tuned preset: one TOML file in ``logpi/recipes``, or one that a sweep has found."""

    env: str
    algo: str
    tables: Table  # run, method, network
    default: bool = False  # the algorithm that `logpi train ENV` takes
    source: str = ""  # where its settings come from
    seconds: float = math.nan  # training time on two cores
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
            head = table.pop(RECIPE)
            found.append(Recipe(tables=table, **head))
    return found


def recipe_for(env: str, algo: str | None) -> Recipe | None:
    """The recipe of an environment: of ``algo``, or the one marked as its default; a game's rules may have settings."""
    board = re.sub(r":[a-z]+=.*", "", env)
    return next((r for r in recipes() if r.env == board and (r.default if algo is None else r.algo == algo)), None)


class SettingsFile(NamedTuple):
    """What a TOML file asks for; a run's own ``config.toml`` is one. "" where it does not say."""

    env: str = ""
    algo: str = ""
    policy: str = ""
    init_from: str = ""
    objects: tuple[str, ...] = ()  # parts that a Python program gave, which no file can hold
    sections: Table = MappingProxyType({})
    recipe: Recipe | None = None  # where it is one


def read_file(path: str | Path) -> SettingsFile:
    """A TOML file with ``[run]``, ``[method]``, ``[network]``, ``[env_kwargs]``, ``[[wrappers]]``; also a config.toml,
    and a recipe, whose ``[recipe]`` names environment, method and the expected scores.

    Raises:
        LogpiError: it cannot be read, is not TOML, has another format, or names an environment that is not text.
    """
    try:
        table = parse_toml(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LogpiError(f"cannot read the config file {path}: {error}") from error
    sections = _of_this_format({"format_version": FORMAT_VERSION} | table, str(path))
    texts = ("env", "algo", "policy", "init_from")
    about = sections.pop(RECIPE, None)
    head = {name: sections.pop(name) for name in texts if name in sections}
    objects = sections.pop("objects", [])
    sections.pop(HISTORY, None)
    sections = _with_none(sections) if "env_kwargs_none" in sections else sections
    for name, value in head.items():
        if not isinstance(value, str):
            raise LogpiError(f'{path}: {name} is {value!r}; it must be text, such as {name} = "..."')
    if not (isinstance(objects, list) and all(isinstance(name, str) for name in objects)):
        raise LogpiError(f"{path}: objects is {objects!r}; it must be a list of names, such as []")
    recipe = None if about is None else _recipe(about, sections, str(path))
    head |= {"env": recipe.env, "algo": recipe.algo} if recipe else {}
    return SettingsFile(**head, objects=tuple(objects), sections=sections, recipe=recipe)


def _recipe(about: Any, tables: Table, path: str) -> Recipe:
    """The recipe in a file at ``path``, with the settings ``tables``.

    Raises:
        LogpiError: its ``[recipe]`` has an unknown entry, one of another type, or names no environment or no method.
    """
    kinds = {"env": str, "algo": str, "default": bool, "source": str, "seconds": float, "low": float, "high": float}
    if not isinstance(about, Mapping) or not {"env", "algo"} <= set(about) <= set(kinds):
        raise LogpiError(f"{path}: [recipe] needs env and algo; also allowed: {', '.join(list(kinds)[2:])}")
    given = {name: checked(f"recipe.{name}", kinds[name], value) for name, value in about.items()}
    return Recipe(**given, tables=tables)


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


def _of_this_format(table: Table, where: str) -> Json:
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
        wrappers=tuple(wrappings(experiment.wrappers)) if experiment.wrappers else (),
        method=task_of(experiment.env).settle(experiment.method),
        env_kwargs=kwargs,
    )


def experiment_to_table(experiment: Experiment) -> Json:
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
        "wrappers": as_tables(experiment.wrappers) if experiment.wrappers else [],
    }


def _with_none(table: Table) -> Json:
    """``table`` whose keyword arguments of the environment have those again that are None.

    Raises:
        LogpiError: either is of another type.
    """
    none, kwargs = table.get("env_kwargs_none", []), table.get("env_kwargs", {})
    if not (isinstance(none, list) and all(isinstance(name, str) for name in none) and isinstance(kwargs, Mapping)):
        raise LogpiError(f"env_kwargs_none is {none!r}; it must be a list of names beside a table [env_kwargs]")
    rest = {name: value for name, value in table.items() if name != "env_kwargs_none"}
    return rest | {"env_kwargs": {**kwargs, **dict.fromkeys(none)}}


def experiment_from_table(table: Table, own: Own = NOTHING) -> Experiment:
    """The experiment of a run's ``config.toml``; a setting that it lacks has its default.

    Raises:
        LogpiError: another format, a missing part, an unknown setting, or a method that is an object and is not there.
    """
    table = _of_this_format(table, "config.toml")
    try:
        env, algo, policy = (_text(table, name) for name in ("env", "algo", "policy"))
        objects = tuple(map(str, table.get("objects", ())))
        if "algo" in objects:
            check_objects(objects, own.given, "logpi.resume(path, ARGUMENTS)")
        method = method_of(algo, own.method)
        experiment = Experiment(
            env,
            method.name,
            from_table(Run, table["run"], "run"),
            from_table(method.settings, table["method"], "method"),
            from_table(method.network, table["network"], "network"),
            _with_none(table)["env_kwargs"],
            policy,
            str(table.get("init_from", "")),
            objects,
            tuple(wrappings(table.get("wrappers", ()))),
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


def settings_card(experiment: Experiment) -> Json:
    """What an agent's card says of its experiment, without infinite defaults: JSON has no infinity."""

    def finite(config: Section) -> Json:
        usual = to_table(type(config)())
        return {k: v for k, v in to_table(config).items() if v != math.inf or usual[k] != math.inf}

    sections = {"method": finite(experiment.method), "network": finite(experiment.network)}
    return {"env": experiment.env, "algo": experiment.algo, "objects": list(experiment.objects), **sections}


INFINITIES = {"inf": math.inf, "-inf": -math.inf}  # as JSON has them (``logpi.runs.files.json_text``)


def from_card(kind: type[S], table: Table, where: str) -> S:
    """Settings from an agent's card, where infinities are texts; raises as ``from_table``."""
    given = {k: INFINITIES.get(v, v) if isinstance(v, str) else v for k, v in table.items()}
    return from_table(kind, given, where)


def settings_from(card: Table, own: Own = NOTHING) -> tuple[Method[..., Any], Any, Any]:
    """The method, its settings and those of its network, from an agent's card.

    Raises:
        KeyError, ValueError, LogpiError: the card is incomplete or altered, or it needs an object that is not there.
    """
    check_objects([name for name in card.get("objects", ()) if name == "algo"], own.given, LOAD)
    try:
        method = method_of(card["algo"], own.method)
    except LogpiError as error:
        raise ValueError(str(error)) from error
    settings = from_card(method.settings, card["method"], "method")
    return method, settings, from_card(method.network, card["network"], "network")
