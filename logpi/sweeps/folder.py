"""The folder of a sweep: its plan, its ledger, and its recipe.

    sweep.toml       the plan: what is searched, and how
    ledger.jsonl     a line for each configuration at the end of each round: settings, timesteps, scores
    groups/          checkpoints of configurations that train side by side; they go when the search is over
    runs/            the run that trains the best settings again
    recipe.toml      the best settings, with the band of scores that a further run is expected in
    sweep.md         the table of the configurations

Plan and ledger say where an interrupted sweep goes on. Importing this module does not import JAX.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from logpi.errors import LogpiError
from logpi.runs.create import toml_text
from logpi.runs.files import Json, atomic_write, json_text, parse_toml, read_text
from logpi.sweeps.halving import Merit

PLAN, LEDGER, RECIPE, TABLE, GROUPS, RUNS = "sweep.toml", "ledger.jsonl", "recipe.toml", "sweep.md", "groups", "runs"


class Plan(NamedTuple):
    """What is searched, and how."""

    env: str = ""
    algo: str = ""
    policy: str = ""  # as in a settings file
    space: Mapping[str, Any] = {}  # ranges by setting, as TOML has them
    sections: Mapping[str, Any] = {}  # settings that all configurations have, by section
    settings: Mapping[str, Any] = {}  # single ones, which win over ``sections``
    configurations: int = 64
    seeds: int = 1  # of each configuration
    seed: int = 0  # the first one; also of the sampler
    sampler: str = "random"
    batch: int = 16  # configurations at a time, for a sampler that learns
    halving: int = 0  # factor η of successive halving; 0: one round
    rounds: int = 3
    retrain: int = 5  # seeds that train the best settings again; 0: none


class Reached(NamedTuple):
    """Where a configuration stands at the end of a round."""

    timesteps: int  # learnt from, by the one of its group that has had fewest
    scores: Sequence[float]  # mean score of each of its seeds; nan where a number of the seed became NaN or infinite
    # mean return of each in training, over all rows of metrics so far; nan where there is none
    returns: Sequence[float]

    @property
    def score(self) -> float:
        """Mean over the seeds; nan where one of them has none."""
        return sum(self.scores) / len(self.scores)

    @property
    def merit(self) -> Merit:
        """What decides between configurations: the score; of equal ones the return in training, who learnt faster."""
        if math.isnan(self.score):
            return None
        learnt = sum(self.returns) / len(self.returns)
        return self.score, -math.inf if math.isnan(learnt) else learnt


Ledger = dict[tuple[int, int], Reached]  # (number of the configuration, number of the round) -> what it reached


def read_plan(folder: Path) -> Plan | None:
    """The plan of the sweep in ``folder``; None where there is none.

    Raises:
        LogpiError: it cannot be read, or was altered.
    """
    path = folder / PLAN
    if not path.exists():
        return None
    try:
        plan = Plan(**parse_toml(read_text(path)))
        for name, usual in Plan()._asdict().items():
            if not isinstance(getattr(plan, name), type(usual)):
                raise ValueError(f"{name} has another type")
    except (OSError, ValueError, TypeError) as error:
        raise LogpiError(f"cannot read {path}: {error}; restore it, or choose another --out") from error
    return plan


def write_plan(folder: Path, plan: Plan) -> None:
    """Keep ``plan`` in ``folder``, unless another sweep is there.

    Raises:
        LogpiError: the folder belongs to another sweep, holds other things, or the disk refuses.
    """
    text, before = toml_text(plan._asdict()), read_plan(folder)
    if before is None and any(path.name != "lock" for path in folder.iterdir()):
        raise LogpiError(f"{folder} holds other things than a sweep; choose another folder with --out")
    new = parse_toml(text)
    for name, old in (before._asdict() if before else {}).items():
        if new[name] != old:
            raise LogpiError(
                f"{folder} holds a sweep with {name} {old!r:.80}, not {new[name]!r:.80}: choose another folder with "
                f"--out, or go on with that one: logpi sweep --out {folder}"
            )
    atomic_write(folder / PLAN, text.encode())


def read_ledger(folder: Path) -> Ledger:
    """What the sweep in ``folder`` has found out so far.

    Raises:
        LogpiError: the ledger was altered.
    """
    path, found = folder / LEDGER, Ledger()
    try:
        for line in read_text(path).splitlines() if path.exists() else ():
            entry = json.loads(line)
            scores, returns = ([float(x) for x in entry[name]] for name in ("scores", "returns"))  # "nan" too
            found[int(entry["configuration"]), int(entry["round"])] = Reached(int(entry["timesteps"]), scores, returns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogpiError(f"cannot read {path}: {error!r}; restore it, or choose another --out") from error
    return found


def write_ledger(folder: Path, ledger: Ledger, settings: Mapping[int, Json]) -> None:
    """Write the whole ledger at once; ``settings`` are those of each configuration.

    Raises:
        LogpiError: the disk refuses; the ledger that was there is intact.
    """
    lines = [
        json_text({"configuration": number, "round": level, **reached._asdict(), "settings": settings[number]})
        for (number, level), reached in sorted(ledger.items())
        if number in settings
    ]
    atomic_write(folder / LEDGER, "".join(f"{line}\n" for line in lines).encode())
