"""User environments: ``module:EnvId`` and ``path/file.py:Class``.

Spawned workers import this module to build their environment, so it imports no JAX at the top.
"""

from __future__ import annotations

import contextlib
import inspect
import multiprocessing
import os
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec as RegisteredSpec

from logpi.envs.text import readable, without_text
from logpi.errors import LogpiError
from logpi.own_code import Kept, as_usual, import_file, import_kept, import_module, kept, take_over

if TYPE_CHECKING:
    from logpi.types import Array, DeviceEnv, Key, PyTree, Space

    Info = dict[str, object]

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H")
NO_ARGUMENTS: Mapping[str, object] = MappingProxyType({})
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "hide")  # workers inherit it: pygame greets in each process
_shown: set[str] = set()  # warnings of environments that this process has shown
_collecting = False  # whether ``warned_once`` is at work
DEVICE_PARTS = ("reset(key)", "step(state, action, key)", "observation_space", "action_space")


@dataclass(frozen=True)
class Registered:
    """Builds a registered Gymnasium environment; a worker finds the registration here, not in a registry."""

    id: str
    spec: RegisteredSpec

    def __call__(self, **kwargs: object) -> gymnasium.Env:
        return gymnasium.make(self.spec, disable_env_checker=True, **kwargs)


@dataclass(frozen=True)
class FromFile:
    """Builds a ``gymnasium.Env`` of a Python file; its ``max_episode_steps``, if it has one, truncates."""

    id: str
    path: str
    name: str

    def __call__(self, **kwargs: object) -> gymnasium.Env:
        env = getattr(import_kept(self.path, self.name), self.name)(**kwargs)
        limit = getattr(env, "max_episode_steps", None)
        return gymnasium.wrappers.TimeLimit(env, limit) if limit and env.spec is None else env


@dataclass(frozen=True)
class Bare:
    """The same environment with what is read of it alone: its ``info`` is empty, and its observations have no text.

    Gymnasium's vectors join the infos of all copies, and fail where arrays in them differ in length. An observation of
    another shape than its space's is refused: those in worker processes would be spread over it in silence.
    """

    make: Callable[[], gymnasium.Env]

    def __call__(self) -> gymnasium.Env:
        env = self.make()
        reset, step, space = env.reset, env.step, env.observation_space

        def bare_reset(*, seed: int | None = None, options: Info | None = None) -> tuple[PyTree, Info]:
            obs, _ = reset(seed=seed, options=options)
            check_shape(space, obs, "observation")
            return without_text(space, obs), {}

        def bare_step(action: PyTree) -> tuple[PyTree, PyTree, bool, bool, Info]:
            obs, reward, terminated, truncated, _ = step(action)
            check_shape(space, obs, "observation")
            return without_text(space, obs), reward, terminated, truncated, {}

        env.reset, env.step, env.observation_space = bare_reset, bare_step, readable(space)
        return env


class ShapeError(ValueError):
    """An observation has another shape than its space."""


def check_shape(space: Space, obs: PyTree, path: str) -> None:
    """Refuse an observation with a part of another shape than its space.

    Raises:
        ShapeError: it has one; the message names the part.
    """
    parts = getattr(space, "spaces", None)
    if parts is None:
        if space.shape is not None and np.shape(obs) != space.shape:
            raise ShapeError(f"{path} has shape {np.shape(obs)}, its space has {space.shape}")
        return
    for key, part in parts.items() if isinstance(parts, Mapping) else enumerate(parts):
        check_shape(part, obs[key], f"{path}[{key!r}]")


@dataclass(frozen=True)
class InWorker:
    """The same environment in a process of its own, whose errors can cross the boundary.

    Gymnasium sends the exception itself through a queue, and waits for ever for one that cannot be pickled. What the
    environment warns of while it is built, its parent has shown: it builds one before it starts workers.

    It takes along the text of the user's own code that its parent was allowed to import: a worker imports no other.
    """

    make: Callable[[], gymnasium.Env]

    def __reduce__(self) -> tuple[Callable[[Kept, bytes], InWorker], tuple[Kept, bytes]]:
        import cloudpickle

        return _in_worker, (kept(), cloudpickle.dumps(self.make))

    def __call__(self) -> gymnasium.Env:
        if multiprocessing.parent_process() is not None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then saves and closes us
            as_usual()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            env = Bare(self.make)()
        env.reset, env.step = _plain(env.reset), _plain(env.step)
        return env


def _in_worker(code: Kept, make: bytes) -> InWorker:
    """What ``InWorker`` was in its parent: first the code may be imported, then what refers to it is read."""
    take_over(code)
    return InWorker(pickle.loads(make))


@contextlib.contextmanager
def warned_once() -> Iterator[None]:
    """Show each warning that comes within once a process, however many copies of an environment are built."""
    global _collecting
    if _collecting:  # the outermost shows them
        yield
        return
    caught: list[warnings.WarningMessage] = []
    _collecting = True
    try:
        with warnings.catch_warnings(record=True) as caught:
            yield
    finally:
        _collecting = False
        for warning in caught:
            text = str(warning.message)
            if text not in _shown:
                _shown.add(text)
                warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)


class OwnDeviceEnv(Protocol):
    """A user's environment of pure functions of arrays; ``max_episode_steps`` is optional."""

    observation_space: Space
    action_space: Space

    def reset(self, key: Key, /) -> tuple[PyTree, PyTree]: ...
    def step(self, state: PyTree, action: Array, key: Key, /) -> tuple[PyTree, PyTree, Array, Array]: ...


class WorkerError(RuntimeError):
    """``Type: message`` of what an environment raised in its worker."""


