"""A picture looked at glimpse by glimpse: the same numbers as a look, and every choice of places."""

import jax
import numpy as np
import pytest
from small import quick_compilation

import logpi
from logpi.errors import LogpiError
from logpi.ram import network
from logpi.ram.agent import ImageAgent, task_of
from logpi.ram.data.pictures import centred
from logpi.ram.evaluation import LOOK
from logpi.ram.methods.classifier import Classifier
from logpi.ram.methods.ram import RAM
from logpi.ram.settings import RamNetwork, WholeImageNetwork

NET = RamNetwork(patch=4, scales=2, sensor_size=8, glimpse_size=12, core_size=16, location_size=8, baseline_size=6)
CLASSES = ("zero", "one", "two")
FACTS = {"env": "ram/mnist", "algo": "ram"}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(scope="module")
def agent():
    """An untrained agent of 12 x 12 pixels."""
    config, shape = RAM(n_glimpses=5), (12, 12, 1)
    params = network.init(jax.random.key(1), NET, NET.scales * NET.patch**2, len(CLASSES))
    return ImageAgent(config, NET, task_of(config, shape, len(CLASSES)), CLASSES, params, FACTS, 1.0)


@pytest.fixture(scope="module")
def picture():
    pixels = np.zeros((12, 12), np.uint8)
    pixels[3:9, 5:7] = 255
    return pixels


def test_the_probabilities_and_places_are_those_of_a_look(agent, picture):
    (found,) = logpi.glimpses(agent, picture)
    looked = agent.look(picture[None], LOOK)
    np.testing.assert_array_equal(found.probabilities, looked.probabilities[:, 0])
    assert [square[0][:2] for square in found.squares] == [tuple(corner) for corner in looked.corner[:, 0].tolist()]
    assert [square[0][2] for square in found.squares] == [4] * 5
    assert [square[1][2] for square in found.squares] == [8] * 5
    answer = logpi.look(agent, picture).facts["pictures"][0]
    assert found.said == answer["class"]


def test_what_has_been_seen_only_grows(agent, picture):
    (found,) = logpi.glimpses(agent, picture)
    shown = ~np.isnan(found.seen[..., 0])
    assert found.seen.shape == (5, 12, 12, 1)
    assert (shown[1:] >= shown[:-1]).all()
    top, left, side = found.squares[-1][0]
    inside = (slice(max(top, 0), top + side), slice(max(left, 0), left + side))
    np.testing.assert_allclose(found.seen[-1][inside][..., 0], picture[inside] / 255)


def test_places_are_chosen_otherwise(agent, picture):
    learned, centre, grid, one, other = (
        logpi.glimpses(agent, picture, places=places, seed=seed)[0]
        for places, seed in (("learned", 0), ("centre", 0), ("grid", 0), ("random", 1), ("random", 2))
    )
    assert {tuple(square[0]) for square in centre.squares} == {(4, 4, 4)}
    assert len({tuple(square[0]) for square in grid.squares}) == 5
    assert one.squares != other.squares
    assert learned.squares != one.squares
    own = logpi.glimpses(agent, picture)[0]
    np.testing.assert_array_equal(own.probabilities, learned.probabilities)


def test_when_it_is_sure(agent, picture):
    (found,) = logpi.glimpses(agent, picture, n_glimpses=3)
    rising = found._replace(probabilities=np.array([[0.5, 0.3, 0.2], [0.9, 0.05, 0.05], [0.99, 0.01, 0.0]]))
    assert (rising.sure(0.8), rising.sure(0.95), rising.sure(0.999)) == (2, 3, None)
    assert len(found.probabilities) == 3


def test_json_holds_it(agent, picture):
    import json

    (found,) = logpi.glimpses(agent, picture)
    facts = json.loads(json.dumps(found.to_json()))
    assert len(facts["scene"]) == 144
    assert min(map(min, facts["seen"])) == -1
    assert max(map(max, facts["seen"])) <= 255


def test_a_drawing_is_brought_to_mnist_s_size_and_place():
    pixels = np.zeros((100, 80, 1), np.uint8)
    pixels[60:90, 5:15] = 255  # an upright stroke, far from the middle
    found = centred(pixels, 28, 28)[..., 0]
    rows, columns = np.nonzero(found)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 23, 10, 16)
    again = centred(found[..., None], 28, 28)[..., 0]
    np.testing.assert_array_equal(found, again)
    assert not centred(np.zeros((9, 9, 1), np.uint8), 28, 28).any()


def test_an_uneven_digit_lies_with_its_mass_in_the_middle():
    pixels = np.zeros((40, 40, 1), np.uint8)
    pixels[5:35, 10:12] = 255
    pixels[25:35, 10:25] = 255  # an L: heavier below on the left
    found = centred(pixels, 28, 28)[..., 0].astype(float)
    for axis in (0, 1):
        middle = (found.sum(1 - axis) * (np.arange(28) + 0.5)).sum() / found.sum()
        assert abs(middle - 14) < 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda a, p: logpi.glimpses(a, p, places="there"), "allowed: learned, random, grid, centre"),
        (lambda a, p: logpi.glimpses(a, p, n_glimpses=0), "take a whole number, at least 1"),
        (lambda a, p: logpi.glimpses(a, p[0]), "not a picture"),
        (lambda a, p: logpi.glimpses("CartPole-v1", p), "CartPole-v1 takes no glimpses"),
    ],
)
def test_what_cannot_be_is_refused(agent, picture, call, words):
    with pytest.raises(LogpiError, match=words):
        call(agent, picture)


def test_an_agent_that_sees_all_at_once_has_none(picture):
    config, shape = Classifier(), (12, 12, 1)
    net = WholeImageNetwork(net="fc", hidden=(8,))
    task = task_of(config, shape, 3)
    from logpi.ram import whole_image

    params = whole_image.init(jax.random.key(0), net, shape, 3)
    whole = ImageAgent(config, net, task, CLASSES, params, {"env": "ram/mnist", "algo": "classifier"}, 1.0)
    with pytest.raises(LogpiError, match="sees the whole image at once"):
        logpi.glimpses(whole, picture)
