"""What is done to runs from outside of their training. Importing this module does not import JAX."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import tarfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from logpi.errors import LogpiError
from logpi.runs.checkpoint import is_whole
from logpi.runs.create import toml_text
from logpi.runs.files import (
    Json,
    all_files,
    atomic_write,
    disk_error,
    json_text,
    parse_json,
    read_text,
    size_of,
    temporary_name,
)
from logpi.runs.folder import MANIFEST, RunFolder
from logpi.runs.lookup import open_run

ARCHIVES = (".tar.gz", ".zip")
_SETTLED = 0.05  # seconds after which a process that has just taken the lock has written its number into it


def outcome_so_far(run: RunFolder) -> Json:
    """The time now, and the mean scores of each seed's final evaluation where the run has finished."""
    found: Json = {"date": datetime.now().astimezone().isoformat(timespec="seconds")}
    with contextlib.suppress(OSError, ValueError, KeyError):
        result = parse_json(read_text(run.result_file))
        found["mean_reward"] = result["mean_reward"]
    return found


def reopen(run: RunFolder, config: Mapping[str, object], length: Mapping[str, object], command: Sequence[str]) -> None:
    """Let a run go on with another ``config``; hold its lock.

    Only after the config is written does the run stop being finished: a kill in between loses nothing.

    Args:
        run: the run.
        config: what ``config.toml`` holds from now on.
        length: what ``manifest.json`` says of the length (``logpi.tasks.Length``).
        command: that asked for it; ``command.txt`` gets a line.

    Raises:
        LogpiError: the disk refuses.
    """
    commands = run.command_file
    known = commands.read_text(encoding="utf-8", errors="surrogateescape") if commands.exists() else ""
    manifest = json_text(run.manifest | {"length": dict(length)}, indent=2) + "\n"
    atomic_write(run.config_file, toml_text(config).encode())
    atomic_write(run.manifest_file, manifest.encode())
    atomic_write(commands, (known + shlex.join(command) + "\n").encode("utf-8", errors="surrogateescape"))
    run.result_file.unlink(missing_ok=True)


class Stopped(NamedTuple):
    """What became of a run that was asked to stop."""

    path: Path
    asked: int | None  # number of the process that was asked; None where none was running
    status: str  # as ``RunFolder.status``, or "gone": it ended before its first checkpoint, and its folder with it


def stop(run: str | Path, root: str | Path = "runs", timeout: float = 60.0) -> Stopped:
    """Ask the process that trains a run on this machine to save and end (SIGTERM), and wait until it has.

    Args:
        run: its folder, or its name in ``root``.
        root: folder in which runs are looked for by name.
        timeout: seconds to wait.

    Raises:
        LogpiError: no such run, it is trained on another machine, by another user or in a thread, or it has not ended
            in time.
    """
    folder = open_run(run, root)
    if folder.status != "running":
        return Stopped(folder.path, None, folder.status)
    pid = _holder(folder)
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has ended by itself
    except PermissionError as error:
        raise LogpiError(f"{folder.path} is trained by process {pid} of another user; only they can stop it") from error
    give_up = time.monotonic() + timeout
    while folder.status == "running":
        if time.monotonic() > give_up:
            raise LogpiError(
                f"process {pid} was asked to end and still trains {folder.path} after {timeout:g} s; wait, or run "
                "`logpi stop` again: a second request ends it at once, and what came after its last checkpoint is lost"
            )
        time.sleep(0.05)
    return Stopped(folder.path, pid, folder.status if folder.path.exists() else "gone")


def _holder(run: RunFolder) -> int:
    """Number of the process that trains ``run``.

    Raises:
        LogpiError: it is on another machine, does not answer to signals, or has not said who it is.
    """
    time.sleep(_SETTLED)
    try:
        holder = parse_json(read_text(run.lock_file))
        pid, host, answers = int(holder["pid"]), str(holder["host"]), bool(holder["stops_on_signal"])
        if pid < 2:
            raise ValueError(f"process {pid}")  # 0 and below are groups of processes
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogpiError(f"{run.path} is being trained; its lock does not say by whom: stop it there") from error
    if host != socket.gethostname():
        raise LogpiError(f"{run.path} is trained on {host}, by process {pid}: stop it there")
    if not answers:
        raise LogpiError(f"{run.path} is trained in a thread of process {pid}: stop it there")
    return pid


