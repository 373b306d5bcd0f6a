"""The user's own environments: found, told apart, and rebuilt in a worker."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import gymnasium
import jax
import pytest
from small import stepped

from logpi import own_code
from logpi.envs.host import make_host
from logpi.envs.load import FromFile, load_own
from logpi.errors import LogpiError
from logpi.own_code import name_code
from logpi.types import DeviceEnv

HOST = """
import gymnasium
import numpy as np
from gymnasium import spaces
from neighbour_of_mine import LENGTH

class Mine(gymnasium.Env):
    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Discrete(2)
    max_episode_steps = LENGTH

    def __init__(self, reward=1.0):
        self.reward = reward

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), self.reward, False, False, {}

def make():
    return Mine(reward=2.0)

class NoPlay:
    observation_space = Mine.observation_space

    def reset(self, seed, options):
        return None

def broken():
    raise RuntimeError("sensor not connected")
"""

REGISTERING = HOST + "\ngymnasium.register('Mine-v3', 'my_registering_module:Mine', max_episode_steps=9)"

DEVICE = """
import jax
import jax.numpy as jnp
from gymnasium import spaces

class Drift:
    observation_space = spaces.Box(-10, 10, (1,))
    action_space = spaces.Discrete(2)
    max_episode_steps = 20

    def reset(self, key):
        x = jax.random.normal(key, (1,))
        return x, x

    def step(self, state, action, key):
        x = state + jnp.where(action == 1, 0.1, -0.1)
        return x, x, x[0], jnp.abs(x[0]) > 5

def build():
    return Drift()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "neighbour_of_mine.py").write_text("LENGTH = 4")
    (tmp_path / "mine.py").write_text(HOST)
    (tmp_path / "drift.py").write_text(DEVICE)
    (tmp_path / "bad.py").write_text("import json\nrubbish")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    name_code(*(str(tmp_path / name) for name in ("mine.py", "drift.py", "bad.py")), "my_registering_module:Mine-v3")
    return tmp_path


@pytest.mark.parametrize(("name", "reward"), [("Mine", 1.0), ("make", 2.0)])
def test_a_file_makes_a_host_environment_with_its_time_limit(folder: Path, name: str, reward: float) -> None:
    factory = load_own(f"{folder / 'mine.py'}:{name}")
    assert isinstance(factory, FromFile)
    vector = make_host(factory, 2)
    assert vector.spec.max_episode_steps == 4
    assert vector.spec.id.endswith(f"mine.py:{name}")
    vector.reset(0)
    steps = [stepped(vector, [0, 1]) for _ in range(4)]
    assert [bool(step.truncated.all()) for step in steps] == [False, False, False, True]
    assert steps[0].reward.tolist() == [reward, reward]
    vector.close()


def test_kwargs_reach_the_class(folder: Path) -> None:
    vector = make_host(load_own(f"{folder / 'mine.py'}:Mine"), 1, env_kwargs={"reward": 7.0})
    vector.reset(0)
    assert stepped(vector, [0]).reward.tolist() == [7.0]
    vector.close()


def test_the_factory_works_in_another_process(folder: Path) -> None:
    factory = load_own(f"{folder / 'mine.py'}:Mine")
    assert pickle.loads(pickle.dumps(factory)) == factory
    vector = make_host(factory, 1, vectorization="async")
    vector.reset(0)
    assert stepped(vector, [0]).reward.tolist() == [1.0]
    vector.close()


def test_workers_do_not_pay_for_jax() -> None:
    code = "import logpi.envs.load, sys; sys.exit('jax' in sys.modules)"
    root = str(Path(__file__).resolve().parents[2])
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


@pytest.mark.parametrize("name", ["Drift", "build"])
def test_a_file_makes_a_device_environment(folder: Path, name: str) -> None:
    env = load_own(f"{folder / 'drift.py'}:{name}")
    assert isinstance(env, DeviceEnv)
    assert env.spec.max_episode_steps == 20
    state, obs = env.reset(jax.random.key(0))
    state, moved, reward, terminated = jax.jit(env.step)(state, 1, jax.random.key(1))
    assert float(moved[0]) == pytest.approx(float(obs[0]) + 0.1)
    assert float(reward) == pytest.approx(float(moved[0]))
    assert not terminated


def test_a_module_registers_its_ids(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "my_registering_module.py").write_text(REGISTERING)
    monkeypatch.syspath_prepend(str(folder))
    factory = load_own("my_registering_module:Mine-v3")
    vector = make_host(factory, 1)
    assert (vector.spec.id, vector.spec.max_episode_steps) == ("my_registering_module:Mine-v3", 9)
    vector.close()
    with pytest.raises(LogpiError, match=r"knows no 'Mine-v4'.*Registered: Mine-v3"):
        load_own("my_registering_module:Mine-v4")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CartPole-v1", "write module:EnvId or path/file.py:Class"),
        ("absent.py:Mine", r"no such file: .*absent\.py"),
        ("mine.py:Yours", "no class 'Yours'; it has: Mine, make, NoPlay, broken"),
        ("mine.py:LENGTH", "no class 'LENGTH'"),
        ("mine.py:broken", r"broken\(\) raised RuntimeError: sensor not connected"),
        ("mine.py:NoPlay", r"lacks reset\(key\), step\(state, action, key\), action_space"),
        ("bad.py:Mine", r"importing .*bad\.py raised NameError: name 'rubbish'"),
        ("no_such_module:Env-v0", "importing no_such_module raised ModuleNotFoundError"),
    ],
)
def test_mistakes_are_named(folder: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(LogpiError, match=words) as caught:
        load_own(name)
    if "raised" in words:
        assert caught.value.__cause__ is not None


def test_an_edited_file_is_read_again(folder: Path) -> None:
    file = folder / "mine.py"
    before = load_own(f"{file}:Mine")()
    file.write_text(HOST.replace("reward=1.0", "reward=3.0"))
    assert (before.unwrapped.reward, load_own(f"{file}:Mine")().unwrapped.reward) == (1.0, 3.0)


TEXT = """
import gymnasium
import steps_of_mine

class Env(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-9, 9, (4,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return self.observation_space.low * 0, {}

    def step(self, action):
        return self.observation_space.low * 0, steps_of_mine.REWARD, True, False, {}

gymnasium.register("OfMine-v0", "ENTRY")
"""


@pytest.mark.parametrize("name", ["host_of_mine.py:Env", "host_of_mine:OfMine-v0"])
@pytest.mark.parametrize("entry", ['"host_of_mine:Env"', "Env"])
def test_a_worker_runs_the_very_text_that_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, entry: str
) -> None:
    (tmp_path / "steps_of_mine.py").write_text("REWARD = 1.0\n")
    (tmp_path / "host_of_mine.py").write_text(TEXT.replace('"ENTRY"', entry))
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])  # as the command has it
    monkeypatch.delitem(gymnasium.registry, "OfMine-v0", raising=False)
    monkeypatch.delitem(sys.modules, "host_of_mine", raising=False)
    with own_code.command([name]):
        factory = load_own(name)
    (tmp_path / "steps_of_mine.py").write_text("REWARD = 2.0\n")
    record = own_code.record_path().read_text()
    vector = make_host(factory, 1, vectorization="async")
    vector.reset(0)
    assert stepped(vector, [0]).reward.tolist() == [1.0]
    vector.close()
    assert own_code.record_path().read_text() == record, "a worker trusts nothing by itself"
