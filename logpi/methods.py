"""Methods by name: one file each, in the package of its kind of task, in a file of the user's own, or in a package.

A method's file holds its settings, its function and its registration:

    @method(settings=PPO, parent="a2c")
    def ppo(config: PPO, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm: ...

Importing this module imports no method, and not JAX.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

from logpi.config.contract import check_settings
from logpi.config.settings import Network, Section
from logpi.errors import LogpiError, near
from logpi.tasks import KINDS

P = ParamSpec("P")
R = TypeVar("R")
GROUP = "logpi.algorithms"  # group of entry points: a name, and the module:name of the ``Method``
INSTEAD = {  # well-known methods that are not here: one that learns the same tasks
    **dict.fromkeys(("trpo", "ppg", "impala", "dreamer"), "ppo"),
    **dict.fromkeys(("tqc", "crossq", "redq", "droq"), "sac"),
    **dict.fromkeys(("vpg", "pg"), "reinforce"),
    **dict.fromkeys(("rainbow", "ddqn", "c51", "qrdqn", "iqn"), "dqn"),
    "a3c": "a2c",
    "muzero": "alphazero",
}
WANTED = "a function with the decorator logpi.methods.method, as those in logpi/algorithms"


@dataclasses.dataclass(frozen=True)
class Method(Generic[P, R]):
    """A method of learning; called like the function that builds it."""

    name: str  # by which ``find_method`` finds it
    settings: type[Section]  # frozen dataclass
    build: Callable[P, R]  # (settings, …): what follows depends on the kind of task
    network: type[Section]  # settings of its network, a frozen dataclass
    parent: str | None  # the method that it changes
    task: str  # kind of task that it learns (``logpi.tasks.KINDS``)
    policy: Callable[[Any, Any], Any] | None = None  # (EnvSpec, ``network``) -> Policy; None: the standard policy

    @property
    def about(self) -> str:
        """The first paragraph of the settings' docstring."""
        return " ".join((self.settings.__doc__ or "").strip().split("\n\n")[0].split())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.build(*args, **kwargs)


AnyMethod: TypeAlias = Method[..., Any]


def method(
    settings: type[Section],
    *,
    network: type[Section] = Network,
    policy: Callable[[Any, Any], Any] | None = None,
    parent: str | None = None,
    task: str = "control",
) -> Callable[[Callable[P, R]], Method[P, R]]:
    """Decorator that makes a method of the function that builds it; the function's name is the method's.

    Args:
        settings: frozen dataclass whose fields have ranges (``logpi.config.settings``).
        network: settings of the network.
        policy: (EnvSpec, settings of the network) -> Policy, for a network that is not the standard policy.
        parent: name of the method that it changes.
        task: kind of task, one of ``logpi.tasks.KINDS``.
    """

    if not isinstance(settings, type):
        raise LogpiError(f"settings is a {type(settings).__name__}; write @logpi.method(settings=CLASS), a dataclass")

    def registered(build: Callable[P, R]) -> Method[P, R]:
        return Method(build.__name__, settings, build, network, parent, task, policy)

    return registered


def method_names(kinds: Iterable[str] = KINDS) -> list[str]:
    """The methods that come with logpi for these kinds of tasks, without importing them."""
    return [name for kind in kinds for name in _files(kind)]


def all_methods() -> list[AnyMethod]:
    """The methods that come with logpi, each behind its parent, and those of installed packages."""
    found: list[AnyMethod] = []
    for kind in KINDS:
        mine = [find_method(name) for name in _files(kind)]
        found += _in_order(mine)
    return [*found, *(find_method(name) for name in _entries() if name not in method_names())]


def find_method(name: str) -> AnyMethod:
    """The method called ``name``: one of ``method_names``, ``path/file.py:name``, or an entry point.

    Of ``path/file.py:name`` the method's name becomes the same with the absolute path, so that a run finds it again.

    Raises:
        LogpiError: no such method (with the nearest name), or a file or an entry point that holds no method.
    """
    for kind, place in KINDS.items():
        if name in _files(kind):
            return _checked(name, getattr(importlib.import_module(f"{place.methods}.{name}"), name))
    path, colon, attribute = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_file(path, attribute)
    if name.endswith(".py"):
        raise LogpiError(f"algorithm {name!r} names a file; add the method's name in it, {name}:NAME")
    if name in (declared := _entries()):
        return _from_entry(declared[name])
    known = [*method_names(), *declared]
    hint = near(name, known)
    if instead := INSTEAD.get(name.lower()):
        hint = f"; logpi has no {name.upper()}, and {instead} learns the same tasks"
    raise LogpiError(f"unknown algorithm {name!r}; allowed: {', '.join(known)}, path/file.py:NAME{hint}")


