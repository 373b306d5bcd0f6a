"""What learning from self-play is made of, whichever system learns: play, a window, the loss, one step after another.

    (p, v) = f_θ(s),    l = (z - v)² - πᵀ log p + c ‖θ‖²       (Silver et al. 2017, eq. 1)

π is the search's policy at the root and z the outcome of the game for the player to move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.algorithms.acting import improve, init_optimizer, traced
from logpi.config.settings import BoardNetwork, SelfPlaySettings
from logpi.games.network import PolicyValue
from logpi.games.replay import UNKNOWN, Samples, Window, empty, mirrored, push, sample
from logpi.games.rules.game import Game
from logpi.games.search.puct import Searched
from logpi.games.self_play import Games, begin, play, think
from logpi.ops.collectives import apart, total
from logpi.ops.distributions import masked
from logpi.ops.losses import decision_mean, squared_error
from logpi.ops.normalization import Statistics
from logpi.types import Array, Key, Learner, Metrics, PyTree


class Carry(NamedTuple):
    """What self-play has under way, and what it has left behind."""

    games: Games
    window: Window


class Player(NamedTuple):
    """Who plays: what a learner of games keeps beside the newest parameters."""

    params: PyTree
    match: Metrics  # of the last match for its place, where there are such


class System(NamedTuple):
    """A way to learn a game from nothing, as pure functions."""

    init: Callable[[Key], Learner]
    begin: Callable[[Learner, Key], Carry]
    play: Callable[[Learner, Carry, Key], tuple[Carry, Metrics]]
    train: Callable[[Learner, Window, Key], tuple[Learner, Metrics]]
    gate: Callable[[Learner, Key], Learner] | None
    think: Callable[[PyTree, PyTree, Key, int], Searched]  # (the player's params, states [B, ...], key, simulations)
    hyper: SelfPlaySettings


def area_loss(owned: Array, area: Array, weight: Array) -> Array:
    """Ownership and score (Wu 2019, §4.1): the mean squared error of each cell, and of their mean, the score.

    Args:
        owned: [N, cells] predicted, from -1 to 1.
        area: [N, cells] as ``Samples.area``.
        weight: [N] as ``Samples.weight``.
    """
    played_out = weight * (jnp.abs(area[:, 0]) < UNKNOWN)
    cells = squared_error(owned, area).mean(-1)
    score = squared_error(owned.mean(-1), area.mean(-1))
    return decision_mean(cells + score, played_out)


Think = Callable[[PyTree, PyTree, Key, int], Searched]  # (params, states [B, ...], key, simulations)
Follow = Callable[[PyTree, PyTree, SelfPlaySettings], PyTree]
Gate = Callable[[Think, Learner, Key], Learner]


def make_system(
    config: SelfPlaySettings,
    net: BoardNetwork,
    game: Game,
    sharing: int,
    follow: Follow,
    gate: Gate | None = None,
    match: tuple[str, ...] = (),
) -> System:
    """A system on one of ``sharing`` devices, which have the same learner and each its share of the games.

    Args:
        config: settings.
        net: of the network.
        game: the rules.
        sharing: devices.
        follow: (the player's parameters, the newest ones, settings) -> the player's, after each update. The player is
            who plays the games, and the agent that is kept.
        gate: (think, learner, key) -> learner, every ``config.gating_interval`` iterations.
        match: names of the numbers that the gate leaves in ``Player.match``.

    Raises:
        ValueError: ``ownership_coef`` in a game that turns the observed board.
    """
    area = game.ownership is not None and config.ownership_coef > 0
    if area and game.observed_action is not None:
        raise ValueError(f"{game.id} turns the observed board, but not what is owned: ownership_coef must be 0")
    network, hyper = PolicyValue(net, game.actions, area), traced(config)
    games = config.n_games // sharing
    moves = config.n_games * config.n_steps
    rows = -(-max(int(config.replay_size) // config.n_games, game.longest) // config.n_steps) * config.n_steps
    learnt = (
        1.0 - config.playout_cap_probability if config.playout_cap_simulations else 1.0
    )  # share of the moves that are learnt from
    updates = max(1, round(config.replay_ratio * learnt * moves / config.batch_size))

    def apply(params: PyTree, obs: Array) -> tuple[Array, Array, Array | None]:
        return network.apply(params, obs)

    def init(key: Key) -> Learner:
        params = network.init(key, jax.vmap(game.observe)(jax.tree.map(lambda x: jnp.asarray(x)[None], game.init())))
        return Learner(
            params,
            init_optimizer(hyper, params),
            Statistics(),
            hyper,
            jnp.int32(0),
            Player(params, {name: jnp.zeros(()) for name in match}),
        )

    def begin_all(learner: Learner, key: Key) -> Carry:
        started = begin(game, apart(key), learner.hyper, games)
        _, shapes, _, _ = jax.eval_shape(
            lambda: play(game, apply, learner.extra.params, learner.hyper, started, jax.random.key(0), area)
        )
        return Carry(started, empty(shapes, rows))

    def play_some(learner: Learner, carry: Carry, key: Key) -> tuple[Carry, Metrics]:
        h = learner.hyper
        now, new, following, metrics = play(game, apply, learner.extra.params, h, carry.games, apart(key), area)
        return Carry(now, push(carry.window, new, following, h.td_lambda, game.longest)), metrics

    def loss(params: PyTree, h: SelfPlaySettings, samples: Samples) -> tuple[Array, Metrics]:
        logits, value, owned = apply(params, samples.obs)
        pi = masked(logits, samples.legal)
        log_prob = jax.nn.log_softmax(pi.logits)
        cross_entropy = -(samples.policy * jnp.where(samples.legal, log_prob, 0.0)).sum(-1)
        errors = decision_mean(squared_error(value, samples.target), samples.weight)
        policy_loss = decision_mean(cross_entropy, samples.weight)
        metrics = {
            "train/policy_loss": policy_loss,
            "train/value_loss": errors,
            "train/entropy": decision_mean(pi.entropy(), samples.weight),
        }
        whole = policy_loss + h.vf_coef * errors
        if owned is not None and samples.area is not None:
            metrics["train/ownership_loss"] = area_loss(owned, samples.area, samples.weight)
            whole += config.ownership_coef * metrics["train/ownership_loss"]
        return whole, metrics

    def train(learner: Learner, window: Window, key: Key) -> tuple[Learner, Metrics]:
        h = learner.hyper
        progress = jnp.minimum(learner.timesteps / h.total_timesteps, 1.0)
        cosine = 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
        step_size = h.final_learning_rate + (h.learning_rate - h.final_learning_rate) * cosine

        def one(learner: Learner, key: Key) -> tuple[Learner, Metrics]:
            sample_key, symmetry_key = jax.random.split(apart(key))
            samples = sample(window, sample_key, config.batch_size // sharing)
            if config.symmetries:
                cells, actions = jnp.asarray(game.symmetries), jnp.asarray(game.action_symmetries)
                planes = None if game.plane_symmetries is None else jnp.asarray(game.plane_symmetries)
                samples = mirrored(samples, symmetry_key, cells, actions, planes)
            params, opt_state, metrics = improve(
                lambda p: loss(p, h, samples), h, learner.params, learner.opt_state, step_size
            )
            params = jax.tree.map(lambda x: x * (1.0 - step_size * h.weight_decay), params)
            player = learner.extra._replace(params=follow(learner.extra.params, params, h))
            return learner._replace(params=params, opt_state=opt_state, extra=player), metrics

        learner, metrics = jax.lax.scan(one, learner, jax.random.split(key, updates))
        made = learner.timesteps + total(jnp.int32(games * config.n_steps))
        known = total(window.known.sum())
        return learner._replace(timesteps=made), jax.tree.map(jnp.mean, metrics) | {
            "train/learning_rate": step_size,
            "train/replay_size": known.astype(jnp.float32),
            **learner.extra.match,
        }

    def consider(params: PyTree, state: PyTree, key: Key, simulations: int) -> Searched:
        return think(game, apply, params, state, key, config, simulations)

    gated = (lambda learner, key: gate(consider, learner, key)) if gate else None
    return System(init, begin_all, play_some, train, gated, consider, hyper)
