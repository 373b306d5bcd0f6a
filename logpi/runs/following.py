"""All runs of a folder, followed while they are trained: what has changed since one last looked.

Looking again at runs that have not changed costs a few system calls each. Importing this module does not import JAX.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from logpi.errors import LogpiError, inert
from logpi.runs.files import Json, parse_json, read_text
from logpi.runs.folder import MANIFEST, RunFolder, length_in, score_in
from logpi.runs.metrics import ELAPSED, SECONDS, SPENT, STEPS, TIMING, Row, all_commands, last_rows, mean
from logpi.runs.scores import half_width

TRAINING, EVALUATION = "rollout/ep_rew_mean", "eval/mean_reward"
MOST_TEXT = 2**20  # bytes of a manifest or a result that is read
_FIRST, _NEXT = 2**16, 2**14  # bytes of the end of a file that are read: of a run not seen before, and of others
_SPEED_ROWS = 12  # newest rows over which steps/s are measured
_LONGEST = 200  # characters of a name that are shown
_Stamp = tuple[object, ...]


class RunState(NamedTuple):
    """What is known of a run at one moment; numbers that are not known are NaN."""

    name: str  # its path below the folder of runs, such as "ppo/CartPole-v1_1"
    algo: str
    env: str
    status: str  # "running", "finished" or "interrupted"
    failure: str  # why it cannot go on; "" where it can
    started: str  # ISO 8601 with time zone
    seeds: int  # learners that are trained at once
    unit: str  # in which its length is counted: steps, moves or images
    done: float  # units learnt from
    total: float  # units at its end
    speed: float  # units per second over the newest rows
    left: float  # seconds to its end at that speed; of a run that is not running NaN
    spent: float  # seconds of all commands, compilation included
    score: float  # the newest
    half: float  # half of the 95 % interval of its mean
    over: str  # what the score is of: "final evaluation, 100 episodes", "evaluation", "training"; "" without one
    label: str  # what it measures
    percent: bool  # whether people read it in per cent
    shares: dict[str, float]  # seconds of this command by what they went to, such as "update"


class Following:
    """The runs below a folder."""

    def __init__(self, root: str | Path = "runs") -> None:
        """Nothing is read yet.

        Args:
            root: folder that holds the runs, in folders of their methods; it need not exist.
        """
        self.root = Path(root)
        self.states: dict[str, RunState] = {}  # by name, the oldest run first
        self._stamps: dict[str, _Stamp] = {}
        self._clock: dict[str, Row] = {}  # newest values of runs by name: the end of a file may lack some
        self._order: dict[str, float] = {}

    def refresh(self) -> tuple[dict[str, RunState], list[str]]:
        """(runs that are new or have changed since the last call, names of those that are gone)."""
        found, changed = set(), dict[str, RunState]()
        for run in _folders(self.root):
            name = run.path.relative_to(self.root).as_posix()
            found.add(name)
            status = run.status
            stamp = (status, *(_stamp(path) for path in _files(run)))
            if self._stamps.get(name) == stamp:
                continue
            self._stamps[name] = stamp
            with contextlib.suppress(OSError, ValueError, KeyError, OverflowError, TypeError):
                state = self._state(name, run, status)
                if state != self.states.get(name):
                    changed[name] = state
        gone = [name for name in self.states if name not in found]
        for name in self._stamps.keys() - found:
            for kept in (self._stamps, self.states, self._clock, self._order):
                kept.pop(name, None)
        if changed:
            merged = self.states | changed
            self.states = {name: merged[name] for name in sorted(merged, key=lambda name: (self._order[name], name))}
        return changed, gone

    def _state(self, name: str, run: RunFolder, status: str) -> RunState:
        """What the files of a run say; ValueError or KeyError for no good manifest."""
        facts = parse_json(read_text(run.manifest_file, MOST_TEXT))
        algo, env, started = (_text(facts[key]) for key in ("algo", "env", "started"))
        self._order[name] = datetime.fromisoformat(started).timestamp()
        tail = _NEXT if name in self._clock else _FIRST
        clock, known = _rows(run.path / TIMING, _NEXT // 2), dict(self._clock.get(name, {}))
        for row in (*clock, *_rows(run.metrics, tail)):
            known.update(row)
        self._clock[name] = known
        length, score = length_in(facts), score_in(facts)
        each = max(length.get("each", 1), 1)
        done, total = mean(known.get(STEPS, 0.0)) / each, length.get("timesteps", math.nan) / each
        speed = _speed(clock) / each
        value, half, over = _score(run, known) if known or status == "finished" else (math.nan, math.nan, "")
        seeds = facts.get("seeds")
        return RunState(
            name,
            algo,
            env,
            status,
            _failure(run),
            started,
            len(seeds) if isinstance(seeds, list) else 1,
            _text(length.get("unit", "steps")),
            done,
            total,
            speed,
            max(total - done, 0.0) / speed if status == "running" and speed > 0 else math.nan,
            mean(known.get(SPENT, known.get(ELAPSED, math.nan))),
            value,
            half,
            over,
            _text(score.get("label", "score")),
            bool(score.get("percent", False)),
            {_text(key.removeprefix(SECONDS)): mean(x) for key, x in known.items() if key.startswith(SECONDS)},
        )


def _folders(root: Path) -> Iterable[RunFolder]:
    """Run folders in folders of ``root``; links that lead out of it are left out."""
    with contextlib.suppress(OSError):
        real = root.resolve()
        for path in root.glob(f"*/*/{MANIFEST}"):
            folder = path.parent
            with contextlib.suppress(OSError, RuntimeError):
                linked = folder.is_symlink() or folder.parent.is_symlink()
                if not linked or folder.resolve().is_relative_to(real):
                    yield RunFolder(folder)


def _files(run: RunFolder) -> tuple[Path, ...]:
    """Files whose change changes a state."""
    return (run.manifest_file, run.metrics, run.path / TIMING, run.result_file, run.failure_file)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _rows(path: Path, tail: int) -> list[Row]:
    """The newest rows of a file; none where it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        return last_rows(path, tail)
    return []


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return inert(value[:_LONGEST])