def method_of(name: str, given: Method[..., Any] | None = None) -> Method[..., Any]:
    """The method of a run or an agent: ``given`` where a program brought it as an object, else the one called ``name``.

    Raises:
        LogpiError: ``given`` has another name, or as ``find_method``.
    """
    if given is None:
        return find_method(name)
    if given.name != name:
        raise LogpiError(f"this was trained with the method {name}, and the one that was given is {given.name}")
    return _checked(name, given)


def brought(given: object) -> tuple[str, Method[..., Any] | None]:
    """The name of a method that a program brings as an object, and the object unless ``find_method`` finds it too.

    Raises:
        LogpiError: it is not a method, does not fit the contract, or has the name of another one.
    """
    if not isinstance(given, Method):
        raise LogpiError(
            f"algo is a {type(given).__name__}; allowed: a name of `logpi algos`, path/file.py:NAME, or what "
            "@logpi.method(settings=…) makes of a function"
        )
    if given.name not in method_names() and given.name not in _entries():
        return given.name, _checked(given.name, given)
    if find_method(given.name) == given:
        return given.name, None
    raise LogpiError(f"the method {given.name} has the name of another one; give its function another name")


def _files(kind: str) -> list[str]:
    """Names of the modules in the package of a kind's methods; nothing is imported."""
    folder = Path(__file__).parent.joinpath(*KINDS[kind].methods.split(".")[1:])
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def _in_order(methods: list[AnyMethod]) -> Iterator[AnyMethod]:
    """``methods`` depth first from those without a parent among them."""
    names = {m.name for m in methods}

    def below(parent: str | None) -> Iterator[AnyMethod]:
        for m in methods:
            if (m.parent if m.parent in names else None) == parent:
                yield m
                yield from below(m.name)

    yield from below(None)


def _entries() -> dict[str, EntryPoint]:
    """The methods that installed packages declare."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _from_file(path: str, attribute: str) -> AnyMethod:
    from logpi.own_code import import_file

    file = Path(path).expanduser().resolve()
    module = import_file(str(file), attribute)
    if not hasattr(module, attribute):
        there = [name for name, value in vars(module).items() if isinstance(value, Method)]
        raise LogpiError(f"{path} has no {attribute!r}; it has: {', '.join(there) or f'no method; wanted: {WANTED}'}")
    return _checked(f"{file}:{attribute}", getattr(module, attribute))


def _from_entry(entry: EntryPoint) -> AnyMethod:
    from logpi.own_code import load_entry

    try:
        found = load_entry(entry)
    except LogpiError:
        raise
    except Exception as error:
        raise LogpiError(
            f"algorithm {entry.name!r}: the entry point {entry.value} of the group {GROUP} raised "
            f"{type(error).__name__}: {error}; update or remove the package that declares it"
        ) from error
    return _checked(entry.name, found)


def _checked(name: str, found: object) -> AnyMethod:
    """``found`` as the method called ``name``."""
    if not isinstance(found, Method):
        raise LogpiError(f"algorithm {name} is a {type(found).__name__}; wanted: {WANTED}")
    if found.task not in KINDS:
        raise LogpiError(f"algorithm {name} learns {found.task!r}; allowed: {', '.join(KINDS)}")
    if name in method_names():
        return found
    place = KINDS[found.task]
    check_settings(f"algorithm {name}: its settings", found.settings, place.settings)
    network = "" if found.policy else place.network
    check_settings(f"algorithm {name}: the settings of its network", found.network, network)
    both = {field.name for field in dataclasses.fields(found.settings)}
    if twice := [field.name for field in dataclasses.fields(found.network) if field.name in both]:
        raise LogpiError(f"algorithm {name}: {twice[0]} is a setting of its network too; give it another name")
    return dataclasses.replace(found, name=name)
