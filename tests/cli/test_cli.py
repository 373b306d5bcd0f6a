"""Every verb: what it prints, for people and for programs, its exit code, and how quickly it helps."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import imageio_ffmpeg
import numpy as np
import pytest
from atari_extra import needs_atari
from small import ROOT, SETTINGS, flags, logpi, only_run, quick_compilation

import logpi as package
from logpi import api
from logpi.cli.main import VERBS, main
from logpi.cli.watch import watch
from logpi.errors import LogpiError
from logpi.runs.files import size_of, size_text
from logpi.runs.scores import interval, plus_minus


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run with everything that a run leaves."""
    root = tmp_path_factory.mktemp("work")
    options = flags("ppo", root / "runs", run={"video": True, "tensorboard": True}, total_timesteps=1000)
    assert main(["train", "CartPole-v1", *options]) == 0
    return only_run(root / "runs")


SLOW_EXIT = """
import atexit, time
import logpi.cli.main

atexit.register(time.sleep, 60)
logpi.cli.main.main = lambda: print("what it said") or {code}
logpi.cli.main.run()
"""


def test_an_interrupted_command_waits_for_no_library():
    program = [sys.executable, "-c", SLOW_EXIT.format(code="(logpi.cli.main.flush_output() or 130)")]
    done = subprocess.run(program, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout) == (130, b"what it said\n")


def test_a_command_that_is_done_ends_as_programs_do():
    program = SLOW_EXIT.format(code=1).replace("time.sleep, 60", "print, 'cleaned up'")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, b"what it said\ncleaned up\n")


@pytest.fixture
def answer(capsys):
    """Run a verb; returns what it printed on stdout."""

    def run(*argv, code=0):
        capsys.readouterr()
        assert main([*map(str, argv)]) == code
        return capsys.readouterr().out

    return run


def frames(path):
    """(size, frames as arrays) of a video, decoded to the end."""
    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    return (width, height), [np.frombuffer(raw, np.uint8).reshape(height, width, 3) for raw in reader]


def assert_plays(path, at_least):
    (width, height), found = frames(path)
    assert len(found) >= at_least
    assert min(width, height) >= 100
    assert max(frame.std() for frame in found) > 0, "something is drawn"
    assert any((frame != found[0]).any() for frame in found), "something moves"


def test_a_run_leaves_all_that_is_promised(folder):
    for path in (folder.metrics, folder.curve, folder.path / "result.json", folder.path / "progress.csv"):
        assert path.stat().st_size > 0
    for name in ("best/agent.json", "last/agent.safetensors", "config.toml", "manifest.json", "command.txt"):
        assert (folder.path / name).exists()
    assert list(folder.path.glob("events.out.tfevents*"))
    assert_plays(next(folder.videos.iterdir()), at_least=5)
    assert (folder.path / "command.txt").read_text().startswith("logpi train CartPole-v1 --algo ppo")


def test_train_reports_to_people(tmp_path, capsys):
    options = [flag for flag in flags("ppo", tmp_path, run={"seeds": 2}) if flag != "--quiet"]
    assert main(["train", "CartPole-v1", *options]) == 0
    text = capsys.readouterr().out
    assert "CartPole-v1 · ppo · 2 seeds" in text
    assert "over 2 seeds" in text
    assert f"logpi watch {only_run(tmp_path).path}" in text


def test_eval(folder, answer):
    said = json.loads(answer("eval", folder.path, "--episodes", 6, "--seed", 3, "--json"))
    assert said["env"] == "CartPole-v1"
    assert (said["episodes"], said["seed"], said["on"], said["is_deterministic"]) == (6, 3, "Gymnasium", True)
    assert len(said["returns"]) == 6
    assert said["mean_reward"] == pytest.approx(np.mean(said["returns"]))
    assert said["returns"] == api.evaluate(api.load(folder.path), 6, seed=3).facts["returns"], (
        "a seed repeats its episodes"
    )
    assert said["mean_ep_length"] == pytest.approx(said["mean_reward"]), "CartPole earns 1 a move"
    sampled = json.loads(answer("eval", folder.last, "--episodes", 6, "--sampled", "--json"))
    assert sampled["is_deterministic"] is False
    shown = plus_minus(said["mean_reward"], said["interval"])
    assert f"mean return {shown} (95 % interval" in answer("eval", folder.path, "--episodes", 6, "--seed", 3)


