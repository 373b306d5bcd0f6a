"""Python code of the user's own: environments, methods, networks and games in files or modules outside of logpi.

A run folder or an agent may come from a stranger, and it names such code. So code is imported only if the present
command (or call) names it, or if an earlier one on this machine named it and its content is still the same: a record
outside of every run folder says so, by content hash.
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
from pathlib import Path
from types import ModuleType

from logpi.errors import LogpiError

IN_FILE = re.compile(r"(?P<path>.+\.py):(?P<name>[^:/\\]+)", re.DOTALL)  # path/file.py:name
IN_MODULE = re.compile(r"(?P<module>[A-Za-z_][\w.]*):.+")  # module:name
_named: set[str] = set()  # absolute paths of files, and names of top packages


def absolute(name: str) -> str:
    """``path/file.py:name`` with the file's absolute path, as runs store it; any other name as it is."""
    found = IN_FILE.fullmatch(name)
    return f"{Path(found['path']).expanduser().resolve()}:{found['name']}" if found else name


def name_code(*texts: str) -> None:
    """Note that the present command names this code: ``path/file.py``, ``path/file.py:name`` or ``module:name``."""
    for text in texts:
        if (found := IN_FILE.fullmatch(text)) or text.endswith(".py"):
            _named.add(str(Path(found["path"] if found else text).expanduser().resolve()))
        elif found := IN_MODULE.fullmatch(text):
            _named.add(found["module"].partition(".")[0])


def load_attribute(name: str) -> object:
    """What ``path/file.py:attribute`` names.

    Raises:
        LogpiError: another form, no such file or attribute, or as ``import_file``.
    """
    found = IN_FILE.fullmatch(name)
    if found is None:
        raise LogpiError(f"{name!r}: write path/file.py:NAME")
    module = import_file(found["path"])
    if not hasattr(module, found["name"]):
        there = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__]
        raise LogpiError(
            f"{found['path']} has no {found['name']!r}; it has: {', '.join(there) or 'nothing of its own'}"
        )
    return getattr(module, found["name"])


def import_file(path: str) -> ModuleType:
    """Import a Python file under a name of its own; once, as long as the file does not change.

    Its folder is put at the end of ``sys.path``, so that it finds its neighbours.

    Raises:
        LogpiError: no such file, nobody has named it here, or it raises while it is imported (chained).
    """
    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise LogpiError(f"no such file: {path} (looked for {file})")
    _check(str(file), str(file), file)
    key = hashlib.sha256(f"{file}\0{file.stat().st_mtime_ns}".encode()).hexdigest()[:16]
    name = f"logpi_own_{key}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise LogpiError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look here while the file is being executed
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise LogpiError(f"importing {path} raised {type(error).__name__}: {error}") from error
    return module


def import_module(name: str) -> ModuleType:
    """Import the module called ``name``, which may lie in the working folder.

    The top package decides: to find a module inside it, Python already runs the package.

    Raises:
        LogpiError: nobody has named it here.
        Exception: whatever the import raises.
    """
    top = name.partition(".")[0]
    if name not in sys.modules:
        spec = importlib.util.find_spec(top)
        if spec is not None and spec.origin and Path(spec.origin).is_file():
            _check(top, f"{name}:ID", Path(spec.origin))
    return importlib.import_module(name)


def _check(key: str, written: str, file: Path) -> None:
    """Refuse code that neither this command nor an earlier one on this machine names."""
    if key in _named:
        _remember(file)
    elif _entry(file) not in _known():
        raise LogpiError(
            f"the code in {file} is named by a run or an agent, not by this command, and has not been named on this "
            f"machine before (or has changed since): read it, and if you trust it add --code {written}"
        )


def record_path() -> Path:
    """The record of code that was named on this machine (``LOGPI_STATE`` chooses another folder)."""
    if chosen := os.environ.get("LOGPI_STATE"):
        return Path(chosen) / "code.jsonl"
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(state) / "logpi" / "code.jsonl"


def _entry(file: Path) -> str:
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    return json.dumps({"path": str(file), "sha256": content})


def _known() -> set[str]:
    try:
        return set(record_path().read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return set()


def _remember(file: Path) -> None:
    """Add ``file`` to the record; on a read-only home it is not remembered."""
    with contextlib.suppress(OSError):
        entry = _entry(file)
        if entry not in _known():
            record_path().parent.mkdir(parents=True, exist_ok=True)
            with open(record_path(), "a", encoding="utf-8") as record:
                record.write(entry + "\n")
