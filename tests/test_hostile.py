"""Folders of a stranger: no code runs without trust, nothing is written outside, each ends with one message.

``docs/trust.md`` has a table of the files that logpi reads; each of its rows names tests of this file or of others.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small import ROOT, SETTINGS, Watcher, experiment, quick_compilation

import logpi
from logpi import own_code
from logpi.api import Outcome
from logpi.cli.main import main
from logpi.config.experiments import resolve
from logpi.config.stored import settings_card
from logpi.errors import LogpiError
from logpi.runs.cards import FORMAT_VERSION, describe
from logpi.runs.checkpoint import read_meta, save_tree
from logpi.runs.folder import RunFolder
from logpi.training import session
from logpi.view.inline import html

MARK = "executed"
EVIL = f"import pathlib\npathlib.Path(__file__).with_name({MARK!r}).write_text('')\n"
EVIL += "import gymnasium\nclass Env(gymnasium.Env):\n"
EVIL += "    observation_space = gymnasium.spaces.Box(-9, 9, (4,))\n    action_space = gymnasium.spaces.Discrete(2)\n"
EVIL += "    def reset(self, *, seed=None, options=None):\n        return self.observation_space.low * 0, {}\n"
EVIL += "    def step(self, action):\n        return self.observation_space.low * 0, 1.0, True, False, {}\n"


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of CartPole."""
    root = tmp_path_factory.mktemp("finished")
    return session.start(experiment("CartPole-v1", "ppo", root), ["test"], Watcher()).folder


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    """A copy of it that was interrupted, in a folder of a stranger, which is the working folder."""
    folder = RunFolder(shutil.copytree(finished.path, tmp_path / "strange" / "runs" / "ppo" / "CartPole-v1_1"))
    (folder.path / "result.json").unlink()
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path / "strange")
    return folder


@pytest.fixture
def refused(capfd):
    """Run a command that must end with exit code 1 and one message; returns the message."""

    def command(*argv):
        capfd.readouterr()
        assert main([*map(str, argv)]) == 1, argv
        error = capfd.readouterr().err
        assert error.startswith(f"logpi {argv[0]}: "), error
        assert error.count("\n") == 1, error
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", error)
        return error

    return command


def alter_card(folder, **entries):
    for agent in (folder.best, folder.last):
        card = json.loads((agent / "agent.json").read_text())
        (agent / "agent.json").write_text(json.dumps(card | entries))


def alter_config(folder, **entries):
    """Replace entries at the top of config.toml."""
    lines = (folder.path / "config.toml").read_text().splitlines()
    for name, value in entries.items():
        lines = [f"{name} = {json.dumps(value)}" if line.startswith(f"{name} =") else line for line in lines]
    (folder.path / "config.toml").write_text("\n".join(lines))


def executed(tmp_path):
    return list(tmp_path.rglob(MARK))


