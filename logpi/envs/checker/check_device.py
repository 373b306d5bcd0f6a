"""The checks of a JAX environment: that it is a pure function of arrays with a fixed shape."""

from __future__ import annotations

import functools
import operator
import time

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from logpi.envs.actions import random_action
from logpi.envs.checker.diagnostics import NO_ACTION, NOT_FINITE, Play, judge, judge_masks, mismatch
from logpi.envs.checker.trial import no_legal_action
from logpi.envs.make import vectorize
from logpi.envs.spaces import MASK, check_spaces, encode, leaf_dtype, legal_in, plain, to_env
from logpi.errors import LogpiError
from logpi.findings import Finding
from logpi.types import DeviceEnv, Key, PyTree, Space, Step

SIGNATURE = "reset(key) -> (state, obs); step(state, action, key) -> (state, obs, reward, terminated)"


def check_device(env: DeviceEnv, steps: int, num_envs: int) -> tuple[list[Finding], float]:
    """Findings, and steps per second of ``num_envs`` copies with random actions, compiled."""
    try:
        check_spaces(env.spec)
    except LogpiError as error:
        return [Finding("error", str(error), "change the space")], 0.0
    findings = [Finding("ok", "spaces are supported")]
    try:
        findings += _contract(env)
    except Exception as error:
        fix = f"write jnp.where or jax.lax.cond for if, jnp for numpy; the contract is {SIGNATURE}"
        first = str(error).strip().partition("\n")[0]
        findings.append(Finding("error", f"jit cannot trace it: {type(error).__name__}: {first}", fix))
    if any(finding.level == "error" for finding in findings):
        return findings, 0.0
    play, rows, speed = _play(env, steps, num_envs)
    findings += _masks(env, play, rows)
    if not any(finding.level == "error" for finding in findings):
        findings += _values(env, play, rows)
    if not any(finding.level == "error" for finding in findings):
        findings += judge(play)
    return [*findings, _seeding(env)], speed


def _contract(env: DeviceEnv) -> list[Finding]:
    key = jax.random.key(0)
    action = to_env(env.spec.action_space, random_action(env.spec.action_space, key, ()))
    begun = jax.eval_shape(env.reset, key)
    if not (isinstance(begun, tuple) and len(begun) == 2):
        return [Finding("error", f"reset returned {type(begun).__name__}, not 2 values", SIGNATURE)]
    moved = jax.eval_shape(env.step, begun[0], action, key)
    if not (isinstance(moved, tuple) and len(moved) == 4):
        return [Finding("error", f"step returned {type(moved).__name__}, not 4 values", SIGNATURE)]
    state, obs, reward, terminated = moved
    space = env.spec.observation_space
    space.seed(0)
    try:
        shown = (space.sample(), begun[1], obs)
        expected, first, after = (jax.eval_shape(functools.partial(plain, space), x) for x in shown)
    except LogpiError as error:
        return [Finding("error", str(error), "return what observation_space declares, or declare what you return")]
    wrong = [
        _differs("the state of reset", begun[0], "of step", state),
        _differs("the observation space", expected, "the observation of reset", first),
        _differs("the observation space", expected, "the observation of step", after),
    ]
    findings = [
        Finding("error", what, "return the same structure, shapes and dtypes each time: cast with .astype")
        for what in wrong
        if what
    ]
    if reward.shape != () or jnp.issubdtype(reward.dtype, jnp.complexfloating):
        what = f"reward is {reward.dtype}{list(reward.shape)}, not one number"
        findings.append(Finding("error", what, "return jnp.float32(reward), of shape ()"))
    if terminated.shape != () or terminated.dtype != bool:
        what = f"terminated is {terminated.dtype}{list(terminated.shape)}, not a bool scalar"
        findings.append(Finding("error", what, "return a comparison of shape (), such as x > 1"))
    return findings or [Finding("ok", "jit traces reset and step; structures, shapes and dtypes are fixed")]


def _differs(first: str, a: PyTree, second: str, b: PyTree) -> str | None:
    structures: tuple[object, object] = jax.tree.structure(a), jax.tree.structure(b)
    if structures[0] != structures[1]:
        return f"{first} has structure {structures[0]}, {second} {structures[1]}"
    for (path, x), y in zip(jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True):
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            where = jax.tree_util.keystr(path)
            return f"{first}{where} is {x.dtype}{list(x.shape)}, {second} {y.dtype}{list(y.shape)}"
    return None


