"""Metrics of a run: JSONL for programs, CSV for spreadsheets, and further sinks such as TensorBoard.

``metrics.jsonl`` is a pure function of the run's seed and config: wall-clock values (``time/…``) go to
``timing.jsonl`` and to the further sinks alone, so the files of a resumed and of an uninterrupted run are equal bit for
bit. Non-finite numbers, which JSON lacks, are the strings ``"nan"``, ``"inf"`` and ``"-inf"``.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.runs.files import AppendFile, json_text, parse_json, read_text, without_waiting

STEPS = "time/total_timesteps"
TIMING = "timing.jsonl"
ELAPSED = "time/time_elapsed"  # column of timing.jsonl: seconds of one command
SPENT = "time/time_spent"  # column of timing.jsonl: seconds of all commands since ``minutes`` was last given
SECONDS = "time/seconds/"  # columns of timing.jsonl: seconds of this command by what they went to, such as "update"
_CLOCKLESS = (STEPS, "time/iterations")
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_TAIL = 2**18  # bytes
MOST_BYTES = 2**30  # of a file of metrics that is read whole
Value = float | list[float]  # one number, or one for each seed trained at once
Row = dict[str, Value]


class Mark(NamedTuple):
    """Where the metrics stood when a checkpoint was made."""

    offset: int  # bytes of ``metrics.jsonl``
    step: int  # ``time/total_timesteps``


class Sink(Protocol):
    """Receiver of a run's rows. Every method raises LogpiError where the disk, or a service behind it, refuses."""

    def write(self, row: Row) -> None:
        """Take one row: plain numbers, or lists with one for each seed; wall-clock values included."""

    def rewind(self, mark: Mark) -> None:
        """Give up the rows after a checkpoint, from which the run goes on; called before the first ``write``."""

    def close(self) -> None:
        """Hand over what is still kept back."""


class Lines:
    """``metrics.jsonl``: what was measured, without the clock. It alone decides what a resumed run goes on from."""

    def __init__(self, folder: Path) -> None:
        self._file = AppendFile(folder / "metrics.jsonl")

    def write(self, row: Row) -> None:
        self._file.append(_json_line(without_clock(row)))

    def offset(self) -> int:
        """Bytes that are safely on the disk."""
        return self._file.sync()

    def rewind(self, mark: Mark) -> None:
        present = self._file.sync()
        if present < mark.offset:
            raise LogpiError(
                f"{self._file.path} has {present} bytes, but its checkpoint was made at {mark.offset}: "
                "it was altered or is a copy of another moment; restore it, or start again with `logpi train`"
            )
        self._file.truncate(mark.offset)

    def close(self) -> None:
        self._file.close()


class Timing:
    """``timing.jsonl``: the clock."""

    def __init__(self, folder: Path) -> None:
        self._file = AppendFile(folder / "timing.jsonl")

    def write(self, row: Row) -> None:
        if any(map(_is_clock, row)):
            self._file.append(_json_line({name: value for name, value in row.items() if name.startswith("time/")}))

    def rewind(self, mark: Mark) -> None:
        kept = [row for row in read_rows(self._file.path) if mean(row[STEPS]) <= mark.step]
        self._file.replace(b"".join(map(_json_line, kept)))

    def close(self) -> None:
        self._file.close()


class Table:
    """``progress.csv``: ``metrics.jsonl``, which is written before it, as a table; several seeds are averaged."""

    def __init__(self, folder: Path) -> None:
        self._file, self._lines = AppendFile(folder / "progress.csv"), folder / "metrics.jsonl"
        self._columns: list[str] = []

    def write(self, row: Row) -> None:
        row = without_clock(row)
        if row.keys() <= set(self._columns):
            self._file.append(_csv_text([[_cell(row, name) for name in self._columns]]))
        else:
            self._rebuild()

    def rewind(self, mark: Mark) -> None:
        self._rebuild()

    def close(self) -> None:
        self._file.close()

    def _rebuild(self) -> None:
        """The header is the union of all rows' names, so a new name changes the first line."""
        rows = read_rows(self._lines)
        self._columns = list(dict.fromkeys(name for row in rows for name in row))
        cells = [[_cell(row, name) for name in self._columns] for row in rows]
        self._file.replace(_csv_text([self._columns, *cells]) if rows else b"")


