"""How often a run is evaluated, and on how many cases: by default for a tenth of its time at most.

What was asked for stands. Where nothing was, an evaluation has 20 episodes (or games) if the run allows it, else fewer;
and of 20 points in time those are left out that the run cannot afford. The budget is counted in steps, never in
seconds: the same settings and seed give the same evaluations on every machine, and a resumed run the same rows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from logpi.config.settings import Run

SHARE = 0.08  # of training's time, planned for evaluations; a tenth of a run even where costs are 1.4 times as high
POINTS = 20
EPISODES = (20, 10, 5, 4)  # of an evaluation, the first that fits; numbers that divide 100 or nearly
GROWTH = 20  # an episode of the next evaluation in those of training lately, at most
AFFORDED = 5  # evaluations of full length that a run has to have room for


class Plan(NamedTuple):
    """The periodic evaluations of a run."""

    episodes: int  # (or images, or games) of each
    points: int  # evenly spread over the run; 0: one evaluation, at the end
    allowed: float = math.inf  # steps of all evaluations together; inf: every point is evaluated
    longest: float = math.inf  # steps of a case, at most
    automatic: bool = False  # whether the number of episodes was left to the plan

    def affords(self, done: float, spent: int, last: int, length: float) -> bool:
        """Whether a point is evaluated.

        Args:
            done: fraction of the run that is over.
            spent: steps of all evaluations so far.
            last: steps of the latest one; 0 before it.
            length: mean steps of an episode of training lately; nan where it is not known.
        """
        guess = min(2 * length, self.longest) if math.isfinite(length) else self.longest
        expected = last or self.episodes * guess
        if self.automatic:  # episodes may become as long as they can be, such as those of a lander that hovers
            bound = min(GROWTH * length, self.longest) if math.isfinite(length) else self.longest
            if spent + max(expected, self.episodes * bound) + expected > self.allowed:
                return False
        left = math.ceil(self.points * (1 - done)) + 1
        # all that are left as long as this one, or what is saved up for this one and the last, which is always made
        return spent + left * expected <= self.allowed or spent + 2 * expected <= self.allowed * done


def points(run: Run) -> int:
    """Number of periodic evaluations, those that may not be afforded included."""
    return POINTS if run.eval_points < 0 else int(run.eval_points)


def plan(run: Run, timesteps: float, cost: float = 0.0, longest: float = 1.0) -> Plan:
    """The periodic evaluations of a run.

    Args:
        run: its settings.
        timesteps: of training.
        cost: time of one step of an evaluation, in timesteps of training; 0: not known, and nothing is left out.
        longest: steps of the longest case.
    """
    allowed = SHARE * timesteps / cost if cost else math.inf
    fits = [n for n in EPISODES if AFFORDED * n * longest <= allowed]
    episodes = run.eval_episodes or (fits or EPISODES[-1:])[0]
    allowed = math.inf if run.eval_points >= 0 else allowed
    return Plan(episodes, points(run), allowed, longest, automatic=not run.eval_episodes)
