"""Runs as they lie on the disk, made without training."""

import math

import pytest

from logpi.runs.create import create
from logpi.runs.files import json_text
from logpi.runs.metrics import MetricsWriter


@pytest.fixture
def made(tmp_path):
    """A function that writes a finished run; ``scores`` are those of its seeds, None leaves it without a result."""

    def run(algo, scores, env="CartPole-v1", seed=0, seeds=None, steps=1000, result=None, config=None, **manifest):
        count = seeds or len(scores)
        table = {"env": env, "algo": algo, "method": {"gamma": 0.9}, "network": {}, "env_kwargs": {}, **(config or {})}
        length = {"timesteps": steps, "unit": "steps", "each": 1}
        score = {"label": "mean return of an episode", "percent": False, "low": 0, "high": 500}
        numbers = range(seed, seed + count)
        folder = create(tmp_path / "runs", algo, env, table, ["made"], numbers, score, length)
        folder.manifest_file.write_text(json_text(folder.manifest | manifest))
        with MetricsWriter(folder.path, tensorboard=False) as writer:
            for row in range(1, 6):
                values = [math.sqrt(row) * (k + 1) for k in range(count)]
                clock = {"time/time_elapsed": 2.0 * row, "time/time_spent": 2.0 * row}
                writer.write({"time/total_timesteps": row * steps // 5, "eval/mean_reward": values} | clock)
        if scores is not None:
            facts = {"timesteps": steps, "ended_by": "total_timesteps", "episodes": 10, "greedy": True}
            folder.finish(facts | {"mean_reward": list(scores)} | (result or {}))
        return folder

    return run
