"""``logpi check-env``: checks of an environment that find what would go wrong in training."""

from __future__ import annotations

import copy
import inspect
import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass

import gymnasium
import jax
import numpy as np
from gymnasium.vector.utils import CloudpickleWrapper, concatenate, create_empty_array

from logpi.envs.checker.check_device import check_device
from logpi.envs.checker.diagnostics import NOT_FINITE, Play, draw, judge, mismatch
from logpi.envs.host import HostFactory, describe, host_spec, make_host
from logpi.envs.make import make
from logpi.envs.spaces import encode, to_env
from logpi.errors import Checked, Finding, LogpiError
from logpi.own_code import name_code
from logpi.types import DeviceEnv, EnvSpec, PyTree

PATIENCE = 10.0  # seconds of random play, however slow the environment
STEP = "step(action) -> (obs, reward, terminated, truncated, info)"


@dataclass(frozen=True)
class Report(Checked):
    """What ``check_env`` found."""

    steps_per_second: float  # of num_envs copies with random actions: one process, or one compiled program


def check_env(env: str | DeviceEnv | HostFactory, *, steps: int = 1000, num_envs: int = 4) -> Report:
    """Try ``env`` with about ``steps`` random moves, and report what to fix.

    ``env`` is a Gymnasium id, ``module:EnvId``, ``path/file.py:Class``, a ``DeviceEnv`` or a host factory. A
    mistake of the environment is a finding, never an exception.
    """
    name = env if isinstance(env, str) else _name(env)
    name_code(name)
    try:
        loaded = make(env) if isinstance(env, str) else env
    except LogpiError as error:
        return Report(name, [Finding("error", str(error), "correct the name or the file")], 0.0)
    if isinstance(loaded, DeviceEnv):
        return Report(name, *check_device(loaded, steps, num_envs))
    findings = list(_check_host(loaded, steps))
    speed = 0.0
    if all(finding.level != "error" for finding in findings):
        finding, speed = _vector(loaded, num_envs)
        findings.append(finding)
    return Report(name, findings, speed)


def _name(env: DeviceEnv | HostFactory) -> str:
    if isinstance(env, DeviceEnv):
        return env.spec.id
    return str(getattr(env, "id", "") or getattr(env, "__name__", type(env).__name__))


def _check_host(factory: HostFactory, steps: int) -> Iterator[Finding]:
    try:
        spec = host_spec(factory)
    except LogpiError as error:
        yield Finding("error", str(error), "make it build, with spaces that are supported")
        return
    yield Finding("ok", "it builds, and its spaces are supported")
    env = factory()
    try:
        broken = list(_signature(env.unwrapped))
        yield from broken or [Finding("ok", "reset and step take and return what Gymnasium asks")]
        if not any(finding.level == "error" for finding in broken):
            yield from _in_play(env, spec, steps)
            yield _seeding(factory(), env, spec)
    except Exception as error:
        yield Finding("error", f"it raised {describe(error)}", "make reset and step run for any legal action")
    finally:
        env.close()
    yield _rendering(factory)
    yield _workers(factory)


def _signature(env: gymnasium.Env) -> Iterator[Finding]:
    """The first reset and move of the bare environment, whose wrappers would hide what it returns."""
    try:
        inspect.signature(env.reset).bind(seed=0, options=None)
    except TypeError as error:
        fix = "def reset(self, *, seed=None, options=None), with super().reset(seed=seed) first"
        yield Finding("error", f"reset does not take seed and options: {error}", fix)
        return
    answer = env.reset(seed=0, options=None)
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict)):
        yield Finding("error", f"reset returned a {type(answer).__name__}, not (obs, info)", "return obs, {}")
        return
    if wrong := list(_outside(env, answer[0], "reset")):
        yield from wrong
        return
    action = to_env(env.action_space, draw(env.action_space, np.random.default_rng(0), ()))
    moved = env.step(action)
    if not (isinstance(moved, tuple) and len(moved) == 5):
        found = f"{len(moved)} values" if isinstance(moved, tuple) else type(moved).__name__
        fix = f"{STEP}; one `done` is two flags: terminated by the task, truncated by the clock"
        yield Finding("error", f"step returned {found}, not 5", fix)
        return
    obs, reward, terminated, truncated, info = moved
    yield from _outside(env, obs, "step")
    if np.ndim(reward) != 0 or not np.issubdtype(np.asarray(reward).dtype, np.number):
        yield Finding("error", f"reward is {reward!r:.80}, not a number", "return float(reward)")
    for flag, value in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(value, bool | np.bool_):
            yield Finding("error", f"{flag} is {value!r:.80}, not a bool", f"return bool({flag})")
    if not isinstance(info, dict):
        yield Finding("error", f"info is a {type(info).__name__}, not a dict", "return {} as the last value")


def _outside(env: gymnasium.Env, obs: PyTree, method: str) -> Iterator[Finding]:
    wrong = mismatch(env.observation_space, obs)
    if wrong:
        fix = "return what observation_space declares, or declare what you return"
        yield Finding("error", f"{method}: {wrong}", fix)


