"""Settings of the methods that classify images, and of their networks."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from typing import Any, Literal, Self

from logpi.config.settings import (
    MOST_STEPS,
    Optimizer,
    Use,
    above,
    at_least,
    between,
    fraction,
    layers,
    not_negative,
    ranged,
)
from logpi.ram.data.images import MAX_SIDE
from logpi.ram.fit import kernel_for, patch_for, scales_for

Core = Literal["rectifier", "lstm"]
Combine = Literal["product", "sum"]
SHIPPED = ("mnist", "fashion-mnist")  # data with a name; any other is a path


def _countable(images: float, config: Any) -> bool:
    return images > 0 and config.total_timesteps <= MOST_STEPS


@dataclasses.dataclass(frozen=True)
class ImageSettings:
    """What every method that classifies images needs."""

    # Training length in images; schedules end there
    total_images: float = ranged(2e6, _countable, "above 0, at most 2e9 glimpses")
    batch_size: int = at_least(1, 128)  # Batch size: number of images per gradient update
    # Number of updates per iteration; metrics and evaluations come between iterations
    n_updates: int = at_least(1, 100)
    # Peak learning rate, reached by a linear warm-up and followed by half a cosine to 0
    learning_rate: float = not_negative(2e-3)
    warmup: float = not_negative(25_600.0)  # Length of the learning rate's linear warm-up, in images; 0: none
    optimizer: Optimizer = "adam"  # Gradient optimizer, from Optax
    max_grad_norm: float = above(0, math.inf)  # Maximum global gradient norm (gradient clipping); inf: none
    # Exponential moving average (EMA) of the parameters, the agent: decay per update
    ema_decay: float = fraction(0.999)
    data: str = "mnist"  # Data set: mnist, fashion-mnist, an .npz file, or a folder with one subfolder per class
    # Number of training images held out for periodic evaluations; at most a sixth
    validation_size: int = at_least(1, 5_000)
    # Side of the square that every image is scaled into, in pixels, its proportions kept; 0: images as they are
    size: int = between(0, MAX_SIDE, 0)
    canvas: int = not_negative(0)  # Side of the canvas around a randomly placed image, in pixels; 0: no canvas
    num_distractors: int = not_negative(0)  # Number of distractors: patches of other training images, placed at random
    distractor_size: int = at_least(0, 8)  # Side of a distractor, in pixels; 0: fitted to the images
    curriculum: float = fraction(0.0)  # Fraction of total_images over which the distractors grow from 0 to all
    rotation: float = not_negative(10.0)  # Data augmentation: maximum rotation in degrees, either way; 0: none
    scaling: float = not_negative(0.1)  # Data augmentation: maximum absolute log scale factor of each side; 0: none
    shear: float = not_negative(0.1)  # Data augmentation: maximum shear, as the tangent of its angle; 0: none
    shift: float = not_negative(1.0)  # Data augmentation: maximum shift to either side on each axis, in pixels; 0: none

    uses = (Use(("distractor_size", "curriculum"), lambda c: c.num_distractors > 0, "num_distractors is above 0"),)
    fixed = ("rotation", "scaling", "shear", "shift")  # without any of them, images are not resampled

    def fitted(self, height: int, width: int) -> Self:
        """These settings for images of ``height`` x ``width``: ``distractor_size`` has a size if there are any."""
        if not self.num_distractors:
            return self
        return replace(self, distractor_size=self.distractor_size or patch_for(height, width))

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

    patch: int = at_least(0, 8)  # Side of a retina patch, in pixels; 0: fitted to the images
    # Number k of patches per glimpse, each twice as wide as the one before; 0: fitted to the images
    scales: int = at_least(0, 1)
    sensor_size: int = at_least(1, 128)  # Number of units of each of the glimpse network's hidden layers h_g and h_l
    glimpse_size: int = at_least(1, 256)  # Number of units of the glimpse vector g
    core: Core = "rectifier"  # Core network: rectifier units, or an LSTM
    core_size: int = at_least(1, 256)  # Number of units of the core network's state h
    location_size: int = at_least(1, 128)  # Number of hidden units of the location network
    baseline_size: int = at_least(1, 64)  # Number of hidden units of the baseline network
    # Glimpse vector made of what was seen, a, and where, w: product relu(a(1 + w) + w), sum relu(a + w) (the paper's)
    combine: Combine = "product"
    # Number of octaves of Fourier features (sines and cosines) of the place; 0: its coordinates only
    fourier_features: int = not_negative(0)

    def fitted(self, height: int, width: int) -> Self:
        """This network for scenes of ``height`` x ``width``: ``patch`` and ``scales`` have a size where they are 0."""
        patch = self.patch or patch_for(height, width)
        return replace(self, patch=patch, scales=self.scales or scales_for(patch, height, width))


@dataclasses.dataclass(frozen=True)
class WholeImageNetwork:
    """A network that sees the whole image, as in the paper's tables."""

    net: Literal["fc", "conv"] = "conv"  # Architecture: fully connected (fc) or convolutional (conv)
    hidden: tuple[int, ...] = layers((256, 256))  # Hidden layer sizes of fc, in units
    channels: tuple[int, ...] = layers((8,))  # Number of output channels of each convolution of conv
    kernel: int = at_least(0, 10)  # Side of a convolution's kernel, in pixels; 0: fitted to the images
    stride: int = at_least(0, 5)  # Stride of the convolutions, in pixels; 0: half of the kernel
    units: int = at_least(1, 256)  # Number of units of the hidden layer after the convolutions

    uses = (
        Use(("hidden",), lambda c: c.net == "fc", "net is fc"),
        Use(("channels", "kernel", "stride", "units"), lambda c: c.net == "conv", "net is conv"),
    )

    def fitted(self, height: int, width: int) -> Self:
        """This network for scenes of ``height`` x ``width``: ``kernel`` and ``stride`` of conv have a size if 0."""
        if self.net != "conv":
            return self
        kernel = self.kernel or kernel_for(height, width)
        return replace(self, kernel=kernel, stride=self.stride or max(kernel // 2, 1))
