"""One well-behaved environment passes; each fault of a misbehaving one is named with its remedy."""

from __future__ import annotations

import json
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from logpi.api.environments import around
from logpi.envs import watchdog
from logpi.envs.atari import standard
from logpi.envs.checker import check
from logpi.envs.checker.check import Report, check_env
from logpi.envs.checker.diagnostics import Play, judge
from logpi.envs.host import make_host
from logpi.findings import Finding
from logpi.own_code import name_code
from logpi.types import DeviceEnv, EnvSpec


@pytest.fixture(autouse=True)
def _short_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "VECTOR_SECONDS", 0.02)


class Good(gymnasium.Env):
    """A walker on [-1, 1] that is rewarded at the right and terminates at either end."""

    observation_space: Any = spaces.Box(-1, 1, (1,))
    action_space: Any = spaces.Discrete(2)
    max_episode_steps = 50

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-0.3, 0.3)
        return self.obs(), {}

    def step(self, action: Any) -> Any:
        self.x = float(np.clip(self.x + (0.2 if action else -0.2), -1, 1))
        return self.obs(), float(self.x == 1), abs(self.x) == 1, False, {}

    def obs(self) -> Any:
        return np.array([self.x], np.float32)

    def render(self) -> Any:
        return np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3)


class Limited(gymnasium.wrappers.TimeLimit):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Good(**kwargs), Good.max_episode_steps)


class OldReset(Good):
    def reset(self) -> Any:
        return super().reset()


class OnlyObs(Good):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return super().reset(seed=seed)[0]


class FourValues(Good):
    def step(self, action: Any) -> Any:
        obs, reward, terminated, _, info = super().step(action)
        return obs, reward, terminated, info


class DoublePrecision(Good):
    def obs(self) -> Any:
        return np.array([self.x])


class WrongShape(Good):
    def obs(self) -> Any:
        return np.zeros((1, 1), np.float32)


class Outside(Good):
    def obs(self) -> Any:
        return np.array([1.5 if self.x == 1 else self.x], np.float32)


class ArrayReward(Good):
    def step(self, action: Any) -> Any:
        obs, reward, *rest = super().step(action)
        return obs, np.array([reward]), *rest


class IntFlag(Good):
    def step(self, action: Any) -> Any:
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, reward, int(terminated), truncated, info


class Unscaled(Good):
    observation_space: Any = spaces.Box(-1000, 1000, (1,))

    def obs(self) -> Any:
        return np.array([900 * self.x], np.float32)

    def step(self, action: Any) -> Any:
        obs, reward, *rest = super().step(action)
        return obs, 500 * reward, *rest


class OwnGenerator(Good):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.x = np.random.default_rng().uniform(-0.3, 0.3)
        return self.obs(), {}


class Fixed(Good):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.x = 0.1
        return self.obs(), {}


class Unlimited(Good):
    max_episode_steps = None

    def step(self, action: Any) -> Any:
        obs, _, _, _, info = super().step(action)
        return obs, 0.0, False, False, info


class ClockAsTask(Good):
    max_episode_steps = 10

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.clock = 0
        return super().reset(seed=seed)

    def step(self, action: Any) -> Any:
        self.clock += 1
        obs, _, _, _, info = super().step(action)
        return obs, self.x, self.clock == self.max_episode_steps, False, info


class UnclearedClock(ClockAsTask):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.clock = getattr(self, "clock", 0)
        return Good.reset(self, seed=seed)

    def step(self, action: Any) -> Any:
        obs, reward, _, _, info = super().step(action)
        return obs, reward, self.clock >= self.max_episode_steps, False, info


class NaNs(Good):
    def step(self, action: Any) -> Any:
        obs, reward, *rest = super().step(action)
        return obs, np.nan if reward else 0.0, *rest


class Reuses(Good):
    def obs(self) -> Any:
        self.buffer = getattr(self, "buffer", np.zeros(1, np.float32))
        self.buffer[0] = self.x
        return self.buffer


class Raises(Good):
    def step(self, action: Any) -> Any:
        if self.x > 0.8:
            raise ArithmeticError("too far")
        return super().step(action)


class Blind(Good):
    def __init__(self) -> None:
        super().__init__()


class LockInInfo(Limited):
    def step(self, action: Any) -> Any:
        return *super().step(action)[:4], {"lock": threading.Lock()}


class Masked(Good):
    """Moves to the right alone are legal left of the middle, and to the left alone right of it."""

    observation_space: Any = spaces.Dict({"x": Good.observation_space, "action_mask": spaces.MultiBinary(2)})

    def step(self, action: Any) -> Any:
        assert self.mask()[action], "an illegal move"
        return super().step(action)

    def mask(self) -> Any:
        return np.array([self.x > -0.5, self.x < 0.5], np.int8)

    def obs(self) -> Any:
        return {"x": np.array([self.x], np.float32), "action_mask": self.mask()}


