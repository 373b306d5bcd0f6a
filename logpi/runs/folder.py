"""The run folder ``runs/<algo>/<env>_<n>/``: results for people and programs, and the state that resuming needs.

    config.toml  command.txt  manifest.json        what was asked, where, with which versions and seeds
    metrics.jsonl  progress.csv  timing.jsonl  events.out.tfevents*          what was measured
    checkpoints/iteration_<8 digits>.safetensors   everything that resuming needs
    best/  last/  stages/  curve.png  videos/      the agents, and pictures
    result.json  failure.json                      the outcome, once finished; why it cannot be

Importing this module does not import JAX.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from logpi.errors import LogpiError
from logpi.runs.checkpoint import load_tree, save_tree
from logpi.runs.files import (
    CHECKPOINT,
    Json,
    atomic_write,
    disk_error,
    json_text,
    not_through_links,
    parse_json,
    parse_toml,
    read_text,
    refuse_traps,
    sweep,
    try_lock,
    without_waiting,
)

if TYPE_CHECKING:
    from jaxtyping import PyTree

MANIFEST = "manifest.json"  # by whose presence a folder is known as a run
SEED = "seed_"  # and its number: the folder of an agent where several were trained together
_LOCK_PATIENCE = 0.5  # seconds: longer than a reader of `locked` holds it, shorter than a person notices


class Checkpoint(NamedTuple):
    """What ``RunFolder.latest_checkpoint`` found; ``warning`` names a newer, damaged file, or is None."""

    iteration: int
    tree: PyTree
    meta: Json
    warning: str | None


@dataclass(frozen=True)
class RunFolder:
    """One run's folder; every path in it has its name here."""

    path: Path

    @property
    def manifest_file(self) -> Path:
        return self.path / MANIFEST

    @property
    def manifest(self) -> Json:
        """Versions, platform, device, seeds, git and start time, as JSON."""
        return _read(self.manifest_file, parse_json)

    @property
    def config_file(self) -> Path:
        return self.path / "config.toml"

    @property
    def config(self) -> Json:
        """The resolved config. A field that was None is absent: TOML has no null."""
        return _read(self.config_file, parse_toml)

    @property
    def command_file(self) -> Path:
        """The commands that started the run and went on with it, a line each."""
        return self.path / "command.txt"

    @property
    def result_file(self) -> Path:
        """The outcome of a finished run; absent before."""
        return self.path / "result.json"

    @property
    def result(self) -> Json:
        """What ``result.json`` holds.

        Raises:
            LogpiError: it cannot be read.
        """
        return _read(self.result_file, parse_json)

    @property
    def failure_file(self) -> Path:
        """Why the training cannot go on: a number became NaN or infinite. Absent otherwise."""
        return self.path / "failure.json"

    @property
    def failure(self) -> str:
        """What ``failure.json`` says; "" where the run has none."""
        return str(_read(self.failure_file, parse_json).get("error", "")) if self.failure_file.exists() else ""

    @property
    def changes_file(self) -> Path:
        """Settings that a program changed while the run was under way; absent where none was."""
        return self.path / "changes.json"

    @property
    def lock_file(self) -> Path:
        """Held by the process that writes the run; it says who that is."""
        return self.path / "lock"

    @property
    def score(self) -> Json:
        """What the run's evaluations measure: ``label``, ``percent``, and the bounds ``low`` and ``high`` or None.

        ``expected_low`` and ``expected_high`` are there where a recipe expects scores.
        """
        return score_in(self.manifest)

    @property
    def length(self) -> Json:
        """The run's length in ``timesteps``, the ``unit`` that people count in, and ``each``, the timesteps of one."""
        return length_in(self.manifest)

    @property
    def score_label(self) -> str:
        """What the run's score measures."""
        return str(self.score.get("label", "score"))

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        return self.path / "best"

    @property
    def best_agent(self) -> Path:
        """Folder of the best agent; of several seeds, the first one's."""
        seeds = self.manifest.get("seeds")
        first = self.best / f"{SEED}{seeds[0]}" if isinstance(seeds, list) and seeds else self.best
        return first if first.parent == self.best and first.is_dir() else self.best

    @property
    def last(self) -> Path:
        return self.path / "last"

    @property
    def stages(self) -> Path:
        """Agents of a game as they were at each periodic evaluation, in folders called by their timesteps."""
        return self.path / "stages"

    @property
    def curve(self) -> Path:
        return self.path / "curve.png"

    @property
    def videos(self) -> Path:
        return self.path / "videos"

    def save_checkpoint(self, iteration: int, tree: PyTree, meta: Mapping[str, object], keep: int = 3) -> Path:
        """Save atomically, and only then prune to the ``keep`` newest.

        Checkpoints of later iterations come from a future that a resumed run has given up; they go too.

        Raises:
            LogpiError: the disk refuses; the checkpoints that were there are intact.
        """
        path = self.checkpoints / f"iteration_{iteration:08d}{CHECKPOINT}"
        save_tree(path, tree, meta)
        saved = self.saved()
        kept = [number for number in sorted(saved) if number <= iteration][-keep:]
        # a killed writer leaves its temporary file; this run's lock says that no other writer is at work
        stale = list(self.checkpoints.glob(".*.tmp"))
        for old in [saved[number] for number in saved if number not in kept] + stale:
            with contextlib.suppress(OSError):
                old.unlink()
        return path

    def latest_checkpoint(self, like: PyTree) -> Checkpoint:
        """The newest checkpoint that verifies against ``like`` (``load_tree``), older ones if it is damaged.

        Raises:
            LogpiError: there is none.
        """
        saved = self.saved()
        problems: list[str] = []
        for iteration in sorted(saved, reverse=True):
            try:
                tree, meta = load_tree(saved[iteration], like)
            except LogpiError as error:
                problems.append(str(error))
                continue
            warning = f"resuming from iteration {iteration}: {problems[0]}" if problems else None
            return Checkpoint(iteration, tree, meta, warning)
        why = f"no usable checkpoint of {len(saved)}: {problems[0]}" if problems else "no checkpoint yet"
        raise LogpiError(f"cannot resume {self.path}: {why}; start again with `logpi train`")

    def finish(self, result: Mapping[str, object]) -> None:
        """Write ``result.json``: the run has reached its end.

        Raises:
            LogpiError: the disk refuses.
        """
        atomic_write(self.result_file, (json_text(result, indent=2) + "\n").encode())
        self.failure_file.unlink(missing_ok=True)

    def fail(self, error: str) -> None:
        """Write ``failure.json``.

        Raises:
            LogpiError: the disk refuses.
        """
        atomic_write(self.failure_file, (json_text({"error": error}, indent=2) + "\n").encode())

    def discard(self) -> None:
        """Remove the folder, and that of its method where it is empty then; links in it are not followed."""
        shutil.rmtree(self.path)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()  # refuses where anything is left

    @contextlib.contextmanager
    def lock(self, links: bool = False) -> Iterator[None]:
        """Hold the run for writing. The system frees it when this process ends, however it ends.

        Args:
            links: whether links in the folder may lead out of it; then nothing in it is written or swept.

        Raises:
            LogpiError: another process writes this run, or the folder cannot be written, or has a link that leads out.
        """
        if not links:
            refuse_traps(self.path)
        try:
            file = io.FileIO(self.lock_file, "a", opener=not_through_links)
        except OSError as error:
            raise disk_error(self.lock_file, error) from error
        with file:
            give_up = time.monotonic() + _LOCK_PATIENCE
            while not try_lock(file):
                if time.monotonic() > give_up:
                    raise LogpiError(
                        f"another process is writing {self.path}; wait until it ends or stop it, "
                        "or start a run of its own with `logpi train`"
                    )
                time.sleep(0.02)
            answers = threading.current_thread() is threading.main_thread()  # signals belong to it
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "stops_on_signal": answers}
            with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
                file.truncate(0)
                file.write(json_text(holder).encode())
            if not links:
                self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove what a killed writer has left; the lock says that no other is at work."""
        for stale in self.path.rglob(".*.tmp"):
            with contextlib.suppress(OSError):
                stale.unlink()
        sweep(self.videos)  # which are also made without the lock

    @property
    def status(self) -> str:
        """Either "running" (its lock is held), "finished" (it has a result) or "interrupted"."""
        with contextlib.suppress(OSError), open(self.lock_file, "rb", opener=without_waiting) as file:
            if not try_lock(file):
                return "running"
        return "finished" if (self.result_file).exists() else "interrupted"

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is anything to resume from."""
        return bool(self.saved())

    def saved(self) -> dict[int, Path]:
        """Checkpoints by iteration, whether or not they can be read."""
        found = self.checkpoints.glob(f"iteration_*{CHECKPOINT}")
        named = {path.stem.removeprefix("iteration_"): path for path in found}
        return {int(number): path for number, path in named.items() if re.fullmatch("[0-9]{1,18}", number)}


def _read(path: Path, parse: Callable[[str], Json]) -> Json:
    try:
        return parse(read_text(path))
    except (OSError, ValueError) as error:
        raise LogpiError(f"cannot read {path}: {error}; restore it, or start again with `logpi train`") from error


def score_in(manifest: Json) -> Json:
    """``RunFolder.score`` of a manifest that was read."""
    bounds = dict.fromkeys(("low", "high", "expected_low", "expected_high"), float)
    return _table_of(manifest, "score", {"label": str, "percent": bool, **bounds})


def length_in(manifest: Json) -> Json:
    """``RunFolder.length`` of a manifest that was read."""
    return _table_of(manifest, "length", {"timesteps": int, "unit": str, "each": int})


def _table_of(manifest: Json, name: str, kinds: Mapping[str, type]) -> Json:
    """A table of a manifest, which anybody may have written: those of its entries that have the type they should."""
    table = manifest.get(name)
    found = {} if not isinstance(table, dict) else {k: v for k, v in table.items() if k in kinds}
    number = {float: (int, float), int: (int,)}
    return {
        k: v
        for k, v in found.items()
        if isinstance(v, number.get(kinds[k], kinds[k])) and (kinds[k] is bool or not isinstance(v, bool))
    }
