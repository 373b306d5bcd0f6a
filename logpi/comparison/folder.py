"""The folder of a comparison: its plan, the runs that it trains, and its results.

    comparison.toml                                      the plan: what is compared
    runs/<method>/<environment>/seeds_<first>-<last>/    ordinary run folders, each of one seed or several at once
    comparison.html  comparison.md  comparison.json      the page, its tables, every number that is without a clock
    seconds.json  figures/                               wall-clock times; each figure as PNG and SVG

What is there says where an interrupted comparison goes on: nothing else keeps books. Importing this imports no JAX.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from logpi.comparison.statistics import RESAMPLES
from logpi.config.literals import assignments
from logpi.errors import LogpiError
from logpi.runs.create import folder_of, toml_text
from logpi.runs.files import atomic_write, parse_toml, read_text
from logpi.runs.folder import MANIFEST, RunFolder
from logpi.runs.lookup import open_run

PLAN = "comparison.toml"
TRAINING = ("envs", "algos", "seeds", "seed", "settings")  # what decides which runs are trained


class Plan(NamedTuple):
    """What is compared."""

    envs: Sequence[str] = ()
    algos: Sequence[str] = ()  # [LABEL=]ALGO [SETTING=VALUE …], or a settings file in place of ALGO
    seeds: int = 10
    seed: int = 0  # the first one
    settings: Mapping[str, Any] = {}  # of every run
    runs: Sequence[str] = ()  # [LABEL=]PATH of runs that exist
    references: Mapping[str, Sequence[float]] = {}  # environment -> scores of random and of good play
    resamples: int = RESAMPLES

    @property
    def trains(self) -> bool:
        """Whether it has runs to train."""
        return bool(self.envs and self.algos)


class Method(NamedTuple):
    """One of the methods of a plan."""

    label: str
    algo: str | None  # None: that of ``config``
    config: str | None  # path of a settings file
    settings: Mapping[str, Any]


def methods(plan: Plan) -> list[Method]:
    """The methods of a plan, in their order.

    Raises:
        LogpiError: a text is not "[LABEL=]ALGO [SETTING=VALUE …]", or two have one label.
    """
    found = [_method(text) for text in plan.algos]
    labels = [method.label for method in found]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise LogpiError(f"two methods are called {twice!r}; give one a name of its own: NAME={twice}")
    return found


def _method(text: str) -> Method:
    try:
        first, *rest = shlex.split(text)
    except ValueError as error:
        raise LogpiError(f"method {text!r}: {error}; write [LABEL=]ALGO [SETTING=VALUE …]") from error
    label, sign, algo = first.partition("=")
    algo = algo if sign else first
    if not algo or not label:
        raise LogpiError(f"method {text!r} names no algorithm; write [LABEL=]ALGO [SETTING=VALUE …]")
    is_file = algo.endswith(".toml")
    name = label if sign else " ".join([Path(algo).stem if is_file else algo, *rest])
    return Method(name, None if is_file else algo, algo if is_file else None, assignments(rest))


def read_plan(folder: Path) -> Plan | None:
    """The plan of the comparison in ``folder``; None where there is none.

    Raises:
        LogpiError: it cannot be read, or was altered.
    """
    path = folder / PLAN
    if not path.exists():
        return None
    try:
        table = parse_toml(read_text(path))
        plan = Plan(**table)
        good = all(isinstance(getattr(plan, name), list) for name in ("envs", "algos", "runs"))
        good = good and all(isinstance(getattr(plan, name), dict) for name in ("settings", "references"))
        if not good or not all(isinstance(n, int) for n in (plan.seeds, plan.seed, plan.resamples)):
            raise ValueError("an entry has another type")
    except (OSError, ValueError, TypeError) as error:
        raise LogpiError(f"cannot read {path}: {error}; restore it, or choose another --out") from error
    return plan


def write_plan(folder: Path, plan: Plan) -> None:
    """Keep ``plan`` in ``folder``, unless another one trains there.

    Raises:
        LogpiError: the folder belongs to another comparison, holds other things, or the disk refuses.
    """
    before = read_plan(folder)
    if before is None and folder.exists() and any(path.name != "lock" for path in folder.iterdir()):
        raise LogpiError(f"{folder} holds other things than a comparison; choose another folder with --out")
    if before is not None and before.trains:
        new, old = plan._asdict(), before._asdict()
        for name in TRAINING:
            if _plain(new[name]) != _plain(old[name]):
                raise LogpiError(
                    f"{folder} holds a comparison with {name} {old[name]}, not {new[name]}: choose another folder with "
                    f"--out, or go on with that one: logpi compare --out {folder}"
                )
    atomic_write(folder / PLAN, toml_text(plan._asdict()).encode())


def _plain(value: Any) -> Any:
    """Sequences as lists and tables as dicts, as TOML gives them back."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


