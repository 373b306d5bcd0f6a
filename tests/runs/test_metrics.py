"""What was measured is read back equal, and a resumed file equals an uninterrupted one."""

import csv
import json
import math
import os
import struct
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from logpi.errors import LogpiError
from logpi.runs import metrics
from logpi.runs.files import AppendFile
from logpi.runs.metrics import MetricsWriter, read_metrics, read_rows

DETERMINISTIC = ("metrics.jsonl", "progress.csv")


def row(i):
    measured = {
        "time/total_timesteps": 100 * i,
        "rollout/ep_rew_mean": np.float32(i / 3),
        "time/fps": time.time(),
    }
    return measured | ({"eval/mean_reward": [0.1 * i, math.nan]} if i % 3 == 2 else {})


def contents(folder):
    return {name: (folder / name).read_bytes() for name in DETERMINISTIC}


def events(folder):
    """(step, tag, value) of all event files, oldest first, read with TensorBoard's record format."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.out.tfevents*"), key=os.path.getmtime):
        data = path.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            event, data = Event.FromString(data[12 : 12 + size]), data[16 + size :]
            found += [("purge", event.step)] if event.HasField("session_log") else []
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
    return found


def test_values_come_back_equal_and_the_file_is_json(tmp_path):
    values = [0.1, 1e-300, -0.0, math.inf, -math.inf, math.nan, 3.0, float(np.float32(0.1))]
    with MetricsWriter(tmp_path, tensorboard=False) as writer:
        writer.write({"time/total_timesteps": 1, "a": values, "b": jnp.float32(0.1), "c": np.arange(2)})
    line = (tmp_path / "metrics.jsonl").read_text()
    (found,) = read_rows(tmp_path / "metrics.jsonl")
    assert json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["a"][5] == "nan"
    assert [repr(value) for value in found["a"]] == [repr(value) for value in values]
    assert found["b"] == float(np.float32(0.1))
    assert found["c"] == [0, 1]


def test_no_clock_in_the_deterministic_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with MetricsWriter(tmp_path / name) as writer:
            for i in range(4):
                writer.write(row(i) | {"time/iterations": i, "time/time_elapsed": time.perf_counter()})
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert "time/iterations" in read_rows(tmp_path / "a" / "metrics.jsonl")[0]
    timing = read_metrics(tmp_path / "a" / "timing.jsonl")
    assert timing["time/total_timesteps"] == [0, 100, 200, 300]
    assert len(set(timing["time/time_elapsed"])) == 4
    assert not {"time/fps", "time/time_elapsed"} & read_rows(tmp_path / "a" / "metrics.jsonl")[0].keys()


@pytest.mark.parametrize("saved", [0, 1, 2, 3, 6])
def test_rewind_then_continue_equals_no_interruption(tmp_path, saved):
    for name in ("whole", "resumed"):
        (tmp_path / name).mkdir()
    with MetricsWriter(tmp_path / "whole") as writer:
        for i in range(7):
            writer.write(row(i))
    killed = MetricsWriter(tmp_path / "resumed")
    offset = killed.offset()
    for i in range(6):
        killed.write(row(i))
        offset = killed.offset() if i + 1 == saved else offset
    for name in (*DETERMINISTIC, "timing.jsonl"):
        with open(tmp_path / "resumed" / name, "ab") as file:
            file.write(b'{"torn')
    with MetricsWriter(tmp_path / "resumed") as writer:
        writer.rewind(offset, 100 * (saved - 1))
        assert writer.offset() == offset
        table = (tmp_path / "resumed" / "progress.csv").read_text().splitlines()
        assert len(table) == (saved + 1 if saved else 0)
        for i in range(saved, 7):
            writer.write(row(i))
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")
    steps = read_metrics(tmp_path / "resumed" / "timing.jsonl")["time/total_timesteps"]
    assert steps == [100 * i for i in range(7)]


def test_tensorboard_holds_means_and_purges_on_resume(tmp_path):
    writer = MetricsWriter(tmp_path)
    writer.write({"time/total_timesteps": 8, "eval/mean_reward": [1.0, 2.0]})
    offset = writer.offset()
    writer.write({"time/total_timesteps": 16, "eval/mean_reward": [9.0, 9.0]})
    assert (8, "eval/mean_reward", 1.5) in events(tmp_path), "readable although the writer was not closed"
    with MetricsWriter(tmp_path) as resumed:
        resumed.rewind(offset, 8)
        resumed.write({"time/total_timesteps": 16, "eval/mean_reward": [3.0, 4.0]})
    assert len(list(tmp_path.glob("events.out.tfevents*"))) == 2
    found = events(tmp_path)
    assert ("purge", 9) in found
    assert found[-1] == (16, "eval/mean_reward", 3.5)


def test_records_are_framed_as_tensorboard_wants(tmp_path):
    from tensorboardX.record_writer import RecordWriter

    with MetricsWriter(tmp_path) as writer:
        writer.write(row(0))
        writer.write(row(1))
    (path,) = tmp_path.glob("events.out.tfevents*")
    framed = RecordWriter(str(tmp_path / "again"))
    data = path.read_bytes()
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        framed.write(data[12 : 12 + size])
        data = data[16 + size :]
    framed.close()
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_tensorboard_has_the_settings_as_hparams_and_as_text(tmp_path):
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    config = 'env = "CartPole-v1"\n[run]\nstop_at = inf\n[network]\nhidden = [8]\n[method]\ngamma = 0.5\nlate = true\n'
    (tmp_path / "config.toml").write_text(config)
    with MetricsWriter(tmp_path) as writer:
        writer.write(row(0))
    values = {}
    (path,) = tmp_path.glob("events.out.tfevents*")
    data = path.read_bytes()
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        values |= {value.tag: value for value in Event.FromString(data[12 : 12 + size]).summary.value}
        data = data[16 + size :]
    content = values["_hparams_/session_start_info"].metadata.plugin_data.content
    found = HParamsPluginData.FromString(content).session_start_info.hparams
    assert {name: value.WhichOneof("kind") for name, value in found.items()} == {
        "env": "string_value",
        "run.stop_at": "string_value",  # a JSON number is finite
        "network.hidden": "string_value",
        "method.gamma": "number_value",
        "method.late": "bool_value",
    }
    assert found["method.gamma"].number_value == 0.5
    (text,) = values["config.toml/text_summary"].tensor.string_val
    assert [line.strip() for line in text.decode().splitlines()] == config.splitlines()


class Remembering:
    """A sink that remembers what it was told."""

    def __init__(self):
        self.told = []

    def write(self, row):
        self.told.append(row)

    def rewind(self, mark):
        self.told.append(mark)

    def close(self):
        self.told.append("closed")


def test_a_further_sink_gets_every_row_whole_as_plain_numbers(tmp_path):
    sink = Remembering()
    with MetricsWriter(tmp_path, False, [sink]) as writer:
        writer.rewind(0, 7)
        rows = [writer.write(row(i) | {"loss": jnp.float32(2)}) for i in range(3)]
    assert sink.told == [metrics.Mark(0, 7), *rows, "closed"]
    assert rows[1].keys() == {"time/total_timesteps", "rollout/ep_rew_mean", "time/fps", "loss"}
    assert all(type(value) in (int, float, list) for row in rows for value in row.values())


def test_every_sink_is_closed_although_one_refuses(tmp_path):
    first, last = Remembering(), Remembering()
    refusing = Remembering()
    refusing.close = lambda: (_ for _ in ()).throw(LogpiError("refused"))
    with pytest.raises(LogpiError, match="refused"), MetricsWriter(tmp_path, False, [first, refusing, last]):
        pass
    assert first.told == last.told == ["closed"]


def test_csv_widens_and_holds_means(tmp_path):
    with MetricsWriter(tmp_path, tensorboard=False) as writer:
        for i in range(4):
            writer.write(row(i) | {"loss": [1.0, 2.0]})
    with open(tmp_path / "progress.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["time/total_timesteps", "rollout/ep_rew_mean", "loss", "eval/mean_reward"]
    assert [line["eval/mean_reward"] for line in table] == ["", "", "nan", ""]
    assert {line["loss"] for line in table} == {"1.5"}


def test_columns_are_aligned_and_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2, "b": "inf"}\n{"a": 3')
    assert read_metrics(path) == {"a": [1, 2], "b": [None, math.inf]}
    assert read_metrics(tmp_path / "missing.jsonl") == {}
    path.write_bytes(b'{"a": 1}\nrubbish\n{"a": 2}\n')
    with pytest.raises(LogpiError, match="line 2"):
        read_rows(path)


def test_rewind_beyond_the_end_is_an_error(tmp_path):
    with MetricsWriter(tmp_path, tensorboard=False) as writer:
        writer.write(row(0))
        with pytest.raises(LogpiError, match=r"bytes, but its checkpoint.*10000"):
            writer.rewind(10_000, 0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["metrics.jsonl", "timing.jsonl"])
def test_full_disk(tmp_path, name):
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(LogpiError, match=rf"{name}.*No space left"), MetricsWriter(tmp_path, False) as writer:
        writer.write(row(0))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_under_tensorboard_neither_hangs_nor_hides(tmp_path, monkeypatch):
    writer = MetricsWriter(tmp_path)
    writer.write(row(0))
    (path,) = tmp_path.glob("events.out.tfevents*")
    writer.close()
    full = Path("/dev/full")
    monkeypatch.setattr(
        "logpi.runs.tensorboard.AppendFile", lambda to: AppendFile(full if "tfevents" in to.name else to)
    )
    with pytest.raises(LogpiError, match=r"No space left"), MetricsWriter(tmp_path) as resumed:
        resumed.write(row(1))
    assert path.stat().st_size > 100


def test_unwritable_folder(tmp_path):
    with pytest.raises(LogpiError, match="missing"):
        MetricsWriter(tmp_path / "missing")


def test_mean():
    assert metrics.mean([1, 2.0]) == 1.5
    assert math.isnan(metrics.mean([]))
