"""The space of a sweep: what each of its settings may be.

    learning_rate = { log = [1e-4, 1e-2] }      log-uniform between the two
    gamma = { uniform = [0.95, 0.999] }         uniform between the two
    n_epochs = [4, 10]                          one of the values

A range is a map from u in [0, 1) to a value, its quantile function: every sampler of the unit cube samples every space.
Nothing here imports JAX.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from logpi.config.values import plain
from logpi.errors import LogpiError

Json = dict[str, Any]
ALLOWED = "a list of values, {log = [LOW, HIGH]} or {uniform = [LOW, HIGH]}"


class Range(Protocol):
    """The values of one setting."""

    def at(self, u: float) -> Any:
        """The value at the quantile ``u`` in [0, 1)."""
        ...

    def suggested(self, trial: Any, name: str) -> Any:
        """The value that a trial of Optuna suggests for the setting ``name``."""
        ...


class Choice(NamedTuple):
    """One of several values, each as probable as the others."""

    values: tuple[Any, ...]

    def at(self, u: float) -> Any:
        """As ``Range.at``."""
        return self.values[int(u * len(self.values))]

    def suggested(self, trial: Any, name: str) -> Any:
        """As ``Range.suggested``: the trial holds the value's place, as Optuna knows no lists."""
        return self.values[trial.suggest_categorical(name, range(len(self.values)))]


class Uniform(NamedTuple):
    """A number with a uniform density between two."""

    low: float
    high: float

    def at(self, u: float) -> float:
        """As ``Range.at``."""
        return _rounded(self.low + u * (self.high - self.low), self)

    def suggested(self, trial: Any, name: str) -> float:
        """As ``Range.suggested``."""
        return _rounded(trial.suggest_float(name, self.low, self.high), self)


class Log(NamedTuple):
    """A number whose logarithm has a uniform density between those of two."""

    low: float
    high: float

    def at(self, u: float) -> float:
        """As ``Range.at``."""
        return _rounded(self.low * (self.high / self.low) ** u, self)

    def suggested(self, trial: Any, name: str) -> float:
        """As ``Range.suggested``."""
        return _rounded(trial.suggest_float(name, self.low, self.high, log=True), self)


def _rounded(value: float, ends: Uniform | Log) -> float:
    """``value`` to four significant digits, which a recipe can show; never outside of its range."""
    return min(max(float(f"{value:.4g}"), ends.low), ends.high)


Space = dict[str, Range]
BETWEEN: Mapping[str, Callable[[float, float], Range]] = {"uniform": Uniform, "log": Log}


def space_of(given: Mapping[str, object]) -> Space:
    """The ranges that ``given`` writes, by setting.

    Raises:
        LogpiError: there are none, or one is written in another way.
    """
    if not given:
        raise LogpiError(f"a sweep needs settings to search: a table [space], each setting {ALLOWED}")
    return {name: _range(name, plain(value)) for name, value in given.items()}


def _range(name: str, value: object) -> Range:
    if isinstance(value, list | tuple) and value:
        return Choice(tuple(value))
    if isinstance(value, Mapping) and len(value) == 1:
        form, ends = next(iter(value.items()))
        if form in BETWEEN:
            low, high = _ends(name, form, plain(ends))
            return BETWEEN[form](low, high)
    raise LogpiError(f"space.{name} is {value!r:.80}; allowed: {ALLOWED}")


def _ends(name: str, form: str, ends: object) -> tuple[float, float]:
    least = 0.0 if form == "log" else -math.inf
    if isinstance(ends, list | tuple) and len(ends) == 2 and all(type(x) in (int, float) for x in ends):
        low, high = map(float, ends)
        if least < low < high < math.inf:
            return low, high
    above = " above 0" if form == "log" else ""
    raise LogpiError(f"space.{name}.{form} is {ends!r:.80}; allowed: two finite numbers{above}, the lower one first")


def drawn(space: Space, seed: int, number: int) -> Json:
    """Configuration ``number`` of random search: each setting independently from its range.

    It depends on nothing but the space, ``seed`` and ``number``: more configurations leave the first ones as they are.
    """
    names = sorted(space)
    u = np.random.default_rng([seed, number]).random(len(names))
    return {name: space[name].at(float(x)) for name, x in zip(names, u, strict=True)}