class Cell(NamedTuple):
    """A method in an environment: a folder with the runs of its seeds."""

    path: Path
    method: Method
    env: str

    def place(self, first: int, count: int) -> Path:
        """The folder (``log_dir``) of the run of ``count`` seeds from ``first`` on."""
        return self.path / f"seeds_{first}-{first + count - 1}"

    def run(self, first: int, count: int) -> RunFolder | None:
        """The run of these seeds; None where it was not begun."""
        found = sorted(self.place(first, count).glob(f"*/*/{MANIFEST}"))
        return RunFolder(found[0].parent) if found else None

    def is_split(self, first: int, count: int) -> bool:
        """Whether these seeds are trained in smaller groups: they did not fit at once, or one ended in NaN."""
        if count < 2:
            return False
        run = self.run(first, count)
        return bool(run.failure) if run else any(self.place(*half).exists() for half in halves(first, count))

    def runs(self, first: int, count: int) -> Iterator[RunFolder]:
        """The runs of these seeds that were begun, each seed in one of them at most."""
        if self.is_split(first, count):
            for half in halves(first, count):
                yield from self.runs(*half)
        elif run := self.run(first, count):
            yield run


def halves(first: int, count: int) -> list[tuple[int, int]]:
    """The two halves of ``count`` seeds from ``first`` on, as (first, count)."""
    return [(first, count // 2), (first + count // 2, count - count // 2)]


def cells(folder: Path, plan: Plan) -> list[Cell]:
    """Every cell of a plan, environment by environment."""
    every = [(number, method, env) for env in plan.envs for number, method in enumerate(methods(plan))]
    parents = [folder_of(folder / "runs", f"{number}-{method.label}", env) for number, method, env in every]
    return [Cell(parent / name, method, env) for (parent, name), (_, method, env) in zip(parents, every, strict=True)]


def trained(folder: Path, plan: Plan) -> list[tuple[str, RunFolder]]:
    """The runs that the comparison in ``folder`` has begun, each with the label of its method."""
    return [(cell.method.label, run) for cell in cells(folder, plan) for run in cell.runs(plan.seed, plan.seeds)]


def existing(text: str, root: str | Path = "runs") -> list[tuple[str, RunFolder]]:
    """The runs that "[LABEL=]PATH" names: a run, a folder of runs, or a comparison; "" where there is no label.

    Raises:
        LogpiError: there is no run.
    """
    label, sign, path = ("", "", text) if os.path.exists(text) else text.partition("=")
    place = Path(path if sign else text)
    label = label if sign else ""
    if os.path.isdir(place) and not os.path.isfile(place / MANIFEST):
        plan = read_plan(place)
        found = trained(place, plan) if plan else [("", RunFolder(file.parent)) for file in _manifests(place)]
        if not found:
            raise LogpiError(f"{place} holds no run; give run folders, or a folder such as runs/")
        return [(label or own, run) for own, run in found]
    return [(label, open_run(place, root))]


def _manifests(place: Path) -> list[Path]:
    """Manifests of the runs in a folder of runs, or in that of one method."""
    return sorted([*place.glob(f"*/{MANIFEST}"), *place.glob(f"*/*/{MANIFEST}")])