PLACES = {  # where the code lies, as the working folder sees it, and how a run names it
    "beside": ("runs/ppo/CartPole-v1_1/evil.py", "runs/ppo/CartPole-v1_1/evil.py:Env"),
    "in": ("runs/ppo/CartPole-v1_1/best/evil.py", "runs/ppo/CartPole-v1_1/best/evil.py:Env"),
    "above": ("../evil.py", "../evil.py:Env"),
    "working folder": ("evil.py", "evil.py:Env"),
    "module": ("evil.py", "evil:Env-v0"),
    "package": ("evil/__init__.py", "evil.sub:Env-v0"),
    "package without a file": ("evil/sub.py", "evil.sub:Env-v0"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("entry", ["env", "algo", "policy"])
def test_code_that_a_folder_names_does_not_run(run, refused, tmp_path, capfd, place, entry):
    file, name = PLACES[place]
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text(EVIL)
    alter_card(run, **{entry: name})
    alter_config(run, **{entry: name})
    for argv in (["eval", run.path], ["watch", run.path], ["resume", run.path]):
        if "-v0" in name and entry != "env":
            continue  # a module names environments alone
        if entry == "algo" and argv[0] != "resume":
            assert main([*map(str, argv), "--episodes", "1"]) == 0, "an agent plays without the method's code"
        else:
            assert "is named by a run or an agent" in refused(*argv)
    assert main(["runs"]) == 0
    assert main(["plot", str(run.path)]) == 0
    card, arrays = logpi.contents(run.path)
    assert card[entry] == name
    assert card["observation_space"].shape == (4,)
    assert any("kernel" in name for name in arrays)
    assert not executed(tmp_path)
    assert "evil" not in sys.modules


def test_trust_runs_it_after_one_message(run, refused, tmp_path, capfd):
    Path("evil.py").write_text(EVIL)
    alter_card(run, env="evil.py:Env")
    refused("eval", run.path, "--episodes", "1")
    assert main(["eval", str(run.path), "--episodes", "1", "--trust"]) == 0
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert f"importing {tmp_path}/strange/evil.py ({len(EVIL)} bytes, SHA-256 " in said
    assert executed(tmp_path)
    assert main(["eval", str(run.path), "--episodes", "1"]) == 0, "this machine has trusted that very file"
    Path("evil.py").write_text(EVIL + "# changed\n")
    assert "has changed since" in refused("eval", run.path, "--episodes", "1")
    assert main(["eval", str(run.path), "--episodes", "1", "--code", "evil.py"]) == 0


def test_trust_in_python_holds_for_what_the_agent_names(run, tmp_path, capfd):
    Path("evil.py").write_text(EVIL)
    alter_card(run, env="evil.py:Env")
    with pytest.raises(LogpiError, match="trust=True"):
        logpi.evaluate(logpi.load(run.path), 1)
    agent = logpi.load(run.path, trust=True)
    assert logpi.evaluate(agent, 1).facts["returns"] == [1.0]
    assert "evil.py" in capfd.readouterr().err


@pytest.mark.parametrize("trusted", [{"trust": True}, {"code": ["evil.py"]}])
def test_trust_in_python_ends_with_the_call(run, monkeypatch, trusted):
    """What the agent names stays trusted with the content that it had, also where nothing can be recorded."""
    monkeypatch.delenv("LOGPI_STATE")
    monkeypatch.setattr(own_code, "record_path", lambda: None)
    Path("evil.py").write_text(EVIL)
    alter_card(run, env="evil.py:Env")
    with own_code.command():
        agent = logpi.load(run.path, **trusted)
        assert logpi.evaluate(agent, 1).facts["returns"] == [1.0]
        Path("evil.py").write_text(EVIL + "# changed\n")
        with pytest.raises(LogpiError, match="is named by a run or an agent"):
            logpi.evaluate(logpi.load(run.path), 1)


@pytest.mark.parametrize("entry", ["env", "algo", "policy"])
def test_code_that_a_settings_file_names_does_not_run(tmp_path, monkeypatch, refused, entry):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    Path("evil.py").write_text(EVIL)
    Path("strange.toml").write_text(f'{entry} = "evil.py:Env"\n')
    env = [] if entry == "env" else ["CartPole-v1"]
    assert "is named by a run or an agent" in refused("train", *env, "--config", "strange.toml", "--quiet")
    with pytest.raises(LogpiError, match="is named by a run or an agent"):
        logpi.train(*env, config="strange.toml", quiet=True)
    assert not executed(tmp_path)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("verb", "plan", "text"),
    [
        ("sweep", "sweep.toml", 'env = "evil.py:Env"\n[space]\ngamma = [0.9, 0.99]\n'),
        ("sweep", "sweep.toml", 'env = "CartPole-v1"\nalgo = "evil.py:Env"\n[space]\ngamma = [0.9, 0.99]\n'),
        ("sweep", "sweep.toml", 'env = "CartPole-v1"\npolicy = "evil.py:Env"\n[space]\ngamma = [0.9, 0.99]\n'),
        ("compare", "comparison.toml", 'envs = ["evil.py:Env"]\nalgos = ["ppo"]\nruns = []\n'),
        ("compare", "comparison.toml", 'envs = ["CartPole-v1"]\nalgos = ["evil.py:Env"]\nruns = []\n'),
    ],
)
def test_code_that_a_plan_names_does_not_run(tmp_path, monkeypatch, capfd, verb, plan, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    Path("evil.py").write_text(EVIL)
    Path("strange").mkdir()
    Path("strange", plan).write_text(text)
    assert main([verb, "--out", "strange"]) == 1
    assert "is named by a run or an agent" in capfd.readouterr().err
    assert not executed(tmp_path)


def test_a_recipe_names_code_as_any_settings_file_does(tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    Path("evil.py").write_text(EVIL)
    for names in ('env = "evil.py:Env"\nalgo = "ppo"', 'env = "CartPole-v1"\nalgo = "evil.py:Env"'):
        Path("recipe.toml").write_text(f"[recipe]\n{names}\n")
        assert "is named by a run or an agent" in refused("train", "--config", "recipe.toml", "--quiet")
        Path("recipe.toml").write_text(f"[recipe]\n{names}\n[space]\ngamma = [0.9, 0.99]\n")
        assert "is named by a run or an agent" in refused("sweep", "--config", "recipe.toml", "--quiet")
    assert not executed(tmp_path)


def test_a_module_of_the_working_folder_is_found_once_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    before = list(sys.path)
    Path("mine_of_the_folder.py").write_text("x = 1\n")
    with pytest.raises(LogpiError, match="--trust or --code mine_of_the_folder:ID"):
        own_code.import_module("mine_of_the_folder")
    with own_code.command(["mine_of_the_folder:ID"]):
        assert own_code.import_module("mine_of_the_folder").x == 1
    assert sys.path == before, "no other module of the folder is found"


def test_a_file_that_is_trusted_for_one_name_is_not_for_another(run, refused, tmp_path):
    """A stranger must not choose which function of one's own file is called."""
    Path("mine.py").write_text(EVIL + "def remove_all(**_): pathlib.Path('removed').write_text('')\n")
    with own_code.command():
        logpi.make("mine.py:Env")
    alter_card(run, env="mine.py:remove_all")
    refused("eval", run.path)
    assert not Path("removed").exists()


def test_the_record_is_not_looked_for_in_the_working_folder(monkeypatch):
    monkeypatch.delenv("LOGPI_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", "home")
    assert own_code.record_path() is None


def test_the_record_keeps_every_file_that_a_module_begins_with(tmp_path, monkeypatch):
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "envs.py").write_text("x = 1\n")
    with own_code.command(["mypackage.envs:X-v0"]):
        own_code.import_module("mypackage.envs")
    del sys.modules["mypackage.envs"], sys.modules["mypackage"]
    (package / "envs.py").write_text("x = 2\n")
    with pytest.raises(LogpiError, match=r"mypackage/envs\.py is named by a run"):
        own_code.import_module("mypackage.envs")


def test_entry_points_of_the_working_folder_are_not_installed(tmp_path, monkeypatch):
    (tmp_path / "evil_entry.py").write_text(EVIL)
    (tmp_path / "evil-1.dist-info").mkdir()
    (tmp_path / "evil-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    points = "".join(f"[logpi.{group}]\nevil = evil_entry:Env\n" for group in ("games", "environments", "algorithms"))
    (tmp_path / "evil-1.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    from logpi.envs.make import make
    from logpi.games.rules.make import make_game
    from logpi.methods import find_method

    for load in (make_game, make, find_method):
        with pytest.raises(LogpiError, match=r"evil_entry\.py is named by a run or an agent"):
            load("evil")
    assert not executed(tmp_path)


SHADOWED = ("numpy", "rich", "tyro", "jax", "gymnasium", "tomli_w", "safetensors", "csv", "shlex", "difflib")


@pytest.fixture
def shadows(tmp_path):
    """A folder in which files have the names of modules."""
    for name in SHADOWED:
        (tmp_path / f"{name}.py").write_text(EVIL.replace(MARK, name))
    return tmp_path


@pytest.mark.parametrize("how", ["the command", "python -m"])
def test_the_working_folder_shadows_no_module(shadows, how):
    command = ["-m", "logpi"]
    if how == "the command":  # as installers write it into a folder of its own
        script = shadows / "bin" / "logpi"
        script.parent.mkdir()
        script.write_text("import sys\nfrom logpi.cli.main import main\nsys.exit(main())\n")
        command = [str(script)]
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command, "runs", "--json"], cwd=shadows, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert sorted(path.name for path in shadows.iterdir() if not path.suffix and path.is_file()) == []


def test_the_working_folder_shadows_no_module_of_a_worker(shadows, monkeypatch):
    from logpi.envs.host import make_host
    from logpi.envs.load import registered

    for name in ("pickle", "socket", "struct", "tempfile"):
        (shadows / f"{name}.py").write_text(EVIL.replace(MARK, name))
    monkeypatch.chdir(shadows)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    vector = make_host(registered("FrozenLake-v1"), 1, vectorization="async")
    vector.close()
    assert sorted(path.name for path in shadows.iterdir() if not path.suffix) == []
    assert "PYTHONSAFEPATH" not in os.environ


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_repository_around_the_working_folder_runs_no_program(tmp_path, monkeypatch):
    """Settings of a repository name programs that git runs."""
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path / MARK}\ncat\n")
    script.chmod(0o755)
    repository = tmp_path / "repository"
    repository.mkdir()

    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True)

    git("init", "-q")
    (repository / "file").write_text("a")
    (repository / ".gitattributes").write_text("file filter=evil\n")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a")
    git("config", "core.fsmonitor", str(script))
    git("config", "filter.evil.clean", str(script))
    (repository / "file").write_text("b")
    monkeypatch.chdir(repository)
    found = describe(device="none")["git"]
    assert found["dirty"] is None
    assert not executed(tmp_path)
    git("config", "--unset", "filter.evil.clean")
    assert describe(device="none")["git"]["dirty"] is True
    assert not executed(tmp_path)


LINKS = [
    "lock",
    "metrics.jsonl",
    "timing.jsonl",
    "progress.csv",
    "result.json",
    "curve.png",
    "checkpoints",
    "best",
    "videos",
]


@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_written_through_a_link(run, refused, tmp_path, name):
    outside, inside = tmp_path / "outside", run.path / name
    folder = "." not in name and name != "lock"
    if folder:
        shutil.rmtree(inside, ignore_errors=True)
        outside.mkdir()
    else:
        inside.unlink(missing_ok=True)
        outside.write_text("mine\n")
    inside.symlink_to(outside)
    if name != "result.json":  # there it says that the run has finished
        assert f"{inside} is a link to {outside}, outside of" in refused("resume", run.path)
    if name == "videos":
        assert "is a link to" in refused("watch", run.path)
    if name == "checkpoints":
        assert "is a link to" in refused("runs", "prune", run.path)
    if name == "curve.png":
        assert main(["plot", str(run.path)]) == 0, "the link is replaced"
        assert not inside.is_symlink()
    assert list(outside.iterdir()) == [] if folder else outside.read_text() == "mine\n"


@pytest.mark.parametrize("name", ["metrics.jsonl", "lock", "manifest.json", "config.toml", "best/agent.json"])
def test_a_pipe_is_not_waited_for(run, refused, name):
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)
    assert main(["runs"]) == 0
    refused("resume", run.path)
    if "agent" in name:
        refused("eval", run.path)


