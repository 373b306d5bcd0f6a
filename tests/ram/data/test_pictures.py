"""Pictures of one's own become what an agent takes, and inverted ones are noticed."""

import numpy as np
import pytest
from PIL import Image

from logpi.errors import LogpiError
from logpi.ram.data import datasets
from logpi.ram.data.images import contrast
from logpi.ram.data.pictures import batch_of, from_array, ink_warning, pictures, to_bytes
from logpi.ram.data.scaling import scaled

RANDOM = np.random.default_rng(0)
GREY, COLOUR = (6, 8, 1), (6, 8, 3)


def seen(given, wanted=GREY, canvas=(6, 8), light_on_dark=None, invert=False):
    return list(pictures(given, wanted, canvas, light_on_dark, invert))


# what act and look take


@pytest.mark.parametrize("wanted", [GREY, COLOUR])
@pytest.mark.parametrize("batch", [None, 1, 5, 6, 8])
@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "unit", "bool"])
def test_an_image_or_a_batch_of_any_dtype_is_one_and_the_same(wanted, batch, kind):
    levels = RANDOM.integers(0, 2, (*(() if batch is None else (batch,)), *wanted)) * 255
    given = {"unit": levels / 255, "bool": levels > 0}.get(kind)
    given = levels.astype(kind) if given is None else given
    found, single = batch_of(given, wanted)
    assert found.dtype == np.uint8
    assert single == (batch is None)
    np.testing.assert_array_equal(found, levels[None] if single else levels)
    if wanted == GREY:
        flat, alone = batch_of(given[..., 0], wanted)
        assert alone == single
        np.testing.assert_array_equal(flat, found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((8, 6)), r"shape \[8, 6\] do not fit .* allowed: \[6, 8\], \[6, 8, 1\], or a batch.*logpi.look"),
        (np.zeros((2, 6, 8, 3)), r"shape \[2, 6, 8, 3\] do not fit"),
        (np.zeros((1, 1, 6, 8)), r"shape \[1, 1, 6, 8\]"),
        (np.zeros(5), r"shape \[5\]"),
        (np.zeros((0, 6, 8)), "B is 0"),
        (np.full((6, 8), 256), "pixels from 256 to 256; allowed: uint8 from 0"),
        (np.full((6, 8), -0.5), "pixels from -0.5 to -0.5; allowed: .* floats from 0 to 1"),
        (np.full((6, 8), np.nan), "pixels from nan to nan"),
        (np.full((6, 8), "x"), "dtype <U1; allowed"),
    ],
)
def test_a_refusal_names_what_was_given_and_what_is_allowed(given, message):
    with pytest.raises(LogpiError, match=message):
        batch_of(given, GREY)


def test_whole_numbers_of_0_and_1_are_nearly_black_and_floats_are_not():
    assert to_bytes(np.array([0, 1]), "it").tolist() == [0, 1]
    assert to_bytes(np.array([0.0, 1.0]), "it").tolist() == [0, 255]
    assert to_bytes(np.array([0.0, 1.0, 200.0]), "it").tolist() == [0, 1, 200]


# what logpi.look takes


@pytest.mark.parametrize(
    ("shape", "count"),
    [((5, 7), 1), ((5, 7, 1), 1), ((5, 7, 3), 1), ((5, 7, 4), 1), ((2, 5, 7), 2), ((2, 5, 7, 3), 2), ((3, 5, 7), 3)],
)
def test_arrays_are_pictures(shape, count):
    found = from_array(RANDOM.integers(0, 256, shape, np.uint8))
    assert len(found) == count
    assert all(image.shape[:2] == (5, 7) and image.shape[2] in (1, 3) for image in found)
    assert [picture.scene.shape for picture in seen(RANDOM.random(shape))] == [GREY] * count


@pytest.mark.parametrize("shape", [(5,), (5, 7, 2, 2), (1, 2, 3, 4, 5), (0, 7), (5000, 1)])
def test_other_arrays_are_refused_by_their_shape(shape):
    with pytest.raises(LogpiError, match=r"shape|pixels"):
        seen(np.zeros(shape))


def test_opacity_lies_over_white():
    clear = np.zeros((6, 8, 4), np.uint8)
    clear[:3, ..., 3] = 255
    (picture,) = seen(clear)
    assert picture.scene[:3].max() == 0
    assert picture.scene[3:].min() == 255


