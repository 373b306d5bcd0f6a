"""A search from rung to rung: what is not in the ledger yet is trained, and the best go on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from logpi.config.settings import Experiment
from logpi.driver.process import Watch
from logpi.runs.files import Json
from logpi.runs.folder import RunFolder
from logpi.runs.scores import significant
from logpi.sweeps.folder import GROUPS, read_ledger, write_ledger
from logpi.sweeps.group import Group, groups_of
from logpi.sweeps.halving import Merit, Rung, best
from logpi.sweeps.rung import Rungs

Tell = Callable[[str], None]


class Search:
    """The search of a sweep, whose ledger and checkpoints lie in ``folder``."""

    def __init__(self, folder: Path, watch: Watch, tell: Tell) -> None:
        self._folder, self._watch, self._tell = folder, watch, tell
        self.ledger = read_ledger(folder)
        self.settings: dict[int, Json] = {}  # in which configurations differ, by number

    def through(
        self, experiments: Mapping[int, Experiment], settings: Mapping[int, Json], rungs: Sequence[Rung]
    ) -> None:
        """Train ``experiments``, which differ in ``settings``, through all ``rungs``; the ledger then has them.

        Raises:
            KeyboardInterrupt: ``watch`` asked for a stop; the same call goes on.
            LogpiError: one cannot be trained, or the disk refuses.
        """
        self.settings |= settings
        going, groups = list(experiments), list[Group]()
        for level, rung in enumerate(rungs):
            if level:
                going = best({number: self.ledger[number, level - 1].merit for number in going}, rung.size)
            if any((number, level) not in self.ledger for number in going):
                groups = groups or groups_of(experiments)
                self._train(groups, going, level, rung, f"rung {level + 1} of {len(rungs)}, " if len(rungs) > 1 else "")
        shutil.rmtree(self._folder / GROUPS, ignore_errors=True)

    def merits(self, numbers: Iterable[int]) -> dict[int, Merit]:
        """How good configurations are, at the end of the last rung of each."""
        newest = {number: reached for (number, _), reached in sorted(self.ledger.items())}
        return {number: newest[number].merit for number in numbers}

    def _train(self, groups: Sequence[Group], going: Sequence[int], level: int, rung: Rung, name: str) -> None:
        """Train the configurations ``going`` through one rung, program by program."""
        parts = [(group, [number for number in group.numbers if number in going]) for group in groups]
        parts = [(group, numbers) for group, numbers in parts if numbers]
        for k, (group, numbers) in enumerate(parts, 1):
            if all((number, level) in self.ledger for number in numbers):
                continue
            began, first = time.perf_counter(), group.numbers[0]
            place = RunFolder(self._folder / GROUPS / f"{first}-{len(group.numbers)}")
            reached = Rungs(group, place, self._watch).to(numbers, rung.share)
            self.ledger |= {(number, level): found for number, found in reached.items()}
            write_ledger(self._folder, self.ledger, self.settings)
            highest = best({number: found.merit for number, found in reached.items()}, 1)
            said = (
                f"highest score {significant(reached[highest[0]].score)}" if highest else "all became NaN or infinite"
            )
            steps = max(found.timesteps for found in reached.values())
            self._tell(
                f"{name}program {k} of {len(parts)}: {counted(len(numbers))} to {steps:,} timesteps in "
                f"{time.perf_counter() - began:.0f} s, {said}"
            )


def counted(configurations: int) -> str:
    """A number of configurations in words."""
    return "1 configuration" if configurations == 1 else f"{configurations} configurations"
