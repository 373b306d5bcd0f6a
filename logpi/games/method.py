"""The contract of every method that learns a board game, as ``logpi.games.task`` uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from logpi.driver.process import Process
from logpi.games.evaluation.evaluators import Evaluators
from logpi.games.search.guided import Apply, Evaluate, SearchFn
from logpi.types import Key, Learner, PyTree


class Material(NamedTuple):
    """What a method learns from beside its own games."""

    data: PyTree = ()  # arrays, ``Process.data``
    fingerprint: str = ""  # of the data; "" where there is none
    source: str = ""  # what the data is called, such as "the records in FOLDER"
    notes: Sequence[str] = ()  # told before the training begins
    files: Mapping[str, str] = {}  # written into the run folder: name -> text


class Network(Protocol):
    """A network for boards."""

    @property
    def apply(self) -> Apply: ...


class GameMethod(Protocol):
    """What a method of board games makes of its settings, a network and the rules."""

    @property
    def init(self) -> Callable[[Key], Learner]: ...

    @property
    def search(self) -> SearchFn:
        """The search by which the agent plays."""
        ...

    @property
    def network(self) -> Network: ...

    @property
    def leaf(self) -> Evaluate:
        """What evaluates the leaves of that search."""
        ...

    def material(self) -> Material:
        """Read what is learnt from; raises LogpiError where it cannot be used."""
        ...

    def process(self, evaluators: Evaluators, data: PyTree, num_devices: int) -> Process:
        """The learning process on ``Material.data``."""
        ...

    def closing(self, data: PyTree, shapes: PyTree) -> Callable[[PyTree], list[str]]:
        """(``Material.data``, shapes of parameters) -> what gives the last lines on trained parameters."""
        ...
