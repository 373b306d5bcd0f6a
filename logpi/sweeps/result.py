"""What a sweep has found: its table, its recipe, and the scores that a further run is expected to have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from logpi.config.settings import Experiment
from logpi.config.stored import experiment_to_table
from logpi.runs.files import Json
from logpi.runs.scores import interval, significant
from logpi.sweeps.folder import Ledger, Reached
from logpi.sweeps.halving import ranked
from logpi.tasks import Band, Score

NARROWEST = 0.05  # of the mean: half the width of a band at least, as seeds with equal scores show no spread
SHOWN = 20  # lines of a table


class Row(NamedTuple):
    """A configuration of a sweep."""

    number: int
    settings: Json
    reached: list[Reached]  # at the end of each round that it trained in

    @property
    def score(self) -> float:
        """At the end of its last round; nan where a number of it became NaN or infinite."""
        return self.reached[-1].score


def rows_of(ledger: Ledger, settings: Mapping[int, Json]) -> list[Row]:
    """Every configuration, the best one first: those that went farther, and of these the better ones."""
    reached: dict[int, list[Reached]] = {}
    for (number, _), found in sorted(ledger.items()):
        if number in settings:  # a ledger that was altered may have others
            reached.setdefault(number, []).append(found)
    order = ranked({number: found[-1].merit for number, found in reached.items()})
    rows = [Row(number, settings[number], reached[number]) for number in order]
    return sorted(rows, key=lambda row: -len(row.reached))


def band(scores: Sequence[float], score: Score) -> Band:
    """(lowest, highest) expected score of one further run: Student's 95 % prediction interval.

    Of n scores with mean m and standard deviation s it is m ± t s √(1 + 1/n), with the 97.5 % quantile t of n - 1
    degrees of freedom; at least ``NARROWEST`` of the mean to either side, and within the possible scores.

    Args:
        scores: of n runs that had no part in the choice of the settings, n at least 2.
        score: what they measure.
    """
    mean, half = (float(x[0]) for x in interval(np.asarray(scores, float)[:, None]))
    half = max(half * math.sqrt(len(scores) + 1), NARROWEST * abs(mean))
    low, high = (float(f"{x:.4g}") for x in (mean - half, mean + half))
    least, most = (-math.inf if score.low is None else score.low), (math.inf if score.high is None else score.high)
    return max(low, float(least)), min(high, float(most))


def recipe_table(experiment: Experiment, source: str, expected: Band | None = None) -> Json:
    """A recipe as TOML holds it: all settings of the method and its network, and the scores that are ``expected``."""
    table = experiment_to_table(experiment)
    head: Json = {"env": table.pop("env"), "algo": table.pop("algo"), "source": source}
    head |= {"low": expected[0], "high": expected[1]} if expected else {}
    kept = {name: value for name, value in table.items() if name != "run" and value not in ("", [], {})}
    return {"format_version": kept.pop("format_version"), "recipe": head, **kept}


def markdown(rows: Sequence[Row], title: str) -> str:
    """The best configurations as a table."""
    names = list(rows[0].settings)
    header = ["", "configuration", "score", "timesteps", *names]
    lines = [f"# {title}", "", _line(header), _line(["---"] * len(header))]
    for place, row in enumerate(rows[:SHOWN], 1):
        shown = "NaN or infinite" if math.isnan(row.score) else significant(row.score)
        values = [_text(row.settings[name]) for name in names]
        lines.append(_line([str(place), str(row.number), shown, f"{row.reached[-1].timesteps:,}", *values]))
    if len(rows) > SHOWN:
        lines += ["", f"{len(rows) - SHOWN} more are in ledger.jsonl."]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