def _plain(method: Callable[P, R]) -> Callable[P, R]:
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            raise WorkerError(f"{type(error).__name__}: {error}") from error

    return call


def load_own(name: str, env_kwargs: Mapping[str, object] = NO_ARGUMENTS) -> DeviceEnv | Registered | FromFile:
    """The user's environment: a ``DeviceEnv``, or a factory that ``logpi.envs.host.make_host`` takes.

    ``module:EnvId`` imports the module, which registers the id with Gymnasium. ``path/file.py:Class`` imports
    the file; the class, or a function that builds an instance, is a ``gymnasium.Env`` (host) or has
    ``reset(key) -> (state, obs)``, ``step(state, action, key) -> (state, obs, reward, terminated)``,
    ``observation_space``, ``action_space`` and perhaps ``max_episode_steps`` (device).

    Raises:
        LogpiError: no such module, file, id or class, an import or constructor that raises (chained), a class of
            neither kind, or arguments of a device environment.
    """
    place, colon, part = name.rpartition(":")
    if not (colon and place and part):
        raise LogpiError(f"environment {name!r}: write module:EnvId or path/file.py:Class")
    if not place.endswith(".py"):
        return registered(name)
    module = import_file(place, part)
    maker = getattr(module, part, None)
    if not callable(maker):
        there = ", ".join(_candidates(module)) or "no public class or function"
        raise LogpiError(f"{place} has no class {part!r}; it has: {there}")
    host = FromFile(name, str(Path(place).resolve()), part)
    return made_by(name, maker, host, env_kwargs, f"{name} could not be built: {part}()")


def made_by(
    name: str, maker: Callable[[], OwnDeviceEnv], host: H, env_kwargs: Mapping[str, object], what: str
) -> DeviceEnv | H:
    """What ``maker`` makes: a ``DeviceEnv``, or ``host``, the factory of its ``gymnasium.Env``.

    Args:
        name: of the environment.
        maker: a class, which is not built where it is Gymnasium's, or a function without arguments.
        host: what is returned for an environment of Gymnasium.
        env_kwargs: arguments, which a device environment does not take.
        what: the maker, as messages call it.

    Raises:
        LogpiError: it raises (chained), or makes neither.
    """

    def build() -> OwnDeviceEnv:
        try:
            return maker()
        except LogpiError:
            raise
        except Exception as error:
            raise LogpiError(f"{what} raised {type(error).__name__}: {error}") from error

    made = None if inspect.isclass(maker) else build()
    kind: type = maker if inspect.isclass(maker) else type(made)
    if issubclass(kind, gymnasium.Env):
        return host
    return device(name, build() if made is None else made, env_kwargs)


def registered(name: str) -> Registered:
    """The factory of ``EnvId`` or ``module:EnvId``.

    Raises:
        LogpiError: the module cannot be imported (chained), or the id is not registered.
    """
    module, _, env_id = name.rpartition(":")
    if module:
        try:
            import_module(module)
        except LogpiError:
            raise
        except Exception as error:
            raise LogpiError(
                f"environment {name}: importing {module} raised {type(error).__name__}: {error}. "
                "Is it installed, or in the current folder? For a file write path/file.py:Class"
            ) from error
    try:
        return Registered(name, gymnasium.spec(env_id))
    except gymnasium.error.Error as error:
        raise LogpiError(
            f"environment {name}: Gymnasium knows no {env_id!r} ({error}). {_suggestion(module, env_id)}"
        ) from error


def device(name: str, instance: OwnDeviceEnv, env_kwargs: Mapping[str, object] = NO_ARGUMENTS) -> DeviceEnv:
    """A user's environment of pure functions as a ``DeviceEnv`` called ``name``.

    Raises:
        LogpiError: it lacks a part, has spaces that are not supported, or was given arguments.
    """
    from logpi.envs.spaces import check_spaces
    from logpi.types import DeviceEnv, EnvSpec

    if env_kwargs:
        raise LogpiError(f"{name} is a device environment, which takes no arguments; given: {dict(env_kwargs)}")
    there = (
        _takes(instance, "reset", 1),
        _takes(instance, "step", 3),
        isinstance(getattr(instance, "observation_space", None), gymnasium.Space),
        isinstance(getattr(instance, "action_space", None), gymnasium.Space),
    )
    missing = [part for part, found in zip(DEVICE_PARTS, there, strict=True) if not found]
    if missing:
        raise LogpiError(
            f"{name} is neither a gymnasium.Env nor a JAX environment: it lacks {', '.join(missing)}. "
            f"Subclass gymnasium.Env, or give it {', '.join(DEVICE_PARTS)} (spaces of gymnasium.spaces)."
        )
    limit = getattr(instance, "max_episode_steps", None)
    spec = EnvSpec(name, instance.observation_space, instance.action_space, limit)
    check_spaces(spec)
    return DeviceEnv(spec, instance.reset, instance.step)


def _takes(instance: object, method: str, count: int) -> bool:
    """Whether ``instance.method`` can be called with ``count`` positional arguments."""
    try:
        inspect.signature(getattr(instance, method)).bind(*range(count))
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def _candidates(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__ and callable(value)
    ]


def _suggestion(module: str, env_id: str) -> str:
    own = [
        spec.id
        for spec in gymnasium.registry.values()
        if module and str(spec.entry_point).partition(":")[0].partition(".")[0] == module.partition(".")[0]
    ]
    stem = env_id.rpartition("-v")[0] or env_id
    known = own or [known for known in gymnasium.registry if known.startswith(f"{stem}-v")]
    if known:
        return f"Registered: {', '.join(known[:12])}"
    return "Name the package that registers it, as in ale_py:ALE/Pong-v5, or a file, as in my_env.py:MyEnv"
