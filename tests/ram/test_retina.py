"""The retina against a slow and obvious reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.ram import retina
from logpi.ram.retina import corner_of, glimpse, glimpse_directly, integral, location_of, sensor


def reference(image, corner, size, scales):
    """[scales, size, size, C]: pad with zeros, cut a square, average its blocks, pixel by pixel."""
    patches = []
    for scale in range(scales):
        block = 2**scale
        side = size * block
        top = corner[0] - (block - 1) * size // 2
        left = corner[1] - (block - 1) * size // 2
        patch = np.zeros((size, size, image.shape[2]))
        for i in range(side):
            for j in range(side):
                row, column = top + i, left + j
                if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                    patch[i // block, j // block] += image[row, column] / block**2
        patches.append(patch)
    return np.stack(patches)


CASES = [  # height, width, channels, size, scales
    (28, 28, 1, 8, 1),
    (28, 28, 1, 8, 2),
    (60, 60, 1, 12, 3),
    (40, 24, 1, 5, 3),
    (17, 33, 3, 6, 2),
    (12, 12, 3, 3, 4),
    (9, 50, 1, 1, 1),
    (30, 30, 1, 7, 2),
    (64, 48, 3, 4, 3),
    (100, 100, 1, 12, 4),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_glimpses_equal_the_reference(case):
    height, width, channels, size, scales = case
    rng = np.random.default_rng(sum(case))
    count = 100
    images = jnp.asarray(rng.integers(0, 256, (count, height, width, channels)), jnp.float32)
    location = rng.uniform(-1.4, 1.4, (count, 2))  # beyond the edge too
    location[:5] = [(-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0)]
    location[5] = (3, -3)  # far outside
    corner = corner_of(jnp.asarray(location), (height, width), size)
    found = jax.jit(lambda x, c: glimpse(integral(x), c, size, scales))(images, corner)
    wanted = np.stack(
        [reference(*pair, size, scales) for pair in zip(np.asarray(images), np.asarray(corner), strict=True)]
    )
    np.testing.assert_allclose(np.asarray(found) / 255, wanted / 255, rtol=0, atol=1e-6)
    chosen = jax.jit(lambda x, c: sensor(x, size, scales, 3)(c))(images, corner)
    np.testing.assert_allclose(np.asarray(chosen) / 255, wanted / 255, rtol=0, atol=1e-6)
    if size * 2 ** (scales - 1) <= min(height, width):
        directly = jax.jit(lambda x, c: glimpse_directly(x, c, size, scales))(images, corner)
        np.testing.assert_allclose(np.asarray(directly) / 255, wanted / 255, rtol=0, atol=1e-6)
    else:
        with pytest.raises(ValueError, match="do not fit"):
            glimpse_directly(images, corner, size, scales)


@pytest.mark.parametrize("side", [256, 600, 3000])  # the last one's sums are beyond 2^31
def test_glimpses_of_large_images_are_exact_too(side):
    rng = np.random.default_rng(side)
    images = rng.integers(200, 256, (2, side, side, 1)).astype(np.float32)
    corner = np.array([[side - 8, side - 9], [side // 2, -3]])
    size, scales = 4, 8
    found = jax.jit(lambda x, c: glimpse(integral(x), c, size, scales))(images, corner)
    half = 2 ** (scales - 1) * size
    padded = np.pad(images.astype(np.int64), ((0, 0), (half, half), (half, half), (0, 0)))
    for scale in range(scales):
        block, shift = 2**scale, half - (2**scale - 1) * size // 2
        for image, (top, left), seen in zip(padded, corner, found[:, scale], strict=True):
            cut = image[top + shift :, left + shift :][: size * block, : size * block]
            wanted = cut.reshape(size, block, size, block, 1).sum((1, 3)) / block**2
            np.testing.assert_allclose(seen / 255, wanted / 255, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("side", "directly"), [(60, False), (400, True)])
def test_of_a_large_image_only_what_is_looked_at_is_read(side, directly, monkeypatch):
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (3, side, side, 1)), jnp.float32)
    corner = jnp.array([[10, 20], [-30, side - 9], [side - 4, 5]])
    wanted = glimpse(integral(images), corner, 12, 3)
    monkeypatch.setattr(retina, "integral", None if directly else integral)
    np.testing.assert_allclose(sensor(images, 12, 3, 8)(corner), wanted, atol=2e-3 if directly else 0)
    monkeypatch.setattr(retina, "integral", None)
    np.testing.assert_array_equal(sensor(images, 12, 1, 8)(corner), glimpse(integral(images), corner, 12, 1))


def test_places_are_named_as_in_the_paper():
    assert corner_of(jnp.zeros(2), (28, 28), 8).tolist() == [10, 10], "(0, 0) is the centre"
    assert corner_of(-jnp.ones(2), (28, 28), 8).tolist() == [-4, -4], "(-1, -1) is the top left corner"
    assert corner_of(jnp.array([-1.0, 1.0]), (20, 60), 8).tolist() == [-4, 56], "rows first"


def test_a_corner_and_its_location_are_inverse():
    corner = jnp.stack(jnp.meshgrid(jnp.arange(-6, 60), jnp.arange(-6, 40), indexing="ij"), -1)
    for size in (1, 7, 8, 12):
        assert jnp.array_equal(corner_of(location_of(corner, (60, 40), size), (60, 40), size), corner)


def test_sums_are_exact_on_a_white_image():
    sums = integral(jnp.full((1, 256, 256, 1), 255.0))
    assert float(sums[0, 0, -1, -1]) == 256 * 256 * 255.0
    assert jnp.all(glimpse(sums, jnp.array([[100, 130]]), 8, 5) == 255.0)


def test_an_image_does_not_depend_on_its_neighbours():
    images = jax.random.uniform(jax.random.key(0), (7, 20, 20, 1))
    alone = jnp.concatenate([integral(image[None]) for image in images])
    np.testing.assert_array_equal(integral(images), alone)