def test_eval_plays_all_seeds_of_a_run(tmp_path, answer):
    answer("train", "CartPole-v1", *flags("a2c", tmp_path, run={"seeds": 2, "seed": 4}))
    run = only_run(tmp_path)
    found = json.loads(answer("eval", run.path, "--episodes", 5, "--json"))
    folders = [run.best / f"seed_{seed}" for seed in (4, 5)]
    alone = [api.evaluate(folder, 5) for folder in folders]
    assert [each["returns"] for each in found["agents"]] == [each.facts["returns"] for each in alone]
    assert [each["folder"] for each in found["agents"]] == list(map(str, folders))
    assert found["scores"] == [each.score for each in alone]
    mean, half = interval(np.array(found["scores"])[:, None])
    assert (found["mean"], found["interval"]) == (mean[0], half[0]), "the seed is the unit"
    text = answer("eval", run.path, "--episodes", 5)
    assert (
        text.splitlines()[-1] == f"all 2 seeds: {plus_minus(mean[0], half[0])} (95 % interval of the mean over seeds)"
    )
    assert "agents" not in json.loads(answer("eval", folders[1], "--episodes", 5, "--json"))


def test_eval_of_an_environment_that_is_only_on_the_device(tmp_path, answer):
    assert main(["train", "probe/bandit-v0", *flags("ppo", tmp_path, total_timesteps=4000, learning_rate=0.02)]) == 0
    said = json.loads(answer("eval", only_run(tmp_path).path, "--episodes", 5, "--json"))
    assert (said["on"], said["returns"]) == ("device", [1.0] * 5)


