"""A search from rung to rung: what is not in the ledger yet is trained, and the best go on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from logpi.config.settings import Experiment
from logpi.driver.process import Watch
from logpi.errors import LogpiError
from logpi.runs.files import Json
from logpi.runs.folder import RunFolder
from logpi.runs.scores import significant
from logpi.sweeps.folder import GROUPS, Ledger, read_ledger, write_ledger
from logpi.sweeps.group import Group, groups_of
from logpi.sweeps.halving import Rung, best
from logpi.sweeps.rung import Rungs

Tell = Callable[[str], None]


class Search:
    """The configurations of a sweep, whose ledger and checkpoints lie in ``folder``."""

    def __init__(
        self,
        folder: Path,
        experiments: Mapping[int, Experiment],
        settings: Mapping[int, Json],
        watch: Watch,
        tell: Tell,
    ) -> None:
        """``experiments`` and the ``settings`` in which they differ are by the number of the configuration."""
        self._folder, self._experiments, self._settings = folder, experiments, settings
        self._watch, self._tell = watch, tell
        self._ledger = read_ledger(folder)
        self._groups: list[Group] = []  # found when the first of them trains

    def through(self, rungs: Sequence[Rung]) -> Ledger:
        """Train through all ``rungs``: what each configuration has reached.

        Raises:
            KeyboardInterrupt: ``watch`` asked for a stop; the same call goes on.
            LogpiError: the numbers of all configurations became NaN or infinite, or one cannot be trained.
        """
        going = list(self._experiments)
        for level, rung in enumerate(rungs):
            if level:
                going = best({number: self._ledger[number, level - 1].merit for number in going}, rung.size)
            if any((number, level) not in self._ledger for number in going):
                self._groups = self._groups or groups_of(self._experiments)
                self._train(going, level, rung, f"rung {level + 1} of {len(rungs)}, " if len(rungs) > 1 else "")
        shutil.rmtree(self._folder / GROUPS, ignore_errors=True)
        return self._ledger

    def _train(self, going: Sequence[int], level: int, rung: Rung, name: str) -> None:
        """Train the configurations ``going`` through one rung, program by program."""
        parts = [(group, [number for number in group.numbers if number in going]) for group in self._groups]
        parts = [(group, numbers) for group, numbers in parts if numbers]
        for k, (group, numbers) in enumerate(parts, 1):
            if all((number, level) in self._ledger for number in numbers):
                continue
            began, first = time.perf_counter(), group.numbers[0]
            place = RunFolder(self._folder / GROUPS / f"{first}-{len(group.numbers)}")
            reached = Rungs(group, place, self._watch).to(numbers, rung.share)
            self._ledger |= {(number, level): found for number, found in reached.items()}
            write_ledger(self._folder, self._ledger, self._settings)
            highest = best({number: found.merit for number, found in reached.items()}, 1)
            said = (
                f"highest score {significant(reached[highest[0]].score)}" if highest else "all became NaN or infinite"
            )
            steps = max(found.timesteps for found in reached.values())
            self._tell(
                f"{name}program {k} of {len(parts)}: {len(numbers)} configurations to {steps:,} timesteps in "
                f"{time.perf_counter() - began:.0f} s, {said}"
            )
        if not best({number: self._ledger[number, level].merit for number in going}, 1):
            raise LogpiError("the numbers of every configuration became NaN or infinite; search lower learning rates")
