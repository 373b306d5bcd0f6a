"""The contract carries a replay: tabular Q-learning on the chain, from collecting to exact resume."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file
from small import ROOT, SETTINGS, Killed, Watcher, only_run, outcome, quick_compilation

from logpi import api
from logpi.config.experiments import resolve
from logpi.config.stored import experiment_from_table
from logpi.own_code import name_code
from logpi.runs.checkpoint import load_tree
from logpi.training import session

FILE = Path(__file__).parents[1] / "support" / "q_chain.py"
METHOD, CHAIN = f"{FILE}:q_chain", f"{FILE}:Chain"
RUN = {"video": False, "tensorboard": False, "eval_episodes": 4, "final_episodes": 4, "eval_points": 2}
LENGTH, GAMMA = 5, 0.9


@pytest.fixture(autouse=True, scope="module")
def quick():
    name_code(str(FILE))
    with quick_compilation():
        yield


def experiment(log_dir, run=None, **settings):
    method = {"n_envs": 4, "total_timesteps": 2000, "gamma": GAMMA, **settings}
    tables = {"run": {**RUN, "log_dir": str(log_dir), **(run or {})}, "method": method}
    return resolve(CHAIN, METHOD, tables)[0]


def train(chosen, view=None):
    return session.start(chosen, ["test"], view or Watcher()).folder


def values_of(folder):
    """Q of the last agent."""
    arrays, _ = load_tree(folder / "agent.safetensors", {"params": {"q": jnp.zeros((LENGTH, 2))}, "statistics": ()})
    return arrays["params"]["q"]


def optimal():
    """Q* of the chain by value iteration; the last state ends the episode and is never acted in."""
    q = np.zeros((LENGTH, 2))
    for _ in range(200):
        for state in range(LENGTH - 1):
            for action in range(2):
                after = min(max(state + 2 * action - 1, 0), LENGTH - 1)
                over = after == LENGTH - 1
                q[state, action] = 1.0 if over else GAMMA * q[after].max()
    return q[:-1]


def test_it_finds_the_optimal_values(tmp_path):
    folder = train(experiment(tmp_path))
    np.testing.assert_allclose(values_of(folder.last)[:-1], optimal(), atol=2e-3)
    assert json.loads((folder.path / "result.json").read_text())["mean_reward"] == [1.0]
    # the agent acts by its method: no standard network has these parameters
    agent = api.load(folder.path)
    assert api.evaluate(agent, 4).facts["mean_reward"] == 1.0
    assert agent.act(np.eye(LENGTH, dtype=np.float32)[:-1]).tolist() == [1] * (LENGTH - 1)


def test_a_killed_run_ends_with_the_same_bits(tmp_path):
    whole = train(experiment(tmp_path / "whole"))
    with pytest.raises(Killed):
        train(experiment(tmp_path / "cut"), Watcher(kill_at=37))
    cut = only_run(tmp_path / "cut")
    session.resume(cut, experiment_from_table(cut.config), Watcher())
    assert outcome(cut) == outcome(whole)


def test_a_checkpoint_holds_the_filled_rows_of_the_replay(tmp_path):
    sizes = {}
    for seeds, capacity in ((1, 100_000), (2, 100_000), (1, 64)):
        folder = train(experiment(tmp_path / f"{seeds} {capacity}", {"seeds": seeds}, capacity=capacity))
        arrays = load_file(max(folder.checkpoints.iterdir()))
        (reward,) = (array for name, array in arrays.items() if "replay.rows.reward" in name)
        (filled,) = (array for name, array in arrays.items() if "replay.filled" in name)
        assert reward.shape == (*filled.shape, filled.max(), 4)
        sizes[seeds, capacity] = filled.max()
    assert sizes[1, 64] == 16, "as many as there are"
    assert 400 < sizes[1, 100_000] < 600, "what 2,000 timesteps of 4 environments fill"


def test_two_seeds_at_once_are_the_two_alone(tmp_path):
    both = train(experiment(tmp_path / "both", {"seeds": 2}))
    for seed in (0, 1):
        alone = train(experiment(tmp_path / str(seed), {"seed": seed}))
        np.testing.assert_allclose(values_of(both.last / f"seed_{seed}"), values_of(alone.last), atol=1e-6)


@pytest.mark.skipif(jax.local_device_count() < 2, reason="needs two devices")
def test_two_devices_share_environments_and_replay(tmp_path, monkeypatch):
    from logpi.driver import devices

    monkeypatch.setattr(devices, "sharing", lambda *counts: 2)
    folder = train(experiment(tmp_path))
    np.testing.assert_allclose(values_of(folder.last)[:-1], optimal(), atol=2e-3)
    with pytest.raises(Killed):
        train(experiment(tmp_path / "cut"), Watcher(kill_at=20))
    cut = only_run(tmp_path / "cut")
    session.resume(cut, experiment_from_table(cut.config), Watcher())
    assert outcome(cut) == outcome(train(experiment(tmp_path / "whole")))


@pytest.mark.parametrize("updates", [1, 3])
def test_the_ratio_of_updates_to_trajectories_is_a_setting(tmp_path, updates):
    seen = []

    class Counting(Watcher):
        def update(self, timesteps, metrics, seconds):
            seen.append((timesteps, metrics["train/td_error"]))

    train(experiment(tmp_path, updates=updates, total_timesteps=64), Counting())
    assert [moves >= 64 for moves, _ in seen] == [False] * (len(seen) - 1) + [True], "it ends with the last one"
    assert seen[0][0] == 16, "one trajectory a row, however many updates"
    assert np.isfinite([error for _, error in seen]).all()


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from gymnasium import spaces
import jax.numpy as jnp
from logpi import api
from logpi.types import DeviceEnv, EnvSpec

spec = EnvSpec("numbers", spaces.Box(0.0, 1.0, (100,), np.float32), spaces.Discrete(2), 50)
env = DeviceEnv(
    spec,
    lambda key: (jnp.int32(0), jnp.zeros(100)),
    lambda state, action, key: (state, jnp.zeros(100), jnp.float32(1), jnp.bool_(False)),
)
run = {"video": False, "tensorboard": False, "eval_points": 1, "eval_episodes": 1, "final_episodes": 1,
       "checkpoint_points": 2, "log_dir": sys.argv[2]}
api.train(env, sys.argv[1], run=run, n_envs=10, total_timesteps=2000, capacity=int(sys.argv[3]), quiet=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def peak_memory(folder, capacity):
    """Bytes of a process that trains with such a replay and saves it three times."""
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "1"}
    arguments = [sys.executable, "-c", MEMORY, METHOD, str(folder), str(capacity)]
    found = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True, timeout=300)
    return int(found.stdout)


def test_a_replay_is_in_memory_once_checkpoints_included(tmp_path):
    capacity = 400_000  # decisions of 100 numbers, 164 MB
    more = peak_memory(tmp_path / "large", capacity) - peak_memory(tmp_path / "tiny", 1_000)
    assert more < 1.2 * capacity * (100 + 4) * 4
