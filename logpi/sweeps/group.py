"""Configurations side by side in one compiled program.

Several seeds of a process are a leading axis of its arrays, and the numbers of a method's settings are arrays of the
learner. So configurations that differ in such numbers alone are seeds of one process, each with numbers of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from logpi.config.changes import changeable
from logpi.config.experiments import check_used
from logpi.config.settings import Experiment
from logpi.driver.driver import Driver
from logpi.driver.in_turn import InTurn, Trainer
from logpi.driver.kept import arrays_of
from logpi.errors import TooLargeError
from logpi.tasks import NOTHING, Work, task_of
from logpi.training import estimate


class Group:
    """Configurations whose differences are arrays of one program."""

    def __init__(self, experiments: Mapping[int, Experiment], names: Sequence[str]) -> None:
        """``experiments``, by the number of the configuration, differ in the method's settings ``names`` alone."""
        self.experiments, self.names = experiments, names
        self.numbers = list(experiments)
        self.run = experiments[self.numbers[0]].run
        self.work = _built(experiments[self.numbers[0]], len(experiments))

    def driver(self, numbers: Sequence[int]) -> Trainer:
        """A driver of the configurations ``numbers``: the seeds of the first, then those of the second, and so on."""
        own = range(self.run.seed, self.run.seed + self.run.seeds)
        seeds = [seed for _ in numbers for seed in own]
        if self.work.in_turn and len(seeds) > 1:
            return InTurn([self.work.process(seed) for seed in seeds], seeds)
        process = self.work.process(self.run.seed)
        methods = [self.experiments[number].method for number in numbers for _ in own]
        shape = (len(seeds),) if len(seeds) > 1 else ()
        arrays = {n: np.array([getattr(m, n) for m in methods], np.float32).reshape(shape) for n in self.names}
        return Driver(
            process._replace(hyper=dataclasses.replace(process.hyper, **arrays)) if arrays else process, seeds
        )

    def parted(self) -> list[Group]:
        """Itself, or its halves where its arrays do not fit into memory; a single configuration stays as it is."""
        if len(self.numbers) == 1:
            return [self]
        driver = self.driver(self.numbers)
        driver.trace()
        try:
            estimate.check_memory(estimate.room(driver, self.experiments[self.numbers[0]], self.work.keeps_stages))
        except TooLargeError:
            return [part for half in self.halves() for part in half.parted()]
        return [self]

    def halves(self) -> list[Group]:
        """Its two halves; a single configuration stays as it is."""
        middle = len(self.numbers) // 2
        return [self._only(half) for half in (self.numbers[:middle], self.numbers[middle:]) if half]

    def _only(self, numbers: Sequence[int]) -> Group:
        return Group({number: self.experiments[number] for number in numbers}, self.names)


def groups_of(experiments: Mapping[int, Experiment]) -> list[Group]:
    """Configurations, by number, in as few programs as their shapes and the memory allow.

    Raises:
        LogpiError: a setting would do nothing, or an experiment cannot be built.
    """
    alike: dict[str, dict[int, Experiment]] = {}
    for number, experiment in experiments.items():
        floats = [f.name for f in dataclasses.fields(experiment.method) if f.type in ("float", float)]
        alike.setdefault(_program(experiment, floats), {})[number] = experiment
    return [part for some in alike.values() for group in _groups(some) for part in group.parted()]


def _groups(experiments: Mapping[int, Experiment]) -> Iterator[Group]:
    """Groups of ``experiments``, which differ in numbers of their methods: those fixed in a program part them."""
    first = next(iter(experiments.values()))
    work, names = _built(first, 1), list[str]()
    if not work.in_turn:
        arrays = arrays_of(work.process(first.run.seed).hyper)
        names = changeable(first.method, arrays, task_of(first.env).horizon)
    alike: dict[str, dict[int, Experiment]] = {}
    for number, experiment in experiments.items():
        check_used(experiment, work.idle)
        alike.setdefault(_program(experiment, names), {})[number] = experiment
    for some in alike.values():
        yield Group(some, names)


def _program(experiment: Experiment, arrays: Sequence[str]) -> str:
    """What decides the program of ``experiment``, where the settings ``arrays`` of its method are arrays in it."""
    method = {name: value for name, value in vars(experiment.method).items() if name not in arrays}
    return repr((method, experiment.network, experiment.env_kwargs))


def _built(experiment: Experiment, count: int) -> Work:
    """The work of ``count`` configurations with the shapes of ``experiment``."""
    run = dataclasses.replace(experiment.run, seeds=experiment.run.seeds * count)
    return task_of(experiment.env).build(dataclasses.replace(experiment, run=run), NOTHING)
