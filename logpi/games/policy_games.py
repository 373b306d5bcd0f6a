"""Policy gradients from games against earlier selves, as a process: the stages play, update and, every so often, pool.

An iteration plays n games to their end, adds up the gradient over the policy's moves, round by round, and makes a step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from logpi.algorithms.common.learning import descend, init_optimizer, traced
from logpi.driver.process import (
    COLLECT,
    GATE,
    SPREAD,
    SPREAD_ROWS,
    UPDATE,
    Now,
    Places,
    Process,
    State,
)
from logpi.driver.stages import Stage
from logpi.games import pool as pools
from logpi.games.duels import Duels, Logits, Moves, begin, play, rounds
from logpi.games.evaluation.evaluators import Evaluators
from logpi.games.learning import Player, learning_rate
from logpi.games.method import Material
from logpi.games.network import PolicyValue
from logpi.games.pool import Pool
from logpi.games.process import evaluation
from logpi.games.rules.game import Game
from logpi.games.search.guided import Apply, Evaluate, SearchProblem, best_move, evaluate_leaf
from logpi.games.search.tree import Searched, Simulations
from logpi.games.settings import BoardNetwork, PolicyGameSettings
from logpi.ops.collectives import DATA, per_device_key, psum, ravel, where
from logpi.ops.draws import key_of, words
from logpi.ops.normalization import Statistics
from logpi.types import Array, Key, Learner, Metrics, PyTree

Baseline = Callable[[Apply, PyTree, Array], Array]  # (network, parameters of the beginning, obs [N, ...]) -> v [N]


class Loss(Protocol):
    """The loss [N] of N moves that are weighted by Ψ [N], and the entropy [N] of the policy there."""

    def __call__(
        self, apply: Apply, params: PyTree, obs: Array, legal: Array, action: Array, psi: Array, /
    ) -> tuple[Array, Array]: ...


class Sums(NamedTuple):
    """Sums over the policy's moves of an iteration."""

    gradient: Array  # [D] of the loss
    loss: Array
    entropy: Array
    moves: Array
    points: Array  # of the games: 1 for a win, ½ for a draw


class Batch(NamedTuple):
    """What the stages of one iteration hand on."""

    duels: Duels
    sums: Sums  # [1, ...] this device's, so that the order in which rounds are added does not depend on the pieces


_MOVES: PyTree = PartitionSpec(None, None, DATA)  # [U, 2, N, ...]
_PLACES = Places(batch=Batch(Duels(SPREAD, SPREAD_ROWS, SPREAD_ROWS, _MOVES), SPREAD))


class PolicyGames(NamedTuple):
    """A method that learns from games against its pool, on one of several devices that share a learner."""

    game: Game
    network: PolicyValue
    config: PolicyGameSettings
    hyper: PolicyGameSettings  # its float fields are arrays
    loss: Loss
    baseline: Baseline
    num_devices: int
    leaf: Evaluate = evaluate_leaf

    def init(self, key: Key) -> Learner:
        """A new learner."""
        obs = jax.vmap(self.game.observe)(jax.tree.map(lambda x: jnp.asarray(x)[None], self.game.init()))
        params = self.network.init(key, obs)
        opt_state = init_optimizer(self.hyper, params)
        return Learner(params, opt_state, Statistics(), self.hyper, jnp.int32(0), Player(params, {}))

    def search(self, params: PyTree, state: PyTree, key: Key, simulations: int) -> Searched:
        """The best move by a search with the policy as its prior; with 1 simulation, by the policy alone."""
        problem = SearchProblem(self.game, self.network.apply, params, self.config)
        return best_move(problem, state, key, Simulations(simulations))

    def material(self) -> Material:
        """Nothing but its own games."""
        return Material()

    def process(self, evaluators: Evaluators, data: PyTree, num_devices: int) -> Process:
        """The process; ``data`` is that of ``material``."""
        stages = (_play(self), _update(self), _join(self))
        return Process(
            init=self.init,
            start=partial(_start, self),
            stages=stages,
            evaluation=evaluation(evaluators, num_devices),
            acting=lambda learner: learner.params,
            hyper=self.hyper,
            rows=self.config.n_games * rounds(self.game),
            places=_PLACES,
            num_devices=num_devices,
        )

    def closing(self, data: PyTree, shapes: PyTree) -> Callable[[PyTree], list[str]]:
        """It has nothing to say of a trained agent."""
        return lambda params: []


def make_policy_games(
    config: PolicyGameSettings, net: BoardNetwork, game: Game, num_devices: int, loss: Loss, baseline: Baseline
) -> PolicyGames:
    """A method of its own ``loss`` and ``baseline``."""
    return PolicyGames(game, PolicyValue(net, game.actions), config, traced(config), loss, baseline, num_devices)


def _start(method: PolicyGames, learner: Learner, key: Key) -> tuple[Pool, Batch]:
    """The pool, and room for the games of an iteration."""
    zero = jnp.zeros(1)
    sums = Sums(jnp.zeros_like(ravel(learner.params)[0])[None], zero, zero, zero, zero)
    return pools.new_pool(learner.params, method.config.pool_size), Batch(_new_games(method), sums)


