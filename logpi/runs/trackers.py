"""Experiment trackers as sinks of a run's rows: trackio and Weights & Biases, imported when a run asks for one.

Neither needs an account here: trackio writes its database on this machine, Weights & Biases works offline beside the
runs. Their own environment variables (``TRACKIO_SPACE_ID``, ``TRACKIO_DIR``; ``WANDB_MODE``, ``WANDB_PROJECT``)
choose otherwise.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

from logpi.errors import LogpiError
from logpi.runs.folder import RunFolder
from logpi.runs.metrics import STEPS, Mark, Row, Sink, mean

PROJECT = "logpi"


class Tracked:
    """A sink that hands every row to a tracker; several seeds are averaged.

    Trackers cannot forget: what a resumed run makes again after its checkpoint is there twice.
    """

    def __init__(self, name: str, log: Callable[[dict[str, float], int], object], close: Callable[[], object]) -> None:
        self._name, self._log, self._close = name, log, close

    def write(self, row: Row) -> None:
        with _errors_of(self._name):
            self._log({name: mean(value) for name, value in row.items()}, int(mean(row[STEPS])))

    def rewind(self, mark: Mark) -> None:
        """Nothing: the rows after ``mark`` stay."""

    def close(self) -> None:
        with _errors_of(self._name), contextlib.redirect_stdout(sys.stderr):
            self._close()


def trackio(folder: RunFolder, resumed: bool) -> Tracked:
    """A run of trackio, in its database on this machine."""
    package = importlib.import_module("trackio")
    run = package.init(
        project=PROJECT,
        name=f"{_name(folder)} {_identity(folder)}",
        config=folder.config,
        resume="allow" if resumed else "never",
        embed=False,
        auto_log_cpu=False,
        auto_log_gpu=False,
    )
    return Tracked("trackio", lambda metrics, step: run.log(metrics, step=step), package.finish)


def wandb(folder: RunFolder, resumed: bool) -> Tracked:
    """A run of Weights & Biases, offline in the folder of all runs unless WANDB_MODE says otherwise."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it reports its crashes to its makers
    package = importlib.import_module("wandb")
    run = package.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=_name(folder),
        id=_identity(folder),
        dir=str(folder.path.parents[1]),  # not the run's own folder: it makes links that lead out of it
        config=folder.config,
        mode=os.environ.get("WANDB_MODE", "offline"),
        resume="allow" if resumed else None,
        settings=package.Settings(console="off", silent=True, disable_git=True, x_disable_stats=True, save_code=False),
    )
    run.define_metric("*", step_metric=STEPS)
    return Tracked("wandb", lambda metrics, step: run.log(metrics), run.finish)


TRACKERS: dict[str, Callable[[RunFolder, bool], Tracked]] = {"trackio": trackio, "wandb": wandb}


def check(name: str) -> None:
    """Refuse a tracker whose package is not installed.

    Raises:
        LogpiError: with the line that installs it.
    """
    try:
        metadata.distribution(name)  # a folder of that name, which wandb makes, would do for an import
    except metadata.PackageNotFoundError as error:
        raise LogpiError(f"tracker {name}: the package {name} is not installed; pip install {name}") from error


def open_tracker(name: str, folder: RunFolder, resumed: bool) -> Sink:
    """The tracker called ``name``, one of ``TRACKERS``, for the rows of a run; what it prints goes to standard error.

    Raises:
        LogpiError: its package is not installed, or it refuses to begin.
    """
    check(name)
    with _errors_of(name), contextlib.redirect_stdout(sys.stderr):
        return TRACKERS[name](folder, resumed)


@contextlib.contextmanager
def _errors_of(name: str) -> Iterator[None]:
    """Errors of a tracker as one message that names it."""
    try:
        yield
    except Exception as error:
        raise LogpiError(
            f"tracker {name} raised {type(error).__name__}: {error}; --tracker none goes without"
        ) from error


def _name(folder: RunFolder) -> str:
    return f"{folder.path.parent.name}/{folder.path.name}"


def _identity(folder: RunFolder) -> str:
    """Eight characters that two runs of one name do not share, and a resumed run has again."""
    began: Any = folder.manifest.get("started")
    return hashlib.sha256(f"{folder.path.resolve()} {began}".encode()).hexdigest()[:8]
