"""A bundle moves to another place and plays there; one that is not what was put there is refused, and runs nothing."""

import hashlib
import json
import os
import pickle
import random
import shutil
import struct

import numpy as np
import pytest
from small import Watcher, experiment, quick_compilation

import logpi
from logpi import LogpiError
from logpi.cli.main import main
from logpi.config.experiments import resolve
from logpi.deploy import bundle as writing
from logpi.runs import sums
from logpi.tasks import Film, record
from logpi.training import session

FILES = {"agent.json", "agent.safetensors", "README.md", "results.json", "config.toml"}
OBSERVATION = np.float32([0.0, 0.1, 0.02, -0.1])


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of CartPole."""
    return session.start(experiment("CartPole-v1", "ppo", tmp_path_factory.mktemp("run")), ["test"], Watcher()).folder


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """Its bundle."""
    return logpi.bundle(run, tmp_path_factory.mktemp("made") / "cartpole", episodes=4, video=False)


@pytest.fixture
def bundle(made, tmp_path):
    """A copy of it at another place."""
    return shutil.copytree(made.path, tmp_path / "elsewhere" / "bundle")


def signed(folder):
    """``folder`` with the sums of what is in it now: a stranger can write them too."""
    sums.write_sums(folder, sorted(path.name for path in folder.iterdir() if path.name != sums.NAME))


def test_a_bundle_moves_and_plays(run, made, bundle, capsys):
    assert {path.name for path in bundle.iterdir()} == FILES | {"SHA256SUMS"}
    assert logpi.load(bundle).act(OBSERVATION) == logpi.load(run.path).act(OBSERVATION)
    again = logpi.evaluate(bundle, 4)
    found = json.loads((bundle / "results.json").read_text())
    assert (found["mean_reward"], found["n_eval_episodes"]) == (again.score, 4)
    assert found["interval"][0] <= found["mean_reward"] <= found["interval"][1]
    assert found["training"]["seeds"] == "0"
    assert main(["eval", str(bundle), "--episodes", "2"]) == 0
    assert "mean return" in capsys.readouterr().out
    text = (bundle / "config.toml").read_text()
    assert "log_dir" not in text
    assert str(run.path.parent) not in "".join(path.read_text() for path in bundle.glob("*.[jmt]*"))


def test_a_bundle_of_a_bundle_keeps_what_is_known(bundle, tmp_path):
    again = logpi.bundle(bundle, tmp_path / "again", episodes=2, video=False)
    first, second = (json.loads((path / "results.json").read_text()) for path in (bundle, again.path))
    assert second["training"] == first["training"] != {}
    assert (again.path / "config.toml").read_text() == (bundle / "config.toml").read_text()
    (bundle / "results.json").write_text('{"training": [1]}')
    (bundle / "config.toml").write_text("not = [toml")
    signed(bundle)
    bare = logpi.bundle(bundle, tmp_path / "bare", episodes=2, video=False)
    assert json.loads((bare.path / "results.json").read_text())["training"] == {}


def test_the_card_is_the_hubs(made):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(made.path / "README.md", ignore_metadata_errors=False)
    (score, interval) = card.data.eval_results
    assert (score.task_type, score.dataset_name, score.metric_type) == (
        *("reinforcement-learning", "CartPole-v1", "mean_reward"),
    )
    found = json.loads((made.path / "results.json").read_text())
    assert score.metric_value == f"{found['mean_reward']:.2f} +/- {found['std_reward']:.2f}"
    assert " to " in interval.metric_value
    assert card.data.library_name == "logpi"
    assert {"CartPole-v1", "ppo", "reinforcement-learning"} <= set(card.data.tags)


def test_every_flipped_bit_is_refused(bundle):
    chance = random.Random(0)
    files = sorted(path for path in bundle.iterdir())
    for n in range(200):
        path = files[n % len(files)]
        whole = path.read_bytes()
        bit = chance.randrange(8 * len(whole))
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        with pytest.raises(LogpiError, match="was altered or damaged"):
            logpi.load(bundle)
        path.write_bytes(whole)
    logpi.load(bundle)


@pytest.mark.parametrize("name", sorted(FILES | {"SHA256SUMS"}))
def test_cut_and_missing_files_are_refused(bundle, name):
    whole = (bundle / name).read_bytes()
    (bundle / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LogpiError, match="was altered or damaged"):
        logpi.load(bundle)
    (bundle / name).unlink()
    if name != "SHA256SUMS":  # without it the folder is an agent's like any other
        with pytest.raises(LogpiError):
            logpi.load(bundle)


@pytest.mark.parametrize(
    "line",
    [
        "{0}  ../secret",
        "{0}  /etc/passwd",
        "{0}  .hidden",
        "{0}  a/b",
        "{0}  agent.json\n{0}  agent.json",
        "{0} *agent.json",
        "{0}",
        "",
    ],
)
def test_sums_name_no_other_place(bundle, line):
    (bundle.parent / "secret").write_text("secret")
    with (bundle / "SHA256SUMS").open("a") as file:
        file.write(line.format(hashlib.sha256(b"secret").hexdigest()) + "\n")
    with pytest.raises(LogpiError, match="SHA256SUMS has the line"):
        logpi.load(bundle)


def test_links_pipes_and_giants_are_refused(bundle):
    weights = bundle / "agent.safetensors"
    kept = weights.rename(bundle.parent / "weights")
    weights.symlink_to(kept)
    with pytest.raises(LogpiError, match="was altered or damaged"):
        logpi.load(bundle)
    weights.unlink()
    os.mkfifo(weights)
    with pytest.raises(LogpiError, match="was altered or damaged"):
        logpi.load(bundle)
    weights.unlink()
    with weights.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(LogpiError, match="more than"):
        logpi.load(bundle)


class Evil:
    def __reduce__(self):
        return (os.system, ("touch executed",))


HOSTILE = {  # what a stranger may put into the weights, with the right sums
    "a pickle": pickle.dumps(Evil()),
    "a header of a gigabyte": struct.pack("<Q", 2**30) + b"{}",
    "a header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{}",
    "a tensor outside": struct.pack("<Q", 64) + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,999999999999]}}',
    "nothing": b"",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_weights_are_refused(bundle, what, monkeypatch):
    monkeypatch.chdir(bundle.parent)
    (bundle / "agent.safetensors").write_bytes(HOSTILE[what])
    signed(bundle)
    with pytest.raises(LogpiError, match="cannot load"):
        logpi.load(bundle)
    assert not (bundle.parent / "executed").exists()


def test_code_that_a_bundle_names_does_not_run(bundle, monkeypatch):
    monkeypatch.chdir(bundle)
    (bundle / "evil.py").write_text("open('executed', 'w')\nPolicy = None\n")
    card = json.loads((bundle / "agent.json").read_text())
    for name in ("evil.py:Policy", "../bundle/evil.py:Policy"):
        (bundle / "agent.json").write_text(json.dumps(card | {"policy": name}))
        signed(bundle)
        with pytest.raises(LogpiError, match=r"evil\.py"):
            logpi.load(bundle)
    assert not (bundle / "executed").exists()


def test_a_bundle_is_whole_or_not_there(run, made, tmp_path, monkeypatch):
    with pytest.raises(LogpiError, match="exists already"):
        logpi.bundle(run, made.path)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "write_sums", killed)
    with pytest.raises(KeyboardInterrupt):
        logpi.bundle(run, tmp_path / "here", episodes=1, video=False)
    assert list(tmp_path.iterdir()) == []


def test_a_video_is_in_it_where_the_agent_can_be_filmed(run, tmp_path, monkeypatch):
    task = record("control")

    def film(agent, wanted):
        return task.film(agent, Film(wanted.path, steps=3))

    monkeypatch.setattr("logpi.api.deploy.record", lambda kind: task._replace(film=film))
    assert logpi.bundle(run, tmp_path / "a", episodes=1).notes == []
    assert any(path.name.startswith("replay.") for path in (tmp_path / "a").iterdir())
    logpi.load(tmp_path / "a")

    def refuses(agent, wanted):
        raise LogpiError("it does not draw")

    monkeypatch.setattr("logpi.api.deploy.record", lambda kind: task._replace(film=refuses))
    assert logpi.bundle(run, tmp_path / "b", episodes=1).notes == ["no video: it does not draw"]


def test_the_command(run, tmp_path, capsys):
    out = tmp_path / "b"
    assert main(["bundle", str(run.path), "--out", str(out), "--episodes", "2", "--no-video", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["path"], said["cases"], said["metric"]) == (str(out), 2, "mean_reward")
    assert main(["bundle", str(run.path), "--out", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err


TINY = {
    "ram/mnist": {"method": {"total_images": 64, "batch_size": 32, "n_updates": 1}},
    "tic-tac-toe": {"method": {"total_timesteps": 64, "n_games": 4, "n_steps": 8, "batch_size": 16}},
}


@pytest.mark.parametrize(
    ("env", "metric", "task"),
    [("ram/mnist", "accuracy", "image-classification"), ("tic-tac-toe", "mean_result", "reinforcement-learning")],
)
def test_images_and_games_have_scores_too(env, metric, task, tmp_path):
    run = {
        "log_dir": str(tmp_path / "runs"),
        "video": False,
        "tensorboard": False,
        "eval_episodes": 2,
        "final_episodes": 2,
        "eval_points": 1,
    }
    wanted, _ = resolve(env, None, {**TINY[env], "run": run})
    folder = session.start(wanted, ["test"], Watcher()).folder
    made = logpi.bundle(folder, tmp_path / "made", episodes=2, video=False)
    assert (made.measured.metric, made.measured.cases) == (metric, 2)
    assert f'"type": "{task}"' in (made.path / "README.md").read_text()
    assert logpi.load(made.path).facts["env"] == env
