"""Runs from outside: stopped by the process that holds them, deleted, pruned and packed; never by mistake."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from logpi.cli.main import main
from logpi.errors import LogpiError
from logpi.runs.create import create
from logpi.runs.files import size_of, size_text
from logpi.runs.lookup import find_runs
from logpi.runs.manage import archive, delete, prune, stop

ROOT = Path(__file__).parents[2]
HOLD = """if True:
    import sys, time
    from pathlib import Path
    from logpi.runs.folder import RunFolder
    with RunFolder(Path(sys.argv[1])).lock():
        print("held", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    """A run with three checkpoints."""
    made = create(tmp_path / "runs", "ppo", "CartPole-v1", {"env": "CartPole-v1"}, ["logpi"], [0])
    for iteration in (1, 2, 3):
        made.save_checkpoint(iteration, {"w": np.full(1000, iteration)}, {})
    (made.path / "metrics.jsonl").write_text('{"time/total_timesteps": 8}\n')
    return made


def test_stop_asks_the_process_that_holds_the_run(run):
    held = subprocess.Popen([sys.executable, "-c", HOLD, str(run.path)], stdout=-1, text=True, cwd=ROOT)
    assert held.stdout.readline() == "held\n"
    assert stop(run.path) == (run.path, held.pid, "interrupted")
    assert held.wait() == -signal.SIGTERM


@pytest.mark.skipif(os.name == "nt", reason="no lock there")
def test_stop_signals_nobody_who_does_not_hold_the_run(run, capsys, monkeypatch):
    """A process may have got the number that a lock of old names."""

    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(os, "kill", refuse)
    (run.path / "lock").write_text(json.dumps({"pid": os.getpid(), "host": "here", "stops_on_signal": True}))
    assert stop(run.path) == (run.path, None, "interrupted")
    run.finish({})
    assert main(["stop", str(run.path)]) == 0
    assert "is not running: it is finished" in capsys.readouterr().out
    with run.lock():
        holder = json.loads((run.path / "lock").read_text())
        assert holder["pid"] == os.getpid()
        for text, words in {
            json.dumps(holder | {"host": "elsewhere"}): f"is trained on elsewhere, by process {os.getpid()}",
            json.dumps(holder | {"pid": "x"}): "does not say by whom",
            "": "does not say by whom",
            "[]": "does not say by whom",
        }.items():
            (run.path / "lock").write_text(text)
            with pytest.raises(LogpiError, match=words):
                stop(run.path)


def test_a_run_in_a_thread_is_not_stopped_by_a_signal(run):
    held, over = threading.Event(), threading.Event()

    def hold():
        with run.lock():
            held.set()
            over.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(LogpiError, match=f"in a thread of process {os.getpid()}"):
        stop(run.path)
    over.set()
    thread.join()


def test_stop_waits_no_longer_than_asked(run, monkeypatch):
    monkeypatch.setattr(os, "kill", lambda *_: None)
    with run.lock(), pytest.raises(LogpiError, match=r"still trains .* after 0\.1 s.*a second request ends it at once"):
        stop(run.path, timeout=0.1)


def test_delete(run, tmp_path, capsys, monkeypatch):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (run.path / "link").symlink_to(tmp_path / "precious")
    other = create(tmp_path / "runs", "ppo", "CartPole-v1", {}, [], [0])
    assert main(["runs", "delete", str(run.path)]) == 1
    assert "add --yes" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert main(["runs", "delete", str(run.path)]) == 0
    assert run.path.exists()
    monkeypatch.setattr("builtins.input", lambda question: "y")
    size = size_text(size_of(run.path))
    assert main(["runs", "delete", "ppo/CartPole-v1_1", "--log-dir", str(tmp_path / "runs")]) == 0
    assert f"deleted, {size} freed" in capsys.readouterr().out
    assert not run.path.exists()
    assert (tmp_path / "precious" / "file").read_text() == "x"
    assert [info.path for info in find_runs(tmp_path / "runs")] == [other.path]
    assert main(["runs", "delete", str(other.path), "--yes"]) == 0
    assert list((tmp_path / "runs").iterdir()) == []


def test_prune_keeps_the_newest_checkpoints_that_can_be_read(run, capsys):
    paths = run.saved()
    paths[3].write_bytes(paths[3].read_bytes()[:-1])
    gone = paths[1].stat().st_size + paths[3].stat().st_size
    assert prune(run) == gone > 10_000
    assert run.saved() == {2: paths[2]}
    assert main(["runs", "prune", "--all", "--keep", "0", "--log-dir", str(run.path.parents[1])]) == 0
    assert f"{run.path}  " in capsys.readouterr().out
    assert run.saved() == {}
    (run.path / "last").mkdir()
    assert prune(run) == 0
    (run.path / "last").rmdir()
    assert prune(run) > 0
    assert not run.path.exists(), "nothing was saved"
    assert main(["runs", "prune"]) == 1
    assert "no run is named" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["run.tar.gz", "run.zip", None])
def test_archive(run, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (run.path / "link").symlink_to(tmp_path)
    found = archive(run, name)
    assert found.path == Path(name or "ppo-CartPole-v1_1.tar.gz")
    assert (found.bytes, found.left_out) == (found.path.stat().st_size, ["link"])
    whole = {str(p.relative_to(run.path.parent)) for p in run.path.rglob("*") if p.is_file() and p.name != "lock"}
    if name == "run.zip":
        with zipfile.ZipFile(found.path) as packed:
            names = packed.namelist()
            packed.extractall("out")
    else:
        with tarfile.open(found.path) as packed:
            names = packed.getnames()
            assert {(info.uid, info.uname) for info in packed.getmembers()} == {(0, "")}
            packed.extractall("out", filter="data")
    assert set(names) == whole
    assert len(names) == len(whole) >= 7
    for file in whole:
        assert (tmp_path / "out" / file).read_bytes() == (run.path.parent / file).read_bytes()
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(LogpiError, match="exists already"):
        archive(run, name)
    with pytest.raises(LogpiError, match=r"run\.rar is not the name of an archive; allowed endings: \.tar\.gz, \.zip"):
        archive(run, "run.rar")


@pytest.mark.parametrize("work", [delete, prune, archive])
def test_what_is_no_run_at_rest_is_left_alone(run, tmp_path, monkeypatch, work):
    monkeypatch.chdir(tmp_path)
    before = sorted(run.path.rglob("*"))

    def refused(folder, words):
        with pytest.raises(LogpiError, match=words):
            work(type(run)(folder))
        assert [path for path in sorted(run.path.rglob("*")) if path.name != "lock"] == before

    with run.lock():
        refused(run.path, "another process is writing")
    (tmp_path / "alias").symlink_to(run.path)
    refused(tmp_path / "alias", "is a link; name the folder that it points to")
    foreign = tmp_path / "home"
    (foreign / "deep" / "down").mkdir(parents=True)
    (foreign / "manifest.json").write_text("{}")
    refused(foreign, "is not a run folder")
    (foreign / "manifest.json").write_text((run.path / "manifest.json").read_text())
    refused(foreign, "is not a run folder")
    (foreign / "config.toml").write_text("")
    (foreign / "deep" / "down" / "manifest.json").write_text("{}")
    refused(foreign, "holds other runs")
    assert len(list(foreign.rglob("*"))) == 5


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1 MB"), (4e8, "400 MB"), (5e13, "50 TB")],
)
def test_sizes_are_told_in_three_digits(size, text):
    assert size_text(size) == text