def _speed(clock: list[Row]) -> float:
    """Timesteps per second over the newest rows of the clock."""
    newest = [row for row in clock[-_SPEED_ROWS:] if STEPS in row and (SPENT in row or ELAPSED in row)]
    if len(newest) < 2:
        return mean(newest[-1].get("time/fps", math.nan)) if newest else math.nan
    seconds = all_commands(np.array([mean(row.get(SPENT, row.get(ELAPSED, 0.0))) for row in newest]))
    steps = mean(newest[-1][STEPS]) - mean(newest[0][STEPS])
    return steps / float(seconds[-1] - seconds[0]) if seconds[-1] > seconds[0] and steps > 0 else math.nan


def _score(run: RunFolder, known: Row) -> tuple[float, float, str]:
    """(score, half of its 95 % interval, what it is of)."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, LogpiError):
        return _final(parse_json(read_text(run.result_file, MOST_TEXT)))
    for name, what in ((EVALUATION, "evaluation"), (TRAINING, "training")):
        values = np.atleast_1d(np.asarray(known.get(name, math.nan), float))
        if np.isfinite(values).all() and len(values):
            several = len(values) > 1
            over = f"{what}, {len(values)} seeds" if several else what
            return float(values.mean()), half_width(values) if several else math.nan, over
    return math.nan, math.nan, ""


def _final(result: Json) -> tuple[float, float, str]:
    """The score of ``result.json``: over seeds, or of one seed over its episodes."""
    means = np.array([float(value) for value in result["mean_reward"]])
    if len(means) > 1:
        return float(means.mean()), half_width(means), f"final evaluation, {len(means)} seeds"
    from scipy.special import stdtrit

    count, deviation = int(result["episodes"]), float(result["std_reward"][0])
    half = float(stdtrit(count - 1, 0.975)) * deviation / math.sqrt(count - 1) if count > 1 else math.nan
    return float(means[0]), half, f"final evaluation, {count:,} cases"


def _failure(run: RunFolder) -> str:
    with contextlib.suppress(OSError, ValueError, LogpiError):
        return _text(run.failure)
    return ""
