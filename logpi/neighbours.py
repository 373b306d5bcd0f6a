"""Modules beside a file of the user's own: which of them it imports.

``import helper`` in a file means the ``helper.py`` beside it, whatever other folder has a module of that name. Modules
of Python and installed packages come first: a neighbour takes no package's place.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import os
import re
import site
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

OURS = "logpi"
EDITABLE = "__editable__"  # what the modules of setuptools that find packages of ``pip install -e`` begin with
PACKAGE = "__init__.py"
NAMED = re.compile(r"([A-Za-z_]\w*)(?:\.\w+)*(?::\w+)?")  # a text that may name a module: "helper", "helper:Env"


class View(NamedTuple):
    """Where files are looked up."""

    read: Callable[[Path], bytes | None]  # None: no such file, or it cannot be read
    is_folder: Callable[[Path], bool]
    within: Callable[[Path], list[Path]]  # the Python files of a folder and of those in it


def installed_places() -> list[str]:
    """Folders of installed packages."""
    return [*map(sysconfig.get_path, ("purelib", "platlib")), *site.getsitepackages(), site.getusersitepackages()]


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes() if file.is_file() else None  # a pipe is not waited for
    except OSError:
        return None


def _within(folder: Path) -> list[Path]:
    """Python files that ``import`` finds in a folder: through links too, but not in circles."""
    found: list[Path] = []
    seen: set[str] = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = sorted(name for name in folders if name.isidentifier() and name != "__pycache__")
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [Path(here, name) for name in sorted(files) if name.endswith(".py")]
    return found


DISK = View(_read, Path.is_dir, _within)


def neighbour(folder: Path, top: str, view: View = DISK) -> Path | None:
    """What ``import top`` means in ``folder``: a file, or the folder of a package without ``__init__.py``.

    None where it means another module.
    """
    if top in sys.stdlib_module_names or top == OURS:
        return None
    found = module_at(folder, top, view)
    return None if found is None or _is_package(top, folder) else found


def module_at(folder: Path, name: str, view: View) -> Path | None:
    """The module called ``name`` in ``folder``, in Python's order."""
    for file in (folder / name / PACKAGE, folder / f"{name}.py"):
        if view.read(file) is not None:
            return file
    return folder / name if view.is_folder(folder / name) else None


def imported(file: Path, folder: Path | None = None, view: View = DISK) -> dict[Path, bytes]:
    """``file`` and the neighbours that it imports, directly or through one another, with their contents.

    Of packages it has all files. What the text of a file does not name, such as a module whose name it computes, is
    not found.

    Args:
        file: a Python file, or the folder of a package without ``__init__.py``.
        folder: in which its imports are looked up; its own by default.
        view: where files are looked up.
    """
    found: dict[Path, bytes] = {}
    todo = deque([file] if folder is None else _files(file, view))
    while todo:
        each = todo.popleft()
        if each in found or (text := view.read(each)) is None:
            continue
        found[each] = text
        for top, sure in _named_in(text).items():
            beside = neighbour(folder or file.parent, top, view)
            if beside is not None and (sure or not view.is_folder(beside)):
                todo.extend(_files(beside, view))
    return found


def _files(module: Path, view: View) -> list[Path]:
    """All files of a module or package."""
    if module.name == PACKAGE:
        return view.within(module.parent)
    return [module] if view.read(module) is not None else view.within(module)


@functools.cache
def _is_package(top: str, folder: Path) -> bool:
    """Whether a package that is installed has this name, or a module on ``PYTHONPATH`` other than in ``folder``."""
    places = [place for place in _declared_places() if os.path.realpath(place) != str(folder)]
    editable = [each for each in sys.meta_path if str(getattr(each, "__module__", "")).startswith(EDITABLE)]
    specs = (
        PathFinder.find_spec(top, [*installed_places(), *places]),
        *(each.find_spec(top, None) for each in editable),
    )
    return any(found is not None and found.loader is not None for found in specs)


def _declared_places() -> list[str]:
    """Further folders whose modules count as installed: of ``.pth`` files and ``PYTHONPATH``."""
    lines = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    for file in (file for place in installed_places() for file in Path(place).glob("*.pth")):
        with contextlib.suppress(OSError, ValueError):
            lines += [os.path.join(file.parent, line.strip()) for line in file.read_text().splitlines() if line.strip()]
    named = {os.path.realpath(line) for line in lines if "\0" not in line}
    return [place for place in sys.path if place and os.path.realpath(place) in named]


@functools.lru_cache(maxsize=512)
def _named_in(text: bytes) -> dict[str, bool]:
    """Top names of the modules that a file imports, or that its texts may name; none where it cannot be parsed.

    Of each: whether it may be a folder of modules, which a mere word such as "data" is not taken for.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[str, bool] = {}
    for name, sure in (each for node in ast.walk(tree) for each in _names(node)):
        top = name.partition(".")[0]
        found[top] = found.get(top, False) or sure
    return found


def _names(node: ast.AST) -> Iterator[tuple[str, bool]]:
    match node:
        case ast.Import(names=names):
            yield from ((alias.name, True) for alias in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module, True
        case ast.Constant(value=str(text)) if found := NAMED.fullmatch(text):
            yield found[1], "." in text
