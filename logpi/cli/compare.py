"""``logpi compare``: methods over environments and seeds, with a statistician's care."""

from __future__ import annotations

from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, Json, LogDir
from logpi.cli.output import say, say_json, warn
from logpi.config.literals import assignments
from logpi.errors import LogpiError

RUNS = "Run folders, folders of runs or of comparisons, or names within --log-dir; LABEL=PATH names the method"


def compare(argv: list[str]) -> int:
    """Compare methods over environments and seeds."""

    def options(
        runs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(help=RUNS, metavar="RUN")] = (),
        envs: tuple[str, ...] = (),
        algos: tuple[str, ...] = (),
        seeds: int = 10,
        seed: int = 0,
        set: tuple[str, ...] = (),
        out: str = "comparison",
        reference: tuple[str, ...] = (),
        resamples: int = 10_000,
        on: str = "here",
        cores: int = 1,
        log_dir: LogDir = "runs",
        quiet: bool = False,
        json: Json = False,
    ) -> tuple[tuple[str, ...], dict[str, object], bool, bool]:
        """Compare methods over environments and seeds, from runs that exist or runs that are trained for it. Writes a
        page, tables, figures and every number; the same command again goes on where an interrupted one stopped.

        Args:
            envs: Environments, image tasks or games to train in
            algos: Methods to train, each "ALGO SETTING=VALUE …" or a settings file; LABEL=ALGO names it
            seeds: Number of seeds of each method in each environment, at least 1; with fewer than 3 no winner is named
            seed: First seed, at least 0
            set: Settings of every run that is trained, NAME=VALUE, such as total_timesteps=200_000
            out: Folder of the comparison; without runs, --envs and --algos the one that is there goes on
            reference: Scores of random and of good play, ENV=RANDOM,GOOD, which become 0 and 1
            resamples: Number of resamples of the bootstrap, at least 100
            on: Where runs are trained: here, ray[:ADDRESS], slurm[:PARTITION], or processes (one
                for each core of this machine)
            cores: Number of CPUs that each run asks a cluster for, at least 1
            quiet: No line for each run that is trained
        """
        settings = assignments(set)
        given = {"envs": envs, "algos": algos, "seeds": seeds, "seed": seed, "out": out, "root": log_dir}
        given |= {"references": _references(reference), "resamples": resamples, "on": on, "cores": cores}
        if taken := sorted(settings.keys() & given.keys()):
            raise LogpiError(f"--set {taken[0]}: it is not a setting of a run here; --{taken[0]} decides it")
        return runs, {**settings, **given}, quiet, json

    runs, given, quiet, json = tyro.cli(options, args=argv, prog="logpi compare", config=NO_OFF)
    from logpi.api.compare import compare as compared

    silent = quiet or json
    found = compared(runs, tell=(lambda text: None) if silent else say, **given)  # type: ignore[arg-type]
    if json:
        say_json({"page": found.page, **found.facts})
    else:
        say(found.text)
        say(f"page    {found.page}")
    for failure in found.failures:
        warn(f"logpi compare: {failure}")
    return 1 if found.failures else 0


def _references(texts: tuple[str, ...]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for env, pair in map(_reference, texts):
        if env in found:
            raise LogpiError(f"--reference names {env} twice; leave one out")
        found[env] = pair
    return found


def _reference(text: str) -> tuple[str, list[float]]:
    env, _, pair = text.partition("=")
    try:
        low, high = map(float, pair.split(","))
    except ValueError as error:
        raise LogpiError(f"--reference {text}; write ENV=RANDOM,GOOD, such as CartPole-v1=22,500") from error
    return env, [low, high]
