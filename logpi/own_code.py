"""Python code of the user's own: environments, methods, networks and games in files or modules outside of logpi.

A run folder or an agent may come from a stranger, and it names such code. So code is imported only if the present
command (or call) names it, if it trusts whatever a run or agent names, or if an earlier command on this machine named
it and its content is still the same: a record outside of every run folder says so, by content hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

from logpi.errors import LogpiError, inert
from logpi.neighbours import import_own, imported, installed_places

IN_FILE = re.compile(r"(?P<path>.+\.py):(?P<name>[^:/\\]+)", re.DOTALL)  # path/file.py:name
IN_MODULE = re.compile(r"(?P<module>[A-Za-z_]\w*)(?:\.[\w.]*)?:.+", re.DOTALL)  # module:name, by its top package
SAFE, OURS = "PYTHONSAFEPATH", "logpi"  # Python's variable for processes without the working folder; its value
SHOWN = 6  # files in a message
NO_FILE = ("built-in", "frozen")  # where modules of Python itself come from

# What may be imported: absolute paths of files, such a path with ":" and an attribute, and names of top packages.
_named: set[str] = set()  # as the present command or calls of this process name it
_trusted: set[str] = set()  # as a run or an agent names it that the present call trusts; told at the import
_everything = False  # whether the present command trusts all that a run or an agent names


def absolute(name: str) -> str:
    """``path/file.py:name`` with the file's absolute path, as runs store it; any other name as it is."""
    found = IN_FILE.fullmatch(name)
    return f"{_file(found['path'])}:{found['name']}" if found else name


def name_code(*texts: str) -> None:
    """Note that the present command names this code: ``path/file.py``, ``path/file.py:name`` or ``module:name``."""
    _named.update(key for text in texts if (key := _key(text)))


def trust_code(*texts: str) -> None:
    """Let this code, which a run or an agent names, be imported too; the file is shown when it is."""
    _trusted.update(key for text in texts if (key := _key(text)))


def named_in(settings: Mapping[str, object]) -> list[str]:
    """Texts of a run's ``config.toml`` or an agent's card that may name code."""
    return [value for name in ("env", "algo", "policy") if isinstance(value := settings.get(name), str)]


@contextlib.contextmanager
def command(code: Sequence[str] = (), trust: bool = False) -> Iterator[None]:
    """One command: within it ``code`` is named and, where ``trust``, so is all that a run or an agent names."""
    global _everything
    before = _named.copy(), _trusted.copy(), _everything
    name_code(*code)
    _everything = _everything or trust
    try:
        yield
    finally:
        for kept, old in ((_named, before[0]), (_trusted, before[1])):
            kept.clear()
            kept.update(old)
        _everything = before[2]


def _file(path: str) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, no home, a NUL character
        raise LogpiError(f"{path!r} is not the path of a file: {error}") from error


def _key(text: str) -> str:
    """What stands for ``text`` in ``_named``; "" where it names no code."""
    if found := IN_FILE.fullmatch(text):
        return f"{_file(found['path'])}:{found['name']}"
    if text.endswith(".py"):
        return str(_file(text))
    found = IN_MODULE.fullmatch(text)
    return found["module"] if found else ""


def load_attribute(name: str) -> object:
    """What ``path/file.py:attribute`` names.

    Raises:
        LogpiError: another form, no such file or attribute, or as ``import_file``.
    """
    found = IN_FILE.fullmatch(name)
    if found is None:
        raise LogpiError(f"{name!r}: write path/file.py:NAME")
    module = import_file(found["path"], found["name"])
    if not hasattr(module, found["name"]):
        there = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__]
        raise LogpiError(
            f"{found['path']} has no {found['name']!r}; it has: {', '.join(there) or 'nothing of its own'}"
        )
    return getattr(module, found["name"])


def import_file(path: str, attribute: str) -> ModuleType:
    """Import a Python file, for one attribute, under a name of its own; once, as long as no file that it needs changes.

    It finds the modules beside it (``logpi.neighbours``), and so does what it starts: its folder is put at the end of
    ``sys.path``.

    Raises:
        LogpiError: no such file, it or a neighbour that it imports is not trusted here, or it raises while it is
            imported (chained).
    """
    file = _file(path)
    if not file.is_file():
        raise LogpiError(f"no such file: {path} (looked for {file})")
    _check([f"{file}:{attribute}", str(file)], str(file), imported(file))
    _find_in(file.parent)
    try:
        return import_own(file)
    except LogpiError as error:
        raise LogpiError(f"importing {path}: {error}") from error
    except (Exception, SystemExit) as error:
        raise LogpiError(f"importing {path} raised {type(error).__name__}: {error}") from error


