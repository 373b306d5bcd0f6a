"""What the room of variance answers, without a server."""

import json

import pytest

from logpi.errors import LogpiError
from logpi.page.rooms.variance import SHOWN, Room
from logpi.page.state import Page
from logpi.runs.files import json_text


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    return Room(Page(tmp_path_factory.mktemp("runs"), readonly=True, token="secret"))


def measured(room, **fields):
    return json.loads(json_text(room.measure({"world": "lanes", "batch": 2, "trajectories": 1_500, **fields})))


def test_small_processes_come_before_environments(room):
    worlds = room.worlds({})["worlds"]
    assert [world["exact"] for world in worlds[:4]] == [True, True, True, False]
    assert "CartPole-v1" in [world["name"] for world in worlds]


def test_clouds_of_all_rungs_and_a_step(room):
    found = measured(room)
    assert len(found["clouds"]) == 9
    assert all(len(cloud["points"]) == SHOWN for cloud in found["clouds"])
    assert found["exact"]
    step = room.step({"number": found["number"], "rung": "value", "learning_rate": 1.0})
    assert step["by_gradient"][-1] > found["objective"]
    again = measured(room, theta=step["theta"])
    assert again["objective"] == pytest.approx(step["objective"], abs=1e-4)
    assert again["theta"] == pytest.approx(step["theta"])


def test_gamma_changes_the_bias_and_nothing_is_compiled_again(room):
    one, other = measured(room, gamma=1.0), measured(room, gamma=0.5)
    bias = [next(c["bias"] for c in found["clouds"] if c["rung"] == "discounted") for found in (one, other)]
    assert bias[0] < 1e-4 < 0.1 < bias[1]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"world": "nowhere"}, "unknown 'nowhere'; allowed: lanes"),
        ({"world": 3}, "world: the name"),
        ({"gamma": "high"}, "gamma: a number"),
        ({"gamma": 7}, "gamma is 7"),
        ({"batch": 1}, "batch: a whole number from 2 to 250"),
        ({"trajectories": 10**9}, "trajectories: a whole number from 20 to 20,000"),
        ({"theta": {"a": 1}}, "theta"),
        ({"theta": [1e999]}, "theta has shape"),
        ({"seed": 1.5}, "seed: a whole number"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(room, fields, words):
    with pytest.raises(LogpiError, match=words):
        measured(room, **fields)


def test_a_step_from_clouds_that_are_gone(room):
    with pytest.raises(LogpiError, match="no longer kept"):
        room.step({"number": 999, "rung": "value"})
    with pytest.raises(LogpiError, match="no rung 'x'"):
        room.step({"number": measured(room)["number"], "rung": "x"})