@contextlib.contextmanager
def _at_rest(run: RunFolder, links: bool = False) -> Iterator[Path]:
    """Hold the lock of ``run``, a real run folder that nothing writes; errors of the disk become LogpiErrors.

    Raises:
        LogpiError: it is running, a link, or no run folder.
    """
    path = run.path
    if path.is_symlink():
        raise LogpiError(f"{path} is a link; name the folder that it points to, {path.resolve()}")
    if not {"algo", "env", "seeds"} <= run.manifest.keys() or not run.config_file.is_file():
        raise LogpiError(
            f"{path} is not a run folder: its manifest.json is of something else, or config.toml is missing"
        )
    if any(file.name == MANIFEST and file.parent != path for file in all_files(path)):
        raise LogpiError(f"{path} holds other runs, which no run does; name one run")
    with run.lock(links):
        try:
            yield path
        except OSError as error:
            raise disk_error(path, error) from error


def delete(run: RunFolder) -> int:
    """Remove a run's folder with all that is in it, and the folder of its method if that is empty then.

    Links in it are removed, not followed.

    Returns:
        The bytes that were freed.

    Raises:
        LogpiError: it is running, a link, no run folder, or the disk refuses.
    """
    freed = size_of(run.path)
    with _at_rest(run, links=True):
        run.discard()
    return freed


def prune(run: RunFolder, keep: int = 1) -> int:
    """Remove all but the ``keep`` newest whole checkpoints; agents, metrics and pictures stay.

    The folder of a run that was killed before anything was saved goes altogether.

    Returns:
        The bytes that were freed.

    Raises:
        LogpiError: it is running, a link, no run folder, or the disk refuses.
    """
    freed = 0
    with _at_rest(run):
        saved = run.saved()
        if not saved and not any(path.exists() for path in (run.best, run.last, run.result_file)):
            freed = size_of(run.path)
            run.discard()
        whole = [number for number in sorted(saved) if is_whole(saved[number])]
        for number in saved.keys() - set(whole[max(0, len(whole) - keep) :]):
            freed += saved[number].stat().st_size
            saved[number].unlink()
    return freed


class Archived(NamedTuple):
    """An archive that was written."""

    path: Path
    bytes: int
    left_out: list[str]  # links, which are not followed


def archive(run: RunFolder, out: str | Path | None = None) -> Archived:
    """Write a run into one file, ``.tar.gz`` or ``.zip``, under the name of its folder.

    Args:
        run: the run; it stays as it is.
        out: the file; ``<algo>-<folder>.tar.gz`` in the working folder by default.

    Raises:
        LogpiError: it is running, a link or no run folder, ``out`` has another ending or is taken, or the disk refuses.
    """
    out = Path(f"{run.path.resolve().parent.name}-{run.path.name}.tar.gz") if out is None else Path(out)
    if not out.name.endswith(ARCHIVES):
        raise LogpiError(f"{out} is not the name of an archive; allowed endings: {', '.join(ARCHIVES)}")
    if out.exists():
        raise LogpiError(f"{out} exists already; give another name with --out")
    temporary = temporary_name(out)
    with _at_rest(run, links=True) as path:
        paths = sorted(found for found in all_files(path) if found != run.lock_file)
        links = [str(found.relative_to(path)) for found in paths if found.is_symlink()]
        files = [found for found in paths if found.is_file() and not found.is_symlink()]
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            _pack(path, files, temporary, out.name.endswith(".zip"))
            os.replace(temporary, out)
        except OSError as error:
            raise disk_error(out, error) from error
        finally:
            temporary.unlink(missing_ok=True)
    return Archived(out, out.stat().st_size, links)


def _pack(root: Path, files: Sequence[Path], out: Path, as_zip: bool) -> None:
    """Write ``files`` below ``root`` into ``out``, without names and numbers of users."""

    def anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        return info

    if as_zip:
        with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED, strict_timestamps=False) as packed:
            for file in files:
                packed.write(file, file.relative_to(root.parent))
        return
    with tarfile.open(out, "x:gz") as tar:
        for file in files:
            tar.add(file, str(file.relative_to(root.parent)), recursive=False, filter=anonymous)
