"""Learning from expert records: the policy learns the moves that experts made, on every game with records.

An iteration draws K batches of positions, which the rules make from the recorded moves, makes an update on each, and
measures the policy on positions of games that are held out. A position is drawn with the same probability as any other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.algorithms.common.learning import init_optimizer, traced
from logpi.driver.compiling import compiled
from logpi.driver.process import COLLECT, GATE, SPREAD_ROWS, UPDATE, Now, Places, Process, State
from logpi.driver.stages import Stage
from logpi.games.evaluation.evaluators import Evaluators
from logpi.games.learning import Loss, Player, learning_rate, moving_average, update
from logpi.games.method import Material
from logpi.games.network import PolicyValue
from logpi.games.process import evaluation
from logpi.games.records.examples import Examples, read_examples
from logpi.games.records.positions import positions
from logpi.games.records.recorded import Recorded, position_count
from logpi.games.replay import Samples, symmetric
from logpi.games.rules.game import Game
from logpi.games.search.guided import Apply, SearchProblem, best_move
from logpi.games.search.tree import Searched, Simulations
from logpi.games.settings import BoardNetwork, RecordSettings
from logpi.ops.collectives import per_device_key
from logpi.ops.distributions import masked
from logpi.ops.draws import below, words
from logpi.ops.normalization import Statistics
from logpi.types import Array, Key, Learner, Metrics, PyTree

CHUNK = 256  # positions that a policy is measured on at once
HELD_OUT = "records/held_out_accuracy"


class Batches(NamedTuple):
    """What the stages of one iteration hand on."""

    samples: Samples  # [K, B, ...]
    losses: Metrics  # [K]


class Supervised(NamedTuple):
    """A method that learns from records, on one of several devices that share a learner."""

    game: Game
    network: PolicyValue
    config: RecordSettings
    hyper: RecordSettings  # its float fields are arrays
    loss: Loss

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
        """The records of the game, some of them held out."""
        found = read_examples(self.game, self.config.records, self.config.held_out)
        source = f"the records in {self.config.records}"
        return Material(found.examples, found.fingerprint, source, found.notes, {"records.txt": found.report})

    def process(self, evaluators: Evaluators, data: Examples, num_devices: int) -> Process:
        """The process on ``data``."""
        k, batch = self.config.n_updates, self.config.batch_size

        def start(learner: Learner, key: Key) -> tuple[tuple[()], Batches]:
            shapes = jax.eval_shape(partial(self._draw, num_devices), key, data)
            first = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), shapes)
            losses = jax.eval_shape(lambda samples: self._step(learner, samples)[1], first)
            rows = jax.tree.map(lambda x: jnp.zeros((k, *x.shape), x.dtype), losses)
            return (), Batches(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes), rows)

        return Process(
            init=self.init,
            start=start,
            stages=(self._records(num_devices), self._updates(), self._measure()),
            evaluation=evaluation(evaluators, num_devices),
            acting=lambda learner: learner.extra.params,
            hyper=self.hyper,
            rows=k * batch,
            places=Places(batch=Batches(SPREAD_ROWS, Places().batch)),
            num_devices=num_devices,
            data=data,
        )

    def closing(self, data: Examples, shapes: PyTree) -> Callable[[PyTree], list[str]]:
        """How often the policy's first choice is the expert's move, on all positions of the games held out."""
        right = jax.jit(lambda params, games, begin: self._right(params, games, begin + jnp.arange(CHUNK)))
        games, count = data.held_out, int(position_count(data.held_out))
        run = compiled(right.lower(shapes, games, jnp.int32(0)), "quick")

        def lines(params: PyTree) -> list[str]:
            found = [np.asarray(run(params, games, np.int32(begin))) for begin in range(0, count, CHUNK)]
            accuracy, half = per_game(np.concatenate(found)[:count], np.asarray(games.length - games.first))
            return [
                f"top-1 accuracy {100 * accuracy:.1f} ± {100 * half:.1f} % on held-out games "
                f"(95 % interval over {len(games.length):,} games, {count:,} moves)"
            ]

        return lines

    def _draw(self, num_devices: int, key: Key, data: Examples) -> Samples:
        """This device's share of the K batches [K, B, ...] of an iteration."""
        k, share = self.config.n_updates, self.config.batch_size // num_devices
        which, symmetry = words(per_device_key(key), (k * share,), (k * share,))
        samples = positions(self.game, data.training, below(which, position_count(data.training)))
        if self.config.symmetries:
            samples = symmetric(self.game, samples, symmetry)
        return jax.tree.map(lambda x: x.reshape(k, share, *x.shape[1:]), samples)

    def _step(self, learner: Learner, samples: Samples) -> tuple[Learner, Metrics]:
        return update(self.network.apply, moving_average, learner, samples, self.loss)

    def _records(self, num_devices: int) -> Stage:
        """The batches of an iteration."""

        def run(state: State, now: Now) -> tuple[State, Metrics]:
            samples = self._draw(num_devices, now.key, now.data)
            return state._replace(batch=state.batch._replace(samples=samples)), {}

        return Stage("records", run, ("batch",), COLLECT)

    def _updates(self) -> Stage:
        """The updates, in pieces of any number; the metrics of the last piece count."""
        k, batch = self.config.n_updates, self.config.batch_size

        def run(state: State, now: Now) -> tuple[State, Metrics]:
            def step(i: Array, carry: tuple[Learner, Metrics]) -> tuple[Learner, Metrics]:
                learner, losses = carry
                learner, metrics = self._step(learner, jax.tree.map(lambda x: x[i], state.batch.samples))
                return learner, jax.tree.map(lambda row, x: row.at[i].set(x), losses, metrics)

            learner, losses = jax.lax.fori_loop(now.begin, now.end, step, (state.learner, state.batch.losses))
            made = jnp.where(now.end == k, k * batch, 0)
            rate = learning_rate(learner.hyper, learner.timesteps)
            metrics = jax.tree.map(jnp.mean, losses) | {"train/learning_rate": rate}
            learner = learner._replace(timesteps=learner.timesteps + made)
            return state._replace(learner=learner, batch=state.batch._replace(losses=losses)), metrics

        return Stage("update", run, ("learner", "batch"), UPDATE, units=k)

    def _measure(self) -> Stage:
        """Top-1 accuracy on positions spread evenly over the games held out; the same ones each time."""
        asked = self.config.held_out_sample

        def run(state: State, now: Now) -> tuple[State, Metrics]:
            games: Recorded = now.data.held_out
            index = (jnp.arange(asked) * (position_count(games) / asked)).astype(jnp.int32)
            right = self._right(state.learner.extra.params, games, index)
            return state, {HELD_OUT: right.mean()}

        return Stage("held out", run, (), GATE)

    def _right(self, params: PyTree, games: Recorded, index: Array) -> Array:
        """[N] 1 where the policy's first choice in a position is the expert's move, else 0; indices are cut off."""
        samples = positions(self.game, games, jnp.minimum(index, position_count(games) - 1))
        return top_1(self.network.apply, params, samples)


