"""Modules beside a file of the user's own: which of them it imports, and as what, so that no two folders mix.

``import helper`` in a file means the ``helper.py`` beside it, whatever other folder had a module of that name before.
So each file is imported under a name of its own, which changes when the file or a neighbour that it imports changes,
and its imports are looked up beside it. Modules of Python and installed packages come first: a neighbour takes no
package's place.
"""

from __future__ import annotations

import ast
import builtins
import functools
import hashlib
import importlib.util
import re
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

PREFIX = "logpi_own_"  # of names in sys.modules
OURS = "logpi"
PACKAGE = "__init__.py"
NAMED = re.compile(r"([A-Za-z_]\w*)(?:\.\w+)*(?::\w+)?")  # a text that may name a module: "helper", "helper:Env"


class Place(NamedTuple):
    """Where a module of the user's own lies."""

    file: Path
    folder: Path  # in which its imports are looked up first


_places: dict[str, Place] = {}  # name in sys.modules -> where


def installed_places() -> list[str]:
    """Folders of installed packages."""
    return [*map(sysconfig.get_path, ("purelib", "platlib")), *site.getsitepackages(), site.getusersitepackages()]


def neighbour(folder: Path, top: str) -> Path | None:
    """The file in ``folder`` that ``import top`` means there; None where it means another module."""
    if top in sys.stdlib_module_names or top == OURS:
        return None
    files = (folder / top / PACKAGE, folder / f"{top}.py")
    return next((file for file in files if file.is_file() and not _is_package(top)), None)


def imported(file: Path, folder: Path | None = None) -> list[Path]:
    """``file`` and the neighbours that it imports, directly or through one another; of packages all files.

    What the text of a file does not name, such as a module whose name it computes, is not found.

    Args:
        file: a Python file.
        folder: in which its imports are looked up; its own by default.
    """
    found: dict[Path, None] = {}

    def add(file: Path, folder: Path) -> None:
        if file in found:
            return
        found[file] = None
        for top in _named_in(file):
            beside = neighbour(folder, top)
            for each in () if beside is None else sorted(beside.parent.rglob("*.py")) if _heads(beside) else [beside]:
                add(each, folder)

    for each in sorted(file.parent.rglob("*.py")) if folder and _heads(file) else [file]:
        add(each, folder or file.parent)
    return list(found)


def import_own(file: Path) -> ModuleType:
    """The module of a file; a new one where the file or what it imports of its folder has changed.

    Raises:
        Exception, SystemExit: what its import raises.
    """
    return importlib.import_module(_register(file, file.parent))


def _register(file: Path, folder: Path) -> str:
    """The name under which a file is imported."""
    parts = [f"{each}\0{each.stat().st_mtime_ns}" for each in imported(file, folder)]
    name = PREFIX + hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]
    _places[name] = Place(file, folder)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    return name


def _heads(file: Path) -> bool:
    """Whether ``file`` is the first of a package."""
    return file.name == PACKAGE


@functools.cache
def _is_package(top: str) -> bool:
    """Whether a package that is installed has this name."""
    found = PathFinder.find_spec(top, installed_places())
    return found is not None and found.loader is not None


def _named_in(file: Path) -> list[str]:
    """Top names of the modules that a file imports, or that its texts may name; [] where it cannot be read."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return list(dict.fromkeys(name.partition(".")[0] for node in ast.walk(tree) for name in _names(node)))


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module
        case ast.Constant(value=str(text)) if found := NAMED.fullmatch(text):
            yield found[1]


class _Loader(SourceFileLoader):
    """Runs a module's code with imports that are looked up in its folder first."""

    def __init__(self, name: str, place: Place) -> None:
        super().__init__(name, str(place.file))
        self.folder = place.folder

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _importing(self.folder)}
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds the modules of ``_places``, and those within their packages."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if (place := _places.get(fullname)) is not None:
            return importlib.util.spec_from_file_location(fullname, place.file, loader=_Loader(fullname, place))
        top = _places.get(fullname.partition(".")[0])
        spec = None if top is None or path is None else PathFinder.find_spec(fullname, path, target)
        if top is not None and spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, Place(Path(spec.loader.path), top.folder))
        return spec


_FINDER = _Finder()


def _importing(folder: Path) -> Callable[..., Any]:
    """``__import__`` for code in ``folder``."""

    def found(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        top, dot, rest = name.partition(".")
        file = None if level else neighbour(folder, top)
        if file is not None and not _is_loaded(top, file):
            name = _register(file, folder) + dot + rest
        return builtins.__import__(name, globals, locals, fromlist, level)

    return found


def _is_loaded(top: str, file: Path) -> bool:
    """Whether the program itself has imported this very file, by its plain name."""
    place = getattr(sys.modules.get(top), "__file__", None)
    return isinstance(place, str) and Path(place).resolve() == file
