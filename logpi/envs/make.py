"""``make(id)``: every environment by its name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

import gymnasium

from logpi.envs.classic import CLASSIC
from logpi.envs.host import HostFactory, host_spec
from logpi.envs.load import load_own, registered
from logpi.envs.probes import PROBES
from logpi.envs.spaces import check_spaces
from logpi.errors import LogpiError
from logpi.types import DeviceEnv, EnvSpec

GROUP = "logpi.environments"  # group of entry points: a name, and the module:attribute
DEVICE = {**CLASSIC, **PROBES}


def make(name: str, **env_kwargs: object) -> DeviceEnv | HostFactory:
    """The environment called ``name``: a ``DeviceEnv`` of pure functions, or a factory of a ``gymnasium.Env``.

    ``name`` is a Gymnasium id, a probe (``probe/chain-v0``), ``module:EnvId`` or ``path/file.py:Class``. The classic
    ids are device environments, unless keyword arguments ask Gymnasium for a variant.

    Raises:
        LogpiError: no such environment (with the nearest names), or it cannot be loaded.
    """
    if name in DEVICE and not env_kwargs:
        return DEVICE[name]()
    if ":" in name or name.endswith(".py"):
        env = load_own(name)
        if isinstance(env, DeviceEnv):
            if env_kwargs:
                raise LogpiError(f"{name} is a device environment, which takes no arguments; given: {env_kwargs}")
            check_spaces(env.spec)
        return env
    if name in (declared := entries()):
        return load_entry(name, declared[name])
    known = {*DEVICE, *declared, *gymnasium.registry}
    if name.startswith("ALE/") or "NoFrameskip" in name:
        _register_atari(name)
    elif name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise LogpiError(
            f"unknown environment {name!r}; {hint}allowed: an id of `logpi envs`, any Gymnasium id, module:EnvId, or "
            "path/file.py:Class"
        )
    return registered(name)


def entries() -> dict[str, EntryPoint]:
    """The environments that installed packages declare."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load_entry(name: str, entry: EntryPoint) -> DeviceEnv | HostFactory:
    """The environment of an entry point: a ``DeviceEnv``, a function without arguments that returns one, or a factory.

    Raises:
        LogpiError: it cannot be imported (chained), or is neither.
    """
    try:
        found = entry.load()
        built = found if isinstance(found, DeviceEnv) else found()
    except Exception as error:
        raise LogpiError(
            f"environment {name!r}: the entry point {entry.value} of the group {GROUP} raised "
            f"{type(error).__name__}: {error}; update or remove the package that declares it"
        ) from error
    if isinstance(built, DeviceEnv):
        check_spaces(built.spec)
        return built
    if isinstance(built, gymnasium.Env):
        built.close()
        factory: HostFactory = found
        return factory
    raise LogpiError(
        f"environment {name!r}: the entry point {entry.value} gives a {type(built).__name__}; wanted: a "
        "logpi.DeviceEnv, a function that returns one, or one that builds a gymnasium.Env"
    )


def spec_of(env: DeviceEnv | HostFactory, env_kwargs: Mapping[str, object] | None = None) -> EnvSpec:
    """The spec of what ``make`` returned; a host environment is built once to see it."""
    return env.spec if isinstance(env, DeviceEnv) else host_spec(env, env_kwargs)


def _register_atari(name: str) -> None:
    try:
        import ale_py  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise LogpiError(f"{name} needs the Atari emulator: pip install 'logpi[atari]'") from error
    gymnasium.register_envs(ale_py)