def make_supervised(config: RecordSettings, net: BoardNetwork, game: Game, loss: Loss) -> Supervised:
    """A method of its own ``loss``."""
    return Supervised(game, PolicyValue(net, game.actions), config, traced(config), loss)


def top_1(apply: Apply, params: PyTree, samples: Samples) -> Array:
    """[N] 1 where the most probable legal move is the expert's, else 0."""
    logits, _, _ = apply(params, samples.obs)
    first = masked(logits, samples.legal).logits.argmax(-1)
    return jnp.take_along_axis(samples.policy, first[:, None], 1)[:, 0]


def per_game(right: NDArray[np.floating], moves: NDArray[np.integer]) -> tuple[float, float]:
    """(mean of ``right`` over all moves, half of its 95 % interval), where moves of one game depend on each other.

    Args:
        right: [N] of all moves, game after game.
        moves: [G] number of moves of each game, 1 or more.
    """
    sums = np.add.reduceat(right, np.concatenate([[0], np.cumsum(moves)[:-1]]))
    mean = float(right.mean())
    residuals = sums - mean * moves  # of a ratio of two sums over games
    games = len(moves)
    variance = games / max(games - 1, 1) * float(np.square(residuals).sum()) / float(moves.sum()) ** 2
    return mean, 1.96 * variance**0.5
