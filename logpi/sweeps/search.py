"""A search from round to round: what is not in the ledger yet is trained, and the best go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from logpi.clusters.jobs import Job, Place, Watch
from logpi.config.settings import Experiment
from logpi.runs.files import Json
from logpi.runs.scores import significant
from logpi.sweeps.folder import GROUPS, Reached, read_ledger, write_ledger
from logpi.sweeps.group import Group, groups_of
from logpi.sweeps.halving import Merit, Round, best

Tell = Callable[[str], None]
# (own settings of a group's configurations, names of its arrays, those that go on, to which share of their length)
Work = Callable[[Mapping[int, Json], Sequence[str], Sequence[int], float], Job]


class Search:
    """The search of a sweep, whose ledger and checkpoints lie in ``folder``; ``place`` runs the jobs of ``work``."""

    def __init__(self, folder: Path, place: Place, work: Work, watch: Watch, tell: Tell) -> None:
        self._folder, self._place, self._work, self._watch, self._tell = folder, place, work, watch, tell
        self.ledger = read_ledger(folder)
        self.settings: dict[int, Json] = {}  # in which configurations differ, by number

    def through(
        self, experiments: Mapping[int, Experiment], settings: Mapping[int, Json], rounds: Sequence[Round]
    ) -> None:
        """Train ``experiments``, which differ in ``settings``, through all ``rounds``; the ledger then has them.

        Raises:
            KeyboardInterrupt: ``watch`` asked for a stop; the same call goes on.
            LogpiError: one cannot be trained, or the disk refuses.
        """
        self.settings |= settings
        going, groups = list(experiments), list[Group]()
        for level, part in enumerate(rounds):
            if level:
                going = best({number: self.ledger[number, level - 1].merit for number in going}, part.size)
            if any((number, level) not in self.ledger for number in going):
                groups = groups or _spread(groups_of(experiments), self._place.at_once)
                self._train(
                    groups, going, level, part, f"round {level + 1} of {len(rounds)}, " if len(rounds) > 1 else ""
                )
        shutil.rmtree(self._folder / GROUPS, ignore_errors=True)

    def merits(self, numbers: Iterable[int]) -> dict[int, Merit]:
        """How good configurations are, at the end of the last round of each."""
        newest = {number: reached for (number, _), reached in sorted(self.ledger.items())}
        return {number: newest[number].merit for number in numbers}

    def _own(self, group: Group) -> dict[int, Json]:
        return {number: self.settings[number] for number in group.numbers}

    def _train(self, groups: Sequence[Group], going: Sequence[int], level: int, part: Round, name: str) -> None:
        """Train the configurations ``going`` through one round, a job for each program."""
        parts = [(group, [number for number in group.numbers if number in going]) for group in groups]
        missing = [(group, own) for group, own in parts if any((number, level) not in self.ledger for number in own)]
        jobs = [self._work(self._own(group), group.names, numbers, part.share) for group, numbers in missing]
        for done, ended in enumerate(self._place.each(jobs, self._tell, self._watch), 1):
            if ended.error:
                raise ended.error
            reached: dict[int, Reached] = ended.result
            self.ledger |= {(number, level): found for number, found in reached.items()}
            write_ledger(self._folder, self.ledger, self.settings)
            highest = best({number: found.merit for number, found in reached.items()}, 1)
            said = (
                f"highest score {significant(reached[highest[0]].score)}" if highest else "all became NaN or infinite"
            )
            steps = max(found.timesteps for found in reached.values())
            self._tell(f"{name}program {done} of {len(jobs)}: {counted(len(reached))} to {steps:,} timesteps, {said}")


def _spread(groups: Sequence[Group], at_once: int) -> list[Group]:
    """``groups``, halved until there are as many as run at once, or each is one configuration."""
    parts = list(groups)
    while len(parts) < at_once and any(len(group.numbers) > 1 for group in parts):
        parts = [half for group in parts for half in group.halves()]
    return parts


def counted(configurations: int) -> str:
    """A number of configurations in words."""
    return "1 configuration" if configurations == 1 else f"{configurations} configurations"
