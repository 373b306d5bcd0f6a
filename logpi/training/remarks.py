"""What is said once while a run goes on: the alarms of its metrics, and evaluations that take too much of its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from logpi.runs.metrics import Row, mean
from logpi.tasks import Limits
from logpi.training.alarms import EVERY, RETURN, alarms, far_under

MUCH = 0.2  # of a run's time, above which evaluations that were asked for are remarked on
SHORT = 20.0  # seconds: a shorter run is not worth a remark


class Remarks:
    """Tells each remark once; alarms follow from the rows alone, so that a resumed run tells none twice."""

    def __init__(self, tell: Callable[[str], None], total: float, limits: Limits, rows: Sequence[Row]) -> None:
        """``rows`` are those that an earlier process has logged."""
        self._tell, self._total, self._limits = tell, total, limits
        self.rows: list[Row] = []
        self._told: set[str] = set()
        for row in rows:
            self.rows.append(row)
            self._look(lambda text: None)

    def row(self, row: Mapping[str, object]) -> None:
        """Take in a row of metrics."""
        self.rows.append({name: np.asarray(value).tolist() for name, value in row.items()})
        self._look(self._tell)

    def evaluations(self, evaluating: float, seconds: float, asked: bool) -> None:
        """Take in the seconds of all evaluations so far, of the ``seconds`` of training that were not compilation.

        ``asked``: how much is evaluated was asked for.
        """
        if "evaluations" not in self._told and asked and seconds > SHORT and evaluating > MUCH * seconds:
            self._told.add("evaluations")
            self._tell(
                f"evaluations have taken {100 * evaluating / seconds:.0f} % of the time so far; fewer --eval-points or "
                "--eval-episodes make it less, and without either flag they take a tenth at most"
            )

    def greedy_lies_far_under(self, score: float) -> bool:
        """Whether a greedy ``score`` of the last agent is far under the return of training's sampled actions."""
        returns = np.array([mean(row.get(RETURN, np.nan)) for row in self.rows])
        returns = returns[np.isfinite(returns)]
        return bool(len(returns)) and far_under(score, float(returns[-1]), returns)

    def _look(self, tell: Callable[[str], None]) -> None:
        if len(self.rows) % EVERY == 0:
            for name, text in alarms(self.rows, self._total, self._limits).items():
                if name not in self._told:
                    self._told.add(name)
                    tell(text)