class MetricsWriter:
    """Hands rows of metrics to the sinks of one run folder; one writer per folder (``RunFolder.lock``)."""

    def __init__(self, folder: str | Path, tensorboard: bool = True, others: Sequence[Sink] = ()) -> None:
        """Open the files of ``folder``; on resume call ``rewind`` before the first ``write``.

        Args:
            folder: of the run.
            tensorboard: whether an event file for TensorBoard is written too.
            others: further sinks, which are closed with the writer.

        Raises:
            LogpiError: the folder cannot be written.
        """
        folder = Path(folder)
        self._lines = Lines(folder)
        self._sinks: list[Sink] = [self._lines, Timing(folder), Table(folder)]
        if tensorboard:
            from logpi.runs.tensorboard import EventFile

            self._sinks.append(EventFile(folder))
        self._sinks += others

    def write(self, row: Mapping[str, object]) -> Row:
        """Append one row, and return it as plain numbers.

        Args:
            row: scalar name → value, a number or a list with one for each seed trained at once;
                ``time/total_timesteps`` (environment moves), the x-axis, is required.

        Raises:
            LogpiError: the disk refuses.
        """
        values = {name: _plain(value) for name, value in row.items()}
        for sink in self._sinks:
            sink.write(values)
        return values

    def offset(self) -> int:
        """Bytes of ``metrics.jsonl`` that are safely on the disk; a checkpoint stores it for ``rewind``."""
        return self._lines.offset()

    def rewind(self, offset: int, step: int) -> None:
        """Remove what was written after a checkpoint.

        Args:
            offset: what ``offset()`` gave when the checkpoint was made.
            step: ``time/total_timesteps`` then; later rows leave TensorBoard and ``timing.jsonl``.

        Raises:
            LogpiError: ``metrics.jsonl`` is shorter than ``offset``: it was altered.
        """
        for sink in self._sinks:
            sink.rewind(Mark(offset, step))

    def close(self) -> None:
        """Close the sinks. Every row was already handed to the system when ``write`` returned."""
        with contextlib.ExitStack() as stack:
            for sink in reversed(self._sinks):
                stack.callback(sink.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_rows(path: str | Path) -> list[Row]:
    """The rows of a JSONL file; a last line torn by a kill is left out, a missing file is empty.

    Raises:
        LogpiError: a line other than the last is not a JSON object.
    """
    path = Path(path)
    if not path.exists():
        return []
    try:
        text = read_text(path, MOST_BYTES)
    except (OSError, ValueError) as error:
        raise LogpiError(f"cannot read {path}: {error}; restore it, or start again with `logpi train`") from error
    return parse_rows(text.encode(), path)


def read_metrics(path: str | Path) -> dict[str, list[Value | None]]:
    """The columns of a JSONL file, all of one length; None where a row lacks the name.

    Raises:
        LogpiError: as ``read_rows``.
    """
    rows = read_rows(path)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def read_seconds(metrics: Path) -> tuple[list[float], list[float]]:
    """(timesteps, seconds) of a run, row by row: wall-clock time of all its commands, compilation included.

    Args:
        metrics: the run's ``metrics.jsonl``, beside which its clock lies.

    Raises:
        LogpiError: as ``read_rows``.
    """
    rows = read_rows(metrics.with_name(TIMING))
    spent = np.array([mean(row.get(SPENT, row.get(ELAPSED, 0.0))) for row in rows], np.float64)
    return [mean(row[STEPS]) for row in rows], all_commands(spent).tolist()


def all_commands(spent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds of all commands of a run, [rows], from those of ``SPENT``, which begin anew with another length."""
    again = np.concatenate([[False], spent[1:] < spent[:-1]]) if len(spent) else np.zeros(0, bool)
    before = np.where(again, np.roll(spent, 1), 0.0)
    return spent + np.cumsum(before)


def last_rows(path: str | Path, tail: int = _TAIL) -> list[Row]:
    """The rows in the last ``tail`` bytes of a JSONL file; cheap on a long run.

    Raises:
        LogpiError: as ``read_rows``.
    """
    path = Path(path)
    if not path.exists():
        return []
    with open(path, "rb", opener=without_waiting) as file:
        start = max(0, os.fstat(file.fileno()).st_size - tail)
        file.seek(start)
        data = file.read(tail)
    return parse_rows(data[data.find(b"\n") + 1 :] if start else data, path)


def last_values(path: str | Path) -> Row:
    """The last value of each name, as far as the last 256 KiB of a JSONL file tell.

    Raises:
        LogpiError: as ``read_rows``.
    """
    return {name: value for row in last_rows(path) for name, value in row.items()}


def mean(value: object) -> float:
    """The mean over seeds of a row's value, a number, list or array; nan of an empty one."""
    numbers = np.asarray(value)
    return float(np.mean(numbers)) if numbers.size else math.nan


def parse_rows(data: bytes, path: Path, before: int = 0) -> list[Row]:
    """The rows in ``data``, whole lines of the file ``path`` after its first ``before``; a torn last one is left out.

    Raises:
        LogpiError: a line is not a JSON object of numbers.
    """
    *lines, _torn = data.split(b"\n")
    rows = []
    for number, line in enumerate(lines, before + 1):
        try:
            rows.append({name: _restore(value) for name, value in parse_json(line).items()})
        except ValueError as error:
            raise LogpiError(
                f"{path}, line {number} is not a JSON object ({error}); the file was altered: delete that line"
            ) from error
    return rows


def without_clock(row: Row) -> Row:
    """What was measured in a row, without its wall-clock values."""
    return {name: value for name, value in row.items() if not _is_clock(name)}


def _is_clock(name: str) -> bool:
    return name.startswith("time/") and name not in _CLOCKLESS


def _plain(value: object) -> Value:
    """Python's own numbers, equal to the array's to the last bit."""
    return np.asarray(value).tolist()


def _restore(value: object) -> Value:
    return [_number(item) for item in value] if isinstance(value, list) else _number(value)


def _number(value: object) -> float:
    if isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if isinstance(value, float) or (isinstance(value, int) and abs(value) <= sys.float_info.max):
        return value
    raise ValueError(f"{value!r:.40} is not a number")


def _json_line(row: Row) -> bytes:
    return json_text(row).encode() + b"\n"


def _cell(row: Row, name: str) -> str:
    value = row.get(name)
    if isinstance(value, list):
        value = mean(value)
    return "" if value is None else repr(value)


def _csv_text(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
