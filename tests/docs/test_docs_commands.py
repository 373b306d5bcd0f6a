"""Every command and program of README.md and docs/ runs as printed, but for lengths.

``CAPS`` is all that is changed: how long a training, an evaluation or a match is, and how wide a network. Each page has
a folder of its own with the files that the manual shows; runs that a page names and does not make are made before.
"""

import ast
import contextlib
import dataclasses
import functools
import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec

import notebooks
import numpy as np
import pytest
from manual import PAGES, ROOT, blocks, commands, files, name_of, sized
from matplotlib import pyplot
from PIL import Image
from small import SETTINGS, quick_compilation

import logpi.api
import logpi.api.laboratory
import logpi.api.sweep
import logpi.arena.api
import logpi.arena.players.make
import logpi.cli.play
import logpi.control.variance.fit
import logpi.envs.checker.check
import logpi.games.rules.check
import logpi.training.session
import logpi.view.screen
from logpi.cli.main import main
from logpi.config.settings import idle_because
from logpi.games.records.files import append
from logpi.games.records.record import Record

CAPS = {  # settings: the largest value in this test
    **{"total_timesteps": 64, "total_images": 64, "n_envs": 2, "n_games": 4, "n_steps": 8, "n_updates": 1},
    **{"batch_size": 16, "n_epochs": 2, "replay_size": 512, "validation_size": 64},
    **{"simulations": 2, "eval_simulations": 2, "eval_opponent_simulations": 2, "max_considered_actions": 2},
    **{"gating_games": 2, "gating_simulations": 2, "gating_interval": 2},
    **{"hidden": (8,), "units": 8, "blocks": 1, "value_units": 8, "core_size": 8, "sensor_size": 8, "glimpse_size": 8},
    **{"seeds": 2, "eval_episodes": 2, "final_episodes": 2, "eval_points": 1, "checkpoint_points": 1},
    **{"video": False, "tensorboard": False},
}
ELSEWHERE = {"docs/extend.md": "tests/test_extend.py runs its commands and programs"}
SKIPPED = {  # what a command contains -> (why it is not run here, whether that holds on this machine)
    "--on processes": ("lengths are not cut in other processes; tests/clusters trains there", True),
    "logpi engine": ("it waits for another program", True),
    "logpi ui": ("it serves a page until it is interrupted: tests/page looks at it", True),
    "pip install": ("it installs packages: .ci/run does it in a new virtual environment", True),
    "logpi push": ("it needs the hub: tests/deploy/test_hub.py has a stand-in", True),
    "logpi pull": ("it needs the hub", True),
    "cartpole/expert-v0": ("it needs Minari: tests/algorithms/test_bc.py has a stand-in", not find_spec("minari")),
    "gnugo": ("it needs the program gnugo", not shutil.which("gnugo")),
    "stockfish": ("it needs the program stockfish; tests/arena/players/test_uci.py plays engines", True),
    "python bench/": ("it takes hours: tests/bench runs the script", True),
}
SLOW = {  # pages whose commands compile large networks, minutes in all: run with LOGPI_SLOW_DOCS=1
    "docs/alphazero.md": "Go 9x9 and Connect Four",
    "docs/alphago.md": "Go 9x9",
    "docs/ram.md": "ten trainings on images of up to 100x100 pixels",
    "docs/pgx.md": "chess and shogi by pgx",
}
LATER = {} if os.environ.get("LOGPI_SLOW_DOCS") else SLOW
RUN = re.compile(r"(?:runs/)?\b((?:\w+)/([\w.-]+)_\d+)\b")
LITERAL = re.compile(r"print\(.*\)  # ([-\[\d].*|True|False)$", re.MULTILINE)


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(autouse=True)
def capped(monkeypatch):
    """Lengths are cut wherever a command or a program hands them over."""

    def cut(module, name, change):
        original = getattr(module, name)
        wrapped = functools.wraps(original)(lambda *args, **kwargs: original(*change(*args), **kwargs))
        monkeypatch.setattr(module, name, wrapped)

    def limited(module, name, **limits):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **kwargs: original(*args, **{**kwargs, **limits}))

    cut(logpi.training.session, "starting", lambda experiment, *rest: (short(experiment), *rest))
    cut(logpi.api.sweep.Search, "through", lambda self, found, *rest: (self, shortened(found), *rest))
    limited(logpi.api.sweep, "sweep", configurations=2, halving=0)
    for module in (logpi.api, logpi.api.agents):  # for the commands, and for programs
        cut(module, "evaluate", lambda agent, episodes=None, *rest: (agent, min(episodes or 4, 4), *rest))
        cut(module, "film", lambda agent, path, episodes=None, *rest: (agent, path, 1, *rest))
    for module in (logpi.arena.api, logpi.arena.players.make):
        cut(module, "make_player", lambda text, *rest: (few(text), *rest))
    for module in (logpi.api, logpi.api.laboratory):
        limited(module, "variance", trajectories=1, reference=1, batch=2)
    monkeypatch.setattr(logpi.control.variance.fit, "STEPS", 10)
    monkeypatch.setattr(logpi.control.variance.fit, "TRAJECTORIES", 10)
    limited(logpi.arena.api, "play_tournament", games=2)
    limited(logpi.envs.checker.check, "check_env", steps=200)
    limited(logpi.games.rules.check, "check_game", games=4)
    monkeypatch.setattr(logpi.cli.play, "SEARCHED", 2)
    monkeypatch.setattr(logpi.view.screen, "open_file", print)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")


