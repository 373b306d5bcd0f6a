"""Samplers of configurations by name: random search, and Optuna's, which learns from the configurations before.

A sampler is asked for some configurations and told how good they are, again and again. It depends on the space, the
seed and what it was told alone: a sweep that goes on asks and tells the same from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from logpi.errors import LogpiError, near
from logpi.sweeps.halving import Merit
from logpi.sweeps.space import Json, Space, drawn


class Sampler(Protocol):
    """Where configurations come from."""

    @property
    def learns(self) -> bool:
        """Whether what it is told decides what it gives next."""
        ...

    def ask(self, numbers: Sequence[int]) -> dict[int, Json]:
        """Settings of the configurations ``numbers``."""
        ...

    def tell(self, merits: Mapping[int, Merit]) -> None:
        """How good those are that were asked for last."""
        ...


class Random:
    """Random search: no configuration depends on another."""

    learns = False

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed

    def ask(self, numbers: Sequence[int]) -> dict[int, Json]:
        """As ``Sampler.ask``."""
        return {number: drawn(self._space, self._seed, number) for number in numbers}

    def tell(self, merits: Mapping[int, Merit]) -> None:
        """Nothing is learnt."""


class Optuna:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011)."""

    learns = True

    def __init__(self, space: Space, seed: int) -> None:
        """
        Raises:
            LogpiError: Optuna is not installed.
        """
        try:
            import optuna
        except ImportError as error:
            raise LogpiError("the sampler optuna needs the package optuna: pip install optuna") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # configurations that are under way count as bad ones: those beside each other are not all alike
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study: Any = optuna.create_study(direction="maximize", sampler=sampler)
        self._failed: Any = optuna.trial.TrialState.FAIL
        self._space, self._trials = space, dict[int, Any]()

    def ask(self, numbers: Sequence[int]) -> dict[int, Json]:
        """As ``Sampler.ask``."""
        self._trials = {number: self._study.ask() for number in numbers}
        names = sorted(self._space)
        return {
            number: {name: self._space[name].suggested(trial, name) for name in names}
            for number, trial in self._trials.items()
        }

    def tell(self, merits: Mapping[int, Merit]) -> None:
        """As ``Sampler.tell``; a configuration that diverged is a failed trial."""
        for number, trial in self._trials.items():
            merit = merits[number]
            if merit is None:
                self._study.tell(trial, state=self._failed)
            else:
                self._study.tell(trial, merit[0])


SAMPLERS: Mapping[str, Callable[[Space, int], Sampler]] = {"random": Random, "optuna": Optuna}


def sampler_of(name: str, space: Space, seed: int) -> Sampler:
    """The sampler called ``name``.

    Raises:
        LogpiError: there is none, or it is not installed.
    """
    if name not in SAMPLERS:
        raise LogpiError(f"unknown sampler {name!r}; allowed: {', '.join(SAMPLERS)}{near(name, SAMPLERS)}")
    return SAMPLERS[name](space, seed)
