"""trackio and Weights & Biases get every row, on this machine and without an account."""

import json
import sqlite3
import subprocess
import sys
from importlib import metadata

import pytest
from small import flags, logpi, only_run

from logpi.errors import LogpiError
from logpi.runs import trackers
from logpi.runs.folder import RunFolder
from logpi.runs.metrics import STEPS, Mark, mean, read_rows


def test_a_tracker_gets_means_and_its_errors_name_it():
    told = []
    tracked = trackers.Tracked(
        "mine", lambda metrics, step: told.append((metrics, step)), lambda: told.append("closed")
    )
    tracked.write({STEPS: 8, "loss": [1.0, 2.0], "time/fps": 3.0})
    tracked.rewind(Mark(0, 0))
    tracked.close()
    assert told == [({STEPS: 8.0, "loss": 1.5, "time/fps": 3.0}, 8), "closed"]
    broken = trackers.Tracked("mine", lambda metrics, step: 1 / 0, lambda: None)
    with pytest.raises(LogpiError, match=r"tracker mine raised ZeroDivisionError.*--tracker none"):
        broken.write({STEPS: 8})


@pytest.mark.parametrize("name", trackers.TRACKERS)
def test_a_missing_package_is_named_with_the_line_that_installs_it(name, monkeypatch):
    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(LogpiError, match=f"{name} is not installed; pip install {name}$"):
        trackers.check(name)


def test_two_runs_of_one_name_have_two_identities(tmp_path):
    folder = RunFolder(tmp_path)
    found = set()
    for began in ("1", "2"):
        folder.manifest_file.write_text(f'{{"started": "{began}"}}')
        found |= {trackers._identity(folder), trackers._identity(folder)}
    assert len(found) == 2


def trained(name, tmp_path, **environment):
    """The folder of a tiny run with a tracker, killed by nobody, left in the middle and resumed."""
    pytest.importorskip(name)
    more = ["--tracker", name, *flags("ppo", tmp_path / "runs")]
    done = logpi("train", "CartPole-v1", *more, **environment)
    assert done.returncode == 0, done.stderr
    return only_run(tmp_path / "runs"), done


def test_trackio_gets_every_row_and_a_longer_run_goes_on_in_it(tmp_path):
    home = {"TRACKIO_DIR": str(tmp_path / "tracked"), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}
    folder, done = trained("trackio", tmp_path, **home)
    assert done.stdout == ""
    more = logpi("resume", folder.path, "--total-timesteps", 448, "--quiet", **home)
    assert more.returncode == 0, more.stderr
    (base,) = (tmp_path / "tracked").glob("*.db")
    with sqlite3.connect(base) as tables:
        found = tables.execute("SELECT step, run_name, metrics FROM metrics ORDER BY id").fetchall()
    assert [step for step, *_ in found] == [mean(row[STEPS]) for row in read_rows(folder.metrics)]
    assert len({name for _, name, _ in found}) == 1
    assert "rollout/ep_rew_mean" in str(found[0][2])


READ = """
import sys
from pathlib import Path
from wandb.proto.wandb_internal_pb2 import Record

data, records, parts, at = Path(sys.argv[1]).read_bytes(), [], b"", 7
while at + 7 <= len(data):
    left = 2**15 - at % 2**15
    if left < 7:
        at += left
        continue
    size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
    parts += data[at + 7 : at + 7 + size]
    at += 7 + size
    if kind in (1, 4):
        records.append(Record.FromString(parts))
        parts = b""
rows = [{"/".join(x.nested_key) or x.key: x.value_json for x in r.history.item} for r in records]
print([float(row["time/total_timesteps"]) for row in rows if row])
"""  # a log as LevelDB has it, after 7 bytes of head; its records are messages


def test_weights_and_biases_gets_every_row_offline(tmp_path):
    folder, done = trained("wandb", tmp_path, HOME=str(tmp_path), WANDB_API_KEY="")
    assert done.stdout == ""
    (written,) = (tmp_path / "runs").glob("wandb/offline-run-*/*.wandb")
    read = subprocess.run([sys.executable, "-c", READ, str(written)], capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout) == [mean(row[STEPS]) for row in read_rows(folder.metrics)]
    more = logpi("resume", folder.path, "--total-timesteps", 448, "--quiet", HOME=str(tmp_path))
    assert more.returncode == 0, more.stderr
    assert len(list((tmp_path / "runs").glob("wandb/offline-run-*/*.wandb"))) == 2
