"""``logpi check-env``: checks of an environment that find what would go wrong in training."""

from __future__ import annotations

import copy
import inspect
import pickle
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import gymnasium
import jax
import numpy as np
from gymnasium.vector.utils import CloudpickleWrapper, concatenate, create_empty_array

from logpi.envs.adapters.teams import Team
from logpi.envs.checker.check_device import check_device
from logpi.envs.checker.diagnostics import (
    NO_ACTION,
    NOT_FINITE,
    Play,
    judge,
    judge_masks,
    mismatch,
)
from logpi.envs.checker.seeding import same, seeding
from logpi.envs.checker.trial import Chooser, Trial, no_legal_action
from logpi.envs.frames import Frame, Shows, rgb
from logpi.envs.gym_vector import describe
from logpi.envs.host import HostFactory, host_spec, make_host
from logpi.envs.load import warned_once
from logpi.envs.make import make, make_gymnasium
from logpi.envs.spaces import encode, legal_in, plain, to_env
from logpi.envs.text import readable, texts
from logpi.envs.watchdog import HANG, HangError, limited
from logpi.envs.wrappers import Named, Wrapped, layers
from logpi.errors import LogpiError
from logpi.findings import Checked, Finding
from logpi.own_code import name_code
from logpi.types import DeviceEnv, EnvSpec, PyTree

PATIENCE = 10.0  # seconds of random play, however slow the environment
FINITE = "not finite as float32"
FRAMES = 4  # that are drawn
VECTOR_SECONDS = 1.0  # of a vector's moves
SLOW = 1_000.0  # steps per second of all copies; the policy takes a tenth of a millisecond of each
STEP = "step(action) -> (obs, reward, terminated, truncated, info)"


@dataclass(frozen=True)
class Report(Checked):
    """What ``check_env`` found."""

    steps_per_second: float  # of num_envs copies with random actions: one process, or one compiled program


def check_env(
    env: str | DeviceEnv | HostFactory, *, steps: int = 1000, num_envs: int = 4, wrappers: Sequence[Named] = ()
) -> Report:
    """Try ``env`` with about ``steps`` random moves, and report what to fix.

    ``env`` is a Gymnasium id, ``module:EnvId``, ``path/file.py:Class``, a ``DeviceEnv`` or a host factory. A
    mistake of the environment is a finding, never an exception.

    Args:
        env: the environment.
        steps: random moves.
        num_envs: copies that are stepped side by side.
        wrappers: names and arguments of the wrappers around it, innermost first.
    """
    name = env if isinstance(env, str) else _name(env)
    name_code(name)
    try:
        named = make_gymnasium if wrappers else make
        loaded = named(env) if isinstance(env, str) else env
        if isinstance(loaded, Team):
            raise LogpiError(f"{name} has several agents, and environments of one are checked")
        around = layers(wrappers)
        if isinstance(loaded, DeviceEnv):
            if around:
                raise LogpiError(f"{name} is a device environment, and wrappers go around those of Gymnasium")
            return Report(name, *check_device(loaded, steps, num_envs))
    except LogpiError as error:
        return Report(name, [Finding("error", str(error), "correct the name or the file")], 0.0)
    if around:
        loaded = Wrapped(loaded, around)
    with warned_once():
        findings = list(_check_host(loaded, steps))
        speed = 0.0
        if all(finding.level != "error" for finding in findings):
            finding, speed = _vector(loaded, num_envs)
            findings.append(finding)
    if 0 < speed < SLOW:
        findings.append(_slow(speed, num_envs))
    return Report(name, findings, speed)


def _name(env: DeviceEnv | HostFactory) -> str:
    named = getattr(env, "id", "") or getattr(getattr(env, "spec", None), "id", "")
    return str(named or getattr(env, "__name__", type(env).__name__))


def _check_host(factory: HostFactory, steps: int) -> Iterator[Finding]:
    try:
        with limited("building it"):
            spec = host_spec(factory)
    except LogpiError as error:
        yield Finding("error", str(error), "make it build, with spaces that are supported")
        return
    except HangError as error:
        yield _hang(error)
        return
    trial = Trial(factory())
    if left := list(texts(trial.env.observation_space)):
        fix = "turn it into numbers with a gymnasium.ObservationWrapper, if it matters"
        yield Finding("warn", f"it builds; {', '.join(left)} is text, which no policy reads, and is left out", fix)
    else:
        yield Finding("ok", "it builds, and its spaces are supported")
    try:
        bare = trial.env.unwrapped
        shown = EnvSpec(spec.id, readable(bare.observation_space), bare.action_space)
        broken = list(_signature(bare, shown))
        yield from broken or [Finding("ok", "reset and step take and return what Gymnasium asks")]
        if not any(finding.level == "error" for finding in broken):
            yield from _in_play(trial, spec, steps)
            yield seeding(Trial(factory()), trial, spec)
    except HangError as error:
        yield _hang(error)
        return
    except Exception as error:
        yield Finding("error", f"it raised {describe(error)}", "make reset and step run for any legal action")
    finally:
        trial.close()
    if trial.printed:
        what = f"it prints while it is played: {trial.printed.splitlines()[0]!r:.80}"
        yield Finding("warn", what, "take the print out: it slows training down and breaks the display")
    yield _rendering(factory)
    yield _workers(factory)


def _hang(error: HangError) -> Finding:
    fix = "look for an endless loop, or for a wait without a time limit: a lock, a connection, another program"
    return Finding("error", str(error), fix)


