"""The numbers of a comparison, from the scores of its seeds: per environment, over all of them, and pair by pair.

Every number here is a pure function of the runs' results, without any clock (``logpi.comparison.learning`` has the
curves). What is returned is what ``comparison.json`` holds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from logpi.comparison import statistics
from logpi.comparison.cells import Seed, Table
from logpi.comparison.checks import ENOUGH, FEWEST, Remark
from logpi.comparison.references import Reference, bounded, known
from logpi.comparison.statistics import Floats, Statistic

Json = dict[str, Any]
METRICS: Mapping[str, Statistic] = {
    "iqm": statistics.iqm,
    "median": statistics.median,
    "mean": statistics.mean,
    "optimality_gap": statistics.optimality_gap,
}
OF_ONE = ("iqm", "median", "mean")  # metrics of one environment, in its own unit
ALPHA = 0.05  # of Holm's test
TAUS = 101  # points of a profile


class Measured(NamedTuple):
    """The scores of every method in every environment, whole: nothing in them is NaN."""

    labels: list[str]
    scores: dict[str, dict[str, Floats]]  # environment -> label -> [n], in the environment's own unit
    references: dict[str, Reference | None]

    def shared(self) -> list[str]:
        """The environments in which every method has a score."""
        return [env for env, found in self.scores.items() if set(found) == set(self.labels)]

    def pooled(self) -> list[str]:
        """Those of them whose scores have a common scale; a single one needs none."""
        shared = self.shared()
        return shared if len(shared) == 1 else [env for env in shared if self.references[env]]

    def normalised(self, label: str, env: str) -> Floats:
        """Scores [n], 0 for random actions and 1 for the reference; as they are where there is none."""
        reference, scores = self.references[env], self.scores[env][label]
        return reference.normalised(scores) if reference else scores


def measured(table: Table, references: Mapping[str, Reference]) -> tuple[Measured, list[Remark]]:
    """The scores of ``table``, in which a seed that ended in NaN has the lowest score of its environment.

    That is the lowest score of any seed there, or the lower reference where that is lower still. Seeds without a score
    are not counted; ``logpi.comparison.cells`` has said which.
    """
    said: list[Remark] = []
    scores: dict[str, dict[str, Floats]] = {}
    scales = {env: references.get(env) or _reference(env, labels) for env, labels in table.items()}
    for env, labels in table.items():
        lowest = _lowest(labels, scales[env])
        for label, seeds in labels.items():
            counted = [lowest if seed.diverged else seed.score for seed in seeds]
            values = np.array([score for score in counted if math.isfinite(score)])
            if len(values):
                scores.setdefault(env, {})[label] = values
            else:
                said.append(Remark(f"{label}, {env}: no seed has a score", True))
    found = Measured(list(dict.fromkeys(label for labels in table.values() for label in labels)), scores, scales)
    if len(found.shared()) > 1:
        lacking = [env for env in found.shared() if not scales[env]]
        said += [Remark(f"{env} has no reference scores: it is left out of what is pooled") for env in lacking]
    return found, said


def _lowest(labels: Mapping[str, Sequence[Seed]], scale: Reference | None) -> float:
    found = [seed.score for seeds in labels.values() for seed in seeds if math.isfinite(seed.score)]
    return min([*found, *([scale.low] if scale else [])], default=math.nan)


def _reference(env: str, labels: Mapping[str, Sequence[Seed]]) -> Reference | None:
    """The scale of an environment whose arguments are the usual ones; else the bounds of its score."""
    entries = [seed.entry for seeds in labels.values() for seed in seeds]
    usual = not any(entry.config.get("env_kwargs") or entry.config.get("wrappers") for entry in entries)
    bounds = [bounded(entry.folder.score.get("low"), entry.folder.score.get("high")) for entry in entries]
    found = known(env) if usual else None
    return found or (bounds[0] if bounds and len(set(bounds)) == 1 and usual else None)


def analysed(found: Measured, resamples: int) -> Json:
    """Every number of a comparison but for its curves."""
    return {
        "per_environment": {
            env: {label: _with_intervals({"": values}, OF_ONE, resamples) for label, values in methods.items()}
            for env, methods in found.scores.items()
        },
        "pooled": _pooled(found, resamples),
        "pairs": _pairs(found, resamples),
    }


def _with_intervals(scores: Mapping[str, Floats], names: Iterable[str], resamples: int) -> Json:
    """Each metric with its interval: scores [n] by environment; no interval for a single seed."""
    values, n = list(scores.values()), [len(x) for x in scores.values()]
    facts: Json = {"n": min(n)}
    for name in names:
        statistic = METRICS[name]
        low, high = statistics.interval(statistic, values, resamples) if min(n) > 1 else (math.nan, math.nan)
        facts[name] = {"value": float(statistic(values)), "low": float(low), "high": float(high)}
    return facts


def _pooled(found: Measured, resamples: int) -> Json | None:
    """Aggregates and profiles over the environments that have a common scale; None where there is none."""
    envs = found.pooled()
    if not envs:
        return None
    normalised = all(found.references[env] for env in envs)
    names = list(METRICS) if normalised else list(OF_ONE)
    scores = {label: {env: found.normalised(label, env) for env in envs} for label in found.labels}
    taus = _thresholds([x for each in scores.values() for x in each.values()], normalised)
    return {
        "environments": envs,
        "normalised": normalised,
        "methods": {label: _with_intervals(each, names, resamples) for label, each in scores.items()},
        "profiles": {"tau": taus.tolist()}
        | {label: _profile(list(each.values()), taus, resamples) for label, each in scores.items()},
    }


def _thresholds(scores: Sequence[Floats], normalised: bool) -> Floats:
    """The scores τ [T] of a profile: from the least to the greatest, at least 0 to 1 of normalised ones."""
    every = np.concatenate(list(scores))
    low, high = float(every.min()), float(every.max())
    low, high = (min(low, 0.0), max(high, 1.0)) if normalised else (low, high)
    margin = 0.02 * (high - low) or 0.02 * max(abs(high), 1.0)
    return np.linspace(low - margin, high + margin, TAUS)


def _profile(scores: list[Floats], taus: Floats, resamples: int) -> Json:
    def above(drawn: statistics.Scores) -> Floats:
        return statistics.profile(drawn, taus)

    value = above(scores)
    if min(map(len, scores)) > 1:
        low, high = statistics.interval(above, scores, min(resamples, 2_000))
    else:
        low = high = np.full_like(value, math.nan)
    return {"value": value.tolist(), "low": low.tolist(), "high": high.tolist()}


def _pairs(found: Measured, resamples: int) -> list[Json]:
    """P(X > Y) of each two methods, over the environments that both have, with Holm's p-values."""
    rows: list[Json] = []
    for first, second in itertools.combinations(found.labels, 2):
        envs = [env for env, methods in found.scores.items() if {first, second} <= set(methods)]
        x, y = ([found.scores[env][label] for env in envs] for label in (first, second))
        if envs:
            few = min(map(len, [*x, *y])) < 2
            low, high = (math.nan, math.nan) if few else statistics.improvement_interval(x, y, resamples)
            rows.append(
                {"x": first, "y": second, "environments": envs, "probability": statistics.improvement(x, y)}
                | {"low": float(low), "high": float(high), "p": statistics.permutation_p(x, y, resamples)}
            )
    for row, adjusted in zip(rows, statistics.holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    return rows


def seed_remarks(found: Measured) -> list[Remark]:
    """What the number of seeds allows."""
    count = {(label, env): len(x) for env, methods in found.scores.items() for label, x in methods.items()}
    least = min(count.values(), default=0)
    if least >= ENOUGH or not count:
        return []
    fewest = [f"{label} in {env}" for (label, env), n in count.items() if n == least]
    where = f" of {', '.join(fewest)}" if len(fewest) <= 3 and len(fewest) < len(count) else ""
    text = f"n = {least} seed{'s' if least > 1 else ''}{where}: "
    if least < FEWEST:
        return [Remark(f"{text}no winner is named with fewer than {FEWEST}", True)]
    return [Remark(f"{text}with fewer than {ENOUGH} a 95 % interval covers less than 95 % (docs/compare.md)")]


def verdict(found: Measured, facts: Json, said: Sequence[Remark]) -> str:
    """Which method is better, in one sentence; or why none is named."""
    if len(found.labels) < 2:
        return "One method: there is nothing to compare it with."
    if blocking := [remark.text for remark in said if remark.blocks]:
        more = f", and {len(blocking) - 1} more" if len(blocking) > 1 else ""
        return f"No winner is named: {blocking[0]}{more}."
    won = {label: set[str]() for label in found.labels}
    for row in facts["pairs"]:
        if row["p_holm"] <= ALPHA and row["probability"] != 0.5:
            better, worse = (row["x"], row["y"]) if row["probability"] > 0.5 else (row["y"], row["x"])
            won[better].add(worse)
    how = f"Holm's p ≤ {ALPHA:g} over {len(facts['pairs'])} pair{'s' if len(facts['pairs']) > 1 else ''}"
    best = [label for label, worse in won.items() if len(worse) == len(found.labels) - 1]
    if best:
        return f"{best[0]} is better than every other method ({how})."
    some = "; ".join(f"{label} is better than {', '.join(sorted(worse))}" for label, worse in won.items() if worse)
    return f"No method is better than every other ({how}). {some + '.' if some else 'No pair differs.'}"


def seeds_of(table: Table) -> Json:
    """Every seed's score, environment by environment; ``problem`` where it has none."""
    return {
        env: {
            label: {
                "seeds": [one.seed for one in seeds],
                "scores": [one.score for one in seeds],
                "counted_as_lowest": [one.seed for one in seeds if one.diverged],
                "without_score": [one.seed for one in seeds if not one.diverged and not math.isfinite(one.score)],
            }
            for label, seeds in labels.items()
        }
        for env, labels in table.items()
    }


def scales_of(found: Measured) -> Json:
    """The reference of each environment; None where it has none."""
    return {env: reference and reference._asdict() for env, reference in found.references.items()}
