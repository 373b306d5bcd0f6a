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

from logpi.errors import LogpiError, inert, near
from logpi.neighbours import imported, installed_places, neighbour
from logpi.own_import import Kept as Kept
from logpi.own_import import Place, import_own, keep, refuse_other
from logpi.own_import import kept as kept
from logpi.own_import import take_over as take_over

IN_FILE = re.compile(r"(?P<path>.+\.py):(?P<name>[^:/\\]+)", re.DOTALL)  # path/file.py:name
IN_MODULE = re.compile(r"(?P<module>[A-Za-z_]\w*)(?:\.[\w.]*)?:.+", re.DOTALL)  # module:name, by its top package
SAFE, OURS = "PYTHONSAFEPATH", "logpi"  # Python's variable for processes without the working folder; its value
SHOWN = 6  # files in a message
NO_FILE = ("built-in", "frozen")  # where modules of Python itself come from

# What may be imported: absolute paths of files, such a path with ":" and an attribute, and names of top packages.
_named: set[str] = set()  # as the present command or calls of this process name it
_trusted: set[str] = set()  # as a run or an agent names it that the present call trusts; told at the import
_checked: set[str] = set()  # what this process has let be imported, as in the record: code with its content
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


def check_code(*texts: str) -> None:
    """Check now what the present call trusts of this code; with this content it stays trusted after the call."""
    for text in texts:
        with contextlib.suppress(LogpiError):  # what is not trusted is refused when it is to be imported
            require_code(text)


def require_code(*texts: str) -> None:
    """Refuse code that a file names, and that the present call does not trust, before a call in its name is made.

    Raises:
        LogpiError: it is not trusted.
    """
    for text in texts:
        if found := IN_FILE.fullmatch(text):
            _check_file(found["path"], found["name"])
        elif IN_MODULE.fullmatch(text):
            _check_module(text.rpartition(":")[0])


def named_in(settings: Mapping[str, object]) -> list[str]:
    """Texts of a run's ``config.toml`` or an agent's card that may name code."""
    found = [settings.get(name) for name in ("env", "algo", "policy")]
    wrappers = settings.get("wrappers")
    for wrapper in wrappers if isinstance(wrappers, list) else ():
        found += [wrapper.get("name")] if isinstance(wrapper, Mapping) else []
    return [value for value in found if isinstance(value, str)]


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


def load_named(name: str) -> object:
    """What ``path/file.py:attribute`` or ``module:attribute`` names.

    A module is checked even where this process has imported it: what it holds may still do anything.

    Raises:
        LogpiError: another form, no such file, module or attribute, an import that raises (chained), or code that is
            not trusted here.
    """
    if IN_FILE.fullmatch(name):
        return load_attribute(name)
    if not IN_MODULE.fullmatch(name):
        raise LogpiError(f"{name!r}: write module:NAME or path/file.py:NAME")
    module, _, attribute = name.rpartition(":")
    try:
        _check_module(module)
        found = importlib.import_module(module)
    except LogpiError:
        raise
    except Exception as error:
        raise LogpiError(
            f"{name}: importing {module} raised {type(error).__name__}: {error}. Is it installed, or in the current "
            "folder? For a file write path/file.py:NAME"
        ) from error
    if not hasattr(found, attribute):
        there = [n for n in vars(found) if not n.startswith("_")]
        raise LogpiError(f"{module} has no {attribute!r}{near(attribute, there)}")
    return getattr(found, attribute)


def import_file(path: str, attribute: str) -> ModuleType:
    """Import a Python file, for one attribute, under a name of its own; once, as long as no file that it needs changes.

    It finds the modules beside it that its text names (``logpi.neighbours``).

    Raises:
        LogpiError: no such file, it or a neighbour that it imports is not trusted here, or it raises while it is
            imported (chained).
    """
    return _import(path, _check_file(path, attribute))


def _check_file(path: str, attribute: str) -> Path:
    """The file, which may be imported from now on."""
    file = _file(path)
    if not file.is_file():
        raise LogpiError(f"no such file: {path} (looked for {file})")
    sources = imported(file)
    if file not in sources:
        raise LogpiError(f"{file} cannot be read")
    _check([f"{file}:{attribute}", str(file)], str(file), sources)
    keep(file.parent, sources)
    return file


def import_kept(path: str, attribute: str) -> ModuleType:
    """As ``import_file``, of the content that was checked, in this process or in the one that started it."""
    file = _file(path)
    return _import(path, file) if file in kept().sources else import_file(path, attribute)


def _import(path: str, file: Path) -> ModuleType:
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
    _check_module(name)
    return importlib.import_module(name)


def _check_module(name: str) -> None:
    top = name.partition(".")[0]
    spec = _spec(top)
    if spec is None or isinstance(spec.loader_state, Place):
        other = spec is not None and neighbour(Path.cwd(), top) is None
        _let_import(name, top, spec.loader_state.folder if spec and other else Path.cwd())
    elif files := _sources(name, spec):
        _check([top], f"{name}:ID", {file: text for file in files if (text := _content(file)) is not None})


def _let_import(name: str, top: str, folder: Path) -> None:
    """Check the module or package of ``folder`` that is called ``top``; nothing where there is none."""
    module = neighbour(folder, top)
    sources = {} if module is None else imported(module, folder)
    if not sources:
        refuse_other(folder, top)
        return
    _check([top], f"{name}:ID", sources)
    keep(folder, sources)


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


def _check(keys: Sequence[str], written: str, sources: Mapping[Path, bytes]) -> None:
    """Refuse code that neither this command nor an earlier one on this machine names.

    Args:
        keys: any of which may be named; the first is the one that is remembered.
        written: what ``--code`` takes.
        sources: files that would be executed, and their contents.
    """
    entry = _entry(keys[0], sources)
    if any(key in _named for key in keys):
        _remember(entry)
    elif entry in _checked or entry in _known():
        pass
    elif _everything or any(key in _trusted for key in keys):
        for file, text in sources.items():
            facts = f"{len(text):,} bytes, SHA-256 {hashlib.sha256(text).hexdigest()[:12]}…"
            print(inert(f"logpi: trusted: importing {file} ({facts}), which a run or an agent names"), file=sys.stderr)
        _remember(entry)
    else:
        raise LogpiError(
            f"the code in {_listed(list(sources))} is named by a run or an agent, not by this command, and has not "
            "been named on this machine before (or has changed since): read it, and if you trust it add --trust or "
            f"--code {written} (in Python trust=True or code=[…])"
        )
    _checked.add(entry)


def _listed(files: Sequence[object]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(files) - SHOWN} more files" if len(files) > SHOWN else ""
    return ", ".join(map(str, files[:SHOWN])) + more


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def record_path() -> Path | None:
    """The record of code that was named on this machine; ``LOGPI_STATE`` chooses another folder, None: no home."""
    if chosen := os.environ.get("LOGPI_STATE"):
        return Path(chosen) / "code.jsonl"
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # as the specification has it
        state = os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(state) / "logpi" / "code.jsonl" if os.path.isabs(state) else None


def _entry(key: str, sources: Mapping[Path, bytes]) -> str:
    """A line of the record: the code's name here, and what its files hold."""
    contents = [hashlib.sha256(text).hexdigest() for text in sources.values()]
    return json.dumps({"code": key, "files": list(map(str, sources)), "sha256": contents})


def _known() -> set[str]:
    path = record_path()
    try:
        return set() if path is None else set(path.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return set()


def _remember(entry: str) -> None:
    """Add the code to the record; on a read-only home it is not remembered."""
    path = record_path()
    if path is None or entry in _known():
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as record:
            record.write(entry + "\n")
