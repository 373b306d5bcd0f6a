"""The contract carries a replay: tabular Q-learning on the chain, from collecting to exact resume."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import ROOT, SETTINGS, Killed, Watcher, only_run, outcome, quick_compilation

from logpi.config.experiments import experiment_from_table, resolve
from logpi.control.replay import Rows, empty_replay, push, replay_rows, sample
from logpi.errors import LogpiError
from logpi.own_code import name_code
from logpi.runs.checkpoint import load_tree
from logpi.training import session
from logpi.types import Trajectory

METHOD = f"{Path(__file__).parents[1] / 'support' / 'q_chain.py'}:q_chain"
RUN = {"video": False, "tensorboard": False, "eval_episodes": 4, "final_episodes": 4, "eval_points": 2}
LENGTH, GAMMA = 5, 0.9


@pytest.fixture(autouse=True, scope="module")
def quick():
    name_code(METHOD)
    with quick_compilation():
        yield


def experiment(log_dir, run=None, **settings):
    method = {"n_envs": 4, "total_timesteps": 2000, "gamma": GAMMA, **settings}
    tables = {"run": {**RUN, "log_dir": str(log_dir), **(run or {})}, "method": method}
    return resolve("probe/chain-v0", METHOD, tables)[0]


def train(chosen, view=None):
    return session.start(chosen, ["test"], view or Watcher()).folder


def values_of(folder):
    """Q of the last agent."""
    arrays, _ = load_tree(folder / "agent.safetensors", {"params": {"q": jnp.zeros((LENGTH, 2))}, "statistics": ()})
    return arrays["params"]["q"]


def optimal():
    """Q* of the chain by value iteration, from the environment itself."""
    from logpi.envs.probes import chain

    env, key = chain(LENGTH), jax.random.key(0)
    q = np.zeros((LENGTH, 2))
    state, obs = env.reset(key)
    states = {int(np.argmax(obs)): state}
    moves = {}
    while set(states) - {s for s, _ in moves}:
        for s in sorted(set(states) - {s for s, _ in moves}):
            for a in range(2):
                after, seen, reward, terminated = env.step(states[s], jnp.int32(a), key)
                moves[s, a] = (int(np.argmax(seen)), float(reward), bool(terminated))
                if not terminated:
                    states.setdefault(int(np.argmax(seen)), after)
    for _ in range(200):
        for (s, a), (after, reward, terminated) in moves.items():
            q[s, a] = reward + (0 if terminated else GAMMA * q[after].max())
    return q, sorted({s for s, _ in moves})


def test_it_finds_the_optimal_values(tmp_path):
    folder = train(experiment(tmp_path))
    expected, reached = optimal()
    np.testing.assert_allclose(values_of(folder.last)[reached], expected[reached], atol=2e-3)
    assert json.loads((folder.path / "result.json").read_text())["mean_reward"] == [1.0]


def test_a_killed_run_ends_with_the_same_bits(tmp_path):
    whole = train(experiment(tmp_path / "whole"))
    with pytest.raises(Killed):
        train(experiment(tmp_path / "cut"), Watcher(kill_at=37))
    cut = only_run(tmp_path / "cut")
    session.resume(cut, experiment_from_table(cut.config), Watcher())
    assert outcome(cut) == outcome(whole)


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
    expected, reached = optimal()
    np.testing.assert_allclose(values_of(folder.last)[reached], expected[reached], atol=2e-3)
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
            seen.append(metrics["train/td_error"])

    train(experiment(tmp_path, updates=updates, total_timesteps=64), Counting())
    assert len(seen) == 4 and np.isfinite(seen).all()


def rows(first, count, n_envs=2):
    """Row t, column b has the number 10 t + b everywhere."""
    number = 10.0 * (first + np.arange(count + 1))[:, None] + np.arange(n_envs)
    flat = jnp.asarray(number[:-1], jnp.float32)
    return Trajectory(jnp.asarray(number, jnp.float32)[..., None], flat, flat, flat, flat, jnp.ones_like(flat), ())


def test_samples_are_the_newest_rows_with_what_followed_them():
    replay = empty_replay(rows(0, 2), 6)
    for first in range(0, 10, 2):  # the ring wraps: rows 4 to 9 are left
        replay = push(replay, rows(first, 2))
    found = jax.device_get(sample(replay, jax.random.key(0), 4000))
    times = (found.obs[:, 0] // 10).astype(int)
    assert set(times) == {4, 5, 6, 7, 8}, "what followed row 9 is not known yet"
    np.testing.assert_array_equal(found.next_obs, found.obs + 10)
    np.testing.assert_array_equal(found.reward, found.obs[:, 0])
    counts = np.bincount(times)[4:]
    assert np.all(np.abs(counts - 800) < 5 * np.sqrt(800 * 0.8)), "every row is as likely as any other"
    assert found.mask.all()


def test_before_there_are_two_rows_nothing_is_learnt_from():
    replay = push(empty_replay(rows(0, 1), 4), rows(0, 1))
    assert not sample(replay, jax.random.key(0), 8).mask.any()


def test_a_replay_too_small_is_refused():
    assert replay_rows(1000, 4, 5) == 250
    with pytest.raises(LogpiError, match="raise it to at least 40"):
        replay_rows(10, 4, 5)


def test_the_ring_is_written_in_place():
    replay = push(empty_replay(rows(0, 2), 6), rows(0, 2))
    where = replay.rows.obs.unsafe_buffer_pointer()
    pushed = jax.jit(push, donate_argnums=0)(replay, rows(2, 2))
    assert pushed.rows.obs.unsafe_buffer_pointer() == where
    assert isinstance(pushed.rows, Rows)


MEMORY = """
import resource, sys
from logpi import api
from logpi.own_code import name_code
run = {"video": False, "tensorboard": False, "eval_points": 1, "eval_episodes": 1, "final_episodes": 1,
       "checkpoint_points": 2, "log_dir": sys.argv[2]}
api.train("probe/chain-v0", sys.argv[1], run=run, n_envs=10, total_timesteps=2000, capacity=int(sys.argv[3]),
          env_kwargs={"length": 100}, quiet=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
