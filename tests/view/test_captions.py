"""A caption stands under the picture and covers none of it."""

import numpy as np
import pytest

from logpi.view.captions import NARROWEST, captioned

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("height", "width"), [(400, 600), (64, 64), (33, 47), (1, 1), (2000, 30), (250, 1600)])
@pytest.mark.parametrize("text", ["episode 1   step 0   return 0.0", "", "step 123,456   return -1e+30 " * 9])
def test_the_whole_picture_stays_visible(height, width, text):
    picture = RANDOM.integers(0, 256, (height, width, 3), np.uint8)
    shown = captioned(picture, text)
    times = shown.shape[1] // width
    assert shown.shape[1] == times * width
    assert shown.shape[1] >= NARROWEST or height == 2000
    np.testing.assert_array_equal(shown[: times * height : times, ::times], picture)
    bar = shown[times * height :]
    assert 20 <= len(bar) <= 40
    assert (bar.std() > 5) == bool(text), "the text is there"


def test_all_frames_of_a_film_have_one_size_whatever_their_captions_say():
    picture = np.zeros((50, 300, 3), np.uint8)
    assert len({captioned(picture, "x" * length).shape for length in (0, 1, 40, 400)}) == 1


def test_a_text_that_is_too_long_ends_inside_the_bar():
    bar = captioned(np.zeros((10, 300, 3), np.uint8), "w" * 500)[10:]
    assert (bar[:, -4:] == bar[0, 0]).all(), "nothing at the right edge: it was cut and ends in …"
