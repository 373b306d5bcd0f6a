"""Whether a comparison is fair: equal budgets, environments, evaluations and seeds. Each difference is named."""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from logpi.comparison.cells import Entry, Seed, Table, numbers

FEWEST, ENOUGH = 3, 10  # seeds: to name a winner at all, and without a warning
OVERSHOT = 1.1  # times the least length learnt from, beyond which budgets are not equal


class Remark(NamedTuple):
    """What is to be said of a comparison."""

    text: str
    blocks: bool = False  # whether no winner can be named because of it


def remarks(table: Table) -> list[Remark]:
    """All that is unequal or missing in the runs of ``table``."""
    found = [*_budgets(table), *_versions(table), *_evaluations(table), *_clocks(table), *_seeds(table)]
    return list(dict.fromkeys(found))


def entries_of(labels: Mapping[str, list[Seed]]) -> dict[str, list[Entry]]:
    """The runs of each method in one environment."""
    return {
        label: list({seed.entry.folder.path: seed.entry for seed in seeds}.values()) for label, seeds in labels.items()
    }


def _differing(table: Table, of: Callable[[Entry], object]) -> Iterator[tuple[str, dict[str, str]]]:
    """(environment, label -> its values in words) where runs of one environment differ in ``of``; None: not known."""
    for env, labels in table.items():
        values = {
            label: dict.fromkeys(str(value) for value in map(of, runs) if value is not None)
            for label, runs in entries_of(labels).items()
        }
        if len({value for found in values.values() for value in found}) > 1:
            yield env, {label: " and ".join(found) for label, found in values.items() if found}


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{label} {value}" for label, value in values.items())


def _asked(entry: Entry) -> str | None:
    length = entry.folder.length
    steps = length.get("timesteps")
    return None if steps is None else f"{steps / max(length.get('each', 1), 1):,.0f} {length.get('unit', 'steps')}"


def _budgets(table: Table) -> Iterator[Remark]:
    unequal = set()
    for env, values in _differing(table, _asked):
        unequal.add(env)
        yield Remark(f"{env}: budgets differ: {_listed(values)}", True)
    for env, labels in table.items():
        runs = [entry for found in entries_of(labels).values() for entry in found if entry.result]
        steps = [int(entry.result["timesteps"]) for entry in runs if "timesteps" in entry.result]
        if env not in unequal and steps and max(steps) > OVERSHOT * min(steps):
            yield Remark(f"{env}: learnt from {min(steps):,} to {max(steps):,} timesteps, more than 10 % apart", True)
        for entry in runs:
            if entry.result.get("ended_by") in ("stop_at", "stop_unbeatable", "minutes"):
                why = f"ended early by its {entry.result['ended_by']}"
                yield Remark(f"{env}: {entry.label} ({numbers(entry.seeds)}) {why}: budgets differ", True)


def _versions(table: Table) -> Iterator[Remark]:
    for env, values in _differing(table, lambda entry: json.dumps(entry.config.get("env_kwargs", {}), sort_keys=True)):
        yield Remark(f"{env}: arguments of the environment differ: {_listed(values)}", True)
    for env, values in _differing(table, lambda entry: json.dumps(entry.config.get("wrappers", []), sort_keys=True)):
        yield Remark(f"{env}: wrappers differ: {_listed(values)}")
    for what, key in (("vectors of training", "vectorization"), ("vectors of evaluations", "eval_vectorization")):
        for env, values in _differing(table, lambda entry, name=key: _of_run(entry, name)):  # type: ignore[misc]
            yield Remark(f"{env}: {what} differ: {_listed(values)}")
    for package, blocks in (("gymnasium", True), ("logpi", False), ("jax", False)):
        for env, values in _differing(table, lambda entry, name=package: _version(entry, name)):  # type: ignore[misc]
            yield Remark(f"{env}: versions of {package} differ: {_listed(values)}", blocks)
    stems = collections.defaultdict(list)
    for env in table:
        if match := re.fullmatch(r"(.+)-v\d+", env):
            stems[match[1]].append(env)
    for names in stems.values():
        if len(names) > 1:
            yield Remark(f"{' and '.join(sorted(names))} are versions of one environment: their scores differ", True)


def _version(entry: Entry, package: str) -> object:
    versions = entry.manifest.get("versions")
    return versions.get(package) if isinstance(versions, dict) else None


def _of_run(entry: Entry, setting: str) -> object:
    run = entry.config.get("run")
    return run.get(setting) if isinstance(run, dict) else None


def _evaluations(table: Table) -> Iterator[Remark]:
    for what, key in (("episodes of the final evaluation", "episodes"), ("greedy actions in it", "greedy")):
        for env, values in _differing(table, lambda entry, name=key: entry.result.get(name)):  # type: ignore[misc]
            yield Remark(f"{env}: {what} differ: {_listed(values)}")


def _clocks(table: Table) -> Iterator[Remark]:
    """What makes wall-clock times of runs incomparable."""
    for env, values in _differing(table, lambda entry: f"{len(entry.seeds)} at once"):
        yield Remark(f"{env}: seconds do not compare, seeds were trained {_listed(values)}")
    for env, _ in _differing(table, lambda entry: json.dumps(entry.manifest.get("machine"), sort_keys=True)):
        yield Remark(f"{env}: seconds do not compare, the runs are of several machines")


def _seeds(table: Table) -> Iterator[Remark]:
    every = dict.fromkeys(label for labels in table.values() for label in labels)
    for env, labels in table.items():
        for label in every:
            if label not in labels:
                yield Remark(
                    f"{label} has no run in {env}: {env} is left out of what is pooled over environments", True
                )
        known = {label: {one.seed for one in seeds} for label, seeds in labels.items()}
        union = set().union(*known.values())
        for label, seeds in known.items():
            if len(seeds) < max(map(len, known.values())):
                yield Remark(f"{label}, {env}: missing {numbers(union - seeds)}")