EVIL_NAME = "a\x1b[2J\x9b\u202e<script>alert(1)</script>$\\frac$\nb"


def test_names_are_inert_everywhere(run, capfd, refused):
    manifest = run.manifest | {"env": EVIL_NAME, "algo": EVIL_NAME, "score": {"label": EVIL_NAME}}
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    alter_config(run, env=EVIL_NAME)
    alter_card(run, env=EVIL_NAME)
    for argv in (["runs"], ["runs", "--json"], ["plot", str(run.path)], ["plot", str(run.path), "--json"]):
        assert main(argv) == 0
        said = capfd.readouterr()
        assert "\x1b" not in said.out + said.err
    capfd.readouterr()
    for argv in (["eval", str(run.path)], ["resume", str(run.path)]):
        assert main(argv) == 1
        assert "\x1b" not in capfd.readouterr().err


def test_what_a_notebook_shows_has_no_html_of_a_name(run, tmp_path):
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    (tmp_path / "f.mp4").write_bytes(b"film")
    outcome = Outcome(run, np.zeros((1, 1)), 1, {"curve": tmp_path / "c.png", EVIL_NAME: tmp_path / "f.mp4"}, EVIL_NAME)
    shown = outcome._repr_html_()
    assert "<script" not in shown
    assert "\x1b" not in shown
    assert 'src="data:image/png;base64,iVBORw=="' in shown
    assert "<video controls" in shown
    assert "<script" not in html("", {EVIL_NAME: tmp_path / EVIL_NAME.replace("/", "")})


