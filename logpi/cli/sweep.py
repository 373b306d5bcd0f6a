"""``logpi sweep``: a search for settings, whose outcome is a recipe."""

from __future__ import annotations

from typing import Annotated, Any

import tyro

from logpi.cli.options import NO_OFF, Json
from logpi.cli.output import say, say_json
from logpi.config.literals import assignments
from logpi.errors import LogpiError

ENV = "Environment, image task or game; by default that of --config"


def sweep(argv: list[str]) -> int:
    """Search for settings."""
    given, quiet, json = tyro.cli(_options, args=argv, prog="logpi sweep", config=NO_OFF)
    from logpi.api.sweep import sweep as searched

    found = searched(tell=(lambda text: None) if quiet or json else say, **given)
    if json:
        say_json(found.to_json())
    else:
        say(found.text)
    return 0


def _options(
    env: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=ENV, metavar="ENV")] = "",
    algo: str = "",
    config: str = "",
    space: tuple[str, ...] = (),
    set: tuple[str, ...] = (),
    configurations: int = 64,
    seeds: int = 1,
    seed: int = 0,
    sampler: str = "random",
    batch: int = 16,
    halving: int = 0,
    rounds: int = 3,
    retrain: int = 5,
    out: str = "sweep",
    on: str = "here",
    cores: int = 1,
    quiet: bool = False,
    json: Json = False,
) -> tuple[dict[str, Any], bool, bool]:
    """Search for the settings of a method, with many configurations in one compiled program. Writes a
    recipe for `logpi train --config`; the same command again goes on where an interrupted one stopped.

    Args:
        algo: Algorithm, a name of `logpi algos`; by default that of --config or of the environment's recipe
        config: Settings file in TOML; its table [space] says what is searched
        space: Settings to search, NAME=VALUES: a list, {log=[LOW,HIGH]} or {uniform=[LOW,HIGH]}
        set: Settings that all configurations have, NAME=VALUE, such as total_timesteps=60_000
        configurations: Number of configurations, at least 1
        seeds: Number of seeds of each configuration, at least 1; its score is their mean
        seed: First seed, at least 0; the configurations are drawn by it too
        sampler: Where configurations come from: random, or optuna, which learns from the scores of earlier ones
            (pip install optuna)
        batch: Number of configurations at a time, at least 1, side by side, before Optuna learns from them
        halving: Factor η of successive halving: the best 1/η of the configurations go on from each round, η times
            as long; at least 2, or 0: all train to the end
        rounds: Greatest number of rounds (stages of growing length) with --halving, at least 1
        retrain: Number of further seeds that train the best settings again, at least 2, for the recipe's band;
            0: none
        out: Folder of the sweep; without ENV, --config and --space the one that is there goes on
        on: Where configurations are trained: here, ray[:ADDRESS], slurm[:PARTITION], or processes (one for each
            core of this machine)
        cores: Number of CPUs that each program asks a cluster for, at least 1
        quiet: No line for each program that is trained
    """
    settings = assignments(set)
    given: dict[str, Any] = {"env": env or None, "algo": algo or None, "config": config or None, "out": out}
    given |= {"space": assignments(space), "configurations": configurations, "seeds": seeds}
    given |= {"sampler": sampler, "batch": batch, "seed": seed, "halving": halving, "rounds": rounds}
    given |= {"retrain": retrain, "on": on, "cores": cores}
    if taken := sorted(settings.keys() & given.keys()):
        raise LogpiError(f"--set {taken[0]}: it is not a setting of a run here; --{taken[0]} decides it")
    return {**settings, **given}, quiet, json
