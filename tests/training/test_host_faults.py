"""Environments that hang, break or die in mid-run: one message, and a run that goes on once they are mended."""

import re

import pytest
from small import Watcher, experiment, only_run, quick_compilation, resume

from logpi.errors import LogpiError
from logpi.own_code import name_code
from logpi.training import session

ENVIRONMENT = """
import os, time
from pathlib import Path
import gymnasium
import numpy as np

FAULT = Path(__file__).with_name("fault")


class Fragile(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    max_episode_steps = 20

    def __init__(self):
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        obs = np.full(2, self.steps % 7 / 7, np.float32)
        if self.steps == 50 and FAULT.is_file():
            how = FAULT.read_text()
            if how == "hang":
                while True:
                    try:
                        time.sleep(0.01)
                    except Exception:
                        pass  # as a retry around a connection does
            if how == "die":
                os._exit(3)
            obs = {"shape": np.zeros(1, np.float32), "nan": obs * np.nan}[how]
        return obs, float(action), False, False, {}
"""


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "fragile.py"
    path.write_text(ENVIRONMENT)
    name_code(str(path))
    return path


HANGS = r"(, number 0 of 4,)?: step \d+ of this run did not return within 3 s, and was given up \(--env-timeout\)"
FAULTS = [
    ("hang", "sync", HANGS),
    ("hang", "async", HANGS),
    ("shape", "sync", r"ShapeError: observation has shape \(1,\), its space has \(2,\) in step \d+"),
    ("shape", "async", r"ShapeError: observation has shape \(1,\), its space has \(2,\) in step \d+"),
    ("nan", "sync", r", number 0 of 4, returned observation nan at index \(0,\) in step \d+"),
    ("die", "async", r", number \d \(exit code 3\) of 4, whose worker process ended, in step \d+"),
]


@pytest.mark.parametrize(("fault", "vectorization", "words"), FAULTS)
def test_a_fault_is_told_once_and_the_run_goes_on(tmp_path, file, fault, vectorization, words):
    run = {"vectorization": vectorization, "env_timeout": 3.0, "checkpoint_points": 20, "eval_points": 0}
    chosen = experiment(f"{file}:Fragile", "ppo", tmp_path, run=run, total_timesteps=640)
    (tmp_path / "fault").write_text(fault)
    with pytest.raises(LogpiError) as caught:
        session.start(chosen, ["test"], Watcher())
    said = str(caught.value)
    assert re.search(words, said), said
    assert said.count("Find the cause with: logpi check-env") == 1
    assert "The run is intact: once that is fixed, `logpi resume" in said
    folder = only_run(tmp_path)
    assert folder.has_checkpoint
    (tmp_path / "fault").unlink()
    resume(folder)
    assert folder.status == "finished"
