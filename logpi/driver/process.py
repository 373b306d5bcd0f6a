"""The contract of every kind of learning: a ``Process`` of a few stages, which ``logpi.driver.driver`` runs.

An environment, a folder of images and a board game each fill in one ``Process``. Checkpoints, exact resume, several
seeds at once, several devices, timing, health checks and interrupts are the driver's, and are written once.

Every random draw comes from (run seed, stream, iteration), so any iteration can be run again from a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from jax.sharding import PartitionSpec
from numpy.typing import NDArray

from logpi.driver.budget import Plan
from logpi.ops.collectives import DATA
from logpi.types import Array, Key, Learner, Metrics, PyTree

LEARNER, START, COLLECT, UPDATE, EVALUATE, GATE, STORE = range(7)  # streams of random numbers

Numbers = NDArray[np.float32] | NDArray[np.float64]
REPLICATED: PyTree = PartitionSpec()  # every device has the same
SPREAD: PyTree = PartitionSpec(DATA)  # one entry per environment, image or game: dealt out along the first axis
SPREAD_ROWS: PyTree = PartitionSpec(None, DATA)  # [T, B, ...]: dealt out along the second axis


class State(NamedTuple):
    """All that a run changes, as one pytree of arrays. Trained seeds are a leading axis where there are several."""

    learner: Learner
    carry: PyTree  # what is under way: environments, games, a replay; () if nothing
    batch: PyTree  # what one stage hands to the next; its content means nothing between two iterations
    metrics: Metrics  # of the stages of this iteration so far; {} between two iterations
    seed: Array  # [] or [S] uint32


class Now(NamedTuple):
    """What a stage is told about the piece of work that it runs."""

    key: Key  # from (seed, stream of the stage, iteration): the same for all pieces of a stage
    begin: Array  # [] int32: the first unit of this piece
    end: Array  # [] int32: the unit after its last one
    iteration: Array  # [] int32
    data: PyTree  # ``Process.data``


class Watch(Protocol):
    """What long work tells between two pieces."""

    def __call__(self, what: str, done: int, total: int) -> bool:
        """Report that ``done`` of ``total`` units of ``what`` are over; True asks for a stop after this piece."""
        ...


class Places(NamedTuple):
    """How the parts of a ``State`` lie on devices that share a learner: ``PartitionSpec`` trees, prefixes allowed."""

    learner: PyTree = REPLICATED
    carry: PyTree = REPLICATED
    batch: PyTree = REPLICATED
    data: PyTree = REPLICATED
    acting: PyTree = REPLICATED


class Window(NamedTuple):
    """A replay in the carry that fills row by row from its first row on; the rows behind are of no account.

    A checkpoint holds the filled rows alone.
    """

    rows: Callable[[PyTree], PyTree]  # carry -> arrays [R, ...]
    replaced: Callable[[PyTree, PyTree], PyTree]  # (carry, other arrays for these) -> carry
    filled: Callable[[PyTree], Array]  # carry -> [] rows that are filled


class Jitted(Protocol):
    """What ``jax.jit`` returns."""

    def __call__(self, *arguments: PyTree) -> PyTree: ...

    def lower(self, *arguments: PyTree) -> PyTree: ...


class Compiled(Protocol):
    """A jitted function, compiled for the shapes of its arguments."""

    @property
    def input_shardings(self) -> PyTree: ...

    def __call__(self, *arguments: PyTree) -> PyTree: ...


Function: TypeAlias = Callable[..., PyTree]  # of pytrees of arrays
# of the compiler: the more a program runs, the more its compilation may cost; "least" is for what runs once or twice
Effort: TypeAlias = Literal["full", "quick", "least"]
Programs: TypeAlias = Mapping[str, Compiled]


class Program(NamedTuple):
    """A jitted function and the arguments (or their ``jax.ShapeDtypeStruct``) that it is compiled for."""

    function: Jitted
    arguments: Sequence[PyTree]
    effort: Effort = "full"


class Spread(Protocol):
    """What stages ask of ``logpi.driver.devices.Spread``."""

    @property
    def seeds(self) -> int: ...

    @property
    def num_devices(self) -> int: ...

    def once(self, f: Function, mapped: Sequence[bool], gives: PyTree) -> Jitted: ...

    def jit(
        self,
        f: Function,
        mapped: Sequence[bool],
        takes: PyTree,
        gives: PyTree,
        donate: tuple[int, ...] = (),
        batched: bool = False,
    ) -> Jitted: ...


class Runnable(Protocol):
    """One step of an iteration: ``logpi.driver.stages.Stage`` or ``HostStage``."""

    @property
    def name(self) -> str: ...

    @property
    def every(self) -> int:
        """It runs in one of this many iterations, the last of them."""
        ...

    @property
    def units(self) -> int:
        """Number of equal units into which its work can be cut."""
        ...

    @property
    def shares(self) -> tuple[str, ...]:
        """Names of its parts of the time, as the display shows them."""
        ...

    def within(self, enter: Callable[[State], State], leave: Callable[[State, State], State]) -> Runnable:
        """The same on a part of a larger state."""
        ...

    def program(self, process: Process, spread: Spread, shapes: State) -> Program: ...

    def metrics(self, process: Process, spread: Spread, shapes: State) -> Metrics:
        """Shapes of its metrics."""
        ...

    def piece(
        self, program: Callable[..., PyTree], state: State, span: Span, data: PyTree, watch: Watch, seconds: Seconds
    ) -> tuple[State, Metrics] | None:
        """Run the units of ``span``; None where ``watch`` asked for a stop and nothing was done."""
        ...


class Measured(Protocol):
    """A measurement of the acting part: ``logpi.driver.stages.Evaluation``, or one in stateful environments."""

    def programs(self, process: Process, spread: Spread, acting: PyTree, seed: Array) -> dict[str, Program]: ...

    def run(self, programs: Programs, acting: PyTree, case: Case, data: PyTree, watch: Watch) -> Scores | None:
        """Scores of the cases asked for; None where ``watch`` asked for a stop."""
        ...


class Scores(NamedTuple):
    """Outcome of an evaluation, [cases] or [S, cases]."""

    score: Numbers
    length: Numbers  # timesteps of each case
    steps: int = 0  # that were made for them, those of places without a case under way included


class Span(NamedTuple):
    """The part of an iteration's work that a piece covers."""

    iteration: int
    begin: int  # first unit
    end: int  # the unit after the last one


