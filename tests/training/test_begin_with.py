"""A run begins with another run's parameters, or is refused before anything is made for it."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load_file
from small import Watcher, experiment, flags, only_run, quick_compilation

from logpi import api
from logpi.cli.main import main
from logpi.config.experiments import promised, resolve
from logpi.config.stored import read_file
from logpi.errors import LogpiError
from logpi.training import session

STILL = {"learning_rate": 0.0}  # what a run begins with is what it ends with


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def trained(chosen):
    return session.start(chosen, ["test"], Watcher()).folder


def begun(chosen, init_from):
    return trained(dataclasses.replace(chosen, init_from=str(init_from)))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run."""
    return trained(experiment("CartPole-v1", "ppo", tmp_path_factory.mktemp("first"), learning_rate=0.01))


def weights(folder):
    return (folder / "agent.safetensors").read_bytes()


def test_a_run_begins_with_another_runs_parameters(first, tmp_path):
    own = trained(experiment("CartPole-v1", "ppo", tmp_path / "own", **STILL))
    assert weights(own.last) != weights(first.best)
    for number, source in enumerate((first.path, first.last)):
        folder = begun(experiment("CartPole-v1", "ppo", tmp_path / str(number), **STILL), source)
        agent = first.best if source == first.path else source
        assert weights(folder.last) == weights(agent)
        assert folder.config["init_from"] == str(agent.resolve())
        found = folder.manifest["init_from"]
        assert found["sha256"] == hashlib.sha256(weights(agent)).hexdigest()
        assert (found["env"], found["algo"], found["path"]) == ("CartPole-v1", "ppo", str(agent.resolve()))
        assert read_file(folder.path / "config.toml").init_from == str(agent.resolve())
    learnt = begun(experiment("CartPole-v1", "ppo", tmp_path / "learnt"), first.path)
    assert weights(learnt.last) != weights(first.best)


def test_every_seed_begins_with_them(first, tmp_path):
    folder = begun(experiment("CartPole-v1", "ppo", tmp_path, run={"seeds": 2}, **STILL), first.path)
    assert {weights(seed) for seed in folder.last.iterdir()} == {weights(first.best)}


def test_another_method_begins_with_them(first, tmp_path):
    chosen = experiment("CartPole-v1", "a2c", tmp_path, normalize_obs=False, **STILL)
    assert weights(begun(chosen, first.path).last) == weights(first.best)


def test_the_observation_normalizer_comes_with_them(tmp_path):
    options = {"normalize_obs": True, **STILL}
    source = trained(experiment("Pendulum-v1", "ppo", tmp_path / "source", **options))
    folder = begun(experiment("Pendulum-v1", "ppo", tmp_path / "next", **options), source.last)
    before, after = (load_file(run.last / "agent.safetensors") for run in (source, folder))
    (count,) = (name for name in before if name.endswith(".n"))
    assert after[count] == pytest.approx(2 * before[count], rel=0.05), "the samples of both runs count"
    with pytest.raises(LogpiError, match=r"trained with normalized observations.*add --normalize-obs"):
        begun(experiment("Pendulum-v1", "ppo", tmp_path / "refused"), source.last)
    same = (np.array_equal(before[name], after[name]) for name in before if "params" in name)
    assert all(same)
    assert not (tmp_path / "refused").exists()


def test_what_does_not_fit_is_refused_before_a_folder_is_made(first, tmp_path):
    def refused(words, env="CartPole-v1", source=first.path, **options):
        with pytest.raises(LogpiError, match=words):
            begun(experiment(env, "ppo", tmp_path / "runs", **options), source)
        assert not (tmp_path / "runs").exists()

    refused(r"another \(settings of the network: hidden is \[8\] there and \[9\] here\)", network={"hidden": [9]})
    refused("is of CartPole-v1, whose observations are Box.*; those of Acrobot-v1 are Box", "Acrobot-v1")
    refused("trained without normalized observations.*--no-normalize-obs", normalize_obs=True)
    refused("is not a run folder", source=tmp_path / "nothing")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "agent.safetensors").write_bytes(weights(first.best))
    card = json.loads((first.best / "agent.json").read_text())
    (copy / "agent.json").write_text(json.dumps(card | {"task": "games", "normalize_obs": False}))
    refused("its kind of task is games, the run's is control", source=copy)


def test_on_the_command_line_and_from_python(first, tmp_path):
    options = flags("ppo", tmp_path / "cli", **STILL)
    assert main(["train", "CartPole-v1", "--from", str(first.last), *options]) == 0
    folder = only_run(tmp_path / "cli")
    assert weights(folder.last) == weights(first.last)
    run = {"log_dir": str(tmp_path / "again")}
    found = api.train(config=folder.path / "config.toml", run=run, quiet=True)
    assert weights(found.folder.last) == weights(first.last)
    found = api.train("CartPole-v1", init_from=first.best, config=folder.path / "config.toml", run=run, quiet=True)
    assert weights(found.folder.last) == weights(first.best)


def test_a_recipe_promises_nothing_of_a_run_that_began_elsewhere():
    chosen, recipe = resolve("CartPole-v1", None)
    assert promised(chosen) == recipe
    assert promised(dataclasses.replace(chosen, init_from="runs/a")) is None