def _play(env: DeviceEnv, steps: int, num_envs: int) -> tuple[Play, PyTree, float]:
    """Random play of the vectorized environment; also its observations [T, B, ...] and steps per second."""
    limit, T = env.spec.max_episode_steps, -(-steps // num_envs)
    if limit and limit <= 5 * steps:
        T = max(T, 2 * limit + 2)
    vector = vectorize(env)

    def move(now: tuple[PyTree, PyTree], key: Key) -> tuple[tuple[PyTree, PyTree], Step]:
        state, obs = now
        legal = legal_in(env.spec.observation_space, obs)
        state, step = vector.step(state, random_action(env.spec.action_space, key, (num_envs,), legal))
        return (state, step.obs), step

    @jax.jit
    def run(key: Key) -> Step:
        state, first = vector.reset(key, num_envs)
        return jax.lax.scan(move, (state, first.obs), jax.random.split(key, T))[1]

    jax.device_get(run(jax.random.key(0)))
    begun = time.perf_counter()
    rows = jax.device_get(run(jax.random.key(0)))
    speed = T * num_envs / (time.perf_counter() - begun)
    mask = np.ones((T, num_envs), np.float32)
    mask[1:] -= (rows.terminated | rows.truncated)[:-1]
    sample = jax.tree.map(lambda x: x[:: -(-T // 200)], rows.obs)
    obs = np.asarray(encode(env.spec.observation_space, sample))
    obs = obs.reshape((-1, obs.shape[-1]))
    before = (rows.terminated | rows.truncated)[:-1, :, None]  # [T-1, B, 1] what follows is a first observation
    changes = T < 2 or any(
        ((leaf[1:] != leaf[:-1]).reshape(*before.shape[:2], -1) & ~before).any() for leaf in jax.tree.leaves(rows.obs)
    )
    return Play(env.spec, obs, rows.reward, rows.terminated, rows.truncated, mask, changes), rows.obs, speed


def _values(env: DeviceEnv, play: Play, obs: PyTree) -> list[Finding]:
    for name, tree in (("observation", obs), ("reward", play.reward)):
        for leaf in jax.tree.leaves(tree):
            bad = np.argwhere(~np.isfinite(leaf))
            if len(bad):
                t, b = int(bad[0][0]), int(bad[0][1])
                what = f"{name} {leaf[tuple(bad[0])]} in step {t + 1} of copy {b}, not finite"
                return [Finding("error", what, NOT_FINITE)]
    T = len(play.reward)
    space = _as_seen(env.spec.observation_space)
    for t in range(0, T, -(-T // 200)):
        wrong = mismatch(space, jax.tree.map(operator.itemgetter((t, 0)), obs))
        if wrong:
            fix = "widen the bounds of the space, or clip to them"
            return [Finding("error", f"{wrong} (step {t + 1})", fix)]
    return [Finding("ok", "observations are finite and lie in their space")]


def _masks(env: DeviceEnv, play: Play, obs: PyTree) -> list[Finding]:
    legal = legal_in(env.spec.observation_space, obs)
    if legal is None:
        return []
    going = ~(play.terminated | play.truncated)  # a final observation needs no action
    stuck = np.argwhere(no_legal_action(env.spec.action_space, legal) & going)
    if len(stuck):
        t, b = stuck[0]
        return [Finding("error", f"the action_mask after step {t + 1} of copy {b} allows no action", NO_ACTION)]
    return judge_masks(list(np.asarray(legal)[going]))


def _as_seen(space: Space) -> Space:
    """The space of what policies get (``logpi.envs.spaces.plain``)."""
    if isinstance(space, spaces.Dict):
        mask = {MASK: spaces.MultiBinary(space[MASK].shape)} if MASK in space.spaces else {}
        return spaces.Dict({key: _as_seen(part) for key, part in space.spaces.items()} | mask)
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([_as_seen(part) for part in space.spaces])
    if isinstance(space, spaces.Box) and leaf_dtype(space) == np.float32:
        return spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)
    return space


def _seeding(env: DeviceEnv) -> Finding:
    keys = jax.random.split(jax.random.key(0), 8)
    leaves = map(np.asarray, jax.tree.leaves(jax.vmap(env.reset)(keys)[1]))
    if any((leaf != leaf[:1]).any() for leaf in leaves):
        return Finding("ok", "other keys begin other episodes")
    what = "8 keys began with the same observation"
    return Finding("warn", what, "draw from the key in reset, if the start should be random")
