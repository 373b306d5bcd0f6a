"""Wrappers on the command line and in Python: trained, resumed, evaluated, filmed with, and trusted or refused."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from atari_extra import needs_atari
from small import flags, only_run, quick_compilation

import logpi
from logpi import own_code
from logpi.cli.main import main
from logpi.errors import LogpiError

OWN = """
import gymnasium

class Shift(gymnasium.RewardWrapper):
    def __init__(self, env, by=1.0):
        super().__init__(env)
        self.by = by

    def reward(self, reward):
        return reward + self.by

class Env(gymnasium.Env):
    pass
"""
CARTPOLE = ["train", "CartPole-v1", "--frame-stack", "3", "--wrapper", "own.py:Shift", "by=2"]


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The runs folder of a plain run of CartPole."""
    root = tmp_path_factory.mktemp("plain")
    assert main(["train", "CartPole-v1", *flags("a2c", root)]) == 0
    return root


@pytest.fixture
def stranger(plain, folder):
    """A copy of that run, of a stranger, in the working folder."""
    return only_run(shutil.copytree(plain, folder / "runs"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder, on a machine that has trusted nothing."""
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_code, "_checked", set())
    monkeypatch.delitem(sys.modules, "own", raising=False)
    Path("own.py").write_text(OWN)
    return tmp_path


def run(argv, capfd, code=0):
    capfd.readouterr()
    assert main([*map(str, argv)]) == code, capfd.readouterr().err
    out, err = capfd.readouterr()
    return out + err


def forget(monkeypatch, folder):
    """Another machine: nothing that was named before is known."""
    monkeypatch.setenv("LOGPI_STATE", str(folder / "other"))
    monkeypatch.setattr(own_code, "_checked", set())


def test_wrappers_are_remembered_by_the_run_and_the_agent(folder, capfd, monkeypatch):
    said = run([*CARTPOLE, *flags("a2c", folder / "runs")[:2], *flags("a2c", folder / "runs")[3:]], capfd)
    wrappers = [
        {"name": str(folder / "own.py:Shift"), "kwargs": {"by": 2}},
        {"name": "frame-stack", "kwargs": {"stack_size": 3}},
    ]
    found = only_run(folder / "runs")
    assert f"wrappers: {folder}/own.py:Shift by=2, frame-stack stack_size=3" in said
    assert tomllib.loads((found.path / "config.toml").read_text())["wrappers"] == wrappers
    card = json.loads((found.best / "agent.json").read_text())
    assert card["wrappers"] == wrappers
    assert card["observation_space"]["shape"] == [3, 4]
    evaluated = json.loads(run(["eval", found.path, "--episodes", "3", "--json"], capfd))
    assert evaluated["returns"] == [3 * length for length in evaluated["lengths"]], "1 + 2 a step"
    run(["watch", found.path, "--steps", "3", "--out", "film.gif"], capfd)
    assert Path("film.gif").stat().st_size
    run(["resume", found.path, "--total-timesteps", "640", "--quiet"], capfd)
    again = ["train", "--config", found.path / "config.toml", "--log-dir", "again", "--quiet", "--frame-stack", "1"]
    run(again, capfd)
    assert only_run("again").config["wrappers"] == wrappers[:1]
    forget(monkeypatch, folder)
    for argv in (["eval", found.path], ["watch", found.path], ["resume", found.path, "--total-timesteps", "960"]):
        assert "own.py" in (refused := run(argv, capfd, code=1))
        assert "is named by a run or an agent" in refused
    assert "trusted: importing" in run(["eval", found.path, "--episodes", "1", "--trust"], capfd)


def test_python_does_the_same(folder, monkeypatch):
    settings = {"n_envs": 2, "n_steps": 8, "total_timesteps": 64, "hidden": [8], "video": False, "tensorboard": False}
    settings |= {"eval_points": 0, "final_episodes": 2}
    wrappers = [("own.py:Shift", {"by": 0.5}), "flatten-observation"]
    outcome = logpi.train("CartPole-v1", "a2c", wrappers=wrappers, frame_stack=2, quiet=True, **settings)
    config = outcome.folder.config
    assert [w["name"].rpartition(":")[2] for w in config["wrappers"]] == ["Shift", "flatten-observation", "frame-stack"]
    assert "wrappers=[['" in outcome.folder.command_file.read_text()
    agent = logpi.load(outcome.folder.path)
    assert agent.spec.observation_space.shape == (2, 4)
    facts = logpi.evaluate(agent, episodes=2).facts
    assert facts["returns"] == [1.5 * length for length in facts["lengths"]]
    forget(monkeypatch, folder)
    with pytest.raises(LogpiError, match="is named by a run or an agent"):
        logpi.evaluate(agent, episodes=1)
    trusted = logpi.load(outcome.folder.path, trust=True)
    assert logpi.evaluate(trusted, episodes=1).facts["episodes"] == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["CartPole-v1", "--wrapper", "frame-stak"], ["unknown wrapper 'frame-stak'", "did you mean frame-stack?"]),
        (["CartPole-v1", "--wrapper", "time-limit", "steps=3"], ["no argument 'steps'", "max_episode_steps"]),
        (["CartPole-v1", "--wrapper", "frame-stack", "size=3"], ["no argument 'size'", "stack_size"]),
        (["CartPole-v1", "--wrapper", "frame-stack"], ["frame-stack needs stack_size=…"]),
        (["CartPole-v1", "--wrapper", "own.py:Shifted"], ["own.py has no 'Shifted'", "Shift"]),
        (["CartPole-v1", "--wrapper", "own.py:Env"], ["wanted: a class that extends gymnasium.Wrapper"]),
        (["CartPole-v1", "--wrapper", "nowhere:Shift"], ["importing nowhere raised ModuleNotFoundError"]),
        (["CartPole-v1", "--wrapper", "own:Shifted"], ["own has no 'Shifted'; did you mean Shift?"]),
        (["CartPole-v1", "--wrapper", "none", "--wrapper", "own.py:Shift"], ["none stands for no wrapper at all"]),
        (["CartPole-v1", "--frame-stack", "x"], ["--frame-stack 'x'"]),
        (["CartPole-v1", "--frame-stack", "99"], ["frame_stack is 99; allowed: 1 (no stack) to 64"]),
        (["probe/chain-v0", "--frame-stack", "2"], ["wrappers frame-stack", "probe/chain-v0 runs on the device"]),
        (["tic-tac-toe", "--frame-stack", "2"], ["tic-tac-toe is not an environment", "takes no wrappers"]),
        (["ram/mnist", "--wrapper", "time-limit"], ["ram/mnist is not an environment"]),
    ],
)
def test_what_is_asked_for_wrongly_ends_with_one_message(folder, capfd, argv, words):
    said = run(["train", *argv, "--quiet"], capfd, code=1)
    assert said.startswith("logpi train: ")
    assert said.count("\n") == 1
    for word in words:
        assert word in said
    assert not Path("runs").exists()


def test_a_file_of_settings_does_not_name_code(folder, capfd):
    Path("s.toml").write_text('[[wrappers]]\nname = "own.py:Shift"\n')
    said = run(["train", "CartPole-v1", "--config", "s.toml", "--quiet"], capfd, code=1)
    assert "is named by a run or an agent" in said


MARK = "import pathlib\npathlib.Path('executed').write_text('')\n"


@pytest.mark.parametrize("name", ["evil.py:Shift", "evil:Shift", "gymnasium.wrappers:RecordVideo"])
def test_a_wrapper_that_an_agent_names_does_not_run(stranger, capfd, name):
    found = stranger
    Path("evil.py").write_text(MARK + OWN)
    kwargs = {"video_folder": "executed"} if "Record" in name else {}
    for agent in (found.best, found.last):
        card = json.loads((agent / "agent.json").read_text())
        (agent / "agent.json").write_text(json.dumps(card | {"wrappers": [{"name": name, "kwargs": kwargs}]}))
    lines = [line for line in (found.path / "config.toml").read_text().splitlines() if not line.startswith("wrappers")]
    more = ["[[wrappers]]", f'name = "{name}"', "[wrappers.kwargs]", *(f'{k} = "{v}"' for k, v in kwargs.items())]
    (found.path / "config.toml").write_text("\n".join([*lines, *more]))
    for argv in (["eval", found.path], ["watch", found.path], ["resume", found.path, "--total-timesteps", "640"]):
        said = run(argv, capfd, code=1)
        assert "is named by a run or an agent" in said or "of Gymnasium's there are" in said
    assert not Path("executed").exists()


@pytest.mark.parametrize("wrappers", [5, "frame-stack", [5], [{"name": 7}], [{"name": "a", "kwargs": 3}]])
def test_altered_cards(stranger, capfd, wrappers):
    card = json.loads((stranger.best / "agent.json").read_text())
    (stranger.best / "agent.json").write_text(json.dumps(card | {"wrappers": wrappers}))
    said = run(["eval", stranger.path], capfd, code=1)
    assert "wrappers" in said
    assert said.count("\n") == 1


@needs_atari
def test_an_atari_game_is_preprocessed_by_default(folder, capfd):
    tiny = ["--n-envs", "2", "--total-timesteps", "32", "--eval-points", "0", "--final-episodes", "1", "--no-video"]
    tiny += ["--no-tensorboard", "--env-kwargs", "max_num_frames_per_episode=200"]
    dqn = ["--n-steps", "4", "--buffer-size", "64", "--batch-size", "4", "--learning-starts", "16"]
    dqn += ["--torso", "mlp", "--hidden", "4"]  # convolutions take longer to compile
    said = run(["train", "ALE/Breakout-v5", "--algo", "dqn", *dqn, *tiny], capfd)
    assert (
        "wrappers: atari-frames noop_max=30 frame_skip=4 screen_size=84, fire-reset, frame-stack stack_size=4" in said
    )
    assert "in training only: episodic-life, sign-reward" in said
    found = only_run(folder / "runs")
    assert found.config["method"]["stacked_frames"] == 4
    card = json.loads((found.last / "agent.json").read_text())
    assert card["observation_space"] | {"shape": [4, 84, 84], "dtype": "uint8"} == card["observation_space"]
    assert "mean return" in run(["eval", found.path, "--episodes", "1"], capfd)
    run(["watch", found.path, "--steps", "3", "--out", "film.gif"], capfd)