BEYOND = {
    "n_envs": ["0", "-1", str(2**70), "1" + "0" * 400],
    "total_timesteps": ["nan", "-1e400", "1e400", "-5"],
    "learning_rate": ["inf", "-1.0", "1" + "0" * 400],
    "seeds": ["0", str(2**70)],
    "hidden": [f"[{2**70}]", "[-1]", f"[{2**31}, {2**31}]"],
    "memory_size": ["-1", str(2**70)],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BEYOND.items() for value in values])
def test_settings_beyond_range(run, refused, name, value):
    text = (run.path / "config.toml").read_text()
    changed = re.sub(rf"^{name} = (\[[^\]]*\]|.*)$", f"{name} = {value}", text, flags=re.MULTILINE)
    assert changed != text
    (run.path / "config.toml").write_text(changed)
    refused("resume", run.path)


CARDS = {
    "version": {"format_version": 1e400},
    "kind": {"task": "../evil"},
    "no text": {"env": 7},
    "arguments": {"env_kwargs": [1]},
    "limit": {"max_episode_steps": -1},
    "large limit": {"max_episode_steps": 2**70},
    "layers": {"network": {"hidden": [2**70]}},
    "broad layers": {"network": {"hidden": [2**31, 2**31]}},
    "memory": {"network": {"memory": "gru", "memory_size": 2**31}},
    "box": {"observation_space": {"type": "Box", "dtype": "float32", "shape": [2**40], "low": 0, "high": 1}},
    "negative box": {"observation_space": {"type": "Box", "dtype": "float32", "shape": [-4], "low": 0, "high": 1}},
    "object box": {"observation_space": {"type": "Box", "dtype": "O", "shape": [4], "low": 0, "high": 1}},
    "actions": {"action_space": {"type": "Discrete", "n": 2**70, "start": 0, "dtype": "int64"}},
    "no actions": {"action_space": {"type": "Discrete", "n": -1, "start": 0, "dtype": "int64"}},
    "many switches": {"action_space": {"type": "MultiBinary", "n": 2**50}},
    "a ladder of spaces": {"observation_space": None},
}


