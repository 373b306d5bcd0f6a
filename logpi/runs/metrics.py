"""Metrics of a run: JSONL for programs, CSV for spreadsheets, TensorBoard for curves.

``metrics.jsonl`` is a pure function of the run's seed and config: wall-clock values (``time/…``) go to
``timing.jsonl`` and TensorBoard alone, so the files of a resumed and of an uninterrupted run are equal bit for bit.
Non-finite numbers, which JSON lacks, are the strings ``"nan"``, ``"inf"`` and ``"-inf"``.
"""

from __future__ import annotations

import csv
import io
import math
import os
import socket
import struct
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from logpi.errors import LogpiError
from logpi.runs.files import AppendFile, json_text, parse_json, read_text, without_waiting


class EventFile:
    """Appends scalars to ``events.out.tfevents.*`` in ``folder``; the file is made at the first ``write``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: AppendFile | None = None
        self._purge_step: int | None = None

    def purge_after(self, step: int) -> None:
        """Let TensorBoard hide what an earlier file says of moves after ``step``; call before ``write``."""
        self._purge_step = step + 1

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append scalars at ``step`` environment moves.

        Raises:
            LogpiError: the disk refuses.
        """
        from tensorboardX.proto.summary_pb2 import Summary

        if self._file is None:
            self._file = self._start()
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._file.append(_record(step=step, summary=Summary(value=values)))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _start(self) -> AppendFile:
        from tensorboardX.proto.event_pb2 import SessionLog

        part = len(list(self._folder.glob("events.out.tfevents.*")))
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{part}"
        file = AppendFile(self._folder / name)
        file.append(_record(file_version="brain.Event:2"))
        if self._purge_step is not None:
            file.append(_record(step=self._purge_step, session_log=SessionLog(status=SessionLog.START)))
        return file


def _record(**fields: object) -> bytes:
    """One TFRecord: length, its checksum, an Event message, its checksum."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    data = Event(wall_time=time.time(), **fields).SerializeToString()
    length = struct.pack("<Q", len(data))
    crcs = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return bytes(length + crcs[0] + data + crcs[1])


STEPS = "time/total_timesteps"
SPENT = "time/time_spent"  # column of timing.jsonl: seconds of all commands since ``minutes`` was last given
_CLOCKLESS = (STEPS, "time/iterations")
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_TAIL = 2**18  # bytes
MOST_BYTES = 2**30  # of a file of metrics that is read whole
Value = float | list[float]  # one number, or one for each seed trained at once
Row = dict[str, Value]


class MetricsWriter:
    """Appends rows of metrics to the files of one run folder; one writer per folder (``RunFolder.lock``)."""

    def __init__(self, folder: str | Path, tensorboard: bool = True) -> None:
        """Open the files of ``folder``; on resume call ``rewind`` before the first ``write``.

        Raises:
            LogpiError: the folder cannot be written.
        """
        self.folder = Path(folder)
        self._metrics = AppendFile(self.folder / "metrics.jsonl")
        self._timing = AppendFile(self.folder / "timing.jsonl")
        self._csv = AppendFile(self.folder / "progress.csv")
        self._columns: list[str] = []
        self._board = EventFile(self.folder) if tensorboard else None

    def write(self, row: Mapping[str, object]) -> None:
        """Append one row. Values are numbers, or lists with one number for each seed trained at once.

        Args:
            row: scalar name → value; ``time/total_timesteps`` (environment moves), the x-axis, is required.

        Raises:
            LogpiError: the disk refuses.
        """
        values = {name: _plain(value) for name, value in row.items()}
        measured = {name: value for name, value in values.items() if not _is_clock(name)}
        self._metrics.append(_json_line(measured))
        if len(measured) < len(values):
            clock = {name: value for name, value in values.items() if name.startswith("time/")}
            self._timing.append(_json_line(clock))
        self._write_csv(measured)
        if self._board:
            self._board.write(int(mean(values[STEPS])), {name: mean(value) for name, value in values.items()})

    def offset(self) -> int:
        """Bytes of ``metrics.jsonl`` that are safely on the disk; a checkpoint stores it for ``rewind``."""
        return self._metrics.sync()

    def rewind(self, offset: int, step: int) -> None:
        """Remove what was written after a checkpoint.

        Args:
            offset: what ``offset()`` gave when the checkpoint was made.
            step: ``time/total_timesteps`` then; later rows leave TensorBoard and ``timing.jsonl``.

        Raises:
            LogpiError: ``metrics.jsonl`` is shorter than ``offset``: it was altered.
        """
        present = self._metrics.sync()
        if present < offset:
            raise LogpiError(
                f"{self._metrics.path} has {present} bytes, but its checkpoint was made at {offset}: "
                "it was altered or is a copy of another moment; restore it, or start again with `logpi train`"
            )
        self._metrics.truncate(offset)
        timing = [row for row in read_rows(self._timing.path) if mean(row[STEPS]) <= step]
        self._timing.replace(b"".join(map(_json_line, timing)))
        self._rebuild_csv()
        if self._board:
            self._board.purge_after(step)

    def close(self) -> None:
        """Close the files. Every row was already handed to the system when ``write`` returned."""
        for file in (self._metrics, self._timing, self._csv):
            file.close()
        if self._board:
            self._board.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_csv(self, row: Row) -> None:
        if row.keys() <= set(self._columns):
            self._csv.append(_csv_text([[_cell(row, name) for name in self._columns]]))
        else:
            self._rebuild_csv()

    def _rebuild_csv(self) -> None:
        """The header is the union of all rows' names, so a new name changes the first line."""
        rows = read_rows(self._metrics.path)
        self._columns = list(dict.fromkeys(name for row in rows for name in row))
        cells = [[_cell(row, name) for name in self._columns] for row in rows]
        self._csv.replace(_csv_text([self._columns, *cells]) if rows else b"")


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
    return _parse(text.encode(), path)


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
    steps: list[float] = []
    seconds: list[float] = []
    before = last = 0.0
    for row in read_rows(metrics.with_name("timing.jsonl")):
        spent = mean(row.get(SPENT, row.get("time/time_elapsed", 0.0)))
        before += last if spent < last else 0.0  # the clock began anew: the run was given another length
        last = spent
        steps.append(mean(row[STEPS]))
        seconds.append(before + spent)
    return steps, seconds


def last_values(path: str | Path) -> Row:
    """The last value of each name, as far as the last 256 KiB of a JSONL file tell; cheap on a long run.

    Raises:
        LogpiError: as ``read_rows``.
    """
    path = Path(path)
    if not path.exists():
        return {}
    with open(path, "rb", opener=without_waiting) as file:
        start = max(0, path.stat().st_size - _TAIL)
        file.seek(start)
        tail = file.read()
    rows = _parse(tail[tail.find(b"\n") + 1 :] if start else tail, path)
    return {name: value for row in rows for name, value in row.items()}


def mean(value: object) -> float:
    """The mean over seeds of a row's value, a number, list or array; nan of an empty one."""
    numbers = np.asarray(value)
    return float(np.mean(numbers)) if numbers.size else math.nan


def _parse(data: bytes, path: Path) -> list[Row]:
    *lines, _torn = data.split(b"\n")
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append({name: _restore(value) for name, value in parse_json(line).items()})
        except ValueError as error:
            raise LogpiError(
                f"{path}, line {number} is not a JSON object ({error}); the file was altered: delete that line"
            ) from error
    return rows


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
