"""The boundary seen through every autoreset mode, errors that name their place, workers that die."""

from __future__ import annotations

import os
import threading
import time
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from small import stepped

from logpi.envs import vectorization, watchdog
from logpi.envs.gym_vector import GymVector
from logpi.envs.host import make_host
from logpi.envs.reset_rows import insert_void_rows
from logpi.errors import LogpiError

MODES = ["next_step", "same_step", "disabled"]


class Walk(gymnasium.Env):
    """Counts its moves; each reset draws a length, and the task (odd) or the clock (even) ends it there."""

    observation_space: Any = spaces.Dict({"clock": spaces.Box(0, 99, (2,), np.float64), "episode": spaces.Discrete(99)})
    action_space: Any = spaces.Box(0.0, 10.0, (1,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.clock, self.episode = 0, getattr(self, "episode", -1) + 1
        self.length = int(self.np_random.integers(1, 5))
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        self.clock += 1
        over = self.clock == self.length
        odd = self.length % 2 == 1
        return self._obs(), float(action[0]) + self.clock, over and odd, over and not odd, {}

    def _obs(self) -> Any:
        return {"clock": np.array([self.clock, self.length], np.float64), "episode": np.int64(self.episode)}


class Failing(gymnasium.Env):
    """Plays well until step 3 of its life; then does what it is told to."""

    observation_space: Any = spaces.Box(-1, 1, (2,))
    action_space: Any = spaces.Discrete(2)

    def __init__(self, how: str) -> None:
        self.how, self.steps = how, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.seed = seed
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        obs, reward = np.zeros(2, np.float32), 0.0
        if self.steps == 3:
            if self.how == "raise":
                raise UnpicklableError(threading.Lock())
            if self.how == "die" and self.seed == 0:
                os._exit(3)
            obs[1] = np.nan if self.how == "nan" else 0.0
            reward = {"inf": np.inf, "huge": 1e39}.get(self.how, 0.0)
        return obs, reward, False, False, {}


class UnpicklableError(Exception):
    pass


class RaisingAtStart(Failing):
    def __init__(self) -> None:
        raise OSError("no licence file")


def move(start: Any) -> Any:
    """A deterministic policy, in normalised coordinates."""
    return np.float32(np.sin(start["clock"].sum(-1) + start["episode"]))[:, None]


def play(vector: GymVector, T: int, seed: int = 0) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {"acting": [], "next": [], "action": [], "steps": []}
    vector.reset(seed)
    for _ in range(T):
        rows["acting"].append(vector.start)
        rows["action"].append(move(vector.start))
        step = stepped(vector, rows["action"][-1])
        rows["next"].append(step.obs)
        rows["steps"].append(step)
    vector.close()
    return rows


def stacked(trees: list[Any]) -> Any:
    first = trees[0]
    if isinstance(first, dict):
        return {key: np.stack([tree[key] for tree in trees]) for key in first}
    return np.stack(trees)


def with_voids(rows: dict[str, list[Any]]) -> dict[str, Any]:
    reward, terminated, truncated = (np.stack(column) for column in list(zip(*rows["steps"], strict=True))[1:])
    action = stacked(rows["action"])
    return insert_void_rows(
        stacked(rows["acting"]),
        stacked(rows["next"]),
        action,
        action[..., 0] - 1,
        reward,
        terminated,
        truncated,
        1 - terminated.astype(np.float32),
    )


def natively(rows: dict[str, list[Any]]) -> dict[str, Any]:
    """A next-step vector's trajectory, straight from the definition."""
    reward, terminated, truncated = (np.stack(column) for column in list(zip(*rows["steps"], strict=True))[1:])
    over = np.zeros_like(terminated)
    over[1:] = (terminated | truncated)[:-1]
    action = np.where(over[..., None], 0, stacked(rows["action"]))
    return {
        "obs": stacked([*rows["acting"], rows["next"][-1]]),
        "action": action,
        "log_prob": np.where(over, 0, action[..., 0] - 1),
        "reward": reward,
        "discount": 1.0 - terminated,
        "mask": 1.0 - over,
    }


def test_every_autoreset_mode_gives_the_same_trajectory() -> None:
    expected = natively(play(make_host(Walk, 7), 25))
    assert 0 < (expected["mask"] == 0).sum() < expected["mask"].size / 2
    assert (expected["discount"] == 0).any()
    for T in (25, 24, 23, 22):  # the cut falls on void rows, ends and rows between
        native = natively(play(make_host(Walk, 7), T))
        for autoreset in ("same_step", "disabled"):
            vector = make_host(Walk, 7, autoreset=autoreset)
            assert vector.resets_within_step
            got = with_voids(play(vector, T))
            assert got.keys() == native.keys()
            for key, column in got.items():
                for part in column if isinstance(column, dict) else [None]:
                    a, b = (tree[key] if part is None else tree[key][part] for tree in (got, native))
                    np.testing.assert_array_equal(a, b, err_msg=f"{autoreset} {key} {part} T={T}")


@pytest.mark.parametrize("autoreset", MODES)
def test_each_step_shows_the_final_observation(autoreset: str) -> None:
    rows = play(make_host(Walk, 4, autoreset=autoreset), 20)
    ends = 0
    for t, step in enumerate(rows["steps"]):
        ended = step.terminated | step.truncated
        clock, length = step.obs["clock"][:, 0], step.obs["clock"][:, 1]
        assert step.reward.dtype == np.float32
        assert step.terminated.dtype == step.truncated.dtype == np.bool_
        np.testing.assert_array_equal(ended, (clock == length))
        np.testing.assert_array_equal(step.terminated, ended & (length % 2 == 1))
        if t + 1 < len(rows["steps"]):
            begun = rows["acting"][t + 1]["clock"][:, 0] == 0
            after = rows["steps"][t + 1]
            if autoreset == "next_step":
                void = ended
                assert not begun[ended].any()
                assert (after.reward[void] == 0).all()
                assert not (after.terminated | after.truncated)[void].any()
                assert (after.obs["clock"][void, 0] == 0).all()
            else:
                np.testing.assert_array_equal(begun, ended)
        ends += ended.sum()
    assert ends > 10


def test_actions_are_scaled_on_the_way_in() -> None:
    vector = make_host(Walk, 2)
    vector.reset(0)
    np.testing.assert_allclose(stepped(vector, np.float32([[-1], [0.5]])).reward, [0 + 1, 7.5 + 1])
    vector.close()


def test_what_was_returned_never_changes() -> None:
    vector = make_host(Walk, 3)
    steps = [vector.reset(0)]
    before = [np.array(steps[0].obs["clock"])]
    for _ in range(6):
        steps.append(stepped(vector, np.zeros((3, 1), np.float32)))
        before.append(steps[-1].obs["clock"].copy())
    for step, copy in zip(steps, before, strict=True):
        np.testing.assert_array_equal(step.obs["clock"], copy)
    vector.close()


def test_the_seed_fixes_the_run() -> None:
    first, again, other = (play(make_host(Walk, 3), 12, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(stacked(first["next"])["clock"], stacked(again["next"])["clock"])
    assert (stacked(first["next"])["clock"] != stacked(other["next"])["clock"]).any()


def test_async_equals_sync_in_every_mode() -> None:
    for autoreset in MODES:
        sync = play(make_host(Walk, 2, autoreset=autoreset), 12)
        spawned = play(make_host(Walk, 2, autoreset=autoreset, vectorization="async"), 12)
        for name in ("acting", "next"):
            for part in ("clock", "episode"):
                np.testing.assert_array_equal(stacked(sync[name])[part], stacked(spawned[name])[part])


class Wordy(Walk):
    """Gives what is not read: text, as MiniGrid does, and an ``info`` whose arrays differ in length between copies."""

    observation_space: Any = spaces.Dict({**Walk.observation_space.spaces, "mission": spaces.Text(9)})

    def step(self, action: Any) -> Any:
        *rest, _ = super().step(action)
        return *rest, {"found": np.zeros(self.length), "lock": threading.Lock()}

    def _obs(self) -> Any:
        return {"mission": "go", **super()._obs()}


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_text_and_info_are_left_out(vectorization: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vector = make_host(Wordy, 2, vectorization=vectorization)
    assert {str(warning.message) for warning in caught} <= {
        "environment Wordy: observation['mission'] is text, which is left out"
    }
    assert vector.spec.observation_space == Walk.observation_space
    rows, expected = play(vector, 6), play(make_host(Walk, 2), 6)
    np.testing.assert_array_equal(stacked(rows["next"])["clock"], stacked(expected["next"])["clock"])


class OldSeed(Walk):
    """Seeds a generator of 31 bits too, as simulators do."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        assert seed is None or 0 <= seed < 2**31
        return super().reset(seed=seed)


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**32 + 5, 42_950 * 100_003, (2**32 - 1) * 100_003])
def test_seeds_of_environments_fit_into_31_bits(seed: int) -> None:
    first, again = (play(make_host(OldSeed, 3), 6, seed) for _ in range(2))
    np.testing.assert_array_equal(stacked(first["next"])["clock"], stacked(again["next"])["clock"])


class Millis(Walk):
    """The time in milliseconds since 1970, beyond 32 bits."""

    observation_space: Any = spaces.Box(0, 2**62, (2,), np.int64)

    def _obs(self) -> Any:
        return np.array([1_700_000_000_000 + self.clock, self.clock], np.int64)


@pytest.mark.parametrize("autoreset", MODES)
def test_large_integers_do_not_wrap(autoreset: str) -> None:
    vector = make_host(Millis, 3, autoreset=autoreset)
    obs = vector.reset(0).obs
    for _ in range(8):
        assert obs.dtype == np.float32
        np.testing.assert_allclose(obs[:, 0], 1.7e12, rtol=1e-6)
        obs = stepped(vector, np.zeros((3, 1), np.float32)).obs
    vector.close()


def test_a_script_without_a_main_guard_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def reset_by_peer(*arguments: Any, **options: Any) -> Any:
        raise ConnectionResetError("reset by peer")

    monkeypatch.setattr(vectorization, "Workers", reset_by_peer)
    with pytest.raises(LogpiError, match=r"ended before it answered: .*if __name__ == '__main__'"):
        make_host("CartPole-v1", 2, vectorization="async")


class Waits(Walk):
    def step(self, action: Any) -> Any:
        time.sleep(0.5)
        return super().step(action)


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_a_step_that_does_not_return_is_told_once(
    vectorization: str, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr(watchdog, "PATIENCE", 0.1)
    vector = make_host(Waits, 1, vectorization=vectorization)
    monkeypatch.setattr(watchdog, "PATIENCE", 0.1)
    vector.reset(0)
    capfd.readouterr()
    stepped(vector, np.zeros((1, 1), np.float32))
    vector.close()
    told = capfd.readouterr().err
    assert told.count("has not returned from step 1 of this run for 0.1 s") == 1
    assert "logpi check-env Waits" in told
    assert ("number 0 of 1" in told) == (vectorization == "async")


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_a_call_that_does_not_return_is_given_up(vectorization: str) -> None:
    vector = make_host(Waits, 2, vectorization=vectorization)
    vector.reset(0)
    vector._watchdog.close()
    vector._watchdog = watchdog.Watchdog("Waits", vector._missing, 0.2)  # a worker may take longer to start
    late = ", number 0 of 2," if vectorization == "async" else ""
    with pytest.raises(LogpiError, match=rf"Waits{late}: step 1 of this run did not return within 0.2 s, and was giv"):
        stepped(vector, np.zeros((2, 1), np.float32))
    vector.close()


def test_limits_nest() -> None:
    def within(seconds: float) -> None:
        with watchdog.limited("outer", seconds):
            for _ in range(40):
                with watchdog.limited("inner", 60.0):
                    time.sleep(0.01)

    with pytest.raises(watchdog.HangError, match=r"outer did not return within 0\.2 s"):
        within(0.2)
    within(1e9)  # and no alarm is left


def drive(vector: GymVector) -> None:
    vector.reset(0)
    for _ in range(5):
        stepped(vector, np.zeros(2, np.int32))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("nan", r"number 0 of 2, returned observation nan at index \(1,\) in step 3"),
        ("inf", "number 0 of 2, returned reward inf in step 3"),
        ("huge", "returned reward inf in step 3"),
        ("raise", "raised UnpicklableError: .*lock.* in step 3 of this run"),
    ],
)
def test_errors_name_their_place(how: str, words: str) -> None:
    with pytest.raises(LogpiError, match=f"environment Failing.*{words}") as caught:
        drive(make_host(Failing, 2, env_kwargs={"how": how}))
    if how == "raise":
        assert isinstance(caught.value.__cause__, UnpicklableError)


@pytest.mark.parametrize(
    ("how", "words"),
    [("raise", "raised UnpicklableError.* in step 3"), ("die", r", number 0 \(exit code 3\) of 2, whose .* in step 3")],
)
def test_a_worker_that_fails_does_not_hang(how: str, words: str) -> None:
    vector = make_host(Failing, 2, vectorization="async", env_kwargs={"how": how})
    processes = vector._vector.processes
    begun = time.monotonic()
    with pytest.raises(LogpiError, match=f"Failing ?{words} of this run"):
        drive(vector)
    vector.close()
    assert time.monotonic() - begun < 30
    assert not any(process.is_alive() for process in processes)


class Bonus(gymnasium.vector.VectorWrapper):
    """Adds 1 to every reward, on void rows too."""

    def step(self, actions: Any) -> Any:
        obs, reward, *rest = super().step(actions)
        return obs, reward + 1, *rest


def test_a_void_row_has_no_reward_and_a_reset_forgets_it() -> None:
    vector = GymVector(Bonus(SyncVectorEnv([Walk] * 3)))
    still = -np.ones((3, 1), np.float32)
    vector.reset(0)
    step = stepped(vector, still)
    while not (step.terminated | step.truncated).any():
        step = stepped(vector, still)
    ended = step.terminated | step.truncated
    after = stepped(vector, still)
    assert (after.reward[ended] == 0).all()
    while not (after.terminated | after.truncated).any():
        after = stepped(vector, still)
    vector.reset()
    assert (stepped(vector, still).reward == 2).all()
    vector.close()


def test_construction_errors() -> None:
    with pytest.raises(LogpiError, match=r"RaisingAtStart could not be built: OSError: no licence file"):
        make_host(RaisingAtStart, 1)
    with pytest.raises(LogpiError, match=r"CartPole-v1 could not be built with \{'colour': 1\}"):
        make_host("CartPole-v1", 1, env_kwargs={"colour": 1})
    with pytest.raises(LogpiError, match=r"knows no 'CartPole'.*CartPole-v0, CartPole-v1"):
        make_host("CartPole", 1)
    for bad in ({"vectorization": "fork"}, {"autoreset": "never"}):
        with pytest.raises(LogpiError, match="allowed"):
            make_host("CartPole-v1", 1, **bad)
    with pytest.raises(LogpiError, match="at least 1"):
        make_host("CartPole-v1", 0)


def test_the_time_limit_is_known() -> None:
    vector = make_host("CartPole-v1", 1)
    assert (vector.spec.id, vector.spec.max_episode_steps) == ("CartPole-v1", 500)
    vector.close()
    vector = make_host("CartPole-v1", 1, env_kwargs={"max_episode_steps": 7})
    assert vector.spec.max_episode_steps == 7
    vector.close()


class Odd(SyncVectorEnv):
    """A vector that declares what the test says."""

    def __init__(self, declared: Any, actual: AutoresetMode = AutoresetMode.SAME_STEP) -> None:
        super().__init__([Walk] * 3, autoreset_mode=actual)
        self.metadata = {} if declared is None else {"autoreset_mode": declared}


@pytest.mark.parametrize("declared", ["NextStep", AutoresetMode.NEXT_STEP])
def test_strings_and_enums_are_read(declared: Any) -> None:
    vector = GymVector(Odd(declared, AutoresetMode.NEXT_STEP))
    assert not vector.resets_within_step
    assert vector.spec.id == "Odd"


@pytest.mark.parametrize("declared", [None, "sometimes", 3])
def test_an_unknown_mode_is_refused(declared: Any) -> None:
    with pytest.raises(LogpiError, match=r"autoreset_mode'\] = .*allowed"):
        GymVector(Odd(declared))


def test_a_false_declaration_is_noticed() -> None:
    with pytest.raises(LogpiError, match="declares autoreset mode NextStep, but"):
        play(GymVector(Odd("NextStep")), 30)
    with pytest.raises(LogpiError, match="no infos"):
        play(GymVector(Odd("SameStep", AutoresetMode.NEXT_STEP)), 30)


def test_insert_void_rows_by_hand() -> None:
    obs, following = np.array([[0.0], [1], [10], [11]]), np.array([[1.0], [2], [11], [12]])
    ended, never = np.array([[False], [True], [False], [False]]), np.zeros((4, 1), bool)
    one = np.ones((4, 1), np.float32)
    got = insert_void_rows(obs, following, one, one, one, ended, never, 1 - ended)
    assert got["obs"].ravel().tolist() == [0, 1, 2, 10, 11]
    assert got["mask"].ravel().tolist() == [1, 1, 0, 1]
    assert got["reward"].ravel().tolist() == [1, 1, 0, 1]
    assert got["discount"].ravel().tolist() == [1, 0, 1, 1]
    got = insert_void_rows(obs[:3], following[:3], one[:3], one[:3], one[:3], never[:3], ended[:3], one[:3])
    assert got["obs"].ravel().tolist() == [0, 1, 2, 10]
    assert got["mask"].ravel().tolist() == [1, 1, 0]
    assert got["discount"].ravel().tolist() == [1, 1, 1]
