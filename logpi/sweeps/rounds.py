"""A group of configurations on its way through the rounds of a sweep: trained, kept, evaluated.

What a checkpoint holds decides all that follows, and a round begins with the newest one: a sweep that was killed comes
to the same numbers, bit for bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.driver.driver import training
from logpi.driver.in_turn import Trainer
from logpi.driver.process import Numbers, State, Watch
from logpi.driver.progress import Progress
from logpi.runs.files import Json
from logpi.runs.folder import RunFolder
from logpi.sweeps.folder import GROUPS, Reached
from logpi.sweeps.group import Group
from logpi.types import PyTree

RETURN = "rollout/ep_rew_mean"  # in a row of metrics
KEPT = 2  # newest checkpoints of a group


class Record(NamedTuple):
    """What training has shown of each seed so far, [S] each."""

    lost: NDArray[np.bool_]  # whether a number of it became NaN or infinite
    rows: NDArray[np.int64]  # rows of metrics that have a return
    returns: NDArray[np.float64]  # their sum

    @classmethod
    def empty(cls, seeds: int) -> Record:
        """Before the first row."""
        return cls(np.zeros(seeds, bool), np.zeros(seeds, int), np.zeros(seeds))

    def after(self, row: Mapping[str, PyTree]) -> Record:
        """With one more row of metrics."""
        value = np.asarray(row.get(RETURN, np.nan), np.float64)
        known = np.isfinite(value)
        return self._replace(rows=self.rows + known, returns=self.returns + np.where(known, value, 0.0))

    def checked(self, flags: Mapping[str, PyTree]) -> Record:
        """With the ``flags`` of an iteration, which are true of seeds whose numbers are finite."""
        bad = [~np.atleast_1d(np.asarray(flag)) for flag in flags.values()]
        return self._replace(lost=np.logical_or.reduce([self.lost, *bad]))

    def at(self, places: Sequence[int]) -> Record:
        """Of the seeds at ``places``."""
        chosen = list(places)
        return Record(self.lost[chosen], self.rows[chosen], self.returns[chosen])

    def to_json(self) -> Json:
        """What a checkpoint keeps."""
        return {name: part.tolist() for name, part in self._asdict().items()}

    @classmethod
    def from_json(cls, kept: Json) -> Record:
        """What a checkpoint has kept."""
        return cls(*(np.asarray(kept[name]) for name in cls._fields))


class Rounds:
    """The training of a group; its checkpoints lie in a folder within that of the sweep."""

    def __init__(self, group: Group, sweep: Path, watch: Watch) -> None:
        self._group, self._watch = group, watch
        self._folder = RunFolder(sweep / GROUPS / f"{group.numbers[0]}-{len(group.numbers)}")
        self._record = Record.empty(0)

    def to(self, numbers: Sequence[int], share: float) -> dict[int, Reached]:
        """Train the configurations ``numbers``, those that go on, to a ``share`` of their length, and evaluate them.

        Raises:
            KeyboardInterrupt: ``watch`` asked for a stop; what was done is saved.
            LogpiError: the disk refuses, or one does not fit into memory.
        """
        driver = self._group.driver(numbers)
        with contextlib.closing(driver):
            state, progress = self._begun(driver, numbers)
            state, progress, found = self._trained(driver, numbers, state, progress, share * driver.total(state))
            scores = np.atleast_2d(self._evaluated(driver, state, progress) if found is None else found)
            done = int(np.min(driver.timesteps(state)))
        lost, rows, sums = self._record
        means = np.where(lost, np.nan, scores.mean(1))
        returns = np.where(rows, sums / np.maximum(rows, 1), np.nan)
        each = self._group.run.seeds
        return {
            number: Reached(done, means[k : k + each].tolist(), returns[k : k + each].tolist())
            for number, k in zip(numbers, range(0, len(means), each), strict=True)
        }

    def _trained(
        self, driver: Trainer, numbers: Sequence[int], state: State, progress: Progress, timesteps: float
    ) -> tuple[State, Progress, Numbers | None]:
        """The first state after a row that has learnt from ``timesteps``, and its scores where it was evaluated."""
        if np.min(driver.timesteps(state)) >= timesteps:
            return state, progress, None
        events = training(driver, state, progress, self._group.run, self._watch, healthy=self._note)
        with contextlib.closing(events):
            for event in events:
                state, progress = event.state, event.progress
                if event.row:
                    self._record = self._record.after(event.row)
                reached = bool(event.row) and (event.finished or event.timesteps >= timesteps)
                stop = self._watch("", 0, 1)
                if event.checkpoint or reached or stop:
                    self._save(driver, numbers, state, progress)
                if reached:
                    return state, progress, event.scores
                if stop:
                    break
        raise KeyboardInterrupt

    def _note(self, flags: Mapping[str, PyTree], iteration: int) -> None:
        """Remember whose numbers are not finite: the others go on."""
        self._record = self._record.checked(flags)

    def _evaluated(self, driver: Trainer, state: State, progress: Progress) -> Numbers:
        """Scores [cases] or [S, cases], those that an evaluation in the row before has given, or would have."""
        found = driver.evaluate(state, progress.iteration, self._group.run.eval_episodes, watch=self._watch)
        if found is None:
            raise KeyboardInterrupt
        return found.score

    def _save(self, driver: Trainer, numbers: Sequence[int], state: State, progress: Progress) -> None:
        meta = {
            "progress": progress._asdict(),
            "facts": driver.kept.facts(state, progress),
            "configurations": list(numbers),
            "record": self._record.to_json(),
        }
        self._folder.save_checkpoint(progress.iteration, driver.kept.saved(state, progress), meta, KEPT)

    def _begun(self, driver: Trainer, numbers: Sequence[int]) -> tuple[State, Progress]:
        """The state of the configurations ``numbers`` in the newest checkpoint, which may hold more; else the first."""
        each = self._group.run.seeds
        if not self._folder.has_checkpoint:
            self._record = Record.empty(len(numbers) * each)
            return driver.init(self._watch), Progress()

        def like(meta: Json) -> State:
            there = meta["configurations"]
            whole = driver if there == list(numbers) else self._group.driver(there)
            return whole.kept.like(Progress(**meta["progress"]), meta["facts"])

        found = self._folder.latest_checkpoint(like)
        meta, there = found.meta, found.meta["configurations"]
        places = [there.index(number) * each + k for number in numbers for k in range(each)]
        self._record = Record.from_json(meta["record"]).at(places)
        tree = _picked(found.tree, places, len(there) * each)
        return driver.kept.restored(tree, meta["facts"]), Progress(**meta["progress"])


def _picked(state: State, places: Sequence[int], count: int) -> State:
    """The seeds at ``places`` of a state of ``count`` seeds."""
    if list(places) == list(range(count)):
        return state
    which: PyTree = places[0] if len(places) == 1 else np.asarray(places)
    picked: State = jax.tree.map(lambda x: x[which], state)
    return picked
