"""Several seeds of a process that trains one: one after the other within each iteration, in the same rows.

Stateful environments and self-play have one learner each. Each seed has a ``Driver`` of its own and learns exactly as
it would alone; the programs are compiled once. A state is a ``State`` whose parts are tuples with an entry a seed. A
seed that has had its timesteps rests; its last metrics stand in the rows that follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.driver.driver import Driver
from logpi.driver.process import Process, Scores, State, Watch
from logpi.driver.progress import Progress
from logpi.driver.stages import unwatched
from logpi.runs.files import Json
from logpi.types import Learner, Metrics, PyTree

LAST = "last"  # in the facts of a checkpoint: metrics of each seed that rests, None of the others


class KeptInTurn:
    """What is kept of the states of several drivers, with the interface of ``Kept``."""

    def __init__(self, parts: Sequence[Driver]) -> None:
        self._parts, self._stages = parts, len(parts[0].process.stages)

    @property
    def one_learner(self) -> Learner:
        """Shapes of one seed's learner."""
        return self._parts[0].kept.one_learner

    def facts(self, state: State, progress: Progress) -> Json:
        """What a checkpoint tells beside its arrays: of each seed its facts, and the metrics of those that rest."""
        resting = self._resting(state, progress)
        each = each_seed(self._parts, state)
        metrics = [jax.tree.map(lambda x: np.asarray(x).item(), mine.metrics) for _, mine in each]
        last = [found if rests else None for found, rests in zip(metrics, resting, strict=True)]
        return {"seeds": [part.kept.facts(mine, progress) for part, mine in each], LAST: last}

    def saved(self, state: State, progress: Progress) -> State:
        """What a checkpoint holds of ``state``."""
        found = []
        for k, ((part, mine), rests) in enumerate(
            zip(each_seed(self._parts, state), self._resting(state, progress), strict=True)
        ):
            at = Progress(progress.iteration) if rests else self._place(progress, k)
            found.append(part.kept.saved(mine._replace(metrics={}) if rests else mine, at))
        return _joined(found)

    def like(self, progress: Progress, facts: Json) -> State:
        """Shapes of ``saved`` at ``progress``, for loading a checkpoint with these ``facts``."""
        found = []
        for k, part in enumerate(self._parts):
            at = Progress(progress.iteration) if facts[LAST][k] is not None else self._place(progress, k)
            found.append(part.kept.like(at, facts["seeds"][k]))
        return _joined(found)

    def restored(self, state: State, facts: Json) -> State:
        """``state`` as a checkpoint with these ``facts`` holds it, ready to go on."""
        found = []
        for (part, mine), own, last in zip(each_seed(self._parts, state), facts["seeds"], facts[LAST], strict=True):
            found.append(part.kept.restored(mine, own)._replace(**({} if last is None else {"metrics": last})))
        return _joined(found)

    def begun_with(self, state: State, first: Learner) -> State:
        """As ``Kept.begun_with``, every seed."""
        return _joined([part.kept.begun_with(mine, first) for part, mine in each_seed(self._parts, state)])

    def with_settings(self, state: State) -> State:
        """As ``Kept.with_settings``, every seed."""
        return _joined([part.kept.with_settings(mine) for part, mine in each_seed(self._parts, state)])

    @property
    def arrays(self) -> list[str]:
        """As ``Kept.arrays``."""
        return self._parts[0].kept.arrays

    def changed(self, state: State, settings: Mapping[str, float]) -> State:
        """As ``Kept.changed``, every seed."""
        return _joined([part.kept.changed(mine, settings) for part, mine in each_seed(self._parts, state)])

    def _place(self, progress: Progress, k: int) -> Progress:
        """Where seed number ``k`` stands."""
        over = progress.stage == self._stages or k < progress.seed
        here = progress.stage if k == progress.seed else 0
        unit = progress.unit if k == progress.seed else 0
        return progress._replace(seed=0, stage=self._stages if over else here, unit=0 if over else unit)

    def _resting(self, state: State, progress: Progress) -> list[bool]:
        """Whether each seed has had its timesteps and is not amid an iteration."""
        places = [self._place(progress, k) for k in range(len(self._parts))]
        whole = [place.stage in (0, self._stages) and place.unit == 0 for place in places]
        rests = [over(part, mine) and bool(mine.metrics) for part, mine in each_seed(self._parts, state)]
        return [a and b for a, b in zip(whole, rests, strict=True)]


