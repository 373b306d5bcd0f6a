"""Torsos of images: each is what its paper says, whatever the number of images at a time."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.nets import torsos
from logpi.nets.convolution import ordinary_convolutions
from logpi.nets.torsos import TORSOS, Impala, NatureCNN, Patches, image_torso

PIXELS = jax.random.randint(jax.random.key(0), (5, 44, 36, 3), 0, 256).astype(jnp.uint8)


class Whole(nn.Module):
    """A torso within a network."""

    name_of: str

    @nn.compact
    def __call__(self, x):
        return image_torso(self.name_of)(x)


@pytest.mark.parametrize("name", TORSOS)
def test_images_in_groups_and_of_any_leading_shape(name, monkeypatch):
    net = Whole(name)
    params = net.init(jax.random.key(1), PIXELS[:1])

    def slope(params, pixels):
        return jax.value_and_grad(lambda p: jnp.sin(net.apply(p, pixels)).sum())(params)

    whole, wanted = net.apply(params, PIXELS), slope(params, PIXELS)
    assert whole.shape == (5, {"cnn": 512}.get(name, 256))
    np.testing.assert_allclose(net.apply(params, PIXELS[None, :, None])[0, :, 0], whole, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(torsos, "GROUP", 2)
    np.testing.assert_allclose(net.apply(params, PIXELS), whole, rtol=1e-5, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), slope(params, PIXELS), wanted)


def test_bytes_are_numbers_from_0_to_1():
    net = Whole("patches")
    params = net.init(jax.random.key(1), PIXELS[:1])
    np.testing.assert_allclose(net.apply(params, PIXELS), net.apply(params, PIXELS / jnp.float32(255)), atol=1e-6)


def test_the_nature_cnn_is_that_of_the_paper():
    class Plain(nn.Module):
        @nn.compact
        def __call__(self, x):
            for number, (channels, size, stride) in enumerate(((32, 8, 4), (64, 4, 2), (64, 3, 1))):
                name = f"Convolution_{number}"
                x = nn.relu(nn.Conv(channels, (size, size), (stride, stride), "VALID", name=name)(x))
            return nn.relu(nn.Dense(512)(x.reshape(len(x), -1)))

    x = jax.random.uniform(jax.random.key(0), (2, 84, 84, 4))
    params = NatureCNN().init(jax.random.key(1), x)
    np.testing.assert_allclose(NatureCNN().apply(params, x), Plain().apply(params, x), atol=1e-4)


@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (42, 21)])
def test_the_maximum_is_that_over_windows(shape):
    x = jax.random.normal(jax.random.key(0), (2, *shape, 3))
    wanted = nn.max_pool(x, (3, 3), (2, 2), "SAME")
    np.testing.assert_array_equal(torsos._halved(x), wanted)


def test_impala_has_fifteen_convolutions():
    shapes = jax.eval_shape(Impala().init, jax.random.key(0), jnp.zeros((1, 84, 84, 4)))["params"]
    channels = [layer["kernel"].shape[-1] for name, layer in shapes.items() if name.startswith("Convolution")]
    assert sorted(channels) == [16] * 5 + [32] * 10
    assert shapes["Dense_0"]["kernel"].shape == (11 * 11 * 32, 256)


def test_patches_do_not_overlap():
    x = jax.random.uniform(jax.random.key(0), (2, 16, 14, 3))  # 3 x 2 patches, the last row of them in part
    params = Patches().init(jax.random.key(1), x)
    first = params["params"]["Dense_0"]["kernel"].reshape(7, 7, 3, 48)
    padded = jnp.pad(x, ((0, 0), (0, 5), (0, 0), (0, 0))).reshape(2, 3, 7, 2, 7, 3)
    wanted = nn.relu(jnp.einsum("brhcwk,hwkd->brcd", padded, first))
    patches = torsos._patches(x, 7)
    np.testing.assert_allclose(nn.relu(patches @ first.reshape(147, 48)), wanted, atol=1e-5)
    assert params["params"]["Dense_1"]["kernel"].shape == (4 * 48, 64)


def test_the_cost_of_patches_is_a_quarter_of_the_nature_cnn():
    def flops(net):
        x = jnp.zeros((64, 84, 84, 4))
        params = jax.eval_shape(net.init, jax.random.key(0), x)

        def loss(params):
            return net.apply(params, x).sum()

        with ordinary_convolutions():
            return jax.jit(jax.grad(loss)).lower(params).cost_analysis()["flops"]

    assert flops(Patches()) < 0.25 * flops(NatureCNN())