def test_watch(folder, answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = json.loads(answer("watch", folder.path, "--seed", 5, "--json"))
    assert said["video"] == str(folder.videos / "watch-5.mp4")
    assert_plays(said["video"], at_least=5)
    said = json.loads(answer("watch", folder.best, "--sampled", "--episodes", 2, "--out", "mine.mp4", "--json"))
    assert said["video"] == "mine.mp4"
    assert_plays("mine.mp4", at_least=10)
    said = json.loads(answer("watch", folder.best, "--out", "mine.gif", "--json"))
    assert (said["video"], Path("mine.gif").read_bytes()[:3]) == ("mine.gif", b"GIF")
    Path("films").mkdir()
    assert json.loads(answer("watch", folder.best, "--out", "films", "--json"))["video"] == "films/watch-10000.mp4"
    with pytest.raises(LogpiError, match=r"--out mine\.avi; allowed: a folder that exists, or a file .*\.mp4 or \.gif"):
        watch([str(folder.best), "--out", "mine.avi"])


def test_a_random_agent_within_wrappers(answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    limit = ("--wrapper", "time-limit", "max_episode_steps=5")
    said = json.loads(answer("watch", "--random", "CartPole-v1", *limit, "--frame-stack", 2, "--json"))
    assert imageio_ffmpeg.count_frames_and_secs(said["video"])[0] == 6, "the first state and five moves"
    with pytest.raises(LogpiError, match="--wrapper is for --random; an agent is filmed within the wrappers"):
        watch(["some-run", *limit])


@pytest.mark.parametrize("env", [pytest.param("ALE/SpaceInvaders-v5", marks=needs_atari), "LunarLander-v3"])
def test_environments_are_filmed_without_a_display(env, answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "MUJOCO_GL"):
        monkeypatch.delenv(name, raising=False)
    said = json.loads(answer("watch", "--random", env, "--steps", 20, "--json"))
    assert imageio_ffmpeg.count_frames_and_secs(said["video"])[0] == 21


def test_watch_a_random_agent(folder, answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LogpiError, match="is a run; --random films an environment"):
        watch([str(folder.path), "--random"])
    said = json.loads(answer("watch", "--random", "CartPole-v1", "--json"))
    assert said == {"video": "random-CartPole-v1.mp4", "episodes": 1, "seed": 10_000}
    assert_plays(said["video"], at_least=8)


def test_plot(folder, answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = json.loads(answer("plot", folder.path, "--out", "curve.png", "--json"))
    assert said == {"picture": "curve.png", "runs": [str(folder.path)]}
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert answer("plot", folder.path, "--title", "mine").strip() == str(folder.curve)
    assert main(["train", "CartPole-v1", *flags("a2c", tmp_path / "more")]) == 0
    assert answer("plot", folder.path, only_run(tmp_path / "more").path).strip() == "compare.png"
    assert (tmp_path / "compare.png").stat().st_size > 1000
    name = folder.path.relative_to(folder.path.parents[1])
    assert answer("plot", name, "--log-dir", folder.path.parents[1]).strip() == str(folder.curve)


def test_runs(folder, answer, tmp_path):
    root = folder.path.parents[1]
    (said,) = json.loads(answer("runs", "--log-dir", root, "--json"))
    assert (said["path"], said["algo"], said["env"]) == (str(folder.path), "ppo", "CartPole-v1")
    assert said["status"] == "finished"
    assert said["metrics"]["time/total_timesteps"] >= 1000
    assert said["bytes"] == size_of(folder.path) > 100_000
    text = answer("runs", "--log-dir", root)
    assert str(folder.path) in text
    assert "finished" in text
    assert size_text(said["bytes"]) in text
    assert "logpi train" in answer("runs", "--log-dir", tmp_path)
    assert json.loads(answer("runs", "--log-dir", tmp_path, "--json")) == []


def test_envs(answer):
    said = {row["env"]: row for row in json.loads(answer("envs", "--json"))}
    assert said["CartPole-v1"]["runs_on"] == "device"
    assert said["LunarLander-v3"]["runs_on"] == "host"
    low, high = said["CartPole-v1"]["recipes"]["ppo"]
    assert 400 < low < high <= 500
    text = answer("envs")
    assert set(said) <= {line.split()[0] for line in text.splitlines()}, "no line is folded in a pipe"


GAMES = ["alphago", "alphago_rl", "alphago_search", "alphago_value", "alphago_zero", "alphazero"]


def test_algos(answer):
    said = json.loads(answer("algos", "--json"))
    values, gradients = ["q_learning", "dqn", "pqn"], ["reinforce", "actor_critic", "a2c", "ppo"]
    critics = ["qac", "ddpg", "td3", "sac", "sac_discrete"]
    assert list(said) == ["bc", *values, *gradients, *critics, "ram", "classifier", *GAMES]
    names = list(said)
    for name, row in said.items():
        assert row["parent"] is None or names.index(row["parent"]) < names.index(name), "each after its parent"
    assert said["ppo"]["settings"]["clip_range"] == 0.2
    assert all(row["about"] for row in said.values())
    assert "Schulman" in answer("algos")


def test_check_env(answer, tmp_path):
    said = json.loads(answer("check-env", "CartPole-v1", "--steps", 50, "--json"))
    assert said["ok"] is True
    text = answer("check-env", "CartPole-v1", "--steps", 50, "--wrapper", "time-limit", "max_episode_steps=3")
    assert "3.0 moves on average" in text
    text = answer("check-env", "FrozenLake-v1", "--steps", 50)
    assert "steps/s" in text
    assert "ready to train" in text
    (tmp_path / "own.py").write_text("class Own: pass\n")
    said = json.loads(answer("check-env", f"{tmp_path}/own.py:Own", "--json", code=1))
    assert said["ok"] is False
    assert "not ready" in answer("check-env", f"{tmp_path}/own.py:Own", code=1)


def test_doctor(answer):
    said = json.loads(answer("doctor", "--json"))
    assert said["cores"] == os.cpu_count()
    assert said["device"]["platform"] == "cpu"
    assert SETTINGS["LOGPI_CACHE"] in said["compilation cache"]
    assert "jax" in said["versions"]
    assert "video" in answer("doctor")


def test_resume(folder, answer, tmp_path):
    name = folder.path.relative_to(folder.path.parents[1])
    assert main(["resume", str(name), "--log-dir", str(folder.path.parents[1])]) == 1, "it has finished"


def test_overview_and_version(answer):
    for argv in ([], ["--help"], ["help"]):
        text = answer(*argv)
        assert all(f"  {verb} " in text for verb in VERBS)
    assert answer("--version").startswith("logpi 0.")


def test_a_closed_pipe_is_no_error():
    text = f"{sys.executable} -m logpi envs | head -1"
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", text], env=environment, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert "environment" in done.stdout


def test_as_a_module():
    done = logpi("algos", "--json")
    assert done.returncode == 0
    assert "ppo" in json.loads(done.stdout)
    assert logpi("nonsense").returncode == 2
    missing = logpi("train", "Nonsense-v0", "--quiet")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("logpi train: unknown environment 'Nonsense-v0'")


def cpu_seconds(*argv):
    """(user and system seconds, stderr) of a process."""
    process = subprocess.Popen(
        [sys.executable, *argv],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, error
    return usage.ru_utime + usage.ru_stime, error


def test_help_of_train_imports_the_settings_of_its_method_alone():
    """They stand in the method's file, which imports JAX; networks and pictures are not needed."""
    _, imported = cpu_seconds("-X", "importtime", "-m", "logpi", "train", "--help")
    modules = {line.rpartition("|")[2].strip() for line in imported.splitlines()}
    assert "logpi.config.experiments" in modules
    assert not modules & {"flax", "matplotlib", "logpi.algorithms.reinforce", "logpi.nets.policy", "logpi.api"}


QUICK = [["--help"], *([verb, "--help"] for verb in VERBS if verb != "train")]


@pytest.mark.parametrize("argv", QUICK, ids=" ".join)
def test_help_is_quick_and_imports_no_jax(argv):
    _, imported = cpu_seconds("-X", "importtime", "-m", "logpi", *argv)
    modules = {line.rpartition("|")[2].strip() for line in imported.splitlines()}
    assert "logpi.cli.main" in modules
    assert not modules & {"jax", "gymnasium", "flax", "matplotlib", "scipy"}
    yardstick = min(cpu_seconds("-c", "import numpy, rich.console, tyro")[0] for _ in range(2))
    times = [cpu_seconds("-m", "logpi", *argv)[0] for _ in range(3)]
    assert min(times) < 4 * yardstick, "in a machine's own time: a second on a laptop is three on a busy server"


RECOMPILATION = """
import os
from pathlib import Path
import logpi
run = {"video": False, "tensorboard": False, "eval_episodes": 4, "final_episodes": 4, "log_dir": os.environ["RUNS"]}
def programs(seed=0, **method):
    method = {"n_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 2, "total_timesteps": 200, **method}
    logpi.train("CartPole-v1", "ppo", quiet=True, run={**run, "seed": seed}, network={"hidden": [8]}, **method)
    return sorted(p.name for p in Path(os.environ["LOGPI_CACHE"], "xla").glob("*-cache"))
first = programs()
floats = {"learning_rate": 0.1, "gamma": 0.5, "ent_coef": 0.1, "clip_range": 0.3, "total_timesteps": 300,
          "gae_lambda": 0.5, "vf_coef": 0.1, "max_grad_norm": 2.0}
print(len(first), *(name for name in programs(1, **floats) if name not in first), sep="\\n")
print("other", len(set(programs(batch_size=64)) - set(first)), sep="\\n")
"""


def test_another_seed_or_learning_rate_compiles_nothing(tmp_path):
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT), "RUNS": str(tmp_path / "runs")}
    environment["LOGPI_CACHE"] = str(tmp_path / "cache")
    done = subprocess.run(
        [sys.executable, "-c", RECOMPILATION], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    first, *new, _, other = done.stdout.split()
    assert int(first) >= 4
    assert new == []
    assert int(other) > 0, "the count must see a program that is new"


def test_the_names_of_the_package_are_what_they_say():
    """A submodule of the same name would take a function's place as soon as it is imported."""
    for module in sys.modules.copy():
        assert not module.startswith("logpi.") or module.count(".") > 1 or module[6:] not in package._WHERE
    for name in package.__all__:
        assert isinstance(getattr(package, name), ModuleType) == (name in package._MODULES), name
    assert package.train is api.train
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'; it has train"):
        _ = package.nonsense
    assert set(VERBS) >= {"train", "resume", "eval", "watch", "plot"}