def test_a_picture_is_scaled_in_its_proportions_with_margins_like_its_edge():
    wide = np.full((30, 120, 3), (0, 0, 200), np.uint8)
    wide[5:25, 5:115] = (200, 0, 0)
    (picture,) = seen(wide, COLOUR)
    assert picture.size == (30, 120)
    assert (picture.scene[[0, 1, 4, 5]] == (0, 0, 200)).all(), "margins"
    assert (picture.scene[2:4, 3:5, 0] > 100).all(), "the picture"
    assert (scaled(wide, 30, 120) == wide).all()
    assert scaled(wide, 1, 1).shape == (1, 1, 3)
    assert scaled(np.zeros((4096, 1, 1), np.uint8), 6, 8).shape == (6, 8, 1)


def test_colour_becomes_grey_and_grey_becomes_colour():
    (picture,) = seen(np.full((6, 8, 3), (255, 0, 0), np.uint8))
    assert (picture.scene == 76).all()
    (picture,) = seen(np.full((6, 8), 90, np.uint8), COLOUR)
    assert (picture.scene == 90).all()
    assert picture.scene.shape == COLOUR


def test_a_picture_stands_in_the_middle_of_the_canvas_unless_it_is_a_scene_already():
    (picture,) = seen(np.full((60, 80), 200, np.uint8), canvas=(20, 20))
    assert picture.scene.shape == (20, 20, 1)
    lit = np.argwhere(picture.scene[..., 0])
    assert (lit.min(0).tolist(), lit.max(0).tolist()) == ([7, 6], [12, 13])
    scene = RANDOM.integers(0, 256, (20, 20), np.uint8)
    np.testing.assert_array_equal(seen(scene, canvas=(20, 20))[0].scene[..., 0], scene)


def test_files_and_arrays_may_be_mixed_and_keep_their_names(tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.jpg"]
    for path in paths:
        Image.fromarray(RANDOM.integers(0, 256, (9, 9, 3), np.uint8)).save(path)
    found = seen([str(paths[0]), paths[1], np.zeros((4, 4))])
    assert [picture.name for picture in found] == [str(paths[0]), str(paths[1]), "picture 3"]
    assert [picture.name for picture in seen(np.zeros((2, 9, 9)))] == ["picture 1", "picture 2"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere.png", "no picture at"), (".", "is a folder; name its pictures"), ("text.png", "not a readable image")],
)
def test_a_file_that_is_no_picture_is_named(tmp_path, name, message):
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(LogpiError, match=message):
        seen(tmp_path / name)
    with pytest.raises(LogpiError, match="no picture to look at"):
        seen([])


# ink


def digit(ink, paper):
    image = np.full((28, 28), paper, np.uint8)
    image[6:22, 13:16] = ink
    return image


def test_inverted_ink_is_warned_of_and_inverting_mends_it():
    light = float((contrast(datasets.load("mnist").train_images[:5000]) > 0).mean())
    assert light > 0.99, "MNIST is light on dark"
    for ink, paper, warned in [(255, 0, False), (0, 255, True), (110, 160, True), (160, 110, False)]:
        (picture,) = seen(digit(ink, paper), (28, 28, 1), (28, 28), light)
        assert bool(picture.warnings) == warned
        (picture,) = seen(digit(ink, paper), (28, 28, 1), (28, 28), light, invert=True)
        assert bool(picture.warnings) != warned
    (text,) = seen(digit(0, 255), (28, 28, 1), (28, 28), light)[0].warnings
    assert text.startswith("inverted ink: it is dark on light, but 100% of the agent's training images are light on")
    assert text.endswith("try --invert")


def test_ink_says_nothing_where_the_training_images_have_both_or_none_is_known():
    for light in (None, 0.5, 0.85):
        assert ink_warning(-80.0, light) == ""
    assert ink_warning(80.0, 0.02).startswith("inverted ink: it is light on dark, but 98%")
    assert ink_warning(-0.5, 1.0) == "", "too faint to tell"


def test_levels_are_stretched_where_that_is_asked_for():
    grey = np.linspace(60, 180, 48).reshape(6, 8).astype(np.uint8)
    (as_it_is,) = seen(grey)
    (found,) = pictures(grey, GREY, (6, 8), None, autocontrast=True)
    assert (as_it_is.scene.min(), as_it_is.scene.max()) == (60, 180)
    assert (found.scene.min(), found.scene.max()) == (0, 255)
    assert (np.diff(found.scene[..., 0].ravel().astype(int)) >= 0).all()
    (flat,) = pictures(np.full((6, 8), 70, np.uint8), GREY, (20, 20), None, autocontrast=True)
    assert set(np.unique(flat.scene)) == {0, 70}


def test_a_picture_of_one_colour_is_told():
    (picture,) = seen(np.full((20, 20), 30, np.uint8), light_on_dark=1.0)
    assert picture.warnings == ["all its pixels are equal: there is nothing in it to see"]
