"""Settings, from least to most binding: defaults ← the recipe of the environment ← a TOML file ← flags.

An unknown key is an error that names the nearest known one. Importing this module does not import JAX.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import os
import tomllib
import typing
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from logpi.config.settings import (
    ALGORITHMS,
    BOARDS,
    NETWORKS,
    SHIPPED,
    SIZED_BOARDS,
    TASKS,
    ControlSettings,
    Experiment,
    ImageSettings,
    Network,
    Run,
    SelfPlaySettings,
    Settings,
    is_game,
)
from logpi.errors import LogpiError

Table = Mapping[str, Any]
SECTIONS = ("run", "method", "network", "env_kwargs")

# CleanRL's spellings of Stable-Baselines3's names, where the values mean the same
ALIASES = {
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
            table = tomllib.loads(file.read_text(encoding="utf-8"))
            head = table.pop("recipe")
            found.append(Recipe(tables=table, **head))
    return found


def recipe_for(env: str, algo: str | None) -> Recipe | None:
    """The recipe of an environment: of ``algo``, or the one marked as its default."""
    return next((r for r in recipes() if r.env == env and (r.default if algo is None else r.algo == algo)), None)


def promised(experiment: Experiment) -> Recipe | None:
    """The recipe whose expected band is one of ``experiment`` too: its settings, however long it learns."""
    own, recipe = resolve(experiment.env, experiment.algo)
    length = "total_images" if isinstance(own.method, ImageSettings) else "total_timesteps"
    method = dataclasses.replace(own.method, **{length: getattr(experiment.method, length)})
    same = (experiment.method, experiment.network, experiment.env_kwargs) == (method, own.network, own.env_kwargs)
    return recipe if same else None


def resolve(env: str, algo: str | None, *tables: Table) -> tuple[Experiment, Recipe | None]:
    """The experiment that defaults, recipe and ``tables`` (a file's, then the flags') make together.

    Raises:
        LogpiError: unknown algorithm, section or key, or a value of the wrong type.
    """
    if algo is not None and algo not in ALGORITHMS:
        raise LogpiError(f"unknown algorithm {algo!r}; allowed: {', '.join(ALGORITHMS)}{_near(algo, ALGORITHMS)}")
    recipe = recipe_for(env, algo)
    algo = algo or (recipe.algo if recipe else _usual(env))
    _check_pair(env, algo)
    layers = [{"method": TASKS.get(env, {})}, *([recipe.tables] if recipe else []), *tables]
    for layer in layers:
        if unknown := set(layer) - set(SECTIONS):
            name = sorted(unknown)[0]
            raise LogpiError(f"unknown section [{name}]; allowed: {', '.join(SECTIONS)}{_near(name, SECTIONS)}")
        for name, part in layer.items():
            if not isinstance(part, Mapping):
                raise LogpiError(f"{name} is {part!r}; it must be a table, [{name}] with a line for each setting")

    def section(name: str, kind: type[Any]) -> Any:
        merged: dict[str, Any] = {}
        for layer in layers:
            merged |= layer.get(name, {})
        return from_table(kind, merged, name)

    kwargs = {k: v for layer in layers for k, v in layer.get("env_kwargs", {}).items()}
    method = section("method", ALGORITHMS[algo])
    network = section("network", NETWORKS.get(algo, Network))
    if isinstance(method, ImageSettings) and method.data not in SHIPPED:
        # so that the run and its agents find it from whatever folder they are used in
        method = dataclasses.replace(method, data=os.path.abspath(os.path.expanduser(method.data)))
    return Experiment(env, algo, section("run", Run), method, network, kwargs), recipe


def _usual(env: str) -> str:
    """The algorithm for what has no recipe."""
    return "ram" if env.startswith("ram/") else "alphazero" if is_game(env) else "ppo"


def _check_pair(env: str, algo: str) -> None:
    """Images, games and environments each have their own algorithms."""
    kind = ALGORITHMS[algo]
    wanted: type[Settings] = ImageSettings if env in TASKS else SelfPlaySettings if is_game(env) else ControlSettings
    what = "images to classify" if env in TASKS else "a board game"
    if issubclass(kind, wanted):
        return
    if env in TASKS or is_game(env):
        fit = ", ".join(name for name, other in ALGORITHMS.items() if issubclass(other, wanted))
        raise LogpiError(f"{env} is {what}, which {algo} does not learn; its algorithms: {fit}")
    known = (*BOARDS, *(f"{game}-NxN" for game in SIZED_BOARDS)) if issubclass(kind, SelfPlaySettings) else tuple(TASKS)
    verb = "learns board games" if issubclass(kind, SelfPlaySettings) else "classifies images"
    raise LogpiError(f"{algo} {verb}, and {env!r} is none of its tasks: {', '.join(known)}{_near(env, known)}")


def read_file(path: str | Path) -> Table:
    """The tables of a TOML file.

    Raises:
        LogpiError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LogpiError(f"cannot read the config file {path}: {error}") from error


def from_table(kind: type[Any], table: Table, where: str) -> Any:
    """A config dataclass from plain values; everything is checked.

    Raises:
        LogpiError: unknown key, a value of the wrong type, or one that is out of its range.
    """
    hints = typing.get_type_hints(kind)
    values = {}
    for key, value in table.items():
        if key not in hints:
            hint = f"; write {ALIASES[key]}" if key in ALIASES else _near(key, hints)
            raise LogpiError(f"unknown setting {where}.{key}{hint or '; allowed: ' + ', '.join(hints)}")
        values[key] = _checked(f"{where}.{key}", hints[key], value)
    config = kind(**values)
    check_ranges(where, config)
    return config