class InTurn:
    """The drivers of several seeds, with the interface of one."""

    def __init__(self, processes: Sequence[Process], seeds: Sequence[int]) -> None:
        """``processes`` are one a seed, and differ in nothing but what they hold outside of JAX."""
        self.parts = [Driver(process, [seed]) for process, seed in zip(processes, seeds, strict=True)]
        self.process, self.seconds = processes[0], self.parts[0].seconds
        for part in self.parts:
            part.seconds = self.seconds
        self.kept = KeptInTurn(self.parts)

    def timesteps(self, state: State) -> NDArray[np.int32]:
        """Timesteps that each seed has learnt from, [S]."""
        return np.stack([part.timesteps(mine) for part, mine in each_seed(self.parts, state)])

    def total(self, state: State) -> float:
        """Timesteps to learn from."""
        return max(part.total(mine) for part, mine in each_seed(self.parts, state))

    def metrics(self, state: State) -> Metrics:
        """What the stages of this iteration have measured so far; a list with one number for each seed."""
        each: list[PyTree] = [mine.metrics for _, mine in each_seed(self.parts, state)]
        found: PyTree = {name: [metrics[name] for metrics in each] for name in set.intersection(*map(set, each))}
        return {name: found[name] for name in each[0] if name in found}

    def fresh(self, state: State) -> State:
        """``state`` at the beginning of an iteration: metrics of seeds that rest are kept."""
        kept = [jax.device_get(mine.metrics) if over(part, mine) else {} for part, mine in each_seed(self.parts, state)]
        return _joined(
            [mine._replace(metrics=own) for (_, mine), own in zip(each_seed(self.parts, state), kept, strict=True)]
        )

    def acting(self, state: State) -> list[PyTree]:
        """The part that acts, of each seed, on the host."""
        return [acting for part, mine in each_seed(self.parts, state) for acting in part.acting(mine)]

    def trace(self, watch: Watch = unwatched) -> None:
        """As ``Driver.trace``, once for all seeds."""
        first, *others = self.parts
        first.trace(watch)
        for part in others:
            part.share(first)

    def compile(self, watch: Watch = unwatched) -> None:
        """Compile the programs, which all seeds share; raises as ``Driver.compile``."""
        first, *others = self.parts
        first.compile(watch)
        for part in others:
            part.share(first)

    def init(self, watch: Watch = unwatched) -> State:
        """State before the first iteration; raises as ``compile``."""
        self.compile(watch)
        return _joined([part.init(watch) for part in self.parts])

    def untrained(self, first: Learner | None, watch: Watch = unwatched) -> State:
        """As ``Driver.untrained``, every seed."""
        return _joined([part.untrained(first, watch) for part in self.parts])

    def iterate(
        self, state: State, progress: Progress, watch: Watch = unwatched, timed: bool = True
    ) -> tuple[State, Progress, bool]:
        """Run what is left of an iteration: (state, progress, whether ``watch`` asked for a stop before its end)."""
        self.compile(watch)
        stages = len(self.process.stages)
        if progress.stage == stages:
            return state, progress, False
        each = list(each_seed(self.parts, state))
        for k, (part, mine) in enumerate(each[progress.seed :], progress.seed):
            begins = progress.stage == progress.unit == 0
            if not (begins and over(part, mine)):
                mine = mine._replace(metrics={}) if begins else mine
                mine, progress, stopped = part.iterate(mine, progress, watch, timed)
                each[k] = part, mine
                if stopped:
                    return _joined([mine for _, mine in each]), progress, True
            progress = progress._replace(seed=k + 1, stage=0, unit=0)
        return _joined([mine for _, mine in each]), progress._replace(seed=0, stage=stages), False

    def evaluate(
        self,
        state: State,
        iteration: int,
        asked: int,
        final: bool = False,
        watch: Watch = unwatched,
        sampled: bool = False,
    ) -> Scores | None:
        """As ``Driver.evaluate``: scores [S, cases]; the steps are those of the slowest seed."""
        found: list[Scores] = []
        for part, mine in each_seed(self.parts, state):
            scores = part.evaluate(mine, iteration, asked, final, watch, sampled)
            if scores is None:
                return None
            found.append(scores)
        score, length = (np.stack([each[k] for each in found]).astype(np.float32) for k in range(2))
        return Scores(score, length, max(each.steps for each in found))

    def sample(self, every: int) -> None:
        """As ``Driver.sample``."""
        for part in self.parts:
            part.sample(every)

    def close(self) -> None:
        """Free what the processes hold outside of this program."""
        for part in self.parts:
            part.close()


Trainer: TypeAlias = Driver | InTurn


def over(driver: Driver, state: State) -> bool:
    """Whether all timesteps have been learnt from."""
    return bool(np.min(driver.timesteps(state)) >= driver.total(state))


def _joined(states: Sequence[State]) -> State:
    """The states of all seeds as one, whose parts are tuples."""
    entries: list[PyTree] = [tuple(entry) for entry in zip(*states, strict=True)]
    return State(*entries)


def each_seed(parts: Sequence[Driver], state: State) -> list[tuple[Driver, State]]:
    """Each seed's driver and its state."""
    entries: PyTree = tuple(state)
    return [(part, State(*(entry[k] for entry in entries))) for k, part in enumerate(parts)]
