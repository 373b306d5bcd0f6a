"""``logpi.variance`` on environments, agents and runs: what it says, what it draws, and what it refuses."""

import json
import math

import gymnasium
import ladder
import numpy as np
import pytest
from mdp import termination
from PIL import Image
from small import Watcher, experiment, only_run, quick_compilation

import logpi
from logpi.cli.main import main
from logpi.control.variance import fit
from logpi.control.variance.moments import spread
from logpi.control.variance.rungs import Q_MINUS_V, RUNGS
from logpi.errors import LogpiError
from logpi.training import session

SMALL = {"trajectories": 96, "batch": 2, "network": {"hidden": [8]}}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "STEPS", 20)
        patch.setattr(fit, "TRAJECTORIES", 50)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    settings = experiment("CartPole-v1", "ppo", root, run={"checkpoint_points": 4, "keep_checkpoints": 9, "seeds": 2})
    session.start(settings, ["test"], Watcher())
    return only_run(root)


@pytest.fixture(scope="module")
def untrained():
    return logpi.variance("CartPole-v1", **SMALL)


def test_every_rung_of_an_untrained_policy_has_its_numbers(untrained):
    facts = untrained.facts
    (moment,) = facts["moments"]
    assert [rung["rung"] for rung in moment["rungs"]] == list(RUNGS)
    assert facts["trajectories"] == 48 * 2 * 2  # two batches to a block: of one, no variance is known
    assert 8 < moment["mean_return"] == moment["mean_length"] < 60
    json.dumps(facts)
    for rung in moment["rungs"]:
        for name in ("variance", "ratio", "needed", "snr", "cosine", "bias"):
            found = rung[name]
            assert found["low"] <= found["value"] <= found["high"], (rung["rung"], name)
        assert rung["along"] == sorted(rung["along"])
    by_name = {rung["rung"]: rung for rung in moment["rungs"]}
    assert by_name["total-reward"]["ratio"]["low"] > 1
    assert by_name["value"]["ratio"]["value"] == 1


def test_the_table_has_a_row_for_each_rung(untrained):
    rows = [line.split()[0] for line in untrained.lines if line]
    assert [name for name in rows if name in RUNGS] == list(RUNGS)


def test_the_same_seed_gives_the_same_numbers_and_another_one_does_not(untrained):
    def variances(answer):
        return [rung["variance"]["value"] for rung in answer.facts["moments"][0]["rungs"]]

    assert variances(logpi.variance("CartPole-v1", **SMALL)) == variances(untrained)
    assert variances(logpi.variance("CartPole-v1", **SMALL, seed=1)) != variances(untrained)


def test_a_run_is_measured_at_its_checkpoints_and_drawn(run, tmp_path):
    file = tmp_path / "v.png"
    answer = logpi.variance(run, trajectories=96, batch=2, moments=2, picture=file)
    steps = [moment["timesteps"] for moment in answer.facts["moments"]]
    assert steps == [0, max(steps)]
    assert max(steps) > 0
    assert answer.facts["gamma"] == run.config["method"]["gamma"]
    assert np.asarray(Image.open(file).convert("L")).std() > 5, "not a blank picture"
    agent = logpi.load(run.last / "seed_0")
    alone = logpi.variance(agent, trajectories=96, batch=2, gamma=answer.facts["gamma"])
    assert alone.facts["moments"][0]["rungs"] == answer.facts["moments"][1]["rungs"]


@pytest.mark.parametrize("name", ["v.jpg", "v", "folder.png", "file/v.png", "file/deeper/v.png"])
def test_a_picture_that_cannot_be_is_refused_before_anything_is_measured(tmp_path, monkeypatch, name):
    monkeypatch.setattr("logpi.api.laboratory._trained", lambda *given: pytest.fail("it is measured already"))
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(LogpiError, match=r"the picture cannot be .*: give a file name that ends in \.png, in a folder"):
        logpi.variance("CartPole-v1", picture=tmp_path / name)


def test_checkpoints_are_spread_and_the_last_is_among_them():
    paths = list(range(11))
    assert spread(paths, 3) == [0, 5, 10]
    assert spread(paths, 1) == [10]
    assert spread(paths[:2], 3) == [0, 1]


def test_continuous_actions_have_no_sum_over_actions():
    answer = logpi.variance("MountainCarContinuous-v0", trajectories=96, batch=2, network={"hidden": [8]}, reference=4)
    (moment,) = answer.facts["moments"]
    assert [rung["rung"] for rung in moment["rungs"]] == [name for name in RUNGS if name != Q_MINUS_V]
    assert list(moment["explained_variance"]) == ["value"]


def test_an_environment_on_the_host_and_a_policy_with_a_memory():
    def build():
        return gymnasium.make("CartPole-v1", max_episode_steps=12)

    answer = logpi.variance(build, trajectories=96, batch=2, network={"hidden": [8], "memory": "gru", "memory_size": 4})
    (moment,) = answer.facts["moments"]
    assert 8 < moment["mean_length"] <= 12
    assert all(math.isfinite(rung["variance"]["value"]) for rung in moment["rungs"])


def test_the_command_prints_what_the_function_returns(run, tmp_path, capsys):
    arguments = ["variance", str(run.path), "--trajectories", "96", "--batch", "2", "--moments", "1", "--out", ""]
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["target"] == str(run.path)
    assert [rung["rung"] for rung in said["moments"][0]["rungs"]] == list(RUNGS)
    assert "picture" not in said
    assert main(arguments) == 0
    assert "total-reward" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trajectories": 0}, "trajectories is 0; allowed: 1 to"),
        ({"batch": 1}, "batch is 1; allowed: 2 to 1,000"),
        ({"gamma": 1.5}, "gamma is 1.5; allowed: 0 to 1"),
        ({"gae_lambda": math.nan}, "gae_lambda is nan; allowed: 0 to 1"),
        ({"moments": 0}, "moments is 0; allowed: 1 to"),
        ({"seed": -1}, "seed is -1; allowed: 0 to"),
        ({"exact": {"a": 1.0}}, "exact is not a tree of arrays"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(LogpiError, match=message):
        logpi.variance("CartPole-v1", **{**SMALL, **arguments})


@pytest.mark.parametrize(
    ("target", "message"),
    [("CartPol-v1", "CartPole-v1"), ("connect-four", "board game"), ("ram/mnist", "images"), (3, "env is a int")],
)
def test_what_is_not_an_environment_is_refused(target, message):
    with pytest.raises(LogpiError, match=message):
        logpi.variance(target)


def test_a_method_without_an_actor_has_no_policy_gradient(tmp_path):
    settings = experiment("CartPole-v1", "dqn", tmp_path)
    session.start(settings, ["test"], Watcher())
    with pytest.raises(LogpiError, match="does not depend on its parameters"):
        logpi.variance(only_run(tmp_path), trajectories=96, batch=2)


def test_without_any_reward_there_is_nothing_to_measure():
    unpaid = termination()._replace(reward=np.zeros((4, 2, 4)))
    with pytest.raises(LogpiError, match="no trajectory had any reward"):
        logpi.variance(ladder.environment(unpaid), trajectories=1, batch=2, network={"hidden": [8]}, reference=1)
