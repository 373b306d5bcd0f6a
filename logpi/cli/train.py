"""``logpi train``: train an agent; every setting is a flag."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Annotated, Any

import tyro

from logpi.cli.options import STACK_HELP, Wrapper
from logpi.cli.output import json_lines, warn
from logpi.config.experiments import promised, resolve
from logpi.config.help import with_help
from logpi.config.literals import assignments
from logpi.config.settings import Experiment, Run
from logpi.config.stored import Recipe, SettingsFile, check_objects, read_file, settled
from logpi.config.values import ALIASES
from logpi.config.wrappers import split
from logpi.errors import LogpiError
from logpi.methods import all_methods, find_method
from logpi.own_code import name_code
from logpi.tasks import check_name, task_of

FLAT = (tyro.conf.OmitArgPrefixes,)
CONFIG_HELP = "Settings file in TOML: [run], [method], [network], [env_kwargs]; a run's config.toml is one"
POLICY_HELP = "Your own network, path/file.py:name: a logpi.Policy, or a function (EnvSpec) -> logpi.Policy"
FROM_HELP = "Run, or an agent's folder, whose parameters (and observation normalizer) training begins with"
JSON_HELP = "Rows and outcome as lines of JSON on standard output; everything else goes to standard error"
KWARGS_HELP = "Keyword arguments of the environment, NAME=VALUE: a literal of TOML or Python, or a plain word"
WRAPPER_FLAGS = ("--wrapper", "--frame-stack", "--frame_stack")
ENV_HELP = "Environment: a name of `logpi envs`, a Gymnasium id, module:EnvId, or path/file.py:Class"
ENV = Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=ENV_HELP, metavar="ENV")]


def train(argv: list[str]) -> int:
    """Train. Every setting of method, network and run is a flag; ``--help`` shows it with its value."""
    experiment, recipe, quiet, as_json = parse_train(argv)
    from logpi.training import session
    from logpi.training.outcome import presented

    if remark := task_of(experiment.env).remark(experiment.env):
        warn(f"logpi: {remark}")
    with json_lines() if as_json else contextlib.nullcontext() as tell, presented(experiment, recipe, quiet) as show:
        events = session.starting(experiment, ["logpi", "train", *argv], show.view, expected=show.band)
        outcome = show(session.heard(events, tell and (lambda event: tell(event.to_json()))))
        if tell:
            tell(outcome.to_json())
    return 0


def parse_train(argv: list[str]) -> tuple[Experiment, Recipe | None, bool, bool]:
    """(experiment, the recipe whose score it should reach, quiet, as JSON) from the arguments of ``logpi train``.

    The environment, ``--algo`` and ``--config`` are read first: they decide which flags there are and what each
    one's default is. Exits with 2 on a misspelt flag.
    """
    argv = [_alias(a) for a in argv]
    wrappers: dict[str, Any] = {}
    if any(a.startswith(WRAPPER_FLAGS) for a in argv):
        argv, wrappers = split(argv)
    env, algo, file = _first_look(argv)
    # not what the file names
    name_code(*filter(None, (env, algo)), *(name for name, _ in wrappers.get("wrappers", ())))
    asked_for = read_file(file) if file else SettingsFile()
    check_objects(asked_for.objects, (), "logpi.train(ARGUMENTS, config=...)")
    env = env or asked_for.env
    if env:
        check_name(env)
    experiment, recipe = resolve(env or "CartPole-v1", algo or asked_for.algo or None, asked_for.sections, wrappers)
    arguments: dict[str, tuple[Any, Any]] = {
        "env": (ENV, dataclasses.field(default=env) if asked_for.env else dataclasses.field()),
        "algo": (Annotated[str, tyro.conf.arg(help="Algorithm, a name of `logpi algos`")], experiment.algo),
        "policy": (Annotated[str, tyro.conf.arg(help=POLICY_HELP)], asked_for.policy),
        "init_from": (Annotated[str, tyro.conf.arg(help=FROM_HELP, name="from")], asked_for.init_from),
        "config": (Annotated[str, tyro.conf.arg(help=CONFIG_HELP)], ""),
        "env_kwargs": (Annotated[tuple[str, ...], tyro.conf.arg(help=KWARGS_HELP)], ()),
        "wrapper": (Wrapper, ()),
        "frame_stack": (Annotated[int, tyro.conf.arg(help=STACK_HELP)], _frames(experiment)),
        "quiet": (Annotated[bool, tyro.conf.arg(help="No display while training")], False),
        "json": (Annotated[bool, tyro.conf.arg(help=JSON_HELP)], False),
    }
    sections = {"method": experiment.method, "network": experiment.network, "run": experiment.run}
    for name, section in sections.items():
        kind = with_help(type(section), section, lambda about: tyro.conf.arg(help=about))
        arguments[name] = (kind, dataclasses.field(default=kind()))
    flags = dataclasses.make_dataclass("Train", [(name, kind, value) for name, (kind, value) in arguments.items()])
    about = f"Train an agent. The defaults shown are those for {experiment.env} with {experiment.algo}"
    about += f" (recipe: {recipe.source})." if recipe else "."
    given: Any = tyro.cli(flags, args=argv, prog="logpi train", description=about, config=FLAT)
    chosen = {name: dataclasses.replace(section, **vars(getattr(given, name))) for name, section in sections.items()}
    if "--video" in argv and not task_of(experiment.env).films:
        raise LogpiError(f"--video: {experiment.env} is {task_of(experiment.env).what} and is not filmed; leave it out")
    kwargs = {**experiment.env_kwargs, **assignments(given.env_kwargs)}
    if any(argument.partition("=")[0] == "--policy" for argument in argv):
        name_code(given.policy)
    found = dataclasses.replace(experiment, env=given.env, env_kwargs=kwargs, policy=given.policy, **chosen)
    asked = settled(dataclasses.replace(found, init_from=given.init_from))
    return asked, promised(asked, asked_for.recipe), given.quiet, given.json


def _frames(experiment: Experiment) -> object:
    """Frames of the stack around the environment; 1: no stack."""
    name, kwargs = experiment.wrappers[-1] if experiment.wrappers else ("", {})
    return kwargs.get("stack_size", 1) if name == "frame-stack" else 1


def _first_look(argv: list[str]) -> tuple[str | None, str | None, Path | None]:
    """The positional environment, --algo and --config, before the flags are known."""
    found: dict[str, str] = {}
    for i, arg in enumerate(argv):
        name, _, value = arg.partition("=")
        if name in ("--algo", "--config"):
            found[name] = value or (argv[i + 1] if i + 1 < len(argv) else "")
    config, algo = found.get("--config"), found.get("--algo")
    return _positional(argv, algo), algo, Path(config) if config else None


def _positional(argv: list[str], algo: str | None) -> str | None:
    """The first argument that is neither a flag nor the value of one."""
    switches = None
    for i, arg in enumerate(argv):
        if arg.startswith("-"):
            continue
        if i == 0:
            return arg
        switches = _switches(algo) if switches is None else switches
        flag, sign, _ = argv[i - 1].partition("=")
        if not flag.startswith("--") or sign or flag.removeprefix("--").removeprefix("no-") in switches:
            return arg
    return None


def _switches(algo: str | None) -> set[str]:
    """Names of the flags without a value: those of ``algo``, or of every method where it is not given."""
    methods = [find_method(algo)] if algo else all_methods()
    kinds: list[Any] = [Run, *(m.network for m in methods), *(m.settings for m in methods)]
    return {"quiet", "json"} | {
        f.name.replace("_", "-") for kind in kinds for f in dataclasses.fields(kind) if f.type in ("bool", bool)
    }


def _alias(arg: str) -> str:
    name, sign, value = arg.partition("=")
    known = ALIASES.get(name.removeprefix("--").replace("-", "_")) if name.startswith("--") else None
    return f"--{known.replace('_', '-')}{sign}{value}" if known else arg