def _new_games(method: PolicyGames) -> Duels:
    return begin(method.game, method.config.n_games // 2 // method.num_devices)


def _play(method: PolicyGames) -> Stage:
    """The games of an iteration, all against one opponent of the pool, in pieces of any number of rounds."""

    def logits(params: PyTree) -> Logits:
        return lambda obs: method.network.apply(params, obs)[0]

    def run(state: State, now: Now) -> tuple[State, Metrics]:
        learner: Learner = state.learner
        # the run may begin with another's parameters, which come into the learner after the pool was made
        fresh = pools.new_pool(learner.params, method.config.pool_size)
        pool = where(now.iteration == 0, fresh, state.carry)
        which, games_words = words(now.key, (1,), (2,))
        opponent = pools.draw(pool, which[0])
        duels = where(now.begin == 0, _new_games(method), state.batch.duels)
        key = per_device_key(key_of(games_words))
        duels = play(method.game, logits(learner.params), logits(opponent), duels, key, now.begin, now.end)
        return state._replace(carry=pool, batch=state.batch._replace(duels=duels)), {}

    return Stage("play", run, ("carry", "batch"), COLLECT, units=rounds(method.game))


def _update(method: PolicyGames) -> Stage:
    """The gradient over the policy's moves, in pieces of any number of rounds, and the step at their end."""
    units = rounds(method.game)

    def run(state: State, now: Now) -> tuple[State, Metrics]:
        learner, batch = state.learner, state.batch
        share = partial(_round_sums, method, learner.params, pools.first(state.carry), batch.duels)
        # no further than the last round of the longest game here
        last = jnp.where(batch.duels.moves.mask.any((1, 2)), 1 + jnp.arange(units), 0).max()
        before = jax.tree.map(lambda x: jnp.where(now.begin == 0, 0.0, x[0]), batch.sums)
        before = before._replace(points=jnp.sum(1.0 + batch.duels.z) / 2.0)
        found = jax.lax.fori_loop(
            now.begin, jnp.minimum(now.end, last), lambda u, sums: jax.tree.map(jnp.add, sums, share(u)), before
        )
        sums = psum(found)
        learner = where(now.end == units, step(learner, sums), learner)
        kept = batch._replace(sums=jax.tree.map(lambda x: x[None], found))
        return state._replace(learner=learner, batch=kept), _metrics(method, state, sums)

    return Stage("update", run, ("learner", "batch"), UPDATE, units=units)


def _round_sums(method: PolicyGames, params: PyTree, first: PyTree, duels: Duels, u: Array) -> Sums:
    """This device's sums over the policy's moves of round ``u``; the loss's are means over the games."""
    moves: Moves = jax.tree.map(lambda x: x[u].reshape(-1, *x.shape[3:]), duels.moves)
    apply, obs = method.network.apply, moves.obs.astype(jnp.float32)
    psi = duels.z.reshape(-1) - method.baseline(apply, first, obs)

    def loss(params: PyTree) -> tuple[Array, Array]:
        of_moves, entropy = method.loss(apply, params, obs, moves.legal, moves.action, psi)
        return (of_moves * moves.mask).sum() / method.config.n_games, (entropy * moves.mask).sum()

    (value, entropy), gradient = jax.value_and_grad(loss, has_aux=True)(params)
    return Sums(ravel(gradient)[0], value, entropy, moves.mask.sum(), jnp.zeros(()))


def step(learner: Learner, sums: Sums) -> Learner:
    """The learner after the step of an iteration."""
    h: PolicyGameSettings = learner.hyper
    rate = learning_rate(h, learner.timesteps)
    gradient = ravel(learner.params)[1](sums.gradient)
    params, opt_state = descend(gradient, h, learner.params, learner.opt_state, rate)
    params = jax.tree.map(lambda x: x * (1.0 - rate * h.weight_decay), params)
    timesteps = learner.timesteps + sums.moves.astype(jnp.int32)
    return learner._replace(params=params, opt_state=opt_state, timesteps=timesteps, extra=Player(params, {}))


def _metrics(method: PolicyGames, state: State, sums: Sums) -> Metrics:
    moves, games = jnp.maximum(sums.moves, 1.0), method.config.n_games
    held = jnp.minimum(state.carry.added, method.config.pool_size)
    return {
        "train/policy_loss": sums.loss,
        "train/entropy": sums.entropy / moves,
        "train/learning_rate": learning_rate(state.learner.hyper, state.learner.timesteps),
        "pool/score": sums.points / games,
        "pool/moves": sums.moves / games,
        "pool/size": held.astype(jnp.float32),
    }


def _join(method: PolicyGames) -> Stage:
    """The policy joins the pool."""

    def run(state: State, now: Now) -> tuple[State, Metrics]:
        return state._replace(carry=pools.add(state.carry, state.learner.params)), {}

    return Stage("pool", run, ("carry",), GATE, every=method.config.pool_interval, effort="least")