def _in_play(env: gymnasium.Env, spec: EnvSpec, steps: int) -> Iterator[Finding]:
    """Random play of one environment: spaces, finiteness, reused arrays, and the diagnostics of all rows."""
    rng, begun = np.random.default_rng(0), time.monotonic()
    T = max(steps, 2 * (spec.max_episode_steps or 0)) if (spec.max_episode_steps or 0) <= 5 * steps else steps
    seen, rows, reused, wrong = [], [], False, None
    obs, _ = env.reset(seed=0)
    for t in range(T):
        kept = copy.deepcopy(obs)
        after, reward, terminated, truncated, info = env.step(
            to_env(spec.action_space, draw(spec.action_space, rng, ()))
        )
        reused = reused or not _same(kept, obs)
        bad = next((x for x in [*jax.tree.leaves(after), reward] if not np.isfinite(x).all()), None)
        if bad is not None:
            yield Finding("error", f"step {t + 1} returned {np.asarray(bad)!r:.120}, not finite", NOT_FINITE)
            return
        wrong = wrong or mismatch(spec.observation_space, after)
        rows.append((float(reward), bool(terminated), bool(truncated)))
        if t % -(-T // 200) == 0:
            seen.append(copy.deepcopy(after))
        obs = env.reset()[0] if terminated or truncated else after
        if time.monotonic() - begun > PATIENCE:
            break
    if wrong:
        yield Finding("error", wrong, "return what observation_space declares, or declare what you return")
        return
    yield Finding("ok", f"observations and rewards of {len(rows)} random moves are finite and in their space")
    if reused:
        what = "step writes into the array that it returned before: final observations may change later"
        yield Finding("warn", what, "return obs.copy()")
    if isinstance(_pickled(info), str):
        yield Finding("warn", f"info cannot go to another process: {_pickled(info)}", "keep to numbers and arrays")
    reward, terminated, truncated = (np.array(column)[:, None] for column in zip(*rows, strict=True))
    space = spec.observation_space
    stacked = concatenate(space, seen, create_empty_array(space, n=len(seen), fn=np.zeros))
    sample = np.asarray(encode(space, stacked))
    yield from judge(Play(spec, sample, reward, terminated, truncated, np.ones_like(reward)))


def _same(a: PyTree, b: PyTree) -> bool:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def _trace(env: gymnasium.Env, spec: EnvSpec, seed: int, steps: int = 200) -> list[PyTree]:
    rng = np.random.default_rng(7)
    obs, _ = env.reset(seed=seed)
    rows = [copy.deepcopy(obs)]
    for _ in range(steps):
        after, reward, terminated, truncated, _ = env.step(to_env(spec.action_space, draw(spec.action_space, rng, ())))
        rows.append(copy.deepcopy((after, float(reward), bool(terminated), bool(truncated))))
        if terminated or truncated:
            rows.append(copy.deepcopy(env.reset()[0]))
    return rows


def _seeding(fresh: gymnasium.Env, used: gymnasium.Env, spec: EnvSpec) -> Finding:
    """Whether the seed fixes the trajectory; ``used`` has played before, so state that survives ``reset`` shows."""
    try:
        first, again, other = _trace(fresh, spec, 0), _trace(used, spec, 0), _trace(used, spec, 1)
    finally:
        fresh.close()
    if len(first) != len(again) or not _same(first, again):
        what = "the same seed and the same actions gave another trajectory"
        fix = "call super().reset(seed=seed), draw only from self.np_random, and clear all state in reset"
        return Finding("error", what, fix)
    if len(first) == len(other) and _same(first, other):
        fix = "nothing, if it is deterministic; else call super().reset(seed=seed) and draw from self.np_random"
        return Finding("warn", "another seed gave the same trajectory", fix)
    return Finding("ok", "the seed fixes the trajectory, and another seed changes it")


def _rendering(factory: HostFactory) -> Finding:
    try:
        env = factory(render_mode="rgb_array")
        try:
            env.reset(seed=0)
            frame = env.render()
        finally:
            env.close()
    except Exception as error:
        reason = describe(error)
    else:
        if isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3:
            return Finding("ok", f"it renders rgb_array frames of {frame.shape[1]} x {frame.shape[0]}")
        reason = f"render() returned {getattr(frame, 'dtype', type(frame).__name__)}{np.shape(frame)}"
    fix = "take render_mode='rgb_array' in the constructor and return uint8 [height, width, 3] from render()"
    return Finding("warn", f"no videos: {reason}", fix)


def _workers(factory: HostFactory) -> Finding:
    failure = _pickled(CloudpickleWrapper(factory))
    if failure:
        return Finding(
            "warn", f"it cannot go to worker processes: {failure}", "build it from a file or a registered id"
        )
    return Finding("ok", "it can be built in worker processes")


def _pickled(value: object) -> str | None:
    """Why ``value`` cannot be pickled; None if it can."""
    try:
        pickle.dumps(value)
    except Exception as error:
        return describe(error)
    return None


def _vector(factory: HostFactory, num_envs: int, seconds: float = 1.0) -> tuple[Finding, float]:
    """``seconds`` of the vector that training uses, with its checks at every step."""
    try:
        vector = make_host(factory, num_envs)
        vector.reset(0)
        rng, moves, ends, begun = np.random.default_rng(0), 0, 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            vector.send(draw(vector.spec.action_space, rng, (num_envs,)))
            step = vector.recv()
            moves, ends = moves + num_envs, ends + int((step.terminated | step.truncated).sum())
        speed = moves / (time.perf_counter() - begun)
        vector.close()
    except LogpiError as error:
        return Finding("error", str(error), "make several copies of it live side by side"), 0.0
    return Finding("ok", f"{num_envs} copies ran side by side; {ends} episodes ended and began again"), speed
