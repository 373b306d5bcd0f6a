"""What a program hears of a run that is under way, and what it may ask of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from logpi.config.changes import changeable, changed, in_force
from logpi.config.settings import Experiment
from logpi.errors import LogpiError
from logpi.runs.files import Json, atomic_write, json_text
from logpi.runs.folder import RunFolder
from logpi.runs.metrics import Row
from logpi.tasks import Facts, task_of


@dataclasses.dataclass(frozen=True)
class Event:
    """One row of metrics of a run that is under way; what it asks for holds from the next iteration on."""

    folder: Path  # of the run
    timesteps: int  # learnt from so far, of the seed that has had fewest
    metrics: Row  # by name, a number, or a list with one for each seed; the names are those of ``metrics.jsonl``
    finished: bool  # whether this is the last row
    check: Callable[[Mapping[str, object]], dict[str, float]] = dataclasses.field(repr=False)  # refuses wrong changes
    changes: dict[str, float] = dataclasses.field(default_factory=dict)  # settings that change from here on
    last: list[bool] = dataclasses.field(default_factory=list, repr=False)  # not empty once ``finish`` was called

    def change(self, **settings: float) -> None:
        """Change settings of the method from the next iteration on, such as ``learning_rate=1e-4``.

        The change is kept in the run's checkpoints and in ``changes.json``: a resumed run goes on with it. A schedule
        such as ``lr_schedule`` multiplies the new value. Of several seeds all change.

        Raises:
            LogpiError: a setting is part of the compiled program, out of its range, or would do nothing.
        """
        self.changes.update(self.check({**self.changes, **settings}))

    def finish(self) -> None:
        """Let the next iteration be the last one: the run ends with its evaluations and counts as finished."""
        self.last.append(True)

    def to_json(self) -> Json:
        """The line of ``logpi train --json``."""
        return {"event": "row", "folder": self.folder, "timesteps": self.timesteps, "metrics": self.metrics}


def named(callback: Callable[[Event], object]) -> Callable[[Event], None]:
    """``callback``, whose errors become one message with its name."""
    name = getattr(callback, "__qualname__", type(callback).__name__)

    def call(event: Event) -> None:
        try:
            callback(event)
        except Exception as error:
            raise LogpiError(
                f"the callback {name} raised {type(error).__name__} at {event.timesteps:,} timesteps: {error}. The run "
                f"is saved there: once that is corrected, `logpi resume {event.folder}` goes on"
            ) from error

    return call


def allowed(
    experiment: Experiment, idle: Mapping[str, str], changes: Sequence[Facts], arrays: Sequence[str], given: Json
) -> dict[str, float]:
    """The numbers that ``given`` sets in a run of ``experiment`` after earlier ``changes``; raises as ``changed``.

    Args:
        experiment: as the run began.
        idle: "section.setting" -> why it does nothing.
        changes: as ``changes.json`` has them.
        arrays: names of the settings that are arrays in a learner.
        given: new values by name.
    """
    now = dataclasses.replace(experiment.method, **in_force(changes))
    return changed(now, given, changeable(now, arrays, task_of(experiment.env).horizon), idle)


def record(folder: RunFolder, changes: Sequence[Facts]) -> None:
    """Write ``changes.json``, or remove it where nothing has changed."""
    if changes:
        told = [dict(sorted(change.items())) for change in changes]  # in one order, from a checkpoint too
        atomic_write(folder.changes_file, (json_text(told, indent=2) + "\n").encode())
    else:
        folder.changes_file.unlink(missing_ok=True)
