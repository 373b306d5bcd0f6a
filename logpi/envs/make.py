"""``make(id)``: the one door to every environment."""

from __future__ import annotations

import difflib
from typing import Any

import gymnasium

from logpi.envs.classic import CLASSIC
from logpi.envs.host import HostFactory, host_spec
from logpi.envs.load import load_own, registered
from logpi.envs.probes import PROBES
from logpi.envs.spaces import check_spaces
from logpi.errors import LogpiError
from logpi.types import DeviceEnv, EnvSpec

DEVICE = {**CLASSIC, **PROBES}


def make(name: str, **env_kwargs: Any) -> DeviceEnv | HostFactory:
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
    known = {*DEVICE, *gymnasium.registry}
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


def spec_of(env: DeviceEnv | HostFactory, env_kwargs: dict[str, Any] | None = None) -> EnvSpec:
    """The spec of what ``make`` returned; a host environment is built once to see it."""
    return env.spec if isinstance(env, DeviceEnv) else host_spec(env, env_kwargs)


def _register_atari(name: str) -> None:
    try:
        import ale_py  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise LogpiError(f"{name} needs the Atari emulator: pip install 'logpi[atari]'") from error
    gymnasium.register_envs(ale_py)
