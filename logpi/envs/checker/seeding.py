"""Whether a seed fixes what happens in an environment."""

from __future__ import annotations

import copy

import jax
import numpy as np

from logpi.envs.checker.trial import Chooser, Trial
from logpi.findings import Finding
from logpi.types import EnvSpec, PyTree


def same(a: PyTree, b: PyTree) -> bool:
    """Whether two answers are equal; NaN equals NaN."""
    return all(map(_equal, jax.tree.leaves(a), jax.tree.leaves(b)))


def _equal(a: PyTree, b: PyTree) -> bool:
    x, y = np.asarray(a), np.asarray(b)
    return x.shape == y.shape and bool(np.all((x == y) | ((x != x) & (y != y))))


def _trace(trial: Trial, spec: EnvSpec, seed: int, steps: int = 200) -> list[PyTree]:
    choose = Chooser(spec)
    obs = trial.reset(seed=seed)
    rows = [copy.deepcopy(obs)]
    for _ in range(steps):
        obs, reward, terminated, truncated = trial.step(choose(obs))
        rows.append(copy.deepcopy((obs, float(reward), terminated, truncated)))
        if terminated or truncated:
            obs = trial.reset()
            rows.append(copy.deepcopy(obs))
    return rows


def seeding(fresh: Trial, used: Trial, spec: EnvSpec) -> Finding:
    """Whether the seed fixes the trajectory; ``used`` has played before, so state that survives ``reset`` shows."""
    try:
        first, again, other = _trace(fresh, spec, 0), _trace(used, spec, 0), _trace(used, spec, 1)
    finally:
        fresh.close()
    if len(first) != len(again) or not same(first, again):
        what = "the same seed and the same actions gave another trajectory"
        fix = "call super().reset(seed=seed), draw only from self.np_random, and clear all state in reset"
        return Finding("error", what, fix)
    if len(first) == len(other) and same(first, other):
        fix = "nothing, if it is deterministic; else call super().reset(seed=seed) and draw from self.np_random"
        return Finding("warn", "another seed gave the same trajectory", fix)
    return Finding("ok", "the seed fixes the trajectory, and another seed changes it")
