"""The tasks' images: where a digit lies, what clutter is, and how a training image is varied."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import affine_transform

from logpi.ram.scenes import Augmentation, Scene, augment, compose, judged_scenes

IMAGES = jax.random.randint(jax.random.key(0), (50, 6, 5, 1), 1, 256).astype(jnp.uint8)  # no pixel is 0
STILL = Augmentation(0.0, 0.0, 0.0, 0.0)


def corner(scene):
    rows, columns = np.nonzero(np.asarray(scene)[..., 0])
    return rows.min(), columns.min()


def test_an_image_as_large_as_its_canvas_is_left_alone():
    assert jnp.array_equal(compose(jax.random.key(1), IMAGES, IMAGES, Scene(6, 5)), IMAGES)


def test_a_translated_image_lies_whole_and_anywhere():
    many = jnp.repeat(IMAGES, 40, 0)
    scenes = np.asarray(compose(jax.random.key(1), many, IMAGES, Scene(9, 8)))
    places = [corner(scene) for scene in scenes]
    for scene, image, (row, column) in zip(scenes, many, places, strict=True):
        np.testing.assert_array_equal(scene[row : row + 6, column : column + 5], image)
        assert np.count_nonzero(scene) == image.size
    counts = np.unique(places, axis=0, return_counts=True)[1]
    assert len(counts) == 4 * 4
    assert np.all(np.abs(counts - 125) < 50), "each of 16 places 125 times in 2,000, within 4.6 deviations"


def test_clutter_is_cut_from_images_and_the_brightest_wins():
    scene = Scene(30, 30, num_distractors=3, distractor_size=4)
    black = jnp.zeros_like(IMAGES)
    scenes = np.asarray(compose(jax.random.key(2), black, IMAGES, scene))
    lit = (scenes > 0).sum((1, 2, 3))
    assert lit.max() == 3 * 16, "three pieces of 4x4"
    assert np.all(lit >= 16), "which may overlap"
    cuts = {
        np.asarray(image[r : r + 4, c : c + 4, 0]).tobytes() for image in IMAGES for r in range(3) for c in range(2)
    }
    single = np.asarray(compose(jax.random.key(2), black, IMAGES, scene._replace(num_distractors=1)))
    for one in single:
        row, column = corner(one)
        assert one[row : row + 4, column : column + 4, 0].astype(np.uint8).tobytes() in cuts
    white = jnp.full_like(IMAGES, 255)
    over = np.asarray(compose(jax.random.key(2), white, IMAGES, scene))
    assert np.all((over == 255).sum((1, 2, 3)) >= 30), "no piece darkens the image"


def test_the_number_of_pieces_grows():
    scene, black = Scene(40, 40, num_distractors=3, distractor_size=4), jnp.zeros_like(IMAGES)
    many = jnp.repeat(black, 8, 0)

    def mean_pieces(pieces):
        lit = (compose(jax.random.key(2), many, IMAGES, scene, pieces) > 0).sum((1, 2, 3))
        return float(lit.mean()) / 16

    assert mean_pieces(0.0) == 0
    np.testing.assert_allclose([mean_pieces(n) for n in (0.5, 1.0, 2.0, 3.0)], [0.5, 1, 2, 3], atol=0.1)
    assert mean_pieces(3.0) == mean_pieces(9.0) == mean_pieces(None)


def test_scenes_follow_from_the_key():
    scene = Scene(20, 20, num_distractors=2, distractor_size=3)
    one, same, other = (compose(jax.random.key(k), IMAGES, IMAGES, scene) for k in (1, 1, 2))
    assert jnp.array_equal(one, same)
    assert not jnp.array_equal(one, other)
    judged = [judged_scenes(IMAGES, IMAGES, scene, group) for group in (0, 0, 1)]
    assert jnp.array_equal(judged[0], judged[1])
    assert not jnp.array_equal(judged[0], judged[2])


def test_no_augmentation_is_the_identity():
    assert jnp.array_equal(augment(jax.random.key(0), IMAGES, STILL), IMAGES)


def test_augmentation_stays_within_its_bounds():
    line = jnp.zeros((200, 21, 21, 1), jnp.uint8).at[:, 10, :, 0].set(200)
    shifted = np.asarray(augment(jax.random.key(1), line, STILL._replace(shift=2.0)))[..., 0]
    rows = (shifted[:, :, 10] * np.arange(21)).sum(1) / shifted[:, :, 10].sum(1)
    assert 1.5 < rows.max() - 10 <= 2.0
    assert 1.5 < 10 - rows.min() <= 2.0
    turned = np.asarray(augment(jax.random.key(1), line, STILL._replace(rotation=45.0))).astype(float)[..., 0]
    row, column = np.meshgrid(np.arange(21) - 10, np.arange(21) - 10, indexing="ij")
    slope = (turned * row * column).sum((1, 2)) / (turned * column**2).sum((1, 2))
    angle = np.degrees(np.arctan(slope))
    assert 40 < angle.max() <= 46
    assert -46 <= angle.min() < -40
    square = jnp.zeros((200, 21, 21, 1), jnp.uint8).at[:, 7:14, 7:14, 0].set(200)
    area = np.asarray(augment(jax.random.key(1), square, STILL._replace(scaling=0.2))).sum((1, 2, 3)) / (200 * 49)
    assert np.exp(0.4) * 1.05 > area.max() > 1.2
    assert np.exp(-0.4) * 0.95 < area.min() < 0.8


def test_augmentation_is_the_affine_map_of_its_numbers():
    """Every output pixel is the input's at R(angle) S(shear) diag(exp(scale)) (p - c) + c + shift; scipy samples it."""
    how, key = Augmentation(30.0, 0.3, 0.4, 2.0), jax.random.key(5)
    images = jax.random.randint(jax.random.key(6), (6, 15, 22, 1), 0, 256).astype(jnp.uint8)
    found = np.asarray(augment(key, images, how)).astype(int)[..., 0]
    centre = np.array([7.0, 10.5])
    for image, changed, amount in zip(images, found, jax.random.uniform(key, (6, 6), minval=-1, maxval=1), strict=True):
        angle = np.radians(float(amount[0]) * 30)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shear = np.array([[1, float(amount[3]) * 0.4], [0, 1]])
        matrix = turn @ shear @ np.diag(np.exp(0.3 * np.asarray(amount[1:3])))
        offset = centre + 2 * np.asarray(amount[4:6]) - matrix @ centre
        wanted = affine_transform(
            np.asarray(image)[..., 0].astype(float), matrix, offset, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(changed, wanted, atol=0.51)


def test_augmented_pixels_stay_whole_numbers_and_colours_together():
    colour = jnp.repeat(IMAGES, 3, -1)
    changed = augment(jax.random.key(3), colour, Augmentation(20.0, 0.1, 0.1, 1.0))
    assert changed.dtype == jnp.uint8
    assert jnp.array_equal(changed[..., 0], changed[..., 2])
