"""Bundles go to a stand-in of the hub and come back: whole or not at all, and no token is shown."""

import os
import shutil
import subprocess
import sys

import pytest
from hub import standing_in
from small import ROOT, SETTINGS

from logpi.runs.shipped import shipped_folder
from logpi.runs.sums import NAME

library = pytest.importorskip("huggingface_hub")

TOKEN = "hf_theSecretOfThisTest"
CALL = """
import sys
from pathlib import Path
from logpi.deploy import hub
from logpi.errors import LogpiError

what, *arguments = sys.argv[1:]
try:
    if what == "push":
        print(hub.push(Path(arguments[0]), arguments[1], private=False))
    else:
        hub.pull(arguments[0], Path(arguments[1]), None)
except LogpiError as error:
    sys.exit(f"refused: {error}")
assert "jax" not in sys.modules
"""


@pytest.fixture
def hub():
    with standing_in() as found:
        yield found


@pytest.fixture
def bundle(tmp_path):
    """A bundle: an agent that comes with logpi."""
    return shutil.copytree(shipped_folder("CartPole-v1"), tmp_path / "bundle")


@pytest.fixture
def call(hub, tmp_path):
    """A call in a process of its own, whose hub is the stand-in: (exit code, all that it printed)."""
    environment = {
        **{**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT), "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "hf")},
        **{"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"},
    }

    def run(*arguments, program=("-c", CALL)):
        command = [sys.executable, *program, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        said = done.stdout + done.stderr
        assert TOKEN not in said
        assert not [p for p in tmp_path.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]
        return done.returncode, said

    return run


def same(folder, other):
    return {p.name: p.read_bytes() for p in folder.iterdir()} == {p.name: p.read_bytes() for p in other.iterdir()}


def test_a_bundle_goes_and_comes_back(hub, call, bundle, tmp_path):
    (bundle / "notes.txt").write_text("mine alone")
    code, said = call("push", bundle, "me/agent")
    assert (code, said.strip()) == (0, f"{hub.address}/me/agent")
    assert "notes.txt" not in hub.files
    assert hub.files.keys() == {path.name for path in bundle.iterdir()} - {"notes.txt"}
    assert hub.stored, "weights go by LFS"
    assert hub.cards == [(bundle / "README.md").read_text()]
    assert any(headers.get("authorization") == f"Bearer {TOKEN}" for _, _, headers in hub.asked)
    hub.files[".gitattributes"] = b"*.safetensors filter=lfs"
    hub.files["evil.pkl"] = hub.files["../climbs"] = b"evil"
    code, said = call("pull", "me/agent", tmp_path / "back")
    assert code == 0, said
    (bundle / "notes.txt").unlink()
    assert same(tmp_path / "back", bundle)
    assert not [path for path in tmp_path.rglob("*") if path.name in ("climbs", "evil.pkl")]


def test_what_is_no_whole_bundle_is_not_sent(hub, call, bundle):
    with (bundle / "README.md").open("a") as file:
        file.write("altered")
    code, said = call("push", bundle, "me/agent")
    assert code == 1
    assert "was altered or damaged" in said
    (bundle / NAME).unlink()
    assert "make one with `logpi bundle RUN`" in call("push", bundle, "me/agent")[1]
    assert "write OWNER/NAME" in call("push", bundle, "../../agent")[1]
    assert hub.asked == []


def test_a_refusal_shows_no_token(hub, call, bundle):
    hub.refuses = ["/commit/"]
    code, said = call("push", bundle, "me/agent")
    assert code == 1
    assert "refused: the hub did not do it" in said
    assert hub.files == {}


@pytest.mark.parametrize("lost", ["agent.json", NAME])
def test_a_repository_without_a_bundle_is_refused(hub, call, bundle, tmp_path, lost):
    hub.files = {path.name: path.read_bytes() for path in bundle.iterdir() if path.name != lost}
    code, said = call("pull", "me/agent", tmp_path / "back")
    assert code == 1
    assert f"holds no bundle of logpi: {lost} is not there" in said
    assert not (tmp_path / "back").exists()


def test_an_altered_file_leaves_nothing(hub, call, bundle, tmp_path):
    hub.files = {path.name: path.read_bytes() for path in bundle.iterdir()}
    hub.files["agent.safetensors"] = hub.files["agent.safetensors"][:-1] + b"x"
    code, said = call("pull", "me/agent", tmp_path / "back")
    assert code == 1
    assert "was altered or damaged" in said
    assert [path.name for path in tmp_path.iterdir() if "back" in path.name] == []


def test_an_interrupted_transfer_goes_on(hub, call, bundle, tmp_path):
    """The connection ends within the weights, again and again (pieces of 10 MB are kept; the weights are smaller)."""
    hub.files = {path.name: path.read_bytes() for path in bundle.iterdir()}
    hub.cut, hub.cuts = 9_000, 2
    code, said = call("pull", "me/agent", tmp_path / "back")
    if code:  # it gave up: nothing is there, and the next call goes on
        assert [path.name for path in tmp_path.iterdir() if "back" in path.name] == []
        hub.cuts = 0
        code, said = call("pull", "me/agent", tmp_path / "back")
    assert code == 0, said
    assert same(tmp_path / "back", bundle)
    asked = [path for verb, path, _ in hub.asked if verb == "GET" and path.endswith(".safetensors")]
    assert len(asked) >= 2, "it was not cut"


def test_the_commands(hub, call, bundle, tmp_path):
    code, said = call("push", bundle, "me/agent", program=("-m", "logpi"))
    assert (code, said.strip()) == (0, f"{hub.address}/me/agent")
    assert call("pull", "me/agent", program=("-m", "logpi"))[0] == 0
    assert same(tmp_path / "agent", bundle)
    assert "exists already" in call("pull", "me/agent", program=("-m", "logpi"))[1]
