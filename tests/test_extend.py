"""``docs/extend.md`` as an outsider would follow it: its files in a folder of their own, its commands as printed."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from small import ROOT, SETTINGS

PAGE = (ROOT / "docs" / "extend.md").read_text()
FILES = dict(re.findall(r"`(\w+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"^\$ logpi (.*)$", PAGE, re.MULTILINE)
PROGRAMS = re.findall(r"(?<!`:\n\n)```python\n(.*?)```", PAGE, re.DOTALL)
SHORT = ["--total-timesteps", "300", "--eval-episodes", "2", "--final-episodes", "2", "--eval-points", "1"]
SHORT += ["--n-envs", "2", "--n-steps", "16", "--no-video", "--no-tensorboard", "--quiet"]
LENGTH = 'run={"video": False, "eval_episodes": 2, "final_episodes": 2, "eval_points": 1}, n_steps=16, quiet=True, '


def run(folder, arguments):
    """The outcome of a Python process in ``folder`` that finds logpi, and its own record of named code."""
    own = {"PYTHONPATH": str(ROOT), "LOGPI_STATE": str(folder / "state")}
    environment = {**os.environ, **SETTINGS, **own}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def logpi(folder, *arguments):
    return run(folder, ["-m", "logpi", *arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page's files, after its commands were run in their order, at capped lengths."""
    root = tmp_path_factory.mktemp("outsider")
    for name, text in FILES.items():
        (root / name).write_text(text)
    for command in COMMANDS:
        arguments = shlex.split(command)
        if arguments[0] == "train" and "--help" not in arguments:
            arguments += SHORT + (["--batch-size", "16"] if "a2c" not in command and "clipped" not in command else [])
        if arguments[0] == "eval":
            arguments += ["--episodes", "2"]
        found = logpi(root, *arguments)
        assert found.returncode == 0, f"{command}: {found.stderr}"
    return root


def test_the_page_shows_every_kind_of_extension():
    assert set(FILES) == {"walk.py", "walk_jax.py", "net.py", "clipped.py"}
    assert len(COMMANDS) == 8


def test_the_commands_run_as_printed(folder):
    runs = sorted(path.name for path in (folder / "runs").glob("*/*"))
    assert len(runs) == 4


def test_a_method_has_settings_of_its_own_with_help_and_ranges(folder):
    said = logpi(folder, "train", "CartPole-v1", "--algo", "clipped.py:clipped", "--help").stdout
    assert "Largest absolute advantage" in said
    refused = logpi(folder, "train", "CartPole-v1", "--algo", "clipped.py:clipped", "--mix", "1.5", *SHORT)
    assert refused.returncode == 1
    assert "method.mix is 1.5; it must be between 0 and 1" in refused.stderr


def cut(folder, path):
    """Make a finished run an interrupted one, as if it had been killed after its last checkpoint."""
    (path / "result.json").unlink()
    return path


@pytest.mark.parametrize("name", ["walk.py", "CartPole", "clipped"])
def test_a_run_of_own_code_is_resumed_from_another_folder(folder, tmp_path, name):
    found = [path for path in (folder / "runs").glob("*/*") if name in str(path)]
    path = cut(folder, found[0])
    environment = {"LOGPI_STATE": str(folder / "state"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "logpi", "resume", str(path), "--quiet"],
        cwd=tmp_path,
        env={**os.environ, **SETTINGS, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (path / "result.json").exists()


def test_code_that_nobody_named_is_not_imported(folder, tmp_path):
    (run_folder,) = [path for path in (folder / "runs").glob("*/*") if "walk.py" in str(path)]
    elsewhere = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT), "LOGPI_STATE": str(tmp_path / "other")}

    def evaluated(*more):
        arguments = [sys.executable, "-m", "logpi", "eval", str(run_folder), "--episodes", "2", *more]
        return subprocess.run(arguments, env=elsewhere, capture_output=True, text=True, timeout=300)

    refused = evaluated()
    assert refused.returncode == 1
    assert "is named by a run or an agent, not by this command" in refused.stderr
    assert f"--code {folder / 'walk.py'}" in refused.stderr
    assert evaluated("--code", str(folder / "walk.py")).returncode == 0
    assert evaluated().returncode == 0, "it was named on this machine, and has not changed since"
    text = (folder / "walk.py").read_text()
    (folder / "walk.py").write_text(text + "\n# changed\n")
    assert evaluated().returncode == 1
    (folder / "walk.py").write_text(text)


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_the_programs_run(tmp_path, number):
    program = re.sub(r"total_timesteps=[\d_]+", LENGTH + "total_timesteps=300", PROGRAMS[number])
    program = program.replace("n_steps=16", "n_steps=32, batch_size=64") if '"ppo"' in program else program
    done = run(tmp_path, ["-c", program])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
