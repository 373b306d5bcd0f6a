"""Writing files so that a kill or a full disk at any moment loses nothing that was saved before."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import shutil
import stat
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from logpi.errors import LogpiError

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHECKPOINT = ".safetensors"
_STILL = 60.0  # seconds without a write after which a temporary file counts as left behind
MOST_TEXT = 2**26  # bytes of a text file that is read whole
Json = dict[str, Any]  # the content of a JSON or TOML file


def read_text(path: Path, most: int = MOST_TEXT) -> str:
    """The UTF-8 text of a regular file of at most ``most`` bytes: reading a pipe or a device might never end.

    Raises:
        OSError, ValueError: there is no such file, it is not a regular one, larger, or not UTF-8.
    """
    with open(path, "rb", opener=without_waiting) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is not a regular file")
        if found.st_size > most:
            raise ValueError(f"it has {found.st_size:,} bytes, more than {most:,}")
        return file.read().decode("utf-8")


def without_waiting(path: str, flags: int) -> int:
    """An ``opener`` of ``open`` that does not wait where the path is a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def not_through_links(path: str, flags: int) -> int:
    """An ``opener`` of ``open`` that fails where the path is a link, or a pipe without a reader."""
    return without_waiting(path, flags | getattr(os, "O_NOFOLLOW", 0))


def parse_json(text: str | bytes) -> Json:
    """The JSON object in ``text``.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    return _table(json.loads, text)


def parse_toml(text: str) -> Json:
    """The TOML document in ``text``; raises as ``parse_json``."""
    return _table(tomllib.loads, text)


def _table(parse: Callable[[Any], Any], text: str | bytes) -> Json:
    try:
        found = parse(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError(f"a {type(found).__name__}, not an object")
    return found


def refuse_traps(folder: Path) -> None:
    """Refuse to write into a folder with links that lead out of it, pipes or devices: what is written would go there.

    Raises:
        LogpiError: there is one; the folder itself may be reached through a link.
    """
    inside = folder.resolve()
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(place, name)
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                raise LogpiError(
                    f"{path} is a link to {os.readlink(path)}, outside of {folder}: nothing is written through it; "
                    "put a real file or folder in its place"
                )
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise LogpiError(f"{path} is a pipe, a socket or a device: nothing is written into it; remove it")


def json_text(value: object, indent: int | None = None) -> str:
    """``value`` as JSON that every program reads.

    NaN and infinities, which JSON lacks, are the strings "nan", "inf" and "-inf"; NumPy's numbers and arrays are
    numbers and lists, paths are texts.
    """
    return json.dumps(_portable(value), indent=indent, allow_nan=False)


def _portable(value: Any) -> object:
    if isinstance(value, Mapping):
        return {name: _portable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(part) for part in value]
    if hasattr(value, "tolist"):  # NumPy's and JAX's scalars and arrays
        return _portable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return str(value) if isinstance(value, Path) else value


def atomic_write(path: Path, data: bytes | Iterable[Buffer]) -> None:
    """Write a file whole or not at all: temporary file beside it, fsync, rename, fsync of the folder.

    ``data`` may come in parts, so that what is large need not be in memory twice.

    Raises:
        LogpiError: the disk refuses; the file that was there before is intact.
    """
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with open(temporary, "xb") as file:  # never through a link that lies there
            for part in [data] if isinstance(data, bytes) else data:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def temporary_name(path: Path, suffix: str = "") -> Path:
    """A hidden name beside ``path`` to write under before a rename; ``suffix`` for writers that go by the ending."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp{suffix}")


def sweep(folder: Path) -> None:
    """Remove temporary files in ``folder`` whose writers are dead: no process has their number."""
    for path in folder.glob(".*.tmp*"):
        found = re.fullmatch(r"\..+\.(\d+)\.tmp(\.\w+)?", path.name)
        with contextlib.suppress(OSError):
            if found and not _alive(int(found[1])) and time.time() - path.stat().st_mtime > _STILL:
                path.unlink()


def _alive(pid: int) -> bool:
    """Whether a process has this number; True where the system cannot be asked without harm."""
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # it is another user's, or no number of a process
    return True


class AppendFile:
    """A file that only grows, unbuffered: appended data outlives a kill of this process.

    Every method raises LogpiError where the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()

    def _open(self) -> None:
        try:
            self._file = io.FileIO(self.path, "a")
        except OSError as error:
            raise disk_error(self.path, error) from error

    def append(self, data: bytes) -> None:
        """Write all of ``data`` to the system."""
        try:
            while data:
                data = data[self._file.write(data) or 0 :]
        except OSError as error:
            raise disk_error(self.path, error) from error

    def sync(self) -> int:
        """Flush to the disk; returns the size in bytes."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise disk_error(self.path, error) from error
        return self._file.tell()

    def truncate(self, size: int) -> None:
        """Cut the file to its first ``size`` bytes."""
        try:
            self._file.truncate(size)
            self._file.seek(size)
        except OSError as error:
            raise disk_error(self.path, error) from error

    def replace(self, data: bytes) -> None:
        """Replace the whole content by ``data``, atomically."""
        self._file.close()
        atomic_write(self.path, data)
        self._open()

    def close(self) -> None:
        self._file.close()


def disk_error(path: Path, error: OSError) -> LogpiError:
    """The error for a disk that refused to write ``path``."""
    folder = next((parent for parent in path.absolute().parents if parent.is_dir()), Path(path.anchor))
    free = shutil.disk_usage(folder).free / 2**20
    good = previous_checkpoint(path)
    kept = f"the last good checkpoint {good} is intact" if good else "what was saved before is intact"
    return LogpiError(
        f"cannot write {path}: {error.strerror or error} (free space there: {free:,.0f} MiB); {kept}; "
        "free some space or correct the permissions, then `logpi resume RUN`"
    )


def all_files(folder: Path) -> Iterator[Path]:
    """All files in a folder and below it, links included but not followed."""
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        yield from (Path(parent, name) for name in names + links)


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; links count as nothing, and so does what vanishes meanwhile."""
    total = 0
    for path in all_files(folder):
        with contextlib.suppress(OSError):
            found = path.lstat()
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total


def size_text(size: float) -> str:
    """Bytes for people: 950 B, 1.23 MB, 46 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def previous_checkpoint(path: Path) -> Path | None:
    """The last checkpoint in the folder of ``path`` that comes before it by name."""
    older = [other for other in path.parent.glob(f"*{CHECKPOINT}") if other.name < path.name]
    return max(older, default=None)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def try_lock(file: BinaryIO | io.FileIO) -> bool:
    """Lock an open file exclusively without waiting; returns whether it worked (always, where there are no locks)."""
    try:
        import fcntl
    except ImportError:  # Windows: no lock
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
