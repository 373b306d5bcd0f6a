"""The recurrent attention model (Mnih et al. 2014): REINFORCE over where to look, cross-entropy over what it is.

    hybrid loss = -log π(y | h_T)  -  mean_t A_t log π(l_{t+1} | h_t)  +  mean_t (R - b_t)²,    t = 1 … T-1

A_t is R - b_t in the paper, and here its λ-return (``advantage``).

Glimpses are drawn and learnt from in one pass: the episode is on policy and always T long, so the forward pass that
acts is the one that is differentiated. What passes no gradient is said where it happens.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from logpi import losses, psi
from logpi.config import RAM, Glimpsing
from logpi.distributions import DiagonalGaussian
from logpi.glimpse import network
from logpi.glimpse.retina import WHITE, corner_of, location_of, sensor
from logpi.types import Array, Key, Metrics

Params = dict[str, Any]
WORST = -3.0  # the lowest reward: one hopeless image must not outweigh the batch


class Glances(NamedTuple):
    """T glimpses of each of B images."""

    corner: Array  # [T, B, 2] int32: the finest patch's top left pixel
    core: Array  # [T, B, H] h_t
    log_prob: Array  # [T, B] of the place drawn after the glimpse


def glance(
    params: Params,
    config: RAM,
    net: Glimpsing,
    images: Array,
    key: Key,
    std: Array | float,
    n_glimpses: int | None = None,
) -> Glances:
    """Look at B images, T times each.

    Args:
        images: [B, H, W, C], from 0 to 255.
        std: of the place drawn around the location network's mean; 0 looks at the mean itself.
        n_glimpses: T, if not the settings'.
    """
    batch, steps, shape = len(images), n_glimpses or config.n_glimpses, (images.shape[1], images.shape[2])
    see = sensor(images, net.patch, net.scales, steps)
    start_key, key = jax.random.split(key)
    first = jax.random.uniform(start_key, (batch, 2), minval=-config.start, maxval=config.start)
    noise = jax.random.normal(key, (steps, batch, 2))
    given = given_places(config, key, steps, batch)

    def step(carry: Any, xs: tuple[Array, Array]) -> Any:
        memory, location = carry
        noise, place = xs
        corner = corner_of(location if given is None else place, shape, net.patch)
        patches = see(corner).reshape(batch, -1) / WHITE
        seen = network.glimpse_network(params["glimpse"], net, patches, location_of(corner, shape, net.patch))
        memory, h = network.core_network(params["core"], net, memory, seen)
        # REINFORCE moves the location network only, not the core that it reads
        mean = network.location_network(params["location"], jax.lax.stop_gradient(h))
        # the place is data, not a function of the mean: its log-probability alone carries the gradient
        drawn = jax.lax.stop_gradient(mean + std * noise)
        log_prob = DiagonalGaussian(mean, jnp.log(jnp.maximum(std, 1e-8))).log_prob(drawn)
        return (memory, jnp.clip(drawn, -1.0, 1.0)), Glances(corner, h, log_prob)

    memory = network.first_memory(net, batch)
    return jax.lax.scan(step, (memory, first), (noise, noise if given is None else given))[1]


def given_places(config: RAM, key: Key, steps: int, batch: int) -> Array | None:
    """Where the baselines look, [T, B, 2]: whatever the image; None where the places are learned."""
    if config.where == "learned":
        return None
    if config.where == "random":
        return jax.random.uniform(key, (steps, batch, 2), minval=-1.0, maxval=1.0)
    if config.where == "centre":
        return jnp.zeros((steps, batch, 2))
    side = math.ceil(math.sqrt(steps))
    at = (jnp.arange(side) + 0.5) / side * 2 - 1
    lattice = jnp.stack(jnp.meshgrid(at, at, indexing="ij"), -1).reshape(-1, 1, 2)[:steps]
    return jnp.broadcast_to(lattice, (steps, batch, 2))


def advantage(b: Array, reward: Array, lam: float | Array) -> Array:
    """Of each place drawn, [T-1, B]: the λ-return minus the baseline ``b`` [T-1, B].

    The one ``reward`` [B] comes after the last glimpse. λ = 1 is the paper's R - b_t. With a smaller one a place is
    credited with what the next glimpses made of the baseline, rather than with all that came later: b_{t+1} - b_t at 0.
    """
    late = jnp.zeros_like(b).at[-1].set(reward)
    discount = jnp.ones_like(b).at[-1].set(0.0)
    beyond = jnp.zeros_like(b[:1])  # the episode ends there
    return psi.gae(late, discount, jnp.ones_like(b), jnp.concatenate([b, beyond]), lam)


def hybrid_loss(
    params: Params, config: RAM, net: Glimpsing, images: Array, label: Array, key: Key, std: Array
) -> tuple[Array, Metrics]:
    """The loss over B images (this device's share of it) and its metrics.

    Weights and targets are data (``logpi.losses``): no gradient flows through reward or advantage.

    Args:
        images: [B, H, W, C], from 0 to 255.
        label: [B] int32.
        std: of the places drawn, in units of half the image's side.
    """
    glances = glance(params, config, net, images, key, std)
    log_likelihood = jax.nn.log_softmax(network.action_network(params["action"], glances.core[-1]))
    of_label = jnp.take_along_axis(log_likelihood, label[:, None], -1)[:, 0]
    correct = (log_likelihood.argmax(-1) == label) * 1.0
    reward = reward_of(config.reward, of_label, correct)
    # the place drawn after the last glimpse is looked at by nobody
    log_prob, core = glances.log_prob[:-1], jax.lax.stop_gradient(glances.core[:-1])
    b = network.baseline(params["baseline"], core, jnp.broadcast_to(label, log_prob.shape))
    every, once = jnp.ones_like(log_prob), jnp.ones_like(of_label)
    weight = losses.standardize(advantage(b, reward, config.gae_lambda), every)
    location_loss = losses.decision_mean(losses.policy_gradient(log_prob, weight), every)
    baseline_loss = losses.decision_mean(losses.squared_error(b, jnp.broadcast_to(reward, b.shape)), every)
    classification_loss = losses.decision_mean(-of_label, once)
    return classification_loss + location_loss + baseline_loss, {
        "train/classification_loss": classification_loss,
        "train/policy_gradient_loss": location_loss,
        "train/value_loss": baseline_loss,
        "train/accuracy": losses.decision_mean(correct, once),
    }


def reward_of(kind: str, log_likelihood: Array, correct: Array) -> Array:
    """R [B] of the log-likelihood of the true label, and of whether it was the likeliest."""
    if kind == "correct":
        return correct
    return jnp.exp(log_likelihood) if kind == "probability" else jnp.maximum(log_likelihood, WORST)
