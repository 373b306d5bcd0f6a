"""The recurrent attention model (Mnih et al. 2014): REINFORCE over where to look, cross-entropy over what it is.

    hybrid loss = -log π(y | h_T)  -  mean_t A_t log π(l_{t+1} | h_t)  +  mean_t (R - b_t)²,    t = 1 … T-1

``advantage_estimator`` says what the advantage A_t of a place is: R - b_t as in the paper, and its λ-return
(``return``); or what the next glimpse makes of the label there, over what it would have made of it at the mirrored
place (``antithetic``), which needs no baseline. To the first term a share of -log π(y | h_t) of the earlier glimpses is
added.

Glimpses are drawn and learnt from in one pass: the episode is on policy and always T long, so the forward pass that
acts is the one that is differentiated. What passes no gradient is said where it happens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from logpi.ops import losses, psi
from logpi.ops.distributions import DiagonalGaussian
from logpi.ram import network
from logpi.ram.retina import WHITE, corner_of, location_of, sensor
from logpi.ram.settings import RamNetwork
from logpi.types import Array, Key, Metrics, PyTree

Params = dict[str, Any]
WORST = -3.0  # the lowest reward of log-probability: one hopeless image must not outweigh the batch
BELOW_CHANCE = 0.5  # but it lies so far below a guess among many classes
UNROLLED = 8  # glimpses in a row without copies to and from a loop's arrays: a tenth of the time


@runtime_checkable
class Attention(Protocol):
    """Settings that the model reads (``logpi.ram.methods.ram.RAM``)."""

    @property
    def n_glimpses(self) -> int: ...

    @property
    def location_policy(self) -> str: ...

    @property
    def init_location_range(self) -> Any: ...

    @property
    def glimpse_coef(self) -> Any: ...

    @property
    def reward(self) -> str: ...

    @property
    def advantage_estimator(self) -> str: ...

    @property
    def gae_lambda(self) -> Any: ...

    @property
    def normalize_advantage(self) -> bool: ...

    @property
    def core_grad_scale(self) -> Any: ...


class Glances(NamedTuple):
    """T glimpses of each of B images, and the T-1 places that were drawn between them."""

    corner: Array  # [T, B, 2] int32: the finest patch's top left pixel
    core: Array  # [T, B, H] h_t
    memory: PyTree  # of the core network, [T-1, B, H] each
    mean: Array  # [T-1, B, 2] of the next place's distribution
    drawn: Array  # [T-1, B, 2] the next place, which may lie outside the image
    log_prob: Array  # [T-1, B] of it


class Eye(NamedTuple):
    """The glimpse sensor in front of B images."""

    see: Callable[[Array], Array]  # from corners [B, 2] to patches, pixels from 0 to 255
    shape: tuple[int, int]  # H, W of the images
    batch: int


def eye_before(net: RamNetwork, images: Array, steps: int) -> Eye:
    """Before ``images`` [B, H, W, C], from 0 to 255, for about so many glimpses of each."""
    return Eye(sensor(images, net.patch, net.scales, steps), (images.shape[1], images.shape[2]), len(images))


def look(params: Params, net: RamNetwork, eye: Eye, memory: PyTree, place: Array) -> tuple[PyTree, Array, Array]:
    """One glimpse of each image at ``place`` [B, 2], clipped to the image: (memory, h, corner)."""
    corner = corner_of(jnp.clip(place, -1.0, 1.0), eye.shape, net.patch)
    patches = eye.see(corner).reshape(eye.batch, -1) / WHITE
    seen = network.glimpse_network(params["glimpse"], net, patches, location_of(corner, eye.shape, net.patch))
    return *network.core_network(params["core"], net, memory, seen), corner


def glance(
    params: Params,
    config: Attention,
    net: RamNetwork,
    eye: Eye,
    key: Key,
    std: Array | float,
    n_glimpses: int | None = None,
) -> Glances:
    """Look at B images, T times each.

    Args:
        std: of the place drawn around the location network's mean; 0 looks at the mean itself.
        n_glimpses: T, if not the settings'.
    """
    batch, steps = eye.batch, n_glimpses or config.n_glimpses
    start_key, key = jax.random.split(key)
    first = jax.random.uniform(
        start_key, (batch, 2), minval=-config.init_location_range, maxval=config.init_location_range
    )
    noise = jax.random.normal(key, (steps - 1, batch, 2))
    given = given_places(config, key, steps, batch)

    def step(carry: Any, xs: tuple[Array, Array | None]) -> Any:
        memory, place = carry
        noise, given_place = xs
        memory, h, corner = look(params, net, eye, memory, place if given_place is None else given_place)
        mean = network.location_network(params["location"], share_of_gradient(h, config.core_grad_scale))
        # the place is data, not a function of the mean: its log-probability alone carries the gradient
        drawn = jax.lax.stop_gradient(mean + std * noise)
        log_prob = DiagonalGaussian(mean, jnp.log(jnp.maximum(std, 1e-8))).log_prob(drawn)
        return (memory, drawn), (corner, h, memory, mean, drawn, log_prob)

    start, each = (network.first_memory(net, batch), first), (noise, None if given is None else given[:-1])
    (memory, place), (corner, core, *between) = jax.lax.scan(step, start, each, unroll=UNROLLED)
    # nobody would look at a place drawn after the last glimpse
    _, h, there = look(params, net, eye, memory, place if given is None else given[-1])
    return Glances(jnp.concatenate([corner, there[None]]), jnp.concatenate([core, h[None]]), *between)


def share_of_gradient(x: Array, share: Array | float) -> Array:
    """``x``, of whose gradient only a share goes on; what a float of 0 or 1 makes needless is not computed."""
    if isinstance(share, float) and share in (0.0, 1.0):
        return x if share else jax.lax.stop_gradient(x)
    return share * x + (1 - share) * jax.lax.stop_gradient(x)


def given_places(config: Attention, key: Key, steps: int, batch: int) -> Array | None:
    """Where the baselines look, [T, B, 2]: whatever the image; None where the places are learned."""
    if config.location_policy == "learned":
        return None
    if config.location_policy == "random":
        return jax.random.uniform(key, (steps, batch, 2), minval=-1.0, maxval=1.0)
    if config.location_policy == "centre":
        return jnp.zeros((steps, batch, 2))
    return jnp.broadcast_to(lattice(steps)[:, None], (steps, batch, 2))


def lattice(steps: int) -> Array:
    """T places [T, 2] that share out the whole image: in about √T rows, as equally full as can be."""
    rows = round(math.sqrt(steps))
    ends = [round(steps * (row + 1) / rows) for row in range(rows)]
    counts = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    middles = [((row + 0.5) / rows, (k + 0.5) / count) for row, count in enumerate(counts) for k in range(count)]
    return jnp.array(middles) * 2 - 1


def advantage(b: Array, reward: Array, lam: float | Array) -> Array:
    """Of each place drawn, [T-1, B]: the λ-return minus the baseline ``b`` [T-1, B].

    The one ``reward`` [B] comes after the last glimpse. λ = 1 is the paper's R - b_t. With a smaller one a place is
    credited with what the next glimpses made of the baseline, rather than with all that came later: b_{t+1} - b_t at 0.
    """
    late = jnp.zeros_like(b).at[-1].set(reward)
    discount = jnp.ones_like(b).at[-1].set(0.0)
    beyond = jnp.zeros_like(b[:1])  # the episode ends there
    return psi.gae(late, discount, jnp.ones_like(b), jnp.concatenate([b, beyond]), lam)


def mirrored(params: Params, net: RamNetwork, eye: Eye, glances: Glances) -> Array:
    """h_{t+1} [T-1, B, H], had each place been drawn on the other side of its mean; nothing that is learnt from.

    The two places have the same density: with f the reward after that glimpse, ``(f(l) - f(l'))/2 ∇ log π(l)`` has the
    expectation of f(l) ∇ log π(l), antithetic variates (Hammersley & Morton 1956). All that the two have in common,
    above all how hard the image is, drops out.
    """
    frozen, (memory, mean, drawn) = jax.lax.stop_gradient((params, (glances.memory, glances.mean, glances.drawn)))
    # one after the other: all at once, they would not stay in a core's cache
    return jax.lax.map(lambda x: look(frozen, net, eye, *x)[1], (memory, 2 * mean - drawn))


def hybrid_loss(
    params: Params, config: Attention, net: RamNetwork, images: Array, label: Array, key: Key, std: Array
) -> tuple[Array, Metrics]:
    """The loss over B images (this device's share of it) and its metrics.

    Weights and targets are data (``logpi.ops.losses``): no gradient flows through reward or advantage.

    Args:
        images: [B, H, W, C], from 0 to 255.
        label: [B] int32.
        std: of the places drawn, in units of half the image's side.
    """
    chooses = config.location_policy == "learned" and config.n_glimpses > 1
    mirrors = chooses and config.advantage_estimator == "antithetic"
    eye = eye_before(net, images, config.n_glimpses + (config.n_glimpses - 1) * mirrors)
    glances = glance(params, config, net, eye, key, std)
    early = config.n_glimpses > 1 and not (isinstance(config.glimpse_coef, float) and config.glimpse_coef == 0)
    core = glances.core if early or mirrors else glances.core[-1:]
    log_likelihood = jax.nn.log_softmax(network.action_network(params["action"], core))
    of_label = likelihood_of(log_likelihood, label)
    every, once = jnp.ones_like(glances.log_prob), jnp.ones_like(of_label[-1])
    loss = losses.decision_mean(-of_label[-1], once)
    terms = {"train/classification_loss": loss}
    if early:
        terms["train/early_classification_loss"] = losses.decision_mean(-of_label[:-1], every)
        loss += config.glimpse_coef * terms["train/early_classification_loss"]
    if chooses:
        reward = reward_of(config.reward, log_likelihood, label)
        if mirrors:
            h = mirrored(params, net, eye, glances)
            at_mirror = jax.nn.log_softmax(network.action_network(params["action"], h))
            weight = (reward[1:] - reward_of(config.reward, at_mirror, label)) / 2
        else:
            core = jax.lax.stop_gradient(glances.core[:-1])
            b = network.baseline(params["baseline"], core, jnp.broadcast_to(label, every.shape))
            weight = advantage(b, reward[-1], config.gae_lambda)
            error = losses.squared_error(b, jnp.broadcast_to(reward[-1], b.shape))
            terms["train/value_loss"] = losses.decision_mean(error, every)
            loss += terms["train/value_loss"]
        if config.normalize_advantage:
            weight = losses.standardize(weight, every)
        terms["train/policy_gradient_loss"] = losses.decision_mean(
            losses.policy_gradient(glances.log_prob, weight), every
        )
        loss += terms["train/policy_gradient_loss"]
    return loss, terms | {"train/accuracy": losses.decision_mean(correct(log_likelihood[-1], label), once)}


def likelihood_of(log_likelihood: Array, label: Array) -> Array:
    """Of ``label`` [B] alone: [..., B, K] → [..., B]."""
    index = jnp.broadcast_to(label, log_likelihood.shape[:-1])
    return jnp.take_along_axis(log_likelihood, index[..., None], -1)[..., 0]


def correct(log_likelihood: Array, label: Array) -> Array:
    """1 where the label is the likeliest class, else 0."""
    return (log_likelihood.argmax(-1) == label) * 1.0


def reward_of(kind: str, log_likelihood: Array, label: Array) -> Array:
    """[..., B] of the class log-likelihoods [..., B, K] after a glimpse."""
    if kind == "correct":
        return correct(log_likelihood, label)
    known = likelihood_of(log_likelihood, label)
    return jnp.exp(known) if kind == "probability" else jnp.maximum(known, worst(log_likelihood.shape[-1]))


def worst(classes: int) -> float:
    """The lowest reward of ``log-probability``."""
    return min(WORST, -math.log(classes) - BELOW_CHANCE)
