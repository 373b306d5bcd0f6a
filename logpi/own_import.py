"""The import of files of the user's own: of the text that was checked, and so that no two folders mix.

What runs is the very text that ``keep`` was given: no bytecode that lies beside it, no file that has changed since, and
none that was not checked. Each file is imported under a name of its own, which changes when the file or a neighbour
that it imports changes, and its imports are looked up beside it.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from logpi.neighbours import View, imported, module_at, neighbour

PREFIX = "logpi_own_"  # of names in sys.modules
ONLY = "only Python source that was checked is imported beside a file of one's own"


class Place(NamedTuple):
    """Where a module of the user's own lies."""

    file: Path  # or the folder of a package without ``__init__.py``
    folder: Path  # in which its imports are looked up first


class Kept(NamedTuple):
    """What may be imported here, as another process takes it over."""

    sources: dict[Path, bytes]  # of each file: its content when it was checked
    folders: dict[Path, None]  # whose modules are found by their plain names too, behind all others
    places: dict[str, Place]  # by name in sys.modules


_kept = Kept({}, {}, {})


def keep(folder: Path, sources: Mapping[Path, bytes]) -> None:
    """Let these files be imported by what lies in ``folder``, with these contents."""
    take_over(Kept(dict(sources), {folder: None}, {}))


def kept() -> Kept:
    """All that may be imported here."""
    return Kept(_kept.sources.copy(), _kept.folders.copy(), _kept.places.copy())


def take_over(given: Kept) -> None:
    """Let be imported here what another process, or ``keep``, allows."""
    _kept.sources.update(given.sources)
    for folder in given.folders:  # the last one is asked first
        _kept.folders.pop(folder, None)
        _kept.folders[folder] = None
    _kept.places.update(given.places)
    if _FIRST not in sys.meta_path:
        sys.meta_path.insert(0, _FIRST)
    if _LAST not in sys.meta_path:
        sys.meta_path.append(_LAST)


def _is_kept_folder(folder: Path) -> bool:
    return any(folder in file.parents for file in _kept.sources)


def _kept_within(folder: Path) -> list[Path]:
    return [file for file in _kept.sources if folder in file.parents]


KEPT = View(_kept.sources.get, _is_kept_folder, _kept_within)


def import_own(file: Path) -> ModuleType:
    """The module of a file that is kept; a new one where the file or what it imports of its folder has changed.

    Raises:
        Exception, SystemExit: what its import raises.
    """
    return importlib.import_module(_register(file, file.parent))


def _register(file: Path, folder: Path) -> str:
    """The name under which a module of ``folder`` is imported."""
    digest = hashlib.sha256()
    for each, text in imported(file, folder, KEPT).items():
        digest.update(f"{each}\0{hashlib.sha256(text).hexdigest()}\0".encode(errors="surrogateescape"))
    name = PREFIX + digest.hexdigest()[:16]
    _kept.places[name] = Place(file, folder)
    return name


class _Loader(SourceFileLoader):
    """Runs the text that was checked, never bytecode, with imports that are looked up in its folder first."""

    def __init__(self, name: str, place: Place) -> None:
        super().__init__(name, str(place.file))
        self.place = place

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(_kept.sources[self.place.file], self.path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _importing(self.place.folder)}
        super().exec_module(module)


class _First(MetaPathFinder):
    """Finds the modules of ``Kept.places``, and those within packages of one's own."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if (place := _kept.places.get(fullname)) is not None:
            return _spec(fullname, place)
        top, _, name = fullname.partition(".")
        own = getattr(getattr(sys.modules.get(top), "__spec__", None), "loader_state", None)
        if path is None or not isinstance(own, Place):
            return None
        for folder in map(Path, path):
            if (file := module_at(folder, name.rpartition(".")[2], KEPT)) is not None:
                return _spec(fullname, Place(file, own.folder))
        _refuse(fullname, path)
        return None


class _Last(MetaPathFinder):
    """Finds kept modules by their plain names, where nothing else has that name: an entry point names them so."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        for folder in reversed(_kept.folders) if path is None else ():
            if (file := neighbour(folder, fullname, KEPT)) is not None:
                return _spec(fullname, Place(file, folder))
        return None


_FIRST, _LAST = _First(), _Last()


def _spec(name: str, place: Place) -> ModuleSpec:
    """How to import what lies there; its ``loader_state`` tells it from other modules."""
    if place.file in _kept.sources:
        found = importlib.util.spec_from_file_location(name, place.file, loader=_Loader(name, place))
        assert found is not None, "there is a loader"
    else:
        found = ModuleSpec(name, None, is_package=True)
        found.submodule_search_locations = [str(place.file)]
    found.loader_state = place
    return found


def _refuse(name: str, path: Sequence[str]) -> None:
    """Refuse what lies there but was not checked: bytecode and compiled modules, and what no text names.

    Raises:
        ImportError: there is such a module.
    """
    found = PathFinder.find_spec(name, path)
    if found is not None and found.loader is not None:
        raise ImportError(f"{ONLY}, and {found.origin} is not", name=name)


def refuse_other(folder: Path, top: str) -> None:
    """As ``_refuse``, of a top module in ``folder``."""
    _refuse(top, [str(folder)])


def _importing(folder: Path) -> Callable[..., Any]:
    """``__import__`` for code in ``folder``."""

    def found(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        top, dot, rest = name.partition(".")
        file = None if level else neighbour(folder, top, KEPT)
        if file is not None and not _is_loaded(top, file):
            name = _register(file, folder) + dot + rest
        try:
            return builtins.__import__(name, globals, locals, fromlist, level)
        except ModuleNotFoundError as error:
            if not level and error.name == top:
                refuse_other(folder, top)
            raise

    return found


def _is_loaded(top: str, file: Path) -> bool:
    """Whether the program itself has imported this very file, by its plain name."""
    place = getattr(sys.modules.get(top), "__file__", None)
    return isinstance(place, str) and Path(place).resolve() == file.resolve()