def short(experiment):
    """``experiment`` with the lengths of ``CAPS``."""
    # an episode's limit is the length of their rollouts: another n_steps is refused
    whole = {"n_steps"} if experiment.algo in ("reinforce", "actor_critic") else set()
    searches = {getattr(experiment.method, name, "") for name in ("search", "play_search")}
    if "gumbel" not in searches:  # a setting that would do nothing is refused
        whole |= {"max_considered_actions"}

    def part(section):
        fields = {field.name for field in dataclasses.fields(section)} & set(CAPS) - whole
        used = {name for name in fields if not idle_because(section, name)}
        return dataclasses.replace(section, **{name: least(getattr(section, name), CAPS[name]) for name in used})

    sections = {name: part(getattr(experiment, name)) for name in ("run", "method", "network")}
    return dataclasses.replace(experiment, **sections)


def shortened(experiments):
    return {number: short(experiment) for number, experiment in experiments.items()}


def least(value, cap):
    return cap if isinstance(cap, tuple | bool) else type(value)(min(value, cap))


def few(player):
    """The text of a player with few simulations, one more than its number has digits, so that names stay different."""
    return re.sub(r":(\d+)$", lambda n: f":{len(n[1]) + 1}", player) if isinstance(player, str) else player


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Runs that pages name without making them, each trained once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder of a page: the manual's files, data of one's own, and the commands of a shell."""
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    for name, module in (("logpi", "-m logpi"), ("python", "")):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    for name in ("photo.png", "picture.png"):
        Image.new("L", (40, 40), 200).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # a program imports another one of its page
    return tmp_path


def provide(text, folder, store):
    """Make the runs and the data that ``text`` names where they are not in ``folder``."""
    if "own.npz" in text and not (folder / "own.npz").exists():
        (program,) = (block.text for block in blocks(ROOT / "docs" / "glimpse-data.md") if "savez" in block.text)
        exec(program, {})
    for name in re.findall(r"--records (\w+)", text):
        rng, path = np.random.default_rng(0), folder / name / "games.sgf"
        while not path.exists() or path.stat().st_size < 10_000:
            moves = tuple(rng.permutation(81)[:12].tolist())
            append(path, Record("go-9x9", ("a", "b"), moves, float(rng.choice([-1, 1])), reason="resigned"))
    for path, env in RUN.findall(text):
        made, target = store / "runs" / path, folder / "runs" / path
        if target.exists() or not path.startswith(("ppo/", "alphazero/", "ram/")):
            continue
        if not made.exists():
            with contextlib.chdir(store):
                assert main(["train", env.replace("ram-", "ram/"), "--quiet"]) == 0
        for run in made.parent.iterdir():  # the newest of its kind, whatever its number
            shutil.copytree(run, target)
            break


def execute(command, folder):
    """(exit code, output) of a command line."""
    words = shlex.split(command.line, comments=True)
    if words[0] == "python" and words[1] in files():
        return program(folder / words[1])
    if words[0] != "logpi" or {"|", "<", ">", "&&"} & set(words):
        environment = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT)}
        environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command.line], env=environment, capture_output=True, text=True, timeout=300
        )
        return done.returncode, done.stdout + done.stderr
    if words[1] == "resume":
        unfinished(folder, words)
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        try:
            code = main(words[1:])
        except SystemExit as end:
            code = end.code or 0
    return code, said.getvalue()


def program(path):
    """(0, output) of a program that a page shows, with small sizes."""
    path.write_text(sized(path.read_text()))
    with contextlib.redirect_stdout(io.StringIO()) as said:
        runpy.run_path(str(path), run_name="__main__")
    pyplot.close("all")
    return 0, said.getvalue()


def unfinished(folder, words):
    """Make the run that ``words`` name an interrupted one, as if it had been killed after its last checkpoint."""
    for word in words:
        for run in (folder / word, folder / "runs" / word):
            (run / "result.json").unlink(missing_ok=True)


def reason_to_skip(line):
    return next((why for part, (why, holds) in SKIPPED.items() if holds and part in line), "")


def packed(text):
    """``text`` without the spaces by which NumPy aligns numbers."""
    return " ".join(text.split()).replace(" ]", "]")


def literal_outputs(program):
    """What the comments behind ``print`` say that it prints."""
    return [text.strip() for text in LITERAL.findall(program)]


@pytest.mark.parametrize("page", [page for page in PAGES if name_of(page) not in {**ELSEWHERE, **LATER}], ids=name_of)
def test_a_page_runs_as_printed(page, folder, store):
    for block in blocks(page):
        for command in commands(block):
            if reason_to_skip(command.line):
                continue
            provide(command.line, folder, store)
            code, said = execute(command, folder)
            assert code == 0, f"{command.line}\n{said}"
            if command.shown and command.line.startswith("logpi algos"):
                assert said.strip() == command.shown.strip(), "the output is the same everywhere"
        if block.language == "python" and not block.file:
            provide(block.text, folder, store)
            with contextlib.redirect_stdout(io.StringIO()) as said:
                exec(compile(block.text, name_of(page), "exec"), {"__name__": "manual"})
            printed = [packed(line) for line in said.getvalue().splitlines()]
            for text in literal_outputs(block.text):
                assert packed(text) in printed, f"{text} is not among {printed}"
    assert [file for file in notebooks.pictures(page).values() if not (folder / file).exists()] == []


def test_every_reason_to_skip_is_needed_and_every_page_elsewhere_exists():
    lines = [command.line for page in PAGES for block in blocks(page) for command in commands(block)]
    assert len(lines) > 50
    assert all(any(part in line for line in lines) for part in SKIPPED)
    assert {*ELSEWHERE, *SLOW} <= set(map(name_of, PAGES))
    for page, why in ELSEWHERE.items():
        assert (ROOT / why.split()[0]).exists(), page


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_stand_in_fenced_blocks_of_a_known_language(page):
    text = page.read_text(encoding="utf-8")
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"^ {4,}(?:\$ )?logpi .*$", outside, re.MULTILINE), "a test runs what a fenced block holds"
    assert {block.language for block in blocks(page)} <= {"", "python", "bash", "console", "toml"}
    for block in blocks(page):
        if block.language == "python":
            ast.parse(block.text)
        if not block.language:
            assert "logpi " not in block.text
