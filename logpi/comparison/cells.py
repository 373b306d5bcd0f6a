"""What runs say to a comparison: which method, environment and seeds they are of, and each seed's score.

A *method* here is whatever is compared: an algorithm, or one with other settings; its *label* is its name. A seed
without a score is never left out in silence: a ``Seed`` says why it has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from logpi.errors import LogpiError, inert
from logpi.runs.folder import RunFolder
from logpi.runs.metrics import STEPS, last_values, mean
from logpi.view.labels import Curve, curves


class Entry(NamedTuple):
    """One run, as a comparison sees it."""

    folder: RunFolder
    label: str
    env: str
    seeds: tuple[int, ...]
    scores: tuple[float, ...]  # of each seed's last agent; () where the run has no result
    problem: str = ""  # why it has no result
    diverged: bool = False  # whether that is because a number became NaN or infinite
    config: Mapping[str, Any] = {}
    manifest: Mapping[str, Any] = {}
    result: Mapping[str, Any] = {}


class Seed(NamedTuple):
    """One seed of a method in an environment."""

    seed: int
    score: float  # nan where it has none
    entry: Entry
    diverged: bool = False  # it counts as the lowest score then


Table = dict[str, dict[str, list[Seed]]]  # environment -> label -> its seeds, in their order


def entries(runs: Sequence[tuple[str, RunFolder]]) -> list[Entry]:
    """What each of ``runs``, pairs of a label and a folder, says; an empty label is found from the settings.

    Raises:
        LogpiError: a run cannot be read.
    """
    configs = [folder.config for _, folder in runs]
    for (_, folder), config in zip(runs, configs, strict=True):
        if not all(isinstance(config.get(name), str) for name in ("env", "algo")):
            raise LogpiError(f"{folder.path}/config.toml names no environment or no method: it was altered")
    found: list[Curve] = curves(configs, [inert(folder.path.name) for _, folder in runs])
    named = {place: curve.label for curve in found for place in curve.runs}
    return [
        _entry(folder, label or named[place], config)
        for place, ((label, folder), config) in enumerate(zip(runs, configs, strict=True))
    ]


def _entry(folder: RunFolder, label: str, config: Mapping[str, Any]) -> Entry:
    manifest, status = folder.manifest, folder.status
    asked = manifest.get("seeds")
    seeds = tuple(int(seed) for seed in asked) if isinstance(asked, list) else ()
    entry = Entry(folder, label, config["env"], seeds, (), config=config, manifest=manifest)
    if status == "finished":
        result = folder.result
        return _scored(entry._replace(result=result), result.get("mean_reward"))
    if failure := folder.failure:
        return entry._replace(problem=failure, diverged=True)
    reached = mean(last_values(folder.metrics).get(STEPS, 0.0)) / max(folder.length.get("each", 1), 1)
    how = "still running" if status == "running" else "interrupted"
    return entry._replace(problem=f"{how} at {reached:,.0f} {folder.length.get('unit', 'steps')}")


def _scored(entry: Entry, scores: object) -> Entry:
    """``entry`` with the scores that its result has, one a seed.

    Raises:
        LogpiError: there are not as many numbers as seeds.
    """
    try:
        values = tuple(float(value) for value in np.atleast_1d(np.asarray(scores, float)))  # the text "nan" too
    except (TypeError, ValueError):
        values = ()
    if len(values) != len(entry.seeds):
        raise LogpiError(
            f"{entry.folder.result_file} has {len(values)} scores of {len(entry.seeds)} seeds: it was altered; "
            "leave the run out, or train it again"
        )
    return entry._replace(scores=values)


def tabulated(found: Iterable[Entry]) -> tuple[Table, list[str]]:
    """The seeds of each method in each environment, and what is to be said of seeds that have no score of their own.

    A seed that is there twice, with the same settings, is not a second observation: the one with a score is kept.
    """
    table: Table = {}
    said: list[str] = []
    for entry in found:
        there = table.setdefault(entry.env, {}).setdefault(entry.label, [])
        if entry.problem:
            said.append(_without(entry))
        values = entry.scores or (math.nan,) * len(entry.seeds)
        for seed, score in zip(entry.seeds, values, strict=True):
            new = Seed(seed, score, entry, _diverged(entry, score))
            if entry.scores and new.diverged:
                said.append(f"{_named(entry, [seed])}: its final score is {score}; it counts as the lowest score")
            old = next((place for place, other in enumerate(there) if other.seed == seed), None)
            if old is None:
                there.append(new)
                continue
            kept, left = (there[old], new) if not math.isnan(there[old].score) else (new, there[old])
            there[old] = kept
            said.append(f"{_named(entry, [seed])} is there twice: {left.entry.folder.path} is not counted")
    for labels in table.values():
        for seeds in labels.values():
            seeds.sort(key=lambda one: one.seed)
    return table, said


def _diverged(entry: Entry, score: float) -> bool:
    """Whether a seed ended in NaN or infinity; of several trained at once only one did, and is not known which."""
    return not math.isfinite(score) if entry.scores else entry.diverged and len(entry.seeds) == 1


def _without(entry: Entry) -> str:
    """What is said of a run without a result."""
    name, path = _named(entry, entry.seeds), entry.folder.path
    if not entry.diverged:
        return f"{name}: no score, {entry.problem}; `logpi resume {path}` goes on"
    if len(entry.seeds) == 1:
        return f"{name}: ended in NaN or infinity ({entry.problem}); it counts as the lowest score"
    return f"{name}: no score, one of them ended in NaN or infinity ({entry.problem}); train them one by one"


def _named(entry: Entry, seeds: Sequence[int]) -> str:
    return f"{entry.label}, {entry.env}, {numbers(seeds)}"


def numbers(seeds: Iterable[int]) -> str:
    """Seeds in words: seed 3; seeds 0 to 15; seeds 0, 2, 5."""
    found = sorted(seeds)
    if len(found) == 1:
        return f"seed {found[0]}"
    if len(found) > 2 and found == list(range(found[0], found[-1] + 1)):
        return f"seeds {found[0]} to {found[-1]}"
    return f"seeds {', '.join(map(str, found))}" if found else "no seed"
