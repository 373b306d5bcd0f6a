"""Settings of the methods that classify images, and of their networks."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

from logpi.config.settings import MOST_STEPS, Optimizer, above, at_least, fraction, layers, not_negative, ranged

Core = Literal["rectifier", "lstm"]
Combine = Literal["product", "sum"]
SHIPPED = ("mnist", "fashion-mnist")  # data with a name; any other is a path


def _countable(images: float, config: Any) -> bool:
    return images > 0 and config.total_timesteps <= MOST_STEPS


@dataclasses.dataclass(frozen=True)
class ImageSettings:
    """What every method that classifies images needs."""

    total_images: float = ranged(
        2e6, _countable, "above 0, at most 2e9 glimpses"
    )  # images to learn from, the schedules' horizon
    batch_size: int = at_least(1, 128)  # images of one update
    n_updates: int = at_least(1, 100)  # updates of one iteration, the least that is logged or saved
    learning_rate: float = not_negative(2e-3)  # after the warm-up it falls to 0 along a half cosine
    warmup: float = not_negative(25_600.0)  # images over which the learning rate rises from 0
    optimizer: Optimizer = "adam"  # from optax
    max_grad_norm: float = above(0, math.inf)  # clip the global gradient norm to this
    ema_decay: float = fraction(0.999)  # per update, of the moving average of the parameters: the agent that is kept
    data: str = "mnist"  # mnist, fashion-mnist, an .npz file with images and labels, or a folder of images by class
    validation_size: int = at_least(1, 5_000)  # training images kept for the periodic evaluation, and not learnt from
    canvas: int = not_negative(0)  # pixels of the side on which the image is placed at random; 0: the image as it is
    num_distractors: int = not_negative(0)  # clutter: patches of other training images at random places
    distractor_size: int = at_least(1, 8)  # pixels of a patch's side
    curriculum: float = fraction(
        0.0
    )  # share of total_images over which the pieces of a training image grow from 0 to all
    rotation: float = not_negative(10.0)  # augmentation of a training image, uniform within ±: degrees
    scaling: float = not_negative(0.1)  # log of the factor of each side
    shear: float = not_negative(0.1)
    shift: float = not_negative(1.0)  # pixels

    @property
    def steps_an_image(self) -> int:
        """Timesteps of one episode."""
        return 1

    @property
    def copies_per_image(self) -> int:
        """How often an image of a batch is looked at."""
        return 1

    @property
    def sees_whole(self) -> bool:
        """Whether images are seen at once instead of in glimpses."""
        return True

    @property
    def sampling_std(self) -> float:
        """Standard deviation of places that are drawn, of half the image's side."""
        return 0.0

    @property
    def total_timesteps(self) -> float:
        return self.total_images * self.steps_an_image


@dataclasses.dataclass(frozen=True)
class RamNetwork:
    """The recurrent attention model's network, in the paper's parts."""

    patch: int = at_least(1, 8)  # pixels of a retina patch's side
    scales: int = at_least(1, 1)  # k, patches of a glimpse; each covers twice the side of the one before
    sensor_size: int = at_least(1, 128)  # units of h_g and h_l
    glimpse_size: int = at_least(1, 256)  # units of g
    core: Core = "rectifier"  # the core network's units
    core_size: int = at_least(1, 256)  # units of h
    location_size: int = at_least(1, 128)  # units of the location network's hidden layer
    baseline_size: int = at_least(1, 64)  # units of the baseline's
    combine: Combine = "product"  # of what and where in g: relu(a(1 + w) + w), or the paper's relu(a + w)
    fourier_features: int = not_negative(
        0
    )  # octaves of sines and cosines by which the glimpse network gets the place, beside itself


@dataclasses.dataclass(frozen=True)
class WholeImageNetwork:
    """A network that sees the whole image, as in the paper's tables."""

    net: Literal["fc", "conv"] = "conv"  # fully connected, or convolutional with one hidden layer on top
    hidden: tuple[int, ...] = layers((256, 256))  # units of the fully connected layers of fc
    channels: tuple[int, ...] = layers((8,))  # of the convolutions
    kernel: int = at_least(1, 10)  # pixels of a convolution's side
    stride: int = at_least(1, 5)  # of the convolutions
    units: int = at_least(1, 256)  # of the layer on top of the convolutions
