"""Rows of metrics that grow while they are read: each byte of a file is parsed once.

Importing this module does not import JAX.
"""

from __future__ import annotations

import math
import os
import stat
from array import array
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.runs.files import without_waiting
from logpi.runs.metrics import Value, parse_rows

MOST_BYTES = 2**28  # of a file that is followed: a quarter of a gigabyte
MOST_CELLS = 2**23  # numbers that ``Histories`` keeps: 64 MiB
_CHUNK = 2**20  # bytes that are parsed at once
_BEFORE = 64  # bytes before the place reached by which a file is known again
Columns = dict[str, NDArray[np.float64]]  # [rows] each, or [rows, S] of S seeds; NaN where a row lacks the name


class History:
    """The rows of one JSONL file by column, as far as they are written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._forget()

    def _forget(self) -> None:
        self._offset, self._tail, self.rows = 0, b"", 0
        self._cells: dict[str, array[float]] = {}
        self._width: dict[str, int] = {}

    @property
    def cells(self) -> int:
        """Numbers that are kept."""
        return sum(map(len, self._cells.values()))

    def read(self) -> bool:
        """Read what is new; returns whether there was anything. A file that was cut or replaced is read anew.

        Raises:
            LogpiError: a line is not a JSON object of numbers, or the file is too large to be followed.
        """
        try:
            with open(self.path, "rb", opener=without_waiting) as file:
                return self._read(file)
        except FileNotFoundError:
            changed = self.rows > 0
            self._forget()
            return changed
        except LogpiError:
            self._forget()
            raise
        except OSError as error:
            raise LogpiError(f"cannot read {self.path}: {error.strerror or error}") from error

    def _read(self, file: BinaryIO) -> bool:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise LogpiError(f"{self.path} is not a regular file")
        if found.st_size > MOST_BYTES:
            raise LogpiError(f"{self.path} has {found.st_size:,} bytes, more than {MOST_BYTES:,}: it is not followed")
        changed = not self._continues(file, found.st_size)
        if changed:
            self._forget()
        file.seek(self._offset)
        left = b""
        while chunk := file.read(_CHUNK):
            data = left + chunk
            end = data.rfind(b"\n") + 1
            left = data[end:]
            if len(left) > _CHUNK:
                raise LogpiError(f"{self.path}, line {self.rows + 1} has more than {_CHUNK:,} bytes: it was altered")
            if end:
                self._take(data[:end])
                changed = True
        return changed

    def _continues(self, file: BinaryIO, size: int) -> bool:
        """Whether the file begins with what was read."""
        if size < self._offset:
            return False
        file.seek(self._offset - len(self._tail))
        return file.read(len(self._tail)) == self._tail

    def _take(self, data: bytes) -> None:
        rows = parse_rows(data, self.path, self.rows)
        for name in dict.fromkeys(name for row in rows for name in row):
            self._add(name, [row.get(name) for row in rows])
        self.rows += len(rows)
        self._offset += len(data)
        self._tail = (self._tail + data)[-_BEFORE:]

    def _add(self, name: str, values: list[Value | None]) -> None:
        """Append to a column; None is a row without a value."""
        lists = [value for value in values if isinstance(value, list)]
        width = self._width.setdefault(name, len(lists[0]) if lists else 1)
        if any(len(value) != width for value in lists) or (width > 1 and len(lists) < len(values) - values.count(None)):
            raise LogpiError(f"{self.path}: rows have {width} or another number of values of {name}: it was altered")
        cells = self._cells.setdefault(name, array("d"))
        cells.extend([math.nan] * (width * self.rows - len(cells)))
        if lists:
            cells.extend(x for value in values for x in (value if isinstance(value, list) else [math.nan] * width))
        else:
            cells.extend(math.nan if value is None else value for value in values)  # type: ignore[misc]

    @property
    def names(self) -> list[str]:
        """Names of the columns, in the order in which they came."""
        return list(self._cells)

    def column(self, name: str) -> NDArray[np.float64]:
        """[rows], or [rows, S] where rows have a number for each of S seeds; NaN where a row lacks it."""
        width = self._width.get(name, 1)
        found = np.full((self.rows, width), np.nan)
        cells = np.array(self._cells.get(name, ()), np.float64)
        found.reshape(-1)[: len(cells)] = cells
        return found[:, 0] if width == 1 else found

    def columns(self) -> Columns:
        return {name: self.column(name) for name in self._cells}


class Histories:
    """Files that were read lately; those asked for least recently are forgotten first."""

    def __init__(self, most: int = MOST_CELLS) -> None:
        self._most, self._kept = most, OrderedDict[Path, History]()

    def of(self, path: Path) -> History:
        """The history of ``path``, read as far as it is written; raises as ``History.read``."""
        history = self._kept.get(path) or History(path)
        history.read()
        self._kept[path] = history
        self._kept.move_to_end(path)
        while len(self._kept) > 1 and sum(each.cells for each in self._kept.values()) > self._most:
            self._kept.popitem(last=False)
        return history
