"""The recurrent attention model (Mnih et al. 2014): REINFORCE over where to look, cross-entropy over what it is.

    hybrid loss = -log π(y | h_T)  -  mean_t A_t log π(l_{t+1} | h_t)  +  mean_t (R - b_t)²,    t = 1 … T-1

``advantage_estimator`` chooses the advantage A_t of a place: R - b_t as in the paper, or its λ-return (``return``); or
half the difference between the rewards after the next glimpse there and at the mirrored place (``antithetic``), which
needs no baseline. The classification loss after the earlier glimpses is added with weight ``glimpse_coef``.

Acting and learning are one pass: the episode is on policy and always T long, so the forward pass that acts is the one
that is differentiated. Comments mark where no gradient passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, Int32, Num

from logpi.ops import losses, psi
from logpi.ops.distributions import DiagonalGaussian
from logpi.ram import network
from logpi.ram.network import Memory, Params
from logpi.ram.retina import WHITE, corner_of, location_of, sensor
from logpi.ram.settings import RamNetwork
from logpi.types import Array, Key, Metrics, Number, PyTree

WORST = -3.0  # lowest reward of log-probability: one hopeless image must not outweigh the batch
BELOW_CHANCE = 0.5  # nats that the lowest reward is at least below that of a uniform guess
UNROLLED = 8  # glimpses unrolled in the loop, which copies its arrays less often: a tenth of the time
Images = Num[Array, "B H W C"]  # pixels from 0 to 255


@runtime_checkable
class Attention(Protocol):
    """Settings that the model reads (``logpi.ram.methods.ram.RAM``)."""

    @property
    def n_glimpses(self) -> int: ...

    @property
    def location_policy(self) -> str: ...

    @property
    def init_location_range(self) -> Number: ...

    @property
    def glimpse_coef(self) -> Number: ...

    @property
    def reward(self) -> str: ...

    @property
    def advantage_estimator(self) -> str: ...

    @property
    def gae_lambda(self) -> Number: ...

    @property
    def normalize_advantage(self) -> bool: ...

    @property
    def core_grad_scale(self) -> Number: ...


class Glances(NamedTuple):
    """T glimpses of each of B images, and the T-1 places that were drawn between them."""

    corner: Int32[Array, "T B 2"]  # the finest patch's top left pixel
    core: Float[Array, "T B H"]  # h_t
    memory: PyTree[Float[Array, "T-1 B H"]]  # of the core network
    mean: Float[Array, "T-1 B 2"]  # of the next place's distribution
    drawn: Float[Array, "T-1 B 2"]  # the next place, which may lie outside the image
    log_prob: Float[Array, "T-1 B"]  # of ``drawn``


class Eye(NamedTuple):
    """The glimpse sensor in front of B images."""

    see: Callable[[Int[Array, "B 2"]], Num[Array, "B k s s C"]]  # from corners to patches, pixels from 0 to 255
    shape: tuple[int, int]  # H, W of the images
    batch: int


def eye_before(net: RamNetwork, images: Images, steps: int) -> Eye:
    """The glimpse sensor in front of ``images``, chosen for about ``steps`` glimpses of each."""
    return Eye(sensor(images, net.patch, net.scales, steps), (images.shape[1], images.shape[2]), len(images))


def take_glimpse(
    params: Params, net: RamNetwork, eye: Eye, memory: Memory, place: Float[Array, "B 2"]
) -> tuple[Memory, Float[Array, "B H"], Int32[Array, "B 2"]]:
    """One glimpse of each image at ``place``, clipped to the image: (memory, h, corner)."""
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
    std: Number,
    n_glimpses: int | None = None,
) -> Glances:
    """Take T glimpses of each of B images.

    Args:
        std: standard deviation of the places around the location network's mean; 0 looks at the mean itself.
        n_glimpses: T; by default the settings'.
    """
    batch, steps = eye.batch, n_glimpses or config.n_glimpses
    start_key, key = jax.random.split(key)
    first = jax.random.uniform(
        start_key, (batch, 2), minval=-config.init_location_range, maxval=config.init_location_range
    )
    noise = jax.random.normal(key, (steps - 1, batch, 2))
    given = given_places(config, key, steps, batch)

    def step(
        carry: tuple[Memory, Array], xs: tuple[Array, Array | None]
    ) -> tuple[tuple[Memory, Array], tuple[PyTree, ...]]:
        memory, place = carry
        noise, given_place = xs
        memory, h, corner = take_glimpse(params, net, eye, memory, place if given_place is None else given_place)
        mean = network.location_network(params["location"], scale_gradient(h, config.core_grad_scale))
        # the place is data, not a function of the mean: its log-probability alone carries the gradient
        drawn = jax.lax.stop_gradient(mean + std * noise)
        log_prob = DiagonalGaussian(mean, jnp.log(jnp.maximum(std, 1e-8))).log_prob(drawn)
        return (memory, drawn), (corner, h, memory, mean, drawn, log_prob)

    start, each = (network.first_memory(net, batch), first), (noise, None if given is None else given[:-1])
    (memory, place), (corner, core, *between) = jax.lax.scan(step, start, each, unroll=UNROLLED)
    # no place is drawn after the last glimpse
    _, h, there = take_glimpse(params, net, eye, memory, place if given is None else given[-1])
    return Glances(jnp.concatenate([corner, there[None]]), jnp.concatenate([core, h[None]]), *between)


def mean_path(
    params: Params, config: Attention, net: RamNetwork, eye: Eye, first: Float[Array, "B 2"]
) -> tuple[Float[Array, "T B H"], Int32[Array, "T B 2"]]:
    """(h_t, corner) of T glimpses from the places ``first`` on, each at the location network's mean.

    As ``glance`` with ``std`` 0, without a loop: what converts programs knows few of the arrays that its own holds.
    """
    given = given_places(config, jax.random.key(0), config.n_glimpses, eye.batch)
    memory, place, found = network.first_memory(net, eye.batch), first, []
    for t in range(config.n_glimpses):
        memory, h, corner = take_glimpse(params, net, eye, memory, place if given is None else given[t])
        place = network.location_network(params["location"], h)
        found.append((h, corner))
    core, corners = zip(*found, strict=True)
    return jnp.stack(core), jnp.stack(corners)


def scale_gradient(x: Float[Array, "*S"], scale: Number) -> Float[Array, "*S"]:
    """``x``, with its gradient multiplied by ``scale``; a float of 0 or 1 leaves out what is then not needed."""
    if isinstance(scale, float) and scale in (0.0, 1.0):
        return x if scale else jax.lax.stop_gradient(x)
    return scale * x + (1 - scale) * jax.lax.stop_gradient(x)


def given_places(config: Attention, key: Key, steps: int, batch: int) -> Float[Array, "{steps} {batch} 2"] | None:
    """The places of the baselines, which do not depend on the image; None where the places are learned."""
    if config.location_policy == "learned":
        return None
    if config.location_policy == "random":
        return jax.random.uniform(key, (steps, batch, 2), minval=-1.0, maxval=1.0)
    if config.location_policy == "centre":
        return jnp.zeros((steps, batch, 2))
    return jnp.broadcast_to(lattice(steps)[:, None], (steps, batch, 2))


def lattice(steps: int) -> Float[Array, "{steps} 2"]:
    """Places spread evenly over the image: about √T rows with equally many places, up to one."""
    rows = round(math.sqrt(steps))
    ends = [round(steps * (row + 1) / rows) for row in range(rows)]
    counts = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    middles = [((row + 0.5) / rows, (k + 0.5) / count) for row, count in enumerate(counts) for k in range(count)]
    return jnp.array(middles) * 2 - 1


def advantage(b: Float[Array, "T B"], reward: Float[Array, " B"], lam: Number) -> Float[Array, "T B"]:
    """The advantage of each place drawn: the λ-return minus the baseline ``b``.

    The one ``reward`` comes after the last glimpse. λ = 1 is the paper's R - b_t. A smaller λ credits a place with what
    the next glimpses changed in the baseline, rather than with all that came later: λ = 0 gives b_{t+1} - b_t.
    """
    late = jnp.zeros_like(b).at[-1].set(reward)
    discount = jnp.ones_like(b).at[-1].set(0.0)
    beyond = jnp.zeros_like(b[:1])  # the episode ends there
    return psi.gae(late, discount, jnp.ones_like(b), jnp.concatenate([b, beyond]), lam)


def mirrored(params: Params, net: RamNetwork, eye: Eye, glances: Glances) -> Float[Array, "places B H"]:
    """h_{t+1} after a glimpse at the place mirrored at its mean, l' = 2 mean - l; no gradient flows through it.

    Both places have the same density. With f the reward after that glimpse, ``(f(l) - f(l'))/2 ∇ log π(l)`` has the
    expectation of f(l) ∇ log π(l): antithetic variates (Hammersley & Morton 1956). What the two rewards have in common,
    above all how hard the image is, cancels.
    """
    frozen, (memory, mean, drawn) = jax.lax.stop_gradient((params, (glances.memory, glances.mean, glances.drawn)))
    # one glimpse after the other: all at once would not fit into a core's cache
    return jax.lax.map(lambda x: take_glimpse(frozen, net, eye, *x)[1], (memory, 2 * mean - drawn))


def hybrid_loss(
    params: Params, config: Attention, net: RamNetwork, images: Images, label: Int[Array, " B"], key: Key, std: Number
) -> tuple[Float[Array, ""], Metrics]:
    """The loss over B images and its metrics, this device's share of both.

    Weights and targets are data (``logpi.ops.losses``): no gradient flows through reward or advantage.

    Args:
        std: standard deviation of the places drawn, in halves of the image's side.
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


def likelihood_of(log_likelihood: Float[Array, "*T B K"], label: Int[Array, " B"]) -> Float[Array, "*T B"]:
    """The log-likelihood of ``label``."""
    index = jnp.broadcast_to(label, log_likelihood.shape[:-1])
    return jnp.take_along_axis(log_likelihood, index[..., None], -1)[..., 0]


def correct(log_likelihood: Float[Array, "*T B K"], label: Int[Array, " B"]) -> Float[Array, "*T B"]:
    """1 where the label is the likeliest class, else 0."""
    return (log_likelihood.argmax(-1) == label) * 1.0


def reward_of(kind: str, log_likelihood: Float[Array, "*T B K"], label: Int[Array, " B"]) -> Float[Array, "*T B"]:
    """The reward of the class log-likelihoods after a glimpse."""
    if kind == "correct":
        return correct(log_likelihood, label)
    known = likelihood_of(log_likelihood, label)
    return jnp.exp(known) if kind == "probability" else jnp.maximum(known, worst(log_likelihood.shape[-1]))


def worst(classes: int) -> float:
    """The lowest reward of ``log-probability``."""
    return min(WORST, -math.log(classes) - BELOW_CHANCE)
