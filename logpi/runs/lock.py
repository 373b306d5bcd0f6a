"""A folder that one process at a time writes into."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from logpi.errors import LogpiError
from logpi.runs.files import disk_error, not_through_links, try_lock


@contextlib.contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold ``folder``, which is made if need be, for writing.

    Args:
        folder: of ``what``.
        what: it holds, as a message says it: "comparison".

    Raises:
        LogpiError: another process works on it, something else is in its place, or the disk refuses.
    """
    if folder.exists() and not folder.is_dir():
        raise LogpiError(f"{folder} is a file, and the {what} is written into a folder: choose another one with --out")
    before: list[str] | None = None  # what was there; None: no folder
    try:
        before = [path.name for path in folder.iterdir()] if folder.exists() else None
        folder.mkdir(parents=True, exist_ok=True)
        file = io.FileIO(folder / "lock", "a", opener=not_through_links)
    except OSError as error:
        raise disk_error(folder / "lock", error) from error
    with file:
        if not try_lock(file):
            raise LogpiError(f"another process works on the {what} in {folder}; wait until it ends, or stop it")
        try:
            yield
        except BaseException:
            after = sorted(path.name for path in folder.iterdir())
            if after == sorted([*(before or []), "lock"]):  # nothing came of it
                with contextlib.suppress(OSError):
                    (folder / "lock").unlink()
                    if before is None:
                        folder.rmdir()
            raise