class Case(NamedTuple):
    """What an evaluation is asked for."""

    seed: Array  # [] or [S] uint32
    iteration: int
    asked: int  # cases
    final: bool  # on what no choice was made by


Seconds = dict[str, float]  # of wall-clock time, by the name of a stage or of a part of it


class Process(NamedTuple):
    """A kind of learning, ready for the driver."""

    init: Callable[[Key], Learner]
    start: Callable[[Learner, Key], tuple[PyTree, PyTree]]  # -> (carry, batch) before the first iteration
    stages: tuple[Runnable, ...]
    evaluation: Measured
    acting: Callable[[Learner], PyTree]  # the part that acts: what evaluations see and an agent file holds
    hyper: PyTree  # settings, as ``init`` puts them into the learner; float fields are arrays
    rows: int  # timesteps that one iteration can hold at most
    places: Places = Places()
    num_devices: int = 1  # that share one learner
    data: PyTree = ()  # what every stage and evaluation reads and none changes; it stays on the devices
    window: Window | None = None  # the replay, where there is one
    close: Callable[[], None] | None = None  # frees what is held outside of JAX
    sampled: Measured | None = None  # the evaluation with actions drawn, where ``evaluation`` takes the most probable
    plan: Plan | None = None  # of the periodic evaluations; None: as the settings of the run say, and no limit