def import_module(name: str) -> ModuleType:
    """Import the module called ``name``, which may lie in the working folder if there is no other of that name.

    Raises:
        LogpiError: it is not trusted here.
        Exception: whatever the import raises.
    """
    if name in sys.modules:
        return sys.modules[name]
    top = name.partition(".")[0]
    spec, folder = _spec(top), None
    if spec is None:
        folder = Path.cwd()
        spec = PathFinder.find_spec(top, [str(folder)])
    files = [] if spec is None else _sources(name, spec)
    if folder is not None:
        files = list(dict.fromkeys(each for file in files for each in imported(file, folder)))
    if files:
        _check([top], f"{name}:ID", files)
        if folder is not None:
            _find_in(folder)
    return importlib.import_module(name)


def load_entry(entry: EntryPoint) -> object:
    """What an entry point names. One that is declared outside of Python's folders of packages is not installed code.

    Raises:
        LogpiError: it is not installed, and it is not trusted here.
        Exception: whatever the import raises.
    """
    if entry.dist is None or _is_installed(Path(str(entry.dist.locate_file("")))):
        return entry.load()
    found: object = import_module(entry.module)
    for part in filter(None, (entry.attr or "").split(".")):
        found = getattr(found, part)
    return found


@contextlib.contextmanager
def safe_children() -> Iterator[None]:
    """Python processes started within do not look for modules in the working folder before they are told where to."""
    if os.environ.get(SAFE):
        yield
        return
    os.environ[SAFE] = OURS
    try:
        yield
    finally:
        as_usual()


def as_usual() -> None:
    """Let the processes that this one starts look for modules where they usually do."""
    if os.environ.get(SAFE) == OURS:
        del os.environ[SAFE]


def _find_in(folder: Path) -> None:
    """Let modules be found in ``folder`` too, behind all others: a file there takes no package's place."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def _is_installed(folder: Path) -> bool:
    return folder.resolve() in {Path(place).resolve() for place in installed_places()}


def _spec(top: str) -> ModuleSpec | None:
    """Where the import of a top package or module would find it."""
    try:
        return importlib.util.find_spec(top)
    except ValueError:  # a module that is there already, without a spec
        return None


def _sources(name: str, spec: ModuleSpec) -> list[Path]:
    """Files that the import of ``name`` executes first: of its packages, from the top, and its own."""
    files: list[Path] = []
    found: ModuleSpec | None = spec
    parts = name.split(".")
    for k in range(1, len(parts) + 1):
        if k > 1:
            places = found.submodule_search_locations if found else None
            found = PathFinder.find_spec(".".join(parts[:k]), list(places)) if places else None
        if found is None:
            break
        if found.origin and found.origin not in NO_FILE:
            files.append(Path(found.origin))
    return files


def _check(keys: Sequence[str], written: str, files: Sequence[Path]) -> None:
    """Refuse code that neither this command nor an earlier one on this machine names.

    Args:
        keys: any of which may be named; the first is the one that is remembered.
        written: what ``--code`` takes.
        files: that would be executed.
    """
    if any(key in _named for key in keys):
        _remember(keys[0], files)
    elif (entry := _entry(keys[0], files)) and entry in _known():
        pass
    elif _everything or any(key in _trusted for key in keys):
        shown = _listed([f"{file} ({_facts(file)})" for file in files])
        print(inert(f"logpi: trusted: importing {shown}, which a run or an agent names"), file=sys.stderr)
        _remember(keys[0], files)
    else:
        raise LogpiError(
            f"the code in {_listed(files)} is named by a run or an agent, not by this command, and has not "
            "been named on this machine before (or has changed since): read it, and if you trust it add --trust or "
            f"--code {written} (in Python trust=True or code=[…])"
        )


def _listed(files: Sequence[object]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(files) - SHOWN} more files" if len(files) > SHOWN else ""
    return ", ".join(map(str, files[:SHOWN])) + more


def _facts(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        return str(error.strerror)
    return f"{len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:12]}…"


def record_path() -> Path | None:
    """The record of code that was named on this machine; ``LOGPI_STATE`` chooses another folder, None: no home."""
    if chosen := os.environ.get("LOGPI_STATE"):
        return Path(chosen) / "code.jsonl"
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # as the specification has it
        state = os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(state) / "logpi" / "code.jsonl" if os.path.isabs(state) else None


def _entry(key: str, files: Sequence[Path]) -> str:
    """A line of the record: the code's name here, and what its files hold; "" where one cannot be read."""
    try:
        contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    except OSError:
        return ""
    return json.dumps({"code": key, "files": list(map(str, files)), "sha256": contents})


def _known() -> set[str]:
    path = record_path()
    try:
        return set() if path is None else set(path.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return set()


def _remember(key: str, files: Sequence[Path]) -> None:
    """Add the code to the record; on a read-only home it is not remembered."""
    path, entry = record_path(), _entry(key, files)
    if path is None or not entry or entry in _known():
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as record:
            record.write(entry + "\n")
