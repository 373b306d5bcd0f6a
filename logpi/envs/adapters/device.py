"""Environments of gymnax, Brax and MuJoCo Playground as ``DeviceEnv``: pure functions, compiled with the policy.

Their steps that reset by themselves are not used, nor their clocks: ``step`` here tells termination alone, and the time
limit, which truncates, is applied by ``logpi.envs.make.vectorize`` as for every device environment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from logpi.envs.spaces import check_spaces
from logpi.errors import LogpiError, near
from logpi.types import Array, DeviceEnv, EnvSpec, Key, PyTree, Space

EPISODE = (
    1_000  # moves of an episode of Brax, unless ``episode_length`` says otherwise: the default of brax.envs.create
)
SEEN = "state"  # of observations in parts: what the agent sees; the others are for critics in simulation alone


def of_gymnax(gymnax: ModuleType, name: str, own: str, env_kwargs: Mapping[str, object]) -> DeviceEnv:
    """The environment ``own`` of gymnax 1.0 or newer; ``env_kwargs`` are its constructor's."""
    _check_known(name, own, gymnax.registered_envs)
    env, params = gymnax.make(own, **env_kwargs)
    if not hasattr(env, "is_truncated"):
        raise LogpiError(
            f"environment {name}: this gymnax counts a time limit as the end of the task, which version 1.0 does not; "
            "pip install 'logpi[gymnax]' brings a newer one"
        )
    limit = int(params.max_steps_in_episode)
    observation, action = env.observation_space(params), env.action_space(params)

    def reset(key: Key) -> tuple[PyTree, PyTree]:
        obs, state = env.reset_env(key, params)
        return state, obs

    def step(state: PyTree, action: Array, key: Key) -> tuple[PyTree, PyTree, Array, Array]:
        obs, state, reward, terminated, _ = env.step_env(key, state, action, params)
        return state, obs, reward, terminated

    return _device(EnvSpec(name, _space(name, observation), _space(name, action), limit), reset, step)


def of_brax(envs: ModuleType, name: str, own: str, env_kwargs: Mapping[str, object]) -> DeviceEnv:
    """The environment ``own`` of ``brax.envs``.

    ``env_kwargs`` are its constructor's, such as ``backend="spring"``, and ``episode_length``, the time limit in moves.
    """
    _check_known(name, own, getattr(envs, "_envs", (own,)))
    given = {"episode_length": EPISODE, **env_kwargs}
    limit: Any = given.pop("episode_length")
    return _of_states(name, envs.get_environment(own, **given), int(limit))


