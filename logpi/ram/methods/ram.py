"""The recurrent attention model (Mnih et al. 2014): settings and method; ``logpi.ram.ram`` is its loss."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp

from logpi.config.settings import Use, above, at_least, fraction, not_negative
from logpi.errors import LogpiError
from logpi.methods import method
from logpi.ram import network
from logpi.ram import ram as model
from logpi.ram.learning import ImageMethod, ImageTask, image_method
from logpi.ram.settings import ImageSettings, RamNetwork
from logpi.types import Array, Key, Metrics, PyTree

LocationPolicy = Literal["learned", "random", "grid", "centre"]
Reward = Literal["log-probability", "probability", "correct"]
AdvantageEstimator = Literal["antithetic", "return"]
MANY = 10**9  # glimpses: the sensor reads sums of pixels then, which every program knows, not windows


@dataclasses.dataclass(frozen=True)
class RAM(ImageSettings):
    """The recurrent attention model (Mnih et al. 2014): glimpses over images, their places learned by REINFORCE."""

    n_glimpses: int = at_least(1, 7)  # Number T of glimpses per image
    location_policy: LocationPolicy = "learned"  # Choice of places: learned, or a baseline that does not learn
    # Range ± of the first place around the centre, in halves of the image's side
    init_location_range: float = not_negative(0.5)
    std_start: float = above(0, 0.1)  # Standard deviation of sampled places at the start, in halves of the image's side
    std_end: float = above(0, 0.04)  # Standard deviation of sampled places at total_images; linear in between
    mc_samples: int = at_least(1, 1)  # Number M of Monte Carlo samples: copies of each image, each with its own places
    # Weight of the classification loss after all glimpses but the last; paper: 0
    glimpse_coef: float = not_negative(0.3)
    # Reward: log-probability or probability of the true label; correct: 1 if it is the likeliest label, else 0 (paper)
    reward: Reward = "log-probability"
    # Advantage of a place: antithetic (half of its reward minus that of the mirrored place), or return (paper: R - b)
    advantage_estimator: AdvantageEstimator = "antithetic"
    gae_lambda: float = fraction(1.0)  # Parameter λ of GAE, with advantage_estimator return; 1: R - b, as in the paper
    normalize_advantage: bool = False  # Advantage normalization to mean 0 and standard deviation 1 over each batch
    core_grad_scale: float = fraction(1.0)  # Fraction of the policy gradient that flows into the core network
    location_lr_scale: float = not_negative(1.0)  # Location network's learning rate, in multiples of learning_rate

    uses = (
        Use(
            (
                *("init_location_range", "std_start", "std_end", "reward", "advantage_estimator", "gae_lambda"),
                *("normalize_advantage", "core_grad_scale", "location_lr_scale"),
            ),
            lambda c: c.location_policy == "learned",
            "location_policy is learned",
        ),
    )
    fixed = ("gae_lambda", "core_grad_scale", "glimpse_coef", "location_lr_scale")  # 0 or 1 makes another program

    @property
    def steps_an_image(self) -> int:
        return self.n_glimpses

    @property
    def copies_per_image(self) -> int:
        return self.mc_samples

    @property
    def sampling_std(self) -> float:
        return self.std_end

    @property
    def sees_whole(self) -> bool:
        return False


@method(settings=RAM, network=RamNetwork, task="ram")
def ram(config: RAM, net: RamNetwork, task: ImageTask) -> ImageMethod:
    """RAM as pure functions.

    Raises:
        LogpiError: the network does not fit the images, or settings do not fit together.
    """
    network.check(net, (task.scene.height, task.scene.width))
    if config.advantage_estimator == "antithetic" and config.gae_lambda != 1:
        raise LogpiError(
            f"method.gae_lambda is {config.gae_lambda:g}, but advantage_estimator antithetic looks one glimpse ahead "
            "and has no λ: add --advantage-estimator return, or leave it out"
        )
    pixels = net.scales * net.patch**2 * task.shape[2]

    def init(key: Key) -> PyTree:
        return network.init(key, net, pixels, task.classes)

    def loss(params: PyTree, h: RAM, progress: Array, scenes: Array, label: Array, key: Key) -> tuple[Array, Metrics]:
        std = h.std_start + (h.std_end - h.std_start) * progress
        scenes, label = (jnp.repeat(x, h.mc_samples, 0) if h.mc_samples > 1 else x for x in (scenes, label))
        # known when compiled, so that what they make needless is not computed
        shares: dict[str, Any] = {"core_grad_scale": config.core_grad_scale, "glimpse_coef": config.glimpse_coef}
        h = dataclasses.replace(h, **{name: share for name, share in shares.items() if share in (0.0, 1.0)})
        return model.hybrid_loss(params, h, net, scenes, label, key, std)

    def rates(params: PyTree, h: RAM) -> PyTree:
        if config.location_lr_scale == 1.0:
            return 1.0
        ones: dict[str, Any] = jax.tree.map(jnp.ones_like, params)
        return ones | {"location": jax.tree.map(lambda x: x * h.location_lr_scale, ones["location"])}

    def look(params: PyTree, scenes: Array, key: Key, std: Array | float, n: int | None) -> tuple[Array, Array]:
        eye = model.eye_before(net, scenes, n or config.n_glimpses)
        seen = model.glance(params, config, net, eye, key, std, n)
        return jax.nn.log_softmax(network.action_network(params["action"], seen.core)), seen.corner

    def look_from(params: PyTree, scenes: Array, first: Array) -> tuple[Array, Array]:
        if config.location_policy == "random":
            raise LogpiError("location_policy is random: its places are drawn anew each time, and no function of these")
        core, corner = model.mean_path(params, config, net, model.eye_before(net, scenes, MANY), first)
        return jax.nn.log_softmax(network.action_network(params["action"], core)), corner

    return image_method(config, task, init, loss, rates, look, look_from)