@pytest.mark.parametrize("what", CARDS)
def test_numbers_of_a_card_beyond_range(run, refused, what):
    card = json.loads((run.best / "agent.json").read_text())
    for name, value in CARDS[what].items():
        card[name] = card[name] | value if name == "network" else value
    text = json.dumps(card)
    if what == "a ladder of spaces":
        text = text.replace("null", '{"type": "Tuple", "spaces": [' * 900 + "{}" + "]}" * 900, 1)
    (run.best / "agent.json").write_text(text)
    assert str(run.best) in refused("eval", run.best) or what == "kind"


DEEP = 100_000


@pytest.mark.parametrize("name", ["manifest.json", "config.toml", "metrics.jsonl", "best/agent.json"])
@pytest.mark.parametrize("content", ["deep", "large", "binary", "list"])
def test_files_of_text_that_are_no_good(run, refused, name, content, monkeypatch):
    monkeypatch.setattr("logpi.runs.files.MOST_TEXT", 2**20)
    opening = "x = " + "[" * DEEP if "toml" in name else '{"a": ' * DEEP
    texts = {"deep": opening.encode(), "large": b" " * 2**21, "binary": b"\xff\x00", "list": b"[1, 2]"}
    (run.path / name).write_bytes(texts[content] + b"\n")
    if name == "metrics.jsonl" and content == "large":
        (run.path / name).write_bytes(b'{"a": ' + b"1" * 5000 + b"}\n")
    assert main(["runs"]) == 0
    argv = ["eval", run.best] if "agent" in name else ["plot", run.path]
    if "manifest" in name:
        argv = ["plot", run.path]
    refused(*argv)


