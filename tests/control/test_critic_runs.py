"""Whole runs of the methods with learnt Q-functions: exact resume, seeds at once, two devices, hosts, and agents."""

import functools
import json

import gymnasium
import jax
import numpy as np
import pytest
from safetensors.numpy import load_file
from small import RUN, Killed, Watcher, only_run, outcome, quick_compilation, resume

from logpi import api
from logpi.config.experiments import resolve
from logpi.errors import LogpiError
from logpi.tasks import NOTHING, Own
from logpi.training import session

REPLAY = {"n_steps": 4, "batch_size": 8, "buffer_size": 128, "gradient_steps": 2, "learning_starts": 32}  # it wraps
METHODS = {
    "qac": ("CartPole-v1", "qac", {"n_steps": 8}),
    "qac with replay": ("CartPole-v1", "qac", {**REPLAY, "replay": True}),
    "sac": ("Pendulum-v1", "sac", {**REPLAY, "noise": "pink", "normalize_obs": True}),
    "td3": ("Pendulum-v1", "td3", {**REPLAY, "policy_delay": 3}),
    "ddpg": ("Pendulum-v1", "ddpg", REPLAY),
    "sac_discrete": ("CartPole-v1", "sac_discrete", REPLAY),
}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def experiment(name, log_dir, run=None, **more):
    env, algo, settings = METHODS[name]
    method = {"n_envs": 4, "total_timesteps": 320, **settings, **more}
    tables = {"run": {**RUN, "log_dir": str(log_dir), **(run or {})}, "method": method, "network": {"hidden": [8]}}
    return resolve(env, algo, tables)[0]


def train(chosen, view=None, own=NOTHING):
    return session.start(chosen, ["test"], view or Watcher(), own).folder


def weights(folder):
    return load_file(folder / "agent.safetensors")


@pytest.mark.parametrize("name", METHODS)
def test_a_killed_run_ends_with_the_same_bits_and_its_agent_acts(tmp_path, name):
    whole = train(experiment(name, tmp_path / "whole"))
    with pytest.raises(Killed):
        train(experiment(name, tmp_path / "cut"), Watcher(kill_at=4))
    cut = only_run(tmp_path / "cut")
    resume(cut)
    assert outcome(cut) == outcome(whole)
    agent = api.load(whole.path)
    assert api.evaluate(agent, 2).facts["on"] == "Gymnasium"
    obs = agent.spec.observation_space.sample()
    assert agent.spec.action_space.contains(agent.act(obs, greedy=False))
    assert np.array_equal(agent.act(obs), agent.act(obs)), "the greedy action is one"


def test_learning_waits_for_the_first_decisions_also_behind_a_resume(tmp_path):
    rows = []

    class Looking(Watcher):
        def update(self, timesteps, metrics, seconds):
            rows.append((timesteps, metrics["train/critic_loss"]))
            super().update(timesteps, metrics, seconds)

    with pytest.raises(Killed):
        train(experiment("sac", tmp_path, learning_starts=160), Looking(kill_at=3))
    resume(only_run(tmp_path), Looking())
    assert len(rows) > 10
    for timesteps, loss in rows:
        assert np.isfinite(loss) == (timesteps >= 160), timesteps


def test_two_seeds_at_once_are_the_two_alone(tmp_path):
    both = train(experiment("sac", tmp_path / "both", {"seeds": 2}))
    for seed in (0, 1):
        alone = train(experiment("sac", tmp_path / str(seed), {"seed": seed}))
        ours, theirs = weights(both.last / f"seed_{seed}"), weights(alone.last)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), ours, theirs)


@pytest.mark.skipif(jax.local_device_count() < 2, reason="needs two devices")
@pytest.mark.parametrize("name", ["sac", "qac"])
def test_two_devices_share_a_run_which_resumes_exactly(tmp_path, monkeypatch, name):
    from logpi.driver import devices

    monkeypatch.setattr(devices, "sharing", lambda *counts: 2)
    whole = train(experiment(name, tmp_path / "whole"))
    with pytest.raises(Killed):
        train(experiment(name, tmp_path / "cut"), Watcher(kill_at=3))
    cut = only_run(tmp_path / "cut")
    resume(cut)
    assert outcome(cut) == outcome(whole)


@pytest.mark.parametrize("name", ["sac", "sac_discrete"])
def test_environments_on_the_host(tmp_path, name):
    env = METHODS[name][0]
    own = Own(env=functools.partial(gymnasium.make, env), env_kwargs={})
    folder = train(experiment(name, tmp_path), own=own)
    assert json.loads((folder.path / "result.json").read_text())["timesteps"] >= 320
    assert all(np.isfinite(x).all() for x in weights(folder.last).values())


@pytest.mark.parametrize("name", ["td3", "qac with replay"])
def test_of_stacked_frames_the_replay_holds_the_newest(tmp_path, name):
    def stacks(**kwargs):
        return gymnasium.wrappers.FrameStackObservation(gymnasium.make(METHODS[name][0], **kwargs), 2)

    folder = train(experiment(name, tmp_path, stacked_frames=2), own=Own(env=stacks, env_kwargs={}))
    shapes = [x.shape for x in load_file(max(folder.checkpoints.glob("*.safetensors"))).values()]
    (size,) = gymnasium.make(METHODS[name][0]).observation_space.shape
    assert (32, 4, size) in shapes
    assert (32, 4, 2, size) not in shapes
    assert all(np.isfinite(x).all() for x in weights(folder.last).values())


@pytest.mark.parametrize(("name", "autoreset"), [("sac", "same_step"), ("ddpg", "disabled")])
def test_vectors_that_reset_within_the_step(tmp_path, name, autoreset):
    """No log π is recorded, and the memory of the noise is no policy's; time limits so short that episodes end."""
    env = functools.partial(gymnasium.make, METHODS[name][0], max_episode_steps=7)
    folder = train(experiment(name, tmp_path, {"autoreset": autoreset}), own=Own(env=env, env_kwargs={}))
    assert json.loads((folder.path / "result.json").read_text())["timesteps"] >= 320
    assert all(np.isfinite(x).all() for x in weights(folder.last).values())


@pytest.mark.parametrize(
    ("env", "algo", "message"),
    [
        ("CartPole-v1", "sac", "Discrete.*take sac_discrete, dqn or ppo"),
        ("CartPole-v1", "td3", "Discrete.*take sac_discrete, dqn or ppo"),
        ("Pendulum-v1", "sac_discrete", "Box.*take sac, td3 or ppo"),
        ("Pendulum-v1", "qac", "Box.*take sac, td3 or ppo"),
    ],
)
def test_spaces_that_a_method_cannot_serve_are_refused_before_a_folder_is_made(tmp_path, env, algo, message):
    chosen = resolve(env, algo, {"run": {**RUN, "log_dir": str(tmp_path)}, "method": {}})[0]
    with pytest.raises(LogpiError, match=message):
        train(chosen)
    assert not list(tmp_path.iterdir())
