"""What a run keeps of its learners: checkpoints, the last agents, and the best ones.

An agent is better than the best one so far if more than the noise explains it. An evaluation is a sample: of two
equally good agents one always scores higher. So an agent replaces the best one only if its mean score is higher by more
than 1.645 standard errors of the difference, a one-sided test at 95 %:

    m - m_best > 1.645 √(s² / n + s_best² / n_best)

Of one case no deviation is known, and the higher score wins. Of several seeds each is judged by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from logpi.config.settings import Experiment
from logpi.driver.in_turn import Trainer
from logpi.driver.process import State
from logpi.driver.progress import Event, Progress
from logpi.runs.folder import SEED, RunFolder
from logpi.tasks import Facts, Work
from logpi.types import PyTree

CHANGES = "changes"  # in the facts of a checkpoint, where settings were changed
Z = 1.645  # of a normal distribution, one-sided 95 %


class Best(NamedTuple):
    """Periodic evaluation of the best agent of each seed, [S] each."""

    mean: NDArray[np.floating]
    variance: NDArray[np.floating]  # estimated variance of ``mean``, s² / cases

    def better(self, scores: NDArray[np.floating]) -> NDArray[np.bool_]:
        """[S] bool: the agents that got ``scores`` [S, cases] replace the best ones."""
        found = evaluated(scores)
        return found.mean - self.mean > Z * np.sqrt(found.variance + self.variance)

    def replaced(self, scores: NDArray[np.floating], which: NDArray[np.bool_]) -> Best:
        """With the agents of the seeds ``which`` [S], which got ``scores`` [S, cases]."""
        found = evaluated(scores)
        return Best(np.where(which, found.mean, self.mean), np.where(which, found.variance, self.variance))

    def to_json(self) -> Facts:
        """What a checkpoint keeps."""
        return {"best": self.mean.tolist(), "best_variance": self.variance.tolist()}


def none(seeds: int) -> Best:
    """No evaluation yet: any score is better."""
    return Best(np.full(seeds, -math.inf), np.zeros(seeds))


def evaluated(scores: NDArray[np.floating]) -> Best:
    """What ``scores`` [S, cases] say."""
    scores = np.asarray(scores, np.float64)
    cases = scores.shape[1]
    spread = scores.var(1, ddof=1) if cases > 1 else np.zeros(len(scores))
    return Best(scores.mean(1), spread / cases)


def from_json(meta: Facts) -> Best:
    """What a checkpoint kept; one of an earlier version has no variances."""
    mean = np.asarray(meta["best"], np.float64)
    return Best(mean, np.asarray(meta.get("best_variance", np.zeros_like(mean)), np.float64))


class Saves:
    """Writes what a run keeps into its folder."""

    def __init__(self, folder: RunFolder, experiment: Experiment, work: Work, best: Best) -> None:
        self._folder, self._experiment, self._work, self._best = folder, experiment, work, best

    def best_of(self, driver: Trainer, event: Event) -> None:
        """Keep the agents of ``event``, which were evaluated, where they are better than the best ones."""
        assert event.scores is not None
        scores: NDArray[np.floating] = np.atleast_2d(event.scores)
        acting = driver.acting(event.state)
        if self._work.keeps_stages:
            stage = self._folder.stages / f"{event.timesteps:010}"
            for number, agent in enumerate(acting):
                self._agent(stage, agent, number, {"timesteps": event.timesteps})
        better = self._best.better(scores)
        for k in np.flatnonzero(better):
            facts = {"timesteps": event.timesteps, "eval/mean_reward": float(scores[k].mean())}
            self._agent(self._folder.best, acting[k], int(k), facts)
        self._best = self._best.replaced(scores, better)

    def checkpoint(
        self,
        driver: Trainer,
        state: State,
        progress: Progress,
        scale: Mapping[str, float],
        offset: int,
        changes: Sequence[Facts] = (),
    ) -> None:
        """Keep all that resuming needs, and the last agents.

        Args:
            driver: of the run.
            state: of the driver.
            progress: where the run stands.
            scale: scores to compare with, by name.
            offset: bytes of ``metrics.jsonl`` so far.
            changes: of settings while the run was under way, as ``changes.json`` has them.

        Raises:
            LogpiError: the disk refuses.
        """
        timesteps = int(np.min(driver.timesteps(state)))
        meta = {
            "progress": progress._asdict(),
            "timesteps": timesteps,
            "facts": driver.kept.facts(state, progress),
            **self._best.to_json(),
            "scale": list(scale.items()),  # a list keeps its order
            "metrics_bytes": offset,
            "num_devices": self._work.num_devices,
            "data": self._work.data,
            **({CHANGES: list(changes)} if changes else {}),
        }
        # agents first: a kill in between is made good by the resumed run, which comes this way again
        for k, agent in enumerate(driver.acting(state)):
            self._agent(self._folder.last, agent, k, {"timesteps": timesteps})
        kept = driver.kept.saved(state, progress)
        self._folder.save_checkpoint(progress.iteration, kept, meta, self._experiment.run.keep_checkpoints)

    def _agent(self, folder: Path, acting: PyTree, k: int, facts: Facts) -> None:
        """Agent number k: straight into ``folder``, or into ``folder/seed_<seed>`` where there are several."""
        run = self._experiment.run
        if run.seeds > 1:
            folder = folder / f"{SEED}{run.seed + k}"
        self._work.save_agent(folder, acting, {"algo": self._experiment.algo, **facts})