def _signature(env: gymnasium.Env, spec: EnvSpec) -> Iterator[Finding]:
    """The first reset and move of the bare environment, whose wrappers would hide what it returns."""
    try:
        inspect.signature(env.reset).bind(seed=0, options=None)
    except TypeError as error:
        fix = "def reset(self, *, seed=None, options=None), with super().reset(seed=seed) first"
        yield Finding("error", f"reset does not take seed and options: {error}", fix)
        return
    with limited("reset"):
        answer = env.reset(seed=0, options=None)
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict)):
        yield Finding("error", f"reset returned a {type(answer).__name__}, not (obs, info)", "return obs, {}")
        return
    if wrong := list(_outside(env, answer[0], "reset")):
        yield from wrong
        return
    action = to_env(spec.action_space, Chooser(spec)(answer[0]))
    with limited("step 1"):
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


def _in_play(trial: Trial, spec: EnvSpec, steps: int) -> Iterator[Finding]:
    """Random play of one environment: spaces, finiteness, masks, reused arrays, and the diagnostics of all rows."""
    space, choose, begun = spec.observation_space, Chooser(spec), time.monotonic()
    T = max(steps, 2 * (spec.max_episode_steps or 0)) if (spec.max_episode_steps or 0) <= 5 * steps else steps
    seen, rows, masks, reused, changes = [], [], [], False, False
    obs = trial.reset(seed=0)
    for t in range(T):
        kept, legal = copy.deepcopy(obs), legal_in(space, obs)
        if legal is not None:
            masks.append(np.array(legal))
            if no_legal_action(spec.action_space, legal).any():
                yield Finding("error", f"the action_mask after {t} moves allows no action", NO_ACTION)
                return
        after, reward, terminated, truncated = trial.step(choose(obs))
        if fault := _fault(spec, after, reward, t + 1):
            yield fault
            return
        reused, changes = reused or not same(kept, obs), changes or not same(kept, after)
        rows.append((float(reward), terminated, truncated))
        if t % -(-T // 200) == 0:
            seen.append(copy.deepcopy(after))
        obs = trial.reset() if terminated or truncated else after
        if time.monotonic() - begun > PATIENCE:
            break
    yield Finding("ok", f"observations and rewards of {len(rows)} random moves are finite and in their space")
    if reused:
        what = "step writes into the array that it returned before: final observations may change later"
        yield Finding("warn", what, "return obs.copy()")
    yield from judge_masks(masks)
    rewards, terminations, truncations = (np.array(column)[:, None] for column in zip(*rows, strict=True))
    stacked = concatenate(space, seen, create_empty_array(space, n=len(seen), fn=np.zeros))
    sample = np.asarray(encode(space, plain(space, stacked)))
    yield from judge(Play(spec, sample, rewards, terminations, truncations, np.ones_like(rewards), changes))


def _fault(spec: EnvSpec, obs: PyTree, reward: float, step: int) -> Finding | None:
    """What training would refuse in the answer to a move."""
    if wrong := mismatch(spec.observation_space, obs):
        return Finding("error", wrong, "return what observation_space declares, or declare what you return")
    with np.errstate(over="ignore"):
        leaves = [*jax.tree.leaves(plain(spec.observation_space, obs)), np.float32(reward)]
    bad = next((x for x in leaves if not np.isfinite(x).all()), None)
    return None if bad is None else Finding("error", f"step {step} returned {bad!r:.120}, {FINITE}", NOT_FINITE)


def _rendering(factory: HostFactory) -> Finding:
    """The first frames of a film."""
    try:
        with limited("render"):
            env = factory(render_mode="rgb_array")
            try:
                choose, shows = Chooser(EnvSpec("", env.observation_space, env.action_space)), Shows()
                frames: list[Frame] = []
                obs, ended = env.reset(seed=0)[0], False
                while len(frames) < FRAMES and not ended:
                    frames.append(rgb(env.render()))
                    shows.add(frames[-1])
                    obs, _, terminated, truncated, _ = env.step(to_env(env.action_space, choose(obs)))
                    ended = bool(terminated or truncated)
            finally:
                env.close()
        sizes = {frame.shape[:2] for frame in frames}
        if len(sizes) == 1 and shows.anything:
            return Finding("ok", f"it renders rgb_array frames of {frames[0].shape[1]} x {frames[0].shape[0]}")
        reason = f"render() gave frames of {len(sizes)} sizes" if len(sizes) > 1 else "render() gave one colour only"
    except (Exception, HangError) as error:
        reason = str(error) if isinstance(error, LogpiError) else describe(error)
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


def _vector(factory: HostFactory, num_envs: int) -> tuple[Finding, float]:
    """Some moves of the vector that training uses, with its checks at every step."""
    try:
        with limited(f"a step of {num_envs} copies", HANG + VECTOR_SECONDS):
            vector = make_host(factory, num_envs)
            vector.reset(0)
            choose, moves, ends = Chooser(vector.spec, (num_envs,)), 0, 0
            choose(vector.start)  # compiles
            begun = time.perf_counter()
            while time.perf_counter() - begun < VECTOR_SECONDS:
                vector.send(choose(vector.start))
                step = vector.recv()
                moves, ends = moves + num_envs, ends + int((step.terminated | step.truncated).sum())
            speed = moves / (time.perf_counter() - begun)
            vector.close()
    except LogpiError as error:
        return Finding("error", str(error), "make several copies of it live side by side"), 0.0
    except HangError as error:
        return _hang(error), 0.0
    return Finding("ok", f"{num_envs} copies ran side by side; {ends} episodes ended and began again"), speed


def _slow(speed: float, num_envs: int) -> Finding:
    hours = 1e6 / speed / 3600
    what = f"it is slow: {speed:.3g} steps/s of {num_envs} copies in one process, {hours:.2g} hours for a million steps"
    fix = "train with --vectorization async, a process for each copy, and look for what step does that it need not"
    return Finding("warn", what, fix)
