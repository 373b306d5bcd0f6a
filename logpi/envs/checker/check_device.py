"""The checks of a JAX environment: that it is a pure function of arrays with a fixed shape."""

from __future__ import annotations

import operator
import time

import jax
import jax.numpy as jnp
import numpy as np

from logpi.envs.checker.diagnostics import NOT_FINITE, Play, draw, judge, mismatch
from logpi.envs.make import vectorize
from logpi.envs.spaces import check_spaces, encode, to_env
from logpi.errors import Finding, LogpiError
from logpi.types import Array, DeviceEnv, Key, PyTree, Step

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
    findings += _values(env, play, rows)
    if not any(finding.level == "error" for finding in findings):
        findings += judge(play)
    return [*findings, _seeding(env)], speed


def _contract(env: DeviceEnv) -> list[Finding]:
    key = jax.random.key(0)
    action = to_env(env.spec.action_space, jnp.asarray(draw(env.spec.action_space, np.random.default_rng(0), ())))
    begun = jax.eval_shape(env.reset, key)
    if not (isinstance(begun, tuple) and len(begun) == 2):
        return [Finding("error", f"reset returned {type(begun).__name__}, not 2 values", SIGNATURE)]
    moved = jax.eval_shape(env.step, begun[0], action, key)
    if not (isinstance(moved, tuple) and len(moved) == 4):
        return [Finding("error", f"step returned {type(moved).__name__}, not 4 values", SIGNATURE)]
    state, obs, reward, terminated = moved
    wrong = [
        _differs("the state of reset", begun[0], "of step", state),
        _differs("the observation space", _expected(env), "the observation of reset", begun[1]),
        _differs("the observation space", _expected(env), "the observation of step", obs),
    ]
    findings = [
        Finding("error", what, "return the same structure, shapes and dtypes each time: cast with .astype")
        for what in wrong
        if what
    ]
    if reward.shape != () or not jnp.issubdtype(reward.dtype, jnp.floating):
        what = f"reward is {reward.dtype}{list(reward.shape)}, not a float scalar"
        findings.append(Finding("error", what, "return jnp.float32(reward), of shape ()"))
    if terminated.shape != () or terminated.dtype != bool:
        what = f"terminated is {terminated.dtype}{list(terminated.shape)}, not a bool scalar"
        findings.append(Finding("error", what, "return a comparison of shape (), such as x > 1"))
    return findings or [Finding("ok", "jit traces reset and step; structures, shapes and dtypes are fixed")]


def _expected(env: DeviceEnv) -> PyTree:
    env.spec.observation_space.seed(0)
    return jax.eval_shape(lambda: jax.tree.map(jnp.asarray, env.spec.observation_space.sample()))


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
    actions = jnp.asarray(draw(env.spec.action_space, np.random.default_rng(0), (T, num_envs)))

    @jax.jit
    def run(key: Key, actions: Array) -> Step:
        state, _ = vector.reset(key, num_envs)
        return jax.lax.scan(vector.step, state, actions)[1]

    jax.device_get(run(jax.random.key(0), actions))
    begun = time.perf_counter()
    rows = jax.device_get(run(jax.random.key(0), actions))
    speed = T * num_envs / (time.perf_counter() - begun)
    mask = np.ones((T, num_envs), np.float32)
    mask[1:] -= (rows.terminated | rows.truncated)[:-1]
    sample = jax.tree.map(lambda x: x[:: -(-T // 200)], rows.obs)
    obs = np.asarray(encode(env.spec.observation_space, sample))
    obs = obs.reshape((-1, obs.shape[-1]))
    return Play(env.spec, obs, rows.reward, rows.terminated, rows.truncated, mask), rows.obs, speed


def _values(env: DeviceEnv, play: Play, obs: PyTree) -> list[Finding]:
    for name, tree in (("observation", obs), ("reward", play.reward)):
        for leaf in jax.tree.leaves(tree):
            bad = np.argwhere(~np.isfinite(leaf))
            if len(bad):
                t, b = int(bad[0][0]), int(bad[0][1])
                what = f"{name} {leaf[tuple(bad[0])]} in step {t + 1} of copy {b}, not finite"
                return [Finding("error", what, NOT_FINITE)]
    T = len(play.reward)
    space = env.spec.observation_space
    for t in range(0, T, -(-T // 200)):
        wrong = mismatch(space, jax.tree.map(operator.itemgetter((t, 0)), obs))
        if wrong:
            fix = "widen the bounds of the space, or clip to them"
            return [Finding("error", f"{wrong} (step {t + 1})", fix)]
    return [Finding("ok", "observations are finite and lie in their space")]


def _seeding(env: DeviceEnv) -> Finding:
    keys = jax.random.split(jax.random.key(0), 8)
    leaves = map(np.asarray, jax.tree.leaves(jax.vmap(env.reset)(keys)[1]))
    if any((leaf != leaf[:1]).any() for leaf in leaves):
        return Finding("ok", "other keys begin other episodes")
    what = "8 keys began with the same observation"
    return Finding("warn", what, "draw from the key in reset, if the start should be random")
