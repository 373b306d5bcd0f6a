"""The run folder: made once, read by anybody, and never without a checkpoint that loads."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from logpi.cli.main import main
from logpi.cli.runs import runs
from logpi.errors import LogpiError
from logpi.runs import files
from logpi.runs.create import create, toml_text
from logpi.runs.lookup import find_runs, open_run
from logpi.runs.metrics import MetricsWriter

CONFIG = {"learning_rate": 3e-4, "n_steps": 128, "anneal": True, "env": 'a "b"\\c\n', "hidden": [64, 64]}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path):
    return create(tmp_path, "ppo", "CartPole-v1", CONFIG, ["logpi", "train", "a b"], seeds=[3, 4])


def tree(value):
    return {"w": jnp.full(3, float(value))}


def python(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_contents(run, tmp_path):
    assert run.path == tmp_path / "ppo" / "CartPole-v1_1"
    assert run.config == CONFIG
    assert (run.path / "command.txt").read_text() == "logpi train 'a b'\n"
    manifest = run.manifest
    assert manifest["seeds"] == [3, 4]
    assert manifest["versions"]["jax"]
    assert manifest["versions"]["python"].startswith("3.")
    assert manifest["device"]["count"] >= 1
    assert manifest["git"] is None or len(manifest["git"]["commit"]) == 40
    assert len(list(run.path.iterdir())) == 3, "no empty folder waits for what may never come"


def test_what_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    with pytest.raises(LogpiError, match=r"cannot write x = .* to config\.toml"):
        create(tmp_path, "ppo", "CartPole-v1", {"x": object()}, [], [0])
    assert list(tmp_path.iterdir()) == []

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(LogpiError, match="No space left"):
        create(tmp_path, "ppo", "CartPole-v1", {}, [], [0])
    assert list(tmp_path.iterdir()) == []


def test_only_what_a_dead_writer_left_is_swept(tmp_path):
    own = files.temporary_name(tmp_path / "film.mp4", ".mp4")
    names = [f".film.mp4.{2**22 + 1}.tmp.mp4", f".new.gif.{2**22 + 1}.tmp.gif", own.name, ".notes.tmp", "film.mp4"]
    for name in names:
        (tmp_path / name).write_text("x")
        if "new" not in name:
            os.utime(tmp_path / name, (0, 0))
    files.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_numbers_go_on_after_gaps(run, tmp_path):
    (tmp_path / "ppo" / "CartPole-v1_7").mkdir()
    (tmp_path / "ppo" / "CartPole-v1_x").mkdir()
    assert create(tmp_path, "ppo", "CartPole-v1", {}, [], [0]).path.name == "CartPole-v1_8"
    assert create(tmp_path, "ppo", "CartPole", {}, [], [0]).path.name == "CartPole_1"


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ("ALE/Pong-v5", "ALE-Pong-v5_1"),
        ("pkg.envs:Grid-v0", "pkg.envs-Grid-v0_1"),
        ("../up/own env.py:My", "own-env.py-My_1"),
        ("..", "env_1"),
    ],
)
def test_safe_names(tmp_path, env, name):
    run = create(tmp_path, "ppo", env, {}, [], [0])
    assert run.path == tmp_path / "ppo" / name
    assert run.manifest["env"] == env


def test_processes_never_share_a_folder(tmp_path):
    claim = "import sys; from pathlib import Path; from logpi.runs.create import _claim\n"
    claim += "for _ in range(50): print(_claim(Path(sys.argv[1]), 'env').name)"
    several = [python(claim, tmp_path) for _ in range(3)]
    names = [name for process in several for name in process.communicate()[0].split()]
    assert sorted(names) == sorted(f"env_{n}" for n in range(1, 151))


def test_root_that_cannot_be_written(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(LogpiError, match=r"cannot make a run folder.*choose a folder"):
        create(tmp_path / "runs", "ppo", "CartPole-v1", {}, [], [0])


def test_keeps_the_last_checkpoints_and_sweeps_what_a_kill_left(run):
    run.checkpoints.mkdir()
    (run.checkpoints / ".iteration_00000009.safetensors.1.tmp").write_bytes(b"half")
    for iteration in range(5):
        run.save_checkpoint(iteration, tree(iteration), {"offset": iteration}, keep=2)
    names = sorted(path.name for path in run.checkpoints.iterdir())
    assert names == ["iteration_00000003.safetensors", "iteration_00000004.safetensors"]
    found = run.latest_checkpoint(tree(0))
    assert (found.iteration, found.meta, found.warning) == (4, {"offset": 4}, None)
    np.testing.assert_array_equal(found.tree["w"], 4.0)


def test_damaged_newest_falls_back_with_a_warning_and_is_overtaken(run):
    for iteration in (1, 2, 3):
        path = run.save_checkpoint(iteration, tree(iteration), {})
    path.write_bytes(path.read_bytes()[:-4])
    found = run.latest_checkpoint(tree(0))
    assert found.iteration == 2
    assert "iteration_00000003" in found.warning
    np.testing.assert_array_equal(found.tree["w"], 2.0)
    run.save_checkpoint(2, tree(2), {})
    assert not path.exists(), "the damaged future must not count among the kept"
    assert len(list(run.checkpoints.iterdir())) == 2


def test_no_usable_checkpoint(run):
    with pytest.raises(LogpiError, match="no checkpoint yet"):
        run.latest_checkpoint(tree(0))
    run.save_checkpoint(1, tree(1), {}).write_bytes(b"x")
    with pytest.raises(LogpiError, match=r"no usable checkpoint of 1.*truncated"):
        run.latest_checkpoint(tree(0))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failed_save_prunes_nothing(run, monkeypatch, error):
    def fail(*_):
        raise error

    for iteration in (1, 2):
        run.save_checkpoint(iteration, tree(iteration), {}, keep=2)
    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises((LogpiError, KeyboardInterrupt)):
        run.save_checkpoint(3, tree(3), {}, keep=1)
    monkeypatch.undo()
    assert len(list(run.checkpoints.iterdir())) == 2
    assert run.latest_checkpoint(tree(0)).iteration == 2


def test_kills_at_any_moment_leave_a_checkpoint_that_loads(run):
    code = """if True:
        import sys, itertools, numpy as np
        from pathlib import Path
        from logpi.runs.folder import RunFolder
        for i in itertools.count(int(sys.argv[2])):
            RunFolder(Path(sys.argv[1])).save_checkpoint(i, {"w": np.full(200_000, i, "f4")}, {"i": i})
            print(i, flush=True)
    """
    saved = -1
    for delay in (0.0, 0.003, 0.011, 0.02):
        process = python(code, run.path, saved + 1)
        saved = int(process.stdout.readline())
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(delay)
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        saved = int(rest[-1]) if rest else saved
        found = run.latest_checkpoint({"w": np.zeros(200_000, "f4")})
        assert found.warning is None
        assert found.iteration in (saved, saved + 1), "at most what came after the last checkpoint is lost"
        assert found.meta == {"i": found.iteration}
        assert set(found.tree["w"]) == {found.iteration}
        saved = found.iteration


@pytest.mark.skipif(os.name == "nt", reason="no lock there")
def test_lock_excludes_a_second_writer_and_dies_with_its_process(run):
    code = "import sys; from pathlib import Path; from logpi.runs.folder import RunFolder\n"
    code += "with RunFolder(Path(sys.argv[1])).lock(): print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code, str(run.path)], stdin=-1, stdout=-1, text=True, cwd=ROOT)
    assert other.stdout.readline() == "held\n"
    assert run.status == "running"
    with pytest.raises(LogpiError, match="another process is writing"), run.lock():
        pass
    other.kill()
    other.communicate()
    assert run.status == "interrupted"
    with run.lock():
        assert run.status == "running"
        run.finish({"mean_reward": 500.0})
    assert run.status == "finished"


def test_find_runs(run, tmp_path):
    with MetricsWriter(run.path, tensorboard=False) as writer:
        writer.write({"time/total_timesteps": 1, "eval/mean_reward": 2.0})
        for step in range(2, 5000):
            writer.write({"time/total_timesteps": step, "train/loss": 1 / step, "eval/mean_reward": step / 2})
    (tmp_path / "ppo" / "foreign").mkdir()
    (tmp_path / "ppo" / "broken").mkdir()
    (tmp_path / "ppo" / "broken" / "manifest.json").write_text("{")
    (info,) = find_runs(tmp_path)
    assert info[:4] == (run.path, "ppo", "CartPole-v1", "interrupted")
    assert info.metrics == {"time/total_timesteps": 4999, "train/loss": 1 / 4999, "eval/mean_reward": 2499.5}
    assert find_runs(tmp_path / "missing") == []


def test_open_run(run, tmp_path):
    assert open_run(run.path) == open_run("ppo/CartPole-v1_1", root=tmp_path) == run
    with pytest.raises(LogpiError, match=r"CartPole-v1_2 is not a run folder.*nearby: \S*CartPole-v1_1;"):
        open_run("ppo/CartPole-v1_2", root=tmp_path)
    with pytest.raises(LogpiError, match="there is no run in"):
        open_run("x", root=tmp_path / "missing")


def test_toml_round_trip():
    table = CONFIG | {"inf": float("inf"), "tiny": 1e-300, "big": 1e16, "odd key π": "\x7f\t", "none": None}
    table |= {"empty": [], "nested": {"a": 1, "deeper": {"b": [True, False]}}, "pair": (1, 2)}
    expected = {name: value for name, value in table.items() if value is not None} | {"pair": [1, 2]}
    assert tomllib.loads(toml_text(table)) == expected
    assert tomllib.loads(toml_text({"nested": {"a": 1}, "after": 2})) == {"nested": {"a": 1}, "after": 2}
    with pytest.raises(LogpiError, match=r"a\.b = .*object"):
        toml_text({"a": {"b": object()}})


def test_result_is_json(run):
    run.finish({"mean_reward": 1.5})
    assert json.loads((run.path / "result.json").read_text()) == {"mean_reward": 1.5}


def test_a_run_of_images_is_listed_in_images(tmp_path, capsys):
    score, length = {"percent": True}, {"unit": "images", "each": 7}
    run = create(tmp_path, "ram", "ram/mnist", CONFIG, [], seeds=[0], score=score, length=length)
    with MetricsWriter(run.path, tensorboard=False) as writer:
        writer.write({"time/total_timesteps": 2_060_800, "eval/mean_reward": 0.98934})
    assert runs(["--log-dir", str(tmp_path)]) == 0
    assert [cell.strip() for cell in capsys.readouterr().out.splitlines()[1].split("  ") if cell.strip()][-3:-1] == [
        "294,400 images",
        "98.93 %",
    ]


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused_in_one_sentence(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for verb in ("plot", "eval", "watch", "resume", "compare"):
        assert main([verb, name]) == 1, verb
        assert capsys.readouterr().err.count("\n") == 1, verb