ROWS = {
    "no number": '{"time/total_timesteps": "x", "eval/mean_reward": 1}',
    "a table": '{"time/total_timesteps": 1, "eval/mean_reward": {}}',
    "nothing": '{"time/total_timesteps": 1, "eval/mean_reward": null}',
    "a whole number beyond floats": '{"time/total_timesteps": 1, "eval/mean_reward": 1%s}' % ("0" * 400),
    "lists of two lengths": '{"time/total_timesteps": 1, "eval/mean_reward": [1, 2]}\n{"time/total_timesteps": 2, '
    '"eval/mean_reward": [1]}',
}


@pytest.mark.parametrize("what", ROWS)
def test_rows_of_metrics_that_are_none(run, refused, what):
    run.metrics.write_text(ROWS[what] + "\n")
    refused("plot", run.path)
    assert main(["runs"]) == 0


def test_numbers_of_metrics_that_cannot_be_drawn_far(run, capfd):
    rows = ["NaN", "1e400", "-1e308", "1e308", "5"]
    text = "".join(f'{{"time/total_timesteps": {n}, "eval/mean_reward": {n}}}\n' for n in rows)
    run.metrics.write_text(text)
    for argv in (["runs"], ["runs", "--json"], ["plot", str(run.path)]):
        assert main(argv) == 0
    (run.path / "metrics.jsonl").write_text('{"time/total_timesteps": 1e400, "eval/mean_reward": NaN}\n')
    assert main(["runs"]) == 0


