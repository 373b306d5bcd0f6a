"""``SHA256SUMS`` of a folder: whether its files are those that were put there (``sha256sum -c`` reads it too).

It finds damage and files that were exchanged. It says nothing about who wrote the folder: who exchanges a file can
write its sum.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from logpi.errors import LogpiError
from logpi.runs.files import atomic_write, not_through_links, read_text

NAME = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9_.-]{0,99})")  # no folder: no path that climbs
MOST = 2**16  # bytes of the file itself
LARGEST = 2**30  # bytes of a file that is read


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Write the sums of the files ``names`` in ``folder``; raises LogpiError where the disk refuses."""
    lines = [f"{digest_of(folder / name)}  {name}\n" for name in sorted(names)]
    atomic_write(folder / NAME, "".join(lines).encode())


def check_sums(folder: Path, needed: Iterable[str]) -> None:
    """Refuse a folder whose files are not those that its sums are of; one without sums is not checked.

    Args:
        folder: of an agent.
        needed: names of files that must have a sum.

    Raises:
        LogpiError: a sum is missing, malformed or wrong, or a file is missing, a link, no regular file, or too large.
    """
    if not os.path.lexists(folder / NAME):
        return
    try:
        sums = read_sums(folder)
        for name in needed:
            if name not in sums:
                raise ValueError(f"it has no sum of {name}")
        for name, wanted in sums.items():
            if digest_of(folder / name) != wanted:
                raise ValueError(f"{name} is not the file that was put there")
    except (OSError, ValueError) as error:
        raise LogpiError(f"the bundle {folder} was altered or damaged: {error}; take another copy") from error


def read_sums(folder: Path) -> dict[str, str]:
    """Name -> sum in hexadecimal digits.

    Raises:
        OSError, ValueError: the file cannot be read, or is not what ``write_sums`` writes.
    """
    if (folder / NAME).is_symlink():
        raise ValueError(f"{NAME} is a link")
    text = read_text(folder / NAME, MOST)
    found: dict[str, str] = {}
    for line in text.removesuffix("\n").split("\n"):
        match = LINE.fullmatch(line)
        if match is None or match[2] in found:
            raise ValueError(f"{NAME} has the line {line!r:.80}")
        found[match[2]] = match[1]
    if not text.endswith("\n") or list(found) != sorted(found):
        raise ValueError(f"{NAME} is cut off or out of order")
    return found


def digest_of(path: Path) -> str:
    """SHA-256 of a regular file.

    Raises:
        OSError, ValueError: there is none, it is a link, something else, or larger than ``LARGEST``.
    """
    with open(path, "rb", opener=not_through_links) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path.name} is not a regular file")
        if found.st_size > LARGEST:
            raise ValueError(f"{path.name} has {found.st_size:,} bytes, more than {LARGEST:,}")
        return hashlib.file_digest(file, "sha256").hexdigest()
