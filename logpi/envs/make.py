"""``make(id)``: every environment by its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple, cast

import gymnasium
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Int32

from logpi.envs.adapters import adapted, has_adapter
from logpi.envs.adapters.teams import PARALLEL, Team, of_module
from logpi.envs.classic import CLASSIC
from logpi.envs.hidden import HIDDEN
from logpi.envs.host import HostFactory
from logpi.envs.load import load_own, made_by, registered
from logpi.envs.near import close_to, elsewhere
from logpi.envs.probes import PROBES
from logpi.envs.spaces import plain, to_env
from logpi.errors import LogpiError
from logpi.ops.collectives import where
from logpi.own_code import load_entry as load_entry_point
from logpi.own_code import name_code
from logpi.types import Array, DeviceEnv, DeviceVector, Key, PyTree, Step

GROUP = "logpi.environments"  # group of entry points: a name, and the module:attribute
DEVICE = {**CLASSIC, **HIDDEN, **PROBES}


Made = DeviceEnv | Team | HostFactory


def make(name: str, **env_kwargs: object) -> Made:
    """The environment called ``name``: a ``DeviceEnv`` of pure functions, or a factory of a ``gymnasium.Env``.

    ``name`` is a Gymnasium id, a probe (``probe/chain-v0``), ``module:EnvId``, ``path/file.py:Class``, or one of
    another package (``gymnax:CartPole-v1``; ``logpi.envs.adapters``), of which PettingZoo's are a ``Team``, as is
    ``module:parallel_env``. The classic ids are device environments, unless keyword arguments ask Gymnasium for a
    variant.

    Raises:
        LogpiError: no such environment (with the nearest names), or it cannot be loaded.
    """
    if name in DEVICE and not env_kwargs:
        return DEVICE[name]()
    if has_adapter(name):
        return adapted(name, env_kwargs)
    if name.endswith(f":{PARALLEL}"):
        return of_module(name, env_kwargs)
    if name.lower().startswith("pettingzoo"):
        raise LogpiError(f"environment {name!r}: {elsewhere(name)}")
    if ":" in name or name.endswith(".py"):
        return load_own(name, env_kwargs)
    if name in (declared := entries()):
        return load_entry(name, declared[name], env_kwargs)
    known = {*DEVICE, *declared, *gymnasium.registry}
    if name.startswith("ALE/") or "NoFrameskip" in name:
        _register_atari(name)
    elif name not in known:
        near, there = close_to(name, known), elsewhere(name)
        hint = f"{there}; " if there else f"did you mean {' or '.join(near)}? " if near else ""
        raise LogpiError(
            f"unknown environment {name!r}; {hint}allowed: an id of `logpi envs`, any Gymnasium id, module:EnvId, or "
            "path/file.py:Class"
        )
    return registered(name)


def make_gymnasium(name: str, **env_kwargs: object) -> Made:
    """``make``, with Gymnasium's own environment of a classic id."""
    return registered(name) if name in CLASSIC else make(name, **env_kwargs)


def make_named(name: str, **env_kwargs: object) -> Made:
    """``make`` for a caller who writes the name: the file or module in it is imported."""
    name_code(name)
    return make(name, **env_kwargs)


def entries() -> dict[str, EntryPoint]:
    """The environments that installed packages declare."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load_entry(name: str, entry: EntryPoint, env_kwargs: Mapping[str, object]) -> DeviceEnv | HostFactory:
    """The environment of an entry point: a ``DeviceEnv``, a function without arguments that returns one, or a factory.

    Raises:
        LogpiError: it cannot be imported (chained), or is neither.
    """
    what = f"environment {name!r}: the entry point {entry.value} of the group {GROUP}"
    try:
        found = load_entry_point(entry)
    except LogpiError:
        raise
    except Exception as error:
        advice = "update or remove the package that declares it"
        raise LogpiError(f"{what} raised {type(error).__name__}: {error}; {advice}") from error
    maker = cast(HostFactory, found if callable(found) else lambda: found)
    return made_by(name, maker, maker, env_kwargs, what)


def _register_atari(name: str) -> None:
    try:
        import ale_py  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise LogpiError(f"{name} needs the Atari emulator: pip install 'logpi[atari]'") from error
    gymnasium.register_envs(ale_py)


class VectorState(NamedTuple):
    """B environments between two moves."""

    inner: PyTree  # [B, ...] the environments' own states
    obs: PyTree  # [B, ...] their observations
    key: Key  # [B] each episode's key
    clock: Int32[Array, " B"]  # moves made in this episode
    over: Bool[Array, " B"]  # the episode has ended: the next move only resets


def vectorize(env: DeviceEnv) -> DeviceVector:
    """``env`` with B copies, its time limit, and next-step autoreset.

    A finished copy ignores its next action and resets: that row has reward 0 and no flags (``types.Trajectory.mask``
    is 0 there). Each episode draws from a key of its own, so the copies are independent of each other.
    """
    limit, space = env.spec.max_episode_steps, env.spec.observation_space

    def begin(pairs: Key) -> tuple[PyTree, PyTree, Key]:
        inner, obs = jax.vmap(env.reset)(pairs[:, 0])
        return inner, plain(space, obs), pairs[:, 1]

    def reset(key: Key, batch: int) -> tuple[VectorState, Step]:
        inner, obs, keys = begin(jax.random.split(key, (batch, 2)))
        state = VectorState(inner, obs, keys, jnp.zeros(batch, jnp.int32), jnp.zeros(batch, bool))
        return state, Step(obs, jnp.zeros(batch), state.over, state.over)

    def step(state: VectorState, action: PyTree) -> tuple[VectorState, Step]:
        keys = jax.vmap(jax.random.fold_in)(state.key, state.clock + 2)  # 0 and 1 are the next episode's keys
        moved = jax.vmap(env.step)(state.inner, to_env(env.spec.action_space, action), keys)
        inner, obs, reward, terminated = moved
        obs, clock = plain(space, obs), state.clock + 1
        live = ~state.over
        terminated = terminated.astype(bool) & live
        truncated = (clock >= limit) & live if limit else jnp.zeros_like(live)
        reward = jnp.where(live, reward.astype(jnp.float32), 0.0)

        def restart(_: PyTree) -> tuple[PyTree, PyTree, Key, Array]:
            fresh = begin(jax.vmap(jax.random.split)(state.key))
            chosen = where(state.over, fresh, (inner, obs, state.key))
            return (*chosen, jnp.where(state.over, 0, clock))

        # resets are rare: a step without any reset does not pay for drawing first states
        inner, obs, key, clock = jax.lax.cond(
            jnp.any(state.over), restart, lambda _: (inner, obs, state.key, clock), None
        )
        step = Step(obs, reward, terminated, truncated)
        return VectorState(inner, obs, key, clock, terminated | truncated), step

    return DeviceVector(env.spec, reset, step)
