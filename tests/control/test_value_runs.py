"""Whole runs of the value methods: seeds at once, two devices, host environments, agents, and what is refused."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from small import Killed, Watcher, experiment, only_run, outcome, quick_compilation, resume
from test_off_policy import GAMMA, optimal

from logpi import api
from logpi.errors import LogpiError
from logpi.own_code import name_code
from logpi.training import session

FILE = Path(__file__).parents[1] / "support" / "q_chain.py"
STATES = f"{FILE}:States"


@pytest.fixture(autouse=True, scope="module")
def quick():
    name_code(str(FILE))
    with quick_compilation():
        yield


def train(chosen, view=None):
    return session.start(chosen, ["test"], view or Watcher()).folder


def weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "agent.safetensors")


def test_q_learning_finds_the_optimal_values_and_its_agent_acts(tmp_path):
    chosen = experiment(
        STATES, "q_learning", tmp_path, total_timesteps=4000, gamma=GAMMA, learning_rate=0.5, exploration_final_eps=1.0
    )
    folder = train(chosen)
    (q,) = weights(folder.last).values()
    np.testing.assert_allclose(q[:-1], optimal(), atol=1e-3)
    assert json.loads((folder.path / "result.json").read_text())["mean_reward"] == [1.0]
    agent = api.load(folder.path)
    assert api.evaluate(agent, 4).facts["mean_reward"] == 1.0
    assert agent.act(np.arange(4)).tolist() == [1] * 4
    assert agent.act(2) == 1
    sampled = [int(agent.act(2, greedy=False)) for _ in range(50)]
    assert 0 < sum(sampled) < 50, "sampled actions explore as much as training did at its end"


@pytest.mark.parametrize("algo", ["dqn", "pqn"])
def test_two_seeds_at_once_are_the_two_alone(tmp_path, algo):
    both = train(experiment("CartPole-v1", algo, tmp_path / "both", run={"seeds": 2}))
    for seed in (0, 1):
        alone = train(experiment("CartPole-v1", algo, tmp_path / str(seed), run={"seed": seed}))
        ours, theirs = weights(both.last / f"seed_{seed}"), weights(alone.last)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, theirs)


@pytest.mark.skipif(jax.local_device_count() < 2, reason="needs two devices")
@pytest.mark.parametrize(("env", "algo"), [("CartPole-v1", "dqn"), ("CartPole-v1", "pqn"), (STATES, "q_learning")])
def test_two_devices_share_a_run_which_resumes_exactly(tmp_path, monkeypatch, env, algo):
    from logpi.driver import devices

    monkeypatch.setattr(devices, "sharing", lambda *counts: 2)
    whole = train(experiment(env, algo, tmp_path / "whole"))
    with pytest.raises(Killed):
        train(experiment(env, algo, tmp_path / "cut"), Watcher(kill_at=3))
    cut = only_run(tmp_path / "cut")
    resume(cut)
    assert outcome(cut) == outcome(whole)


def test_a_gymnasium_environment_and_a_resumed_run_on_the_host(tmp_path):
    chosen = experiment("FrozenLake-v1", "q_learning", tmp_path / "table", env_kwargs={"is_slippery": False})
    assert api.evaluate(api.load(train(chosen).path), 2).facts["on"] == "Gymnasium"
    chosen = experiment("FrozenLake-v1", "dqn", tmp_path / "network")
    with pytest.raises(Killed):
        train(chosen, Watcher(kill_at=12))
    cut = only_run(tmp_path / "network")
    resume(cut)
    assert json.loads((cut.path / "result.json").read_text())["timesteps"] >= 320
    agent = api.load(cut.path)
    assert api.evaluate(agent, 2).facts["episodes"] == 2


def test_a_vector_that_resets_within_the_step(tmp_path):
    chosen = experiment("FrozenLake-v1", "dqn", tmp_path, run={"autoreset": "same_step"})
    assert json.loads((train(chosen).path / "result.json").read_text())["timesteps"] >= 320


def test_learning_waits_for_the_first_decisions(tmp_path):
    seen = []

    class Looking(Watcher):
        def update(self, timesteps, metrics, seconds):
            seen.append(bool(np.isfinite(metrics["train/loss"])))

    train(experiment("CartPole-v1", "dqn", tmp_path, learning_starts=100), Looking())
    assert seen == [False] * 6 + [True] * (len(seen) - 6), "six iterations of 16 decisions are less than 100"


@pytest.mark.parametrize(
    ("env", "algo", "message"),
    [
        ("Pendulum-v1", "dqn", "the actions of Pendulum-v1 are Box.*take sac or ppo"),
        ("MountainCarContinuous-v0", "pqn", "take sac or ppo"),
        ("CartPole-v1", "q_learning", "the observations of CartPole-v1 are Box.*take dqn"),
    ],
)
def test_spaces_that_a_method_cannot_serve_are_refused_before_a_folder_is_made(tmp_path, env, algo, message):
    with pytest.raises(LogpiError, match=message):
        train(experiment(env, algo, tmp_path))
    assert not list(tmp_path.iterdir())


def test_an_environment_without_a_time_limit_is_warned_of(tmp_path):
    import gymnasium

    class Endless(gymnasium.Env):
        observation_space = gymnasium.spaces.Discrete(2)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            return 0, {}

        def step(self, action):
            return int(action), 1.0, False, False, {}

    said = []

    class Listening(Watcher):
        def tell(self, text):
            said.append(text)

    from logpi.tasks import Own

    chosen = experiment(
        "FrozenLake-v1", "dqn", tmp_path, run={"final_episodes": 1, "eval_points": 0}, total_timesteps=3200
    )
    session.start(chosen, ["test"], Listening(), Own(env=Endless))
    assert any("has no time limit" in text for text in said)


def test_a_replay_larger_than_the_memory_is_refused(tmp_path, monkeypatch):
    from logpi.training import estimate

    monkeypatch.setattr(estimate, "memory_limit", lambda: 8 * 2**30)
    with pytest.raises(LogpiError, match=r"takes at least .* of memory, and there are 8\.59 GB: lower --buffer-size"):
        train(experiment("CartPole-v1", "dqn", tmp_path, buffer_size=10**9))
    assert not list(tmp_path.iterdir())


def test_of_accelerators_the_memory_of_those_in_use_counts(tmp_path, monkeypatch):
    from logpi.training import estimate

    # devices of 1 GB each; what the process takes on the host does not count
    monkeypatch.setattr(estimate, "device_limit", lambda devices: devices * 10**9)
    monkeypatch.setattr(estimate, "memory_limit", lambda: 0)
    with pytest.raises(LogpiError, match=r"takes at least .* of memory on 1 device, and there are 1 GB: lower"):
        train(experiment("CartPole-v1", "dqn", tmp_path, buffer_size=10**8))
    assert not list(tmp_path.iterdir())
    train(experiment("CartPole-v1", "dqn", tmp_path, buffer_size=10**3))


def test_a_run_is_not_resumed_where_it_does_not_fit(tmp_path, monkeypatch):
    from logpi.training import estimate

    with pytest.raises(Killed):
        train(experiment("CartPole-v1", "dqn", tmp_path), Watcher(kill_at=2))
    monkeypatch.setattr(estimate, "memory_limit", lambda: 2**20)
    with pytest.raises(LogpiError, match=r"there are 1\.05 MB: resume it where there is more"):
        resume(only_run(tmp_path))
