"""What the room of glimpses answers, without a server."""

import base64
import json

import numpy as np
import pytest
from looker import CLASSES, make_looker

from logpi.errors import LogpiError
from logpi.page.rooms.glimpses import Room, glimpses_of, pixels_in
from logpi.page.state import Page
from logpi.runs.files import json_text


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A room of one run with an untrained agent of MNIST's size."""
    home = tmp_path_factory.mktemp("runs")
    make_looker(home)
    return Room(Page(home, readonly=False, token="secret"))


def picture(side=28):
    pixels = np.zeros((side, side), np.uint8)
    pixels[side // 4 : -side // 4, side // 2] = 255
    return {"height": side, "width": side, "pixels": base64.b64encode(pixels.tobytes()).decode()}


def asked(**fields):
    return {"agent": "ram/ram-mnist_1", **picture(), **fields}


def test_agents_that_take_glimpses_are_offered(room):
    assert next(iter(room.offers())) == "ram/ram-mnist_1"
    assert all(glimpses_of(folder) for folder in room.offers().values())


def test_an_agent_is_opened(room):
    about = room.open({"agent": "ram/ram-mnist_1"})
    assert (about["height"], about["width"], about["n_glimpses"], about["patch"]) == (28, 28, 3, 8)
    assert about["classes"] == CLASSES
    assert not about["is_canvas"]


def test_a_picture_is_looked_at_at_both_kinds_of_places(room):
    found = json.loads(json_text(room.look(asked())))
    assert list(found) == ["learned", "random"]
    for look in found.values():
        assert len(look["squares"]) == len(look["probabilities"]) == len(look["seen"]) == 3
        assert sum(look["probabilities"][-1]) == pytest.approx(1, abs=1e-3)
        assert look["scene"] == np.frombuffer(base64.b64decode(picture()["pixels"]), np.uint8).tolist()
    assert found["learned"]["squares"] != found["random"]["squares"]
    assert len(room.look(asked(n_glimpses=5))["learned"]["squares"]) == 5


def test_a_larger_picture_is_scaled_and_centred(room):
    found = room.look({**asked(), **picture(112), "centre": True})
    scene = np.reshape(found["learned"]["scene"], (28, 28))
    rows = np.flatnonzero(scene.any(1))
    assert (rows[0], rows[-1]) == (4, 23)


def test_test_images_of_the_data_can_be_taken(room):
    found = room.sample({"agent": "ram/ram-mnist_1", "number": 2})
    assert found["label"] in CLASSES
    assert len(base64.b64decode(found["pixels"])) == 784


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"agent": "../../etc"}, "no agent .* that takes glimpses here; allowed: ram/ram-mnist_1"),
        ({"agent": None}, "no agent 'None'"),
        ({"pixels": "!!"}, "pixels: bytes in base64"),
        ({"pixels": 3}, "0 bytes do not make a picture of 28x28x1"),
        ({"width": 27}, "784 bytes do not make a picture of 28x27x1"),
        ({"height": 10**9}, "height: a whole number from 1 to 512"),
        ({"n_glimpses": 0}, "n_glimpses: a whole number from 1 to 64"),
        ({"seed": -1}, "seed: a whole number"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(room, fields, words):
    with pytest.raises(LogpiError, match=words):
        room.look(asked(**fields))


def test_a_folder_without_an_agent_takes_none(tmp_path):
    assert glimpses_of(tmp_path) == 0
    (tmp_path / "agent.json").write_text('{"format_version": 3, "method": 7}')
    assert glimpses_of(tmp_path) == 0


def test_pixels_of_three_channels():
    data = base64.b64encode(bytes(range(12))).decode()
    found = pixels_in({"height": 2, "width": 2, "channels": 3, "pixels": data})
    assert found.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
