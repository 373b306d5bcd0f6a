"""The way of a command through the project's files: how many run, how deep the update lies, and what is done once.

Counted by a profiler's hook over all threads, in a process of its own. What runs while a module is imported does not
count.
"""

import json
import os
import subprocess
import sys

import pytest
from small import ROOT, SETTINGS, flags

FILES = 60  # that run in a training without a film, at most
DEPTH = 5  # files on the stack from the command to the call of the compiled update, at most

HOOK = """
import collections, json, sys, threading
from pathlib import Path
import logpi
from logpi.cli.main import main

ROOT = str(Path(logpi.__file__).parent)
ran, calls, depth = set(), collections.Counter(), []

def ours(frame):
    while frame is not None:
        if frame.f_code.co_filename.startswith(ROOT):
            yield frame
        frame = frame.f_back

def hook(frame, event, argument):
    if event != "call" or not frame.f_code.co_filename.startswith(ROOT):
        return
    stack = list(ours(frame))
    if any(found.f_code.co_name == "<module>" for found in stack):
        return
    name, function = frame.f_code.co_filename[len(ROOT) + 1 :], frame.f_code.co_name
    ran.add(name)
    calls[f"{name}:{function}"] += 1
    if function == "piece" and frame.f_locals["self"].name == "update":
        depth.append(list(dict.fromkeys(found.f_code.co_filename[len(ROOT) + 1 :] for found in reversed(stack))))

threading.setprofile(hook)
sys.setprofile(hook)
code = main(json.loads(sys.argv[1]))
sys.setprofile(None)
print(json.dumps({"code": code, "files": sorted(ran), "calls": calls, "deepest": max(depth, key=len, default=[])}))
"""


def way(*argv):
    """What ran in a command."""
    command = [sys.executable, "-c", HOOK, json.dumps(argv)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | SETTINGS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["code"] == 0, done.stderr
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def train(root):
    return way("train", "CartPole-v1", *flags("ppo", root))


def test_a_training_runs_few_files(train):
    assert len(train["files"]) <= FILES, "\n".join(train["files"])


def test_the_update_is_not_deep(train):
    assert train["deepest"][0] == "cli/main.py"
    assert len(train["deepest"]) <= DEPTH, train["deepest"]


def test_settings_are_resolved_once(train):
    assert train["calls"]["config/experiments.py:resolve"] == 1


def test_a_resumed_run_reads_its_settings_once(train, root):
    found = way("resume", str(root / "ppo" / "CartPole-v1_1"), "--total-timesteps", "640", "--quiet")
    assert found["calls"]["runs/folder.py:config"] == 1
    assert "config/experiments.py:resolve" not in found["calls"]
