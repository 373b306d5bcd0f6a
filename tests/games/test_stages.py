"""AlphaGo's stages one after the other, each from the files of the one before, and each after kill -9."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from small import KILLER, ROOT, SETTINGS, Killed, Watcher, outcome, quick_compilation, resume

from logpi.config.experiments import resolve
from logpi.games.records.files import append
from logpi.games.records.record import Record
from logpi.runs.lookup import find_runs
from logpi.training import session

RUN = {"video": False, "tensorboard": False, "eval_points": 1, "eval_episodes": 2, "final_episodes": 2}
NET = {"units": 8, "blocks": 1, "value_units": 4}
PLAY = {"eval_simulations": 2, "eval_opponent_simulations": 2}
LEARN = {**PLAY, "batch_size": 8, "n_updates": 2, "held_out": 0.3, "held_out_sample": 8, "total_timesteps": 16 * 400}
STAGES = ("alphago", "alphago_rl", "alphago_value")


def stage(algo, log_dir, records, first):
    """One of the stages, saved at every iteration."""
    method = {"alphago_rl": {**PLAY, "n_games": 4, "total_timesteps": 6000}}.get(
        algo, {**LEARN, "records": str(records)}
    )
    run = {**RUN, "log_dir": str(log_dir), "checkpoint_points": 10_000}
    chosen = resolve("tic-tac-toe", algo, {"run": run, "network": NET, "method": method})[0]
    return dataclasses.replace(chosen, init_from="" if algo == "alphago" else str(first))


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def test_each_stage_resumes_bit_for_bit_after_kill_9(tmp_path):
    rng, records = np.random.default_rng(0), tmp_path / "games.jsonl"
    for _ in range(30):
        moves = tuple(rng.permutation(9)[:4].tolist())
        append(records, Record("tic-tac-toe", ("", ""), moves, float(rng.choice([-1, 1])), reason="resigned"))
    wholes, cuts, first = [], [], ""
    for algo in STAGES:
        wholes.append(session.start(stage(algo, tmp_path / "whole", records, first), ["test"], Watcher()).folder)
        with pytest.raises(Killed):
            session.start(stage(algo, tmp_path / "cut", records, first), ["test"], Watcher(kill_at=2))
        cuts.append(next(info.path for info in find_runs(tmp_path / "cut") if info.algo == algo))
        first = first or wholes[0].path
    places = os.pathsep.join(map(str, cuts))
    arguments = [sys.executable, "-c", KILLER, places, str(ROOT / "tests" / "support"), "1"]
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    saved = [list(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(saved) == len(STAGES)
    assert all(before < after for before, after in saved)
    for whole, cut in zip(wholes, cuts, strict=True):
        folder = type(whole)(cut)
        assert folder.status == "interrupted"
        resume(folder)
        assert outcome(folder) == outcome(whole)
