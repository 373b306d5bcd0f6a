"""TensorBoard's event file, written in the caller's thread.

``tensorboardX.SummaryWriter`` queues to a thread of its own: a kill loses two minutes of events, and a full
disk ends the thread and then hangs the program. Only its messages and its checksum are used here.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from logpi.runs.files import AppendFile


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
