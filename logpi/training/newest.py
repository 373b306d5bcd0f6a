"""Where a run goes on: its newest good checkpoint, as it was or under another length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from logpi.config.changes import in_force
from logpi.config.lengths import going_on, limits
from logpi.config.settings import Experiment
from logpi.config.stored import HISTORY, experiment_to_table
from logpi.driver.in_turn import Trainer
from logpi.driver.process import State
from logpi.driver.progress import Progress, rescaled
from logpi.errors import LogpiError
from logpi.runs.folder import RunFolder
from logpi.runs.manage import outcome_so_far, reopen
from logpi.tasks import Facts, Work, task_of
from logpi.training import hooks
from logpi.training.saving import CHANGES


class Earlier(NamedTuple):
    """What a run was until now, where it goes on with another length."""

    experiment: Experiment
    history: Sequence[Facts] = ()  # the lengths before that, as ``config.toml`` has them


class Resumed(NamedTuple):
    """A run that goes on from a checkpoint."""

    folder: RunFolder
    experiment: Experiment
    work: Work
    before: Earlier | None  # what the run was, where it has another length now
    tell: Callable[[str], None]

    def newest(self, driver: Trainer) -> tuple[State, Progress, Facts]:
        """Arrays of the newest good checkpoint, where it stands, and its facts.

        Raises:
            LogpiError: there is none, the data is not the run's own, or it has learnt for longer than its length.
        """
        found = self.folder.latest_checkpoint(lambda meta: driver.kept.like(_progress(meta), meta.get("facts", {})))
        _, tree, meta, warning = found
        if warning:
            self.tell(warning)
        if meta.get("data", self.work.data) != self.work.data:
            raise LogpiError(
                f"{self.work.source} are not those that this run began with: "
                "put the old data back, or train anew with `logpi train`"
            )
        if meta["num_devices"] != self.work.num_devices:
            self.tell(
                f"begun on {meta['num_devices']} devices, resumed on {self.work.num_devices}: it goes on, "
                "but not bit for bit"
            )
        progress = _progress(meta)
        if self.before is not None:
            tree, progress = self._with_length(driver, tree, progress, meta, self.before)
        self._tell_changes(meta)
        return tree, progress, meta

    def _with_length(
        self, driver: Trainer, tree: State, progress: Progress, meta: Facts, before: Earlier
    ) -> tuple[State, Progress]:
        """A checkpoint's state and progress under the new length, which the folder records."""
        task, done = task_of(self.experiment.env), meta["timesteps"]
        horizon, total = task.horizon, self.experiment.method.total_timesteps
        counted = task.length(self.experiment)
        if total <= done:
            raise LogpiError(
                f"{self.folder.path} has learnt from {done // counted.each:,} {counted.unit} already; "
                f"{horizon} must be greater than that"
            )
        self.tell(going_on(before.experiment, self.experiment, done))
        was = {**limits(before.experiment), "timesteps": done, **outcome_so_far(self.folder)}
        history = {HISTORY: [*before.history, was]}
        command = ["logpi", "resume", str(self.folder.path)]
        for name, value in limits(self.experiment).items():
            command += [f"--{name.replace('_', '-')}", f"{value:.17g}"]
        reopen(self.folder, experiment_to_table(self.experiment) | history, counted._asdict(), command)
        settings = in_force(meta.get(CHANGES, ()))
        tree = driver.kept.with_settings(tree)
        tree = driver.kept.changed(tree, settings) if settings else tree
        return tree, rescaled(progress, done, total, self.experiment.run)

    def _tell_changes(self, meta: Facts) -> None:
        """Say which changes of settings the run goes on with, and let the folder tell of no others."""
        changes = meta.get(CHANGES, ())
        if changes or self.folder.changes_file.exists():
            hooks.record(self.folder, changes)
        if changes:
            values = ", ".join(f"{name}={value:g}" for name, value in in_force(changes).items())
            self.tell(f"settings that were changed while it trained: {values}")


def _progress(meta: Facts) -> Progress:
    return Progress(**meta["progress"])