def of_playground(playground: ModuleType, name: str, own: str, env_kwargs: Mapping[str, object]) -> DeviceEnv:
    """The environment ``own`` of MuJoCo Playground; ``env_kwargs`` change entries of its configuration.

    Raises:
        LogpiError: the models of its robot are not on this machine: Playground would fetch them by itself.
    """
    registry: Any = playground.registry
    _check_known(name, own, registry.ALL_ENVS)
    # robots are those of mujoco_menagerie, which Playground clones when such an environment is loaded
    folder = getattr(getattr(playground, "_src", None), "mjx_env", None)
    menagerie = getattr(folder, "MENAGERIE_PATH", None)
    if own not in playground.dm_control_suite.ALL_ENVS and menagerie is not None and not menagerie.exists():
        raise LogpiError(
            f"environment {name} needs the robots of mujoco_menagerie, and logpi downloads nothing. Fetch them once: "
            f"python -c \"from mujoco_playground import registry; registry.load('{own}')\""
        )
    config = registry.get_default_config(own).lock()  # an entry that it does not have is an error
    # Warp's arrays of contacts belong to all copies together, and a copy cannot be reset without the others
    physics = {"impl": "jax"} if "impl" in config else {}
    config.update_from_flattened_dict({**physics, **env_kwargs})
    env = registry.load(own, config=config)
    repeat = int(config.get("action_repeat", 1))
    return _of_states(name, env, int(config.episode_length) // repeat, repeat)


def _of_states(name: str, env: Any, limit: int, repeat: int = 1) -> DeviceEnv:
    """An environment whose state holds observation, reward and ``done`` (Brax's interface, and Playground's).

    Args:
        name: of the environment.
        env: without wrappers, so that ``done`` is termination.
        limit: moves of an episode.
        repeat: steps of ``env`` in a move, with the same action; their rewards are added.
    """

    def seen(state: Any) -> PyTree:
        parts = isinstance(state.obs, Mapping)
        return state.obs[SEEN] if parts and SEEN in state.obs else dict(state.obs) if parts else state.obs

    def reset(key: Key) -> tuple[PyTree, PyTree]:
        state = env.reset(key)
        return state, seen(state)

    def step(state: PyTree, action: Array, key: Key) -> tuple[PyTree, PyTree, Array, Array]:
        def one(state: Any, _: None) -> tuple[Any, Array]:
            following = env.step(state, action)
            return following, following.reward

        if repeat == 1:
            state, reward = one(state, None)
        else:
            state, rewards = jax.lax.scan(one, state, None, repeat)
            reward = rewards.sum()
        return state, seen(state), reward, state.done > 0

    obs = jax.eval_shape(reset, jax.random.key(0))[1]
    boxes = jax.tree.map(lambda x: spaces.Box(-np.inf, np.inf, x.shape, np.float32), obs)
    observation = spaces.Dict(boxes) if isinstance(boxes, dict) else boxes
    action = spaces.Box(-1.0, 1.0, (int(env.action_size),), np.float32)
    return _device(EnvSpec(name, observation, action, limit), reset, step)


def _device(
    spec: EnvSpec,
    reset: Callable[[Key], tuple[PyTree, PyTree]],
    step: Callable[[PyTree, Array, Key], tuple[PyTree, PyTree, Array, Array]],
) -> DeviceEnv:
    """The environment with a state of one form: its leaves have the types that ``reset`` gives them.

    Packages write Python's numbers into a state, whose type changes in the first step.
    """
    check_spaces(spec)

    def begin(key: Key) -> tuple[PyTree, PyTree]:
        state, obs = reset(key)
        return jax.tree.map(jnp.asarray, state), obs

    form = jax.eval_shape(begin, jax.random.key(0))[0]

    def move(state: PyTree, action: Array, key: Key) -> tuple[PyTree, PyTree, Array, Array]:
        state, obs, reward, terminated = step(state, action, key)
        return jax.tree.map(_as, state, form), obs, reward, terminated

    return DeviceEnv(spec, begin, move)


def _as(x: Array, like: jax.ShapeDtypeStruct) -> Array:
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return x
    return jnp.asarray(x, like.dtype).reshape(like.shape)


def _check_known(name: str, own: str, known: Iterable[str]) -> None:
    """Refuse a name that a package does not have.

    Raises:
        LogpiError: with those that it has.
    """
    names = sorted(known)
    if own not in names:
        package = name.partition(":")[0]
        raise LogpiError(f"{package} has no environment {own!r}{near(own, names) or ';'} it has {', '.join(names)}")


def _space(name: str, space: Any) -> Space:
    """A space of gymnax as Gymnasium's, told apart by what it has.

    Raises:
        LogpiError: it is neither Discrete, Box, Dict nor Tuple.
    """
    parts = getattr(space, "spaces", None)
    if isinstance(parts, Mapping):
        return spaces.Dict({key: _space(name, part) for key, part in parts.items()})
    if parts is not None:
        return spaces.Tuple([_space(name, part) for part in parts])
    if hasattr(space, "n"):
        return spaces.Discrete(int(space.n))
    if not hasattr(space, "low"):
        raise LogpiError(f"environment {name}: the space {space} is not supported")
    dtype = np.dtype(space.dtype)
    low, high = (np.broadcast_to(np.asarray(end, np.float32), space.shape) for end in (space.low, space.high))
    if dtype.kind != "f":
        return spaces.Box(low.astype(dtype), high.astype(dtype), tuple(space.shape), dtype)
    return spaces.Box(low, high, tuple(space.shape), np.float32)
