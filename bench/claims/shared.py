"""What the scripts of this folder share: runs of many seeds at once, and when a curve first reached a score."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

import report

import logpi
from logpi.driver import devices
from logpi.runs.history import History
from logpi.runs.metrics import STEPS
from logpi.runs.scores import half_width

FOLDER = "claims"  # of the results
BARE = {"video": False, "tensorboard": False, "checkpoint_points": 0, "keep_checkpoints": 1}
EVALUATION = "eval/mean_reward"
SIDE = 0.025  # of a 95 % interval
Floats = NDArray[np.float64]


class Curves(NamedTuple):
    """What a run of S seeds was evaluated at."""

    steps: Floats  # [N]
    scores: Floats  # [S, N] mean return of each evaluation
    agents: list[Path]  # folders of the last agents, [S]
    run: Path

    @property
    def last(self) -> Floats:
        """[S] scores of the last evaluation."""
        return self.scores[:, -1]

    def column(self, name: str) -> tuple[Floats, Floats]:
        """(steps [M], values [S, M]) of the rows that have a number of another column."""
        return column(self.run, name)


def parser(doc: str | None, seeds: int = 10) -> argparse.ArgumentParser:
    """The flags that each of the scripts has."""
    made = report.parser(doc)
    made.add_argument("--seeds", type=int, default=seeds, help="seeds of each run, all in one program")
    return made


@contextmanager
def work() -> Iterator[Path]:
    """A folder for runs, which is deleted at the end."""
    devices.prepare()
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def trained(env: object, algo: str, seeds: int, folder: Path, label: str = "", **settings: Any) -> Curves:
    """Train ``seeds`` seeds from 0 on in one program, and read what they were evaluated at."""
    began = time.perf_counter()
    run = {**BARE, "seeds": seeds, "log_dir": str(folder)}
    outcome = logpi.train(env, algo, run=run, quiet=True, **settings)
    path = outcome.folder.path
    steps, scores = column(path, EVALUATION)
    agents = [path / "last" / f"seed_{k}" for k in range(seeds)] if seeds > 1 else [path / "last"]
    found = Curves(steps, scores, agents, path)
    said = f"{label or algo}: {found.last.mean():.3g} after {steps[-1]:,.0f} steps"
    print(f"{said}, {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
    return found


def column(run: Path, name: str) -> tuple[Floats, Floats]:
    """(steps [M], values [S, M]) of the rows of a run that have a finite number in every seed."""
    history = History(run / "metrics.jsonl")
    history.read()
    rows = len(history.column(STEPS))
    values = history.column(name).reshape(rows, -1)
    there = np.isfinite(values).all(1)
    return history.column(STEPS)[there], values[there].T


def reached(curves: Curves, score: float) -> Floats:
    """[S] steps of the first evaluation of at least ``score``; inf where there was none."""
    enough = curves.scores >= score
    return np.where(enough.any(1), curves.steps[enough.argmax(1)], np.inf)


def median(values: Floats) -> tuple[float, float, float]:
    """Median of ``values`` [S] and its interval by order statistics, of at least 95 % from six values on.

    It holds for any distribution, and some values may be inf. Of fewer values it is the least and the greatest.
    """
    from scipy.special import bdtr

    ordered, n = np.sort(values), len(values)
    rank = max([k for k in range(1, n // 2 + 1) if bdtr(k - 1, n, 0.5) <= SIDE], default=1)
    return float(np.median(values)), float(ordered[rank - 1]), float(ordered[n - rank])


def shown_steps(values: Floats, budget: float) -> str:
    """Median of steps [S] with its interval, and how many seeds reached the score."""

    def one(value: float) -> str:
        return f"{value:,.0f}" if np.isfinite(value) else f"> {budget:,.0f}"

    middle, low, high = median(values)
    return f"{one(middle)} ({one(low)} to {one(high)})"


def number_of(values: Floats) -> str:
    """How many of steps [S] are finite."""
    return f"{int(np.isfinite(values).sum())} of {len(values)}"


def mean(values: Floats, form: str = ".2f") -> str:
    """Mean of ``values`` [S] with Student's 95 % interval."""
    return f"{np.mean(values):{form}} ± {half_width(values):{form}}" if len(values) > 1 else f"{values[0]:{form}}"


def publish(results: Path, name: str, title: str, parts: Sequence[str]) -> None:
    """Write ``results/claims/name.md``."""
    report.publish(results, f"{FOLDER}/{name}", title, {}, parts)


def draw(results: Path, name: str, panels: int, fill: Callable[[list[Any]], None]) -> str:
    """Draw ``results/claims/name.png``; returns the Markdown that shows it."""
    from pictures import picture

    with picture(results / FOLDER / f"{name}.png", panels) as axes:
        fill(axes)
    return f"![{name}]({name}.png)"


def proportion(good: NDArray[np.bool_]) -> str:
    """The share of ``good`` [U, N] in per cent, and its 95 % interval, where the U rows are independent of each other.

    With one in each row it is Clopper and Pearson's; with several, the bootstrap over rows.
    """
    units, each = good.shape
    if each == 1:
        from scipy.special import betaincinv

        k = int(good.sum())
        low = betaincinv(k, units - k + 1, SIDE) if k else 0.0
        high = betaincinv(k + 1, units - k, 1 - SIDE) if k < units else 1.0
    else:
        from logpi.comparison.statistics import interval

        low, high = interval(lambda scores: scores[0].mean(-1), [good.mean(1)])
    return f"{good.mean():.0%} ({low:.0%} to {high:.0%})"