MANIFESTS = {
    "started": {"started": 5},
    "never": {"started": "never"},
    "year 1": {"started": "0001-01-01T00:00:00"},
    "no zone": {"started": "2026-01-01T00:00:00"},
    "env": {"env": ["a"]},
    "score": {"score": "high"},
    "seeds": {"seeds": ["../../outside"]},
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_manifest_of_another_form_hides_no_other_run(run, finished, capsys, what):
    good = run.path.parent / "CartPole-v1_2"
    shutil.copytree(finished.path, good)
    (run.path / "manifest.json").write_text(json.dumps(run.manifest | MANIFESTS[what]))
    assert main(["runs", "--json"]) == 0
    listed = [row["path"] for row in json.loads(capsys.readouterr().out)]
    assert "runs/ppo/CartPole-v1_2" in listed
    assert run.best_agent == run.best


def altered_header(path, change):
    """Change the JSON in the head of a safetensors file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    table = json.loads(data[8 : 8 + length])
    text = json.dumps(change(table)).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def with_logpi(text):
    return lambda table: table | {"__metadata__": {"logpi": text}}


HEADERS = {
    "a gigabyte": lambda path: path.write_bytes(struct.pack("<Q", 2**30) + b"{"),
    "an exabyte": lambda path: path.write_bytes(struct.pack("<Q", 2**60) + b"{"),
    "deep": lambda path: altered_header(path, with_logpi('{"a": ' * DEEP)),
    "a list": lambda path: altered_header(path, with_logpi("[1]")),
    "parts of another type": lambda path: altered_header(
        path, with_logpi('{"format_version": 1, "meta": [], "dtypes": 3, "key_impls": {}, "sha256": ""}')
    ),
    "a giant array": lambda path: altered_header(
        path, lambda table: table | {"['x']": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    ),
    "half floats": lambda path: altered_header(
        path, lambda table: {k: v | {"dtype": "BF16"} if v.get("dtype") == "F32" else v for k, v in table.items()}
    ),
}


@pytest.mark.parametrize("what", HEADERS)
def test_heads_of_weights_and_checkpoints(run, refused, what):
    HEADERS[what](run.best / "agent.safetensors")
    assert "agent.safetensors" in refused("eval", run.best)
    for path in run.checkpoints.iterdir():
        HEADERS[what](path)
    assert "no usable checkpoint" in refused("resume", run.path)


@pytest.mark.parametrize("meta", [{}, {"progress": 3}, {"progress": {"evil": 1}}, {"progress": {"iteration": -1}}])
def test_a_checkpoint_with_other_facts(run, refused, meta):
    for path in run.checkpoints.iterdir():
        assert read_meta(path)
        save_tree(path, {"w": np.zeros(3, np.float32)}, meta)
    assert "no usable checkpoint" in refused("resume", run.path)


def test_stages_of_other_names(run, refused):
    (run.path / "stages" / "../stages/x").mkdir(parents=True)
    (run.path / "stages" / "x" / "agent.json").write_text("{}")
    assert "0 agents" in refused("arena", "tic-tac-toe", "random", "--snapshots-of", run.path)


OTHER_KINDS = {  # kind of task: (environment, entries of a good card, altered ones)
    "ram": (
        "ram/mnist",
        {"shape": [28, 28, 1], "classes": ["a", "b"], "data_sha256": "", "facts": {}},
        [
            {"shape": [2**70, 28, 1]},
            {"shape": [-28, 28, 1]},
            {"shape": [28]},
            {"shape": "large"},
            {"classes": 3},
            {"method": {"n_glimpses": -1}},
            {"method": {"canvas": 2**40}},
            {"method": []},
            {"algo": "evil.py:Env"},
        ],
    ),
    "games": (
        "tic-tac-toe",
        {"facts": {}},
        [
            {"env": "go-99999999999x99999999999"},
            {"env": "evil.py:Env"},
            {"env": "pgx:../evil"},
            {"algo": "evil.py:Env"},
            {"method": {"eval_simulations": 1e400}},
            {"network": {"channels": 2**70}},
            {"network": {"blocks": -1}},
        ],
    ),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_altered_cards_of_images_and_games(tmp_path, monkeypatch, kind):
    env, more, altered = OTHER_KINDS[kind]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    Path("evil.py").write_text(EVIL)
    good = {"format_version": FORMAT_VERSION, "task": kind, **settings_card(resolve(env, None)[0]), **more}
    for changes in [{}, *altered]:
        Path("agent.json").write_text(json.dumps(good | changes))
        with pytest.raises(LogpiError) as caught:
            logpi.load(tmp_path)
        assert ("there is no file" in str(caught.value)) == (not changes), "the good one lacks its weights alone"
    assert not executed(tmp_path)


def test_the_table_of_the_docs_names_tests_that_are_there():
    page = (ROOT / "docs" / "trust.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "`test_" in line]
    assert len(rows) >= 12
    texts = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for row in rows:
        for name in re.findall(r"`(test_\w+)`", row):
            assert f"def {name}(" in texts, name