class NoAction(Masked):
    def mask(self) -> Any:
        return np.array([self.x > 0, self.x > 0], np.int8)


class IdleMask(Masked):
    def mask(self) -> Any:
        return np.ones(2, np.int8)


class Stale(Good):
    def obs(self) -> Any:
        return np.array([0.5], np.float32)


class Resets(Good):
    """Shows where an episode began, all the time."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        obs, info = super().reset(seed=seed)
        self.began = obs
        return obs, info

    def step(self, action: Any) -> Any:
        return self.began.copy(), *super().step(action)[1:]


class Hangs(Good):
    def step(self, action: Any) -> Any:
        while abs(self.x) > 0.8:
            time.sleep(0.01)
        return super().step(action)


class HangsAtOnce(Good):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        time.sleep(60)


class Prints(Good):
    def step(self, action: Any) -> Any:
        print("position", round(self.x))
        return super().step(action)


class Slow(Good):
    def step(self, action: Any) -> Any:
        time.sleep(0.005)
        return super().step(action)


class SoftClock(Good):
    """Ends by its task now and then, else by a clock that it takes for the task."""

    max_episode_steps = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.clock = 0
        return super().reset(seed=seed)

    def step(self, action: Any) -> Any:
        self.clock += 1
        obs, reward, terminated, _, info = super().step(action)
        return obs, reward, (terminated and self.clock < 15) or self.clock == 25, False, info


class Huge(Good):
    observation_space: Any = spaces.Box(-np.inf, np.inf, (1,), np.float64)

    def obs(self) -> Any:
        return np.array([1e40 if abs(self.x) == 1 else self.x])


class Counts(Good):
    """Whole numbers up to 1000: --normalize-obs helps."""

    observation_space: Any = spaces.Box(0, 1000, (1,), np.int64)

    def obs(self) -> Any:
        return np.array([500 + 400 * self.x], np.int64)


class Pixels(Good):
    """Pixels are scaled already."""

    observation_space: Any = spaces.Box(0, 255, (2, 2), np.uint8)

    def obs(self) -> Any:
        return np.full((2, 2), 100 + 100 * self.x, np.uint8)


class Growing(Good):
    def render(self) -> Any:
        return np.zeros((8 + int(5 * (self.x + 1)), 16, 3), np.uint8)


class Black(Good):
    def render(self) -> Any:
        return np.zeros((8, 16, 3), np.uint8)


class Warns(Limited):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        warnings.warn("the joints are out of date", stacklevel=2)


class Textual(Good):
    observation_space: Any = spaces.Text(3)


class Mission(Limited):
    observation_space: Any = spaces.Dict({"x": Good.observation_space, "mission": spaces.Text(9)})

    def reset(self, **options: Any) -> Any:
        obs, info = super().reset(**options)
        return {"x": obs, "mission": "go"}, info

    def step(self, action: Any) -> Any:
        obs, *rest = super().step(action)
        return {"mission": "go", "x": obs}, *rest


def levels(report: Report, level: str) -> list[str]:
    return [finding.what for finding in report.findings if finding.level == level]


def test_a_good_environment_has_nothing_to_fix() -> None:
    report = check_env(Limited, steps=400)
    assert levels(report, "warn") + levels(report, "error") == []
    assert report.ok
    assert len(report.findings) >= 8
    assert report.steps_per_second > 0
    assert json.loads(json.dumps(report.to_json()))["findings"][0]["level"] == "ok"


def test_it_takes_names_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    assert check_env("CartPole-v1", steps=300).ok
    file = tmp_path / "own.py"
    file.write_text("import gymnasium\nclass Own(gymnasium.Env):\n    pass\n")
    name_code(str(file))
    report = check_env(f"{file}:Own")
    assert not report.ok
    assert "Own could not be built" in report.findings[0].what
    assert "no such file" in check_env("absent.py:Own").findings[0].what


def test_it_takes_wrappers() -> None:
    report = check_env("CartPole-v1", steps=300, wrappers=[("frame-stack", {"stack_size": 3})])
    assert report.ok, report
    report = check_env("CartPole-v1", wrappers=[("grayscale-observation", {})])
    assert "wrapper grayscale-observation around observations" in report.findings[0].what


def test_it_has_the_wrappers_that_training_gives_it() -> None:
    assert [name for name, _ in around("ALE/Pong-v5", None, None)] == [name for name, _ in standard()]
    assert around("ALE/Pong-v5", [], None) == around("CartPole-v1", None, None) == ()
    assert around(Good, None, 2) == [("frame-stack", {"stack_size": 2})]


@pytest.mark.parametrize(
    ("env", "level", "what", "fix"),
    [
        (OldReset, "error", "reset does not take seed and options", "seed=None"),
        (OnlyObs, "error", "reset returned a ndarray", "return obs, {}"),
        (FourValues, "error", "step returned 4 values", "truncated"),
        (DoublePrecision, "error", "dtype float64, the space has float32", "observation_space"),
        (WrongShape, "error", "shape (1, 1), the space has (1,)", "observation_space"),
        (Outside, "error", "observation[0] is 1.5, outside [-1.0, 1.0]", "observation_space"),
        (ArrayReward, "error", "reward is array", "float(reward)"),
        (IntFlag, "error", "terminated is 0, not a bool", "bool(terminated)"),
        (Unscaled, "warn", "observations reach |900|", "--normalize-obs"),
        (Unscaled, "warn", "rewards reach |500|", "--normalize-reward"),
        (OwnGenerator, "error", "the same seed and the same actions gave another", "self.np_random"),
        (Fixed, "warn", "another seed gave the same", "self.np_random"),
        (Unlimited, "warn", "no episode ended in 400 random moves, and", "max_episode_steps"),
        (Unlimited, "warn", "every one of 400 random moves was rewarded 0", "depend on"),
        (ClockAsTask, "error", "terminated at exactly max_episode_steps = 10", "terminated=False"),
        (UnclearedClock, "error", "first episode took 9 moves, and each of the next", "clear all state"),
        (NaNs, "error", "not finite", "division by 0"),
        (Huge, "error", "not finite as float32", "overflow"),
        (NoAction, "error", "allows no action", "set the mask"),
        (IdleMask, "warn", "allowed every action", "leave the key"),
        (Stale, "warn", "the observation never changed", "the state after the move"),
        (Resets, "warn", "the observation never changed", "the state after the move"),
        (Prints, "warn", "it prints while it is played: 'position", "take the print out"),
        (Slow, "warn", "it is slow", "--vectorization async"),
        (SoftClock, "warn", "terminated after exactly 25 moves, none later", "truncated=True"),
        (Counts, "warn", "observations reach |9", "--normalize-obs"),
        (Growing, "warn", "no videos: render() gave frames of", "uint8"),
        (Black, "warn", "no videos: render() gave one colour", "uint8"),
        (Reuses, "warn", "writes into the array", "obs.copy()"),
        (Raises, "error", "raised ArithmeticError: too far", "any legal action"),
        (Blind, "warn", "no videos: TypeError", "render_mode='rgb_array'"),
        (Textual, "error", "observation space Text", ""),
        (Mission, "warn", "observation['mission'] is text, which no policy reads", "ObservationWrapper"),
    ],
)
def test_each_fault_is_named(env: Any, level: str, what: str, fix: str) -> None:
    report = check_env(env, steps=400)
    found = [finding for finding in report.findings if what in finding.what]
    assert [finding.level for finding in found] == [level], report.findings
    assert fix in found[0].fix
    assert report.ok == (level == "warn")


@pytest.mark.parametrize("env", [NaNs, Huge])
def test_a_number_that_is_not_finite_is_one_finding(env: Any) -> None:
    assert len(levels(check_env(env, steps=400), "error")) == 1


@pytest.mark.parametrize("env", [LockInInfo, Pixels])
def test_what_training_takes_is_no_fault(env: Any) -> None:
    report = check_env(env, steps=200)
    assert [what for what in levels(report, "warn") + levels(report, "error") if "worker" not in what] == []


def test_moves_are_drawn_within_the_mask() -> None:
    report = check_env(Masked, steps=400)
    assert report.ok, report.findings
    assert any("every action_mask of 400 observations" in what for what in levels(report, "ok"))


@pytest.mark.parametrize(("env", "what"), [(Hangs, "step "), (HangsAtOnce, "reset ")])
def test_a_call_that_hangs_is_given_up(env: Any, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "HANG", 0.3)
    (found,) = levels(check_env(env, steps=400), "error")
    assert found.startswith(what)
    assert "did not return within 0.3 s" in found


def test_a_warning_is_shown_once_however_many_copies_are_built() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(Warns, steps=50)
        make_host(Warns, 3).close()
    assert [str(warning.message) for warning in caught] == ["the joints are out of date"]


def test_a_clock_without_a_limit_is_suspected() -> None:
    flags = np.zeros((12, 1), bool)
    flags[3::4] = True
    spec = EnvSpec("Toy", Good.observation_space, Good.action_space)
    play = Play(spec, np.zeros((2, 1)), np.arange(12.0)[:, None], flags, ~flags & False, np.ones((12, 1)))
    assert "after exactly 4 moves" in next(f.what for f in judge(play) if f.level == "warn" and "all 3" in f.what)


def begin(key: Any) -> Any:
    x = jax.random.uniform(key, (1,), minval=-0.3, maxval=0.3)
    return x, x


def go(state: Any, action: Any, key: Any) -> Any:
    x = jnp.clip(state + jnp.where(action == 1, 0.2, -0.2), -1, 1)
    return x, x, x[0], jnp.abs(x[0]) >= 1


def changed(place: int, value: Any) -> Any:
    """``go`` with one of its four results passed through ``value``."""

    def step(state: Any, action: Any, key: Any) -> Any:
        out = list(go(state, action, key))
        out[place] = value(out[place])
        return tuple(out)

    return step


def device(reset: Any = begin, step: Any = go, limit: int | None = 50) -> DeviceEnv:
    return DeviceEnv(EnvSpec("toy", spaces.Box(-1, 1, (1,)), spaces.Discrete(2), limit), reset, step)


@pytest.mark.parametrize(
    "step",
    [go, changed(2, lambda r: (r > 0).astype(jnp.int32)), changed(1, lambda x: x.astype(jnp.float16))],
    ids=["float", "int reward", "half precision"],
)
def test_a_good_device_environment_has_nothing_to_fix(step: Any) -> None:
    report = check_env(device(step=step), steps=400)
    assert [finding for finding in report.findings if finding.level != "ok"] == []
    assert len(report.findings) >= 5
    assert report.steps_per_second > 0


def masked(allowed: Any) -> DeviceEnv:
    """``device`` with a mask: what ``allowed(x)`` says of the two actions. An illegal move gives NaN."""
    space = spaces.Dict({"x": spaces.Box(-1, 1, (1,)), "action_mask": spaces.MultiBinary(2)})

    def shown(x: Any) -> Any:
        return {"x": x, "action_mask": jnp.stack(allowed(x[0])).astype(jnp.int8)}

    def reset(key: Any) -> Any:
        x, _ = begin(key)
        return x, shown(x)

    def step(state: Any, action: Any, key: Any) -> Any:
        x, _, reward, over = go(state, action, key)
        return x, shown(x), jnp.where(shown(state)["action_mask"][action] == 1, reward, jnp.nan), over

    return DeviceEnv(EnvSpec("toy", space, spaces.Discrete(2), 50), reset, step)


def test_moves_on_the_device_are_drawn_within_the_mask() -> None:
    report = check_env(masked(lambda x: [x > -0.5, x < 0.5]), steps=400)
    assert report.ok, report.findings
    (found,) = levels(check_env(masked(lambda x: [x > 0, x > 0]), steps=400), "error")
    assert "allows no action" in found


@pytest.mark.parametrize(
    ("env", "level", "what"),
    [
        (device(reset=lambda key: begin(key)[0]), "error", "reset returned"),
        (device(step=lambda *a: (*go(*a), {})), "error", "step returned tuple, not 4"),
        (device(step=changed(0, lambda x: (x, x))), "error", "structure"),
        (device(step=changed(0, lambda x: x.astype(jnp.float16))), "error", "float32[1], of step float16[1]"),
        (device(step=changed(1, lambda x: x[0])), "error", "observation of step float32[]"),
        (device(step=changed(1, lambda x: 2 * x)), "error", "outside [-1.0, 1.0]"),
        (device(step=changed(2, lambda r: r[None])), "error", "reward is float32[1]"),
        (device(step=changed(2, lambda r: jnp.log(r))), "error", "reward nan in step"),
        (device(step=changed(3, lambda t: t.astype(float))), "error", "terminated is float32[]"),
        (device(step=changed(3, lambda t: bool(t))), "error", "jit cannot trace it: TracerBool"),
        (device(step=changed(3, lambda t: t & False), limit=None), "warn", "no time limit"),
        (device(lambda key: (begin(key)[0], jnp.zeros(1)), changed(1, lambda x: 0 * x)), "warn", "never changed"),
        (device(reset=lambda key: (jnp.zeros(1), jnp.zeros(1))), "warn", "8 keys began with the same"),
    ],
)
def test_each_device_fault_is_named(env: DeviceEnv, level: str, what: str) -> None:
    report = check_env(env, steps=400)
    found: list[Finding] = [finding for finding in report.findings if what in finding.what]
    assert [finding.level for finding in found] == [level], report.findings
    assert found[0].fix
    assert report.ok == (level == "warn")
