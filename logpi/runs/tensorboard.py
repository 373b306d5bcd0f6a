"""The event file of a run for TensorBoard: its rows as scalars, its settings as hparams and as text."""

from __future__ import annotations

import math
import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from logpi.runs.files import AppendFile, parse_toml, read_text
from logpi.runs.metrics import STEPS, Mark, Row, mean

SHOWN = ("eval/mean_reward", "rollout/ep_rew_mean")  # metrics beside the settings in the tab HPARAMS


class EventFile:
    """``events.out.tfevents.*`` of a run folder; the file is made at the first ``write``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: AppendFile | None = None
        self._purge_step: int | None = None

    def write(self, row: Row) -> None:
        """Append scalars at ``time/total_timesteps``; several seeds are averaged."""
        from tensorboardX.proto.summary_pb2 import Summary

        if self._file is None:
            self._file = self._start()
        values = [Summary.Value(tag=name, simple_value=mean(value)) for name, value in row.items()]
        self._file.append(_record(step=int(mean(row[STEPS])), summary=Summary(value=values)))

    def rewind(self, mark: Mark) -> None:
        """Let TensorBoard hide what an earlier file says of moves after ``mark``."""
        self._purge_step = mark.step + 1

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
        for summary in about(self._folder / "config.toml"):
            file.append(_record(step=0 if self._purge_step is None else self._purge_step, summary=summary))
        return file


def _record(**fields: object) -> bytes:
    """One TFRecord: length, its checksum, an Event message, its checksum."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    data = Event(wall_time=time.time(), **fields).SerializeToString()
    length = struct.pack("<Q", len(data))
    crcs = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return bytes(length + crcs[0] + data + crcs[1])


def about(config: Path) -> list[Any]:
    """Summaries of a run's ``config.toml``: the settings as hparams, and the text itself; [] where there is none."""
    if not config.exists():
        return []
    from tensorboardX.summary import hparams, text

    found = read_text(config)
    experiment, session, _ = hparams(flat(parse_toml(found)), dict.fromkeys(SHOWN, 0.0))
    return [experiment, session, text("config.toml", "\n".join(f"    {line}" for line in found.splitlines()))]


def flat(table: Mapping[str, Any], above: str = "") -> dict[str, str | float]:
    """The values of a table and of those in it by their dotted names; lists and infinities as texts."""
    found: dict[str, str | float] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{name}.")
        else:
            number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
            found[above + name] = value if number else str(value)
    return found