def to_table(config: Any) -> dict[str, Any]:
    """A config dataclass as plain values."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()}


def experiment_to_table(experiment: Experiment) -> dict[str, Any]:
    """What ``config.toml`` of a run holds."""
    return {
        "env": experiment.env,
        "algo": experiment.algo,
        "run": to_table(experiment.run),
        "method": to_table(experiment.method),
        "network": to_table(experiment.network),
        "env_kwargs": dict(experiment.env_kwargs),
    }


def experiment_from_table(table: Table) -> Experiment:
    """The experiment of a run's ``config.toml``.

    Raises:
        LogpiError: a missing or unknown part.
    """
    try:
        env, algo = table["env"], table["algo"]
        return Experiment(
            env,
            algo,
            from_table(Run, table["run"], "run"),
            from_table(ALGORITHMS[algo], table["method"], "method"),
            from_table(NETWORKS.get(algo, Network), table["network"], "network"),
            dict(table.get("env_kwargs", {})),
        )
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise LogpiError(
            f"config.toml is incomplete or altered ({error}); restore it, or start again with `logpi train`"
        ) from error


MOST_STEPS = 2e9  # they are counted in 32 bits
MOST_SEEDS = 2**32
AT_LEAST_1 = {"n_envs", "n_steps", "batch_size", "n_epochs", "vf_steps", "memory_size"}
AT_LEAST_1 |= {"n_updates", "n_glimpses", "mc_samples", "patch", "scales", "distractor_size", "validation_size"}
AT_LEAST_1 |= {
    "sensor_size",
    "glimpse_size",
    "core_size",
    "location_size",
    "baseline_size",
    "kernel",
    "stride",
    "units",
}
AT_LEAST_1 |= {
    "n_games",
    "simulations",
    "max_considered_actions",
    "units",
    "value_units",
    "eval_simulations",
    "eval_opponent_simulations",
}
AT_LEAST_1 |= {"seeds", "eval_episodes", "final_episodes", "keep_checkpoints", "log_points"}
POSITIVE = {"c_base", "replay_size", "max_grad_norm", "target_kl", "std_start", "std_end"}
NOT_NEGATIVE = {"learning_rate", "vf_learning_rate", "ent_coef", "vf_coef", "clip_range"}
NOT_NEGATIVE |= {
    "canvas",
    "num_distractors",
    "fourier_features",
    "warmup",
    "init_location_range",
    "location_lr_scale",
    "glimpse_coef",
}
NOT_NEGATIVE |= {"rotation", "scaling", "shear", "shift"}
NOT_NEGATIVE |= {
    "eval_points",
    "checkpoint_points",
    "blocks",
    "max_children",
    "random_opening_plies",
    "random_move_plies",
    "playout_cap_simulations",
    "resign_threshold",
    "forced_playouts_k",
    "dirichlet_alpha",
    "ownership_coef",
}
NOT_NEGATIVE |= {"c_visit", "c_scale", "c_init", "temperature", "temperature_end", "temperature_plies", "weight_decay"}
NOT_NEGATIVE |= {"final_learning_rate", "replay_ratio"}
FRACTIONS = {"gamma", "gae_lambda", "ema_decay", "curriculum", "core_grad_scale"}
AT_LEAST_1 |= {"gating_interval", "gating_games", "gating_simulations", "gating_opening_plies"}
FRACTIONS |= {
    "gating_threshold",
    "dirichlet_fraction",
    "random_opening_fraction",
    "random_move_fraction",
    "playout_cap_probability",
    "no_resign_fraction",
    "td_lambda",
    "score_utility_weight",
}


def check_ranges(where: str, config: Any) -> None:
    """Refuse settings that no run can use; ``config`` is the section ``where`` of an experiment."""
    for name, value in dataclasses.asdict(config).items():
        wrong = (
            (name in AT_LEAST_1 and not value >= 1 and "at least 1")
            or (name in POSITIVE and not value > 0 and "greater than 0")
            or (name in NOT_NEGATIVE and not (0 <= value < math.inf) and "at least 0 and finite")
            or (name in FRACTIONS and not 0 <= value <= 1 and "between 0 and 1")
            or (
                name == "total_images"
                and not (value > 0 and config.total_timesteps <= MOST_STEPS)
                and "above 0, at most 2e9 glimpses"
            )
            or (name == "total_timesteps" and not 0 < value <= MOST_STEPS and f"above 0 and at most {MOST_STEPS:g}")
            or (name in ("hidden", "channels") and not all(n >= 1 for n in value) and "positive integers, one a layer")
            or (name == "log_std_init" and not math.isfinite(value) and "finite")
            or (name == "seed" and not 0 <= value <= MOST_SEEDS - config.seeds and "between 0 and 4294967295 - seeds")
        )
        if wrong:
            raise LogpiError(f"{where}.{name} is {value}; it must be {wrong}")


def _checked(where: str, hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        allowed = typing.get_args(hint)
        if value not in allowed:
            raise LogpiError(f"{where} is {value!r}; allowed: {', '.join(map(repr, allowed))}")
        return value
    if origin is tuple:
        if isinstance(value, list | tuple) and all(type(x) is int and x > 0 for x in value):
            return tuple(value)
        raise LogpiError(f"{where} is {value!r}; it must be a list of positive integers")
    if hint is float and type(value) in (int, float):
        return float(value)
    if type(value) is not hint:
        raise LogpiError(f"{where} is {value!r}, a {type(value).__name__}; it must be a {hint.__name__}")
    return value


def _near(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
