"""Learning from records of games: what is learnt is a ``Lesson``, such as the moves that experts made.

An iteration draws K batches of positions, which the rules make from the recorded moves, makes an update on each, and
measures the network on positions of games that are held out. Every position is drawn with the same probability.
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
from logpi.games.records.examples import Choose, Examples, every_move, read_examples
from logpi.games.records.positions import positions
from logpi.games.records.recorded import Recorded, position_count
from logpi.games.replay import Samples, symmetric
from logpi.games.rules.game import Game
from logpi.games.search.guided import Apply, Evaluate, SearchProblem, best_move, evaluate_leaf
from logpi.games.search.tree import Searched, Simulations
from logpi.games.settings import BoardNetwork, RecordSettings
from logpi.ops.collectives import per_device_key
from logpi.ops.draws import below, words
from logpi.ops.normalization import Statistics
from logpi.types import Array, Key, Learner, Metrics, PyTree

CHUNK = 256  # positions that a policy is measured on at once
MOST = 1 << 15  # positions of a measurement at the end


class Batches(NamedTuple):
    """What the stages of one iteration hand on."""

    samples: Samples  # [K, B, ...]
    losses: Metrics  # [K]


class Measure(NamedTuple):
    """A measurement of a network on positions of games."""

    mean: float
    half: float  # of its 95 % interval
    games: int
    positions: int


class Lesson(NamedTuple):
    """What is learnt from a record."""

    loss: Loss
    score: Callable[[Apply, PyTree, Samples], Array]  # (network, params, samples) -> [N], what is measured
    metric: str  # name of its mean on games held out
    said: Callable[[Measure, Measure], str]  # (on games held out, on games learnt from) -> the outcome's last line
    choose: Choose = every_move  # the part of a record that is used


class Supervised(NamedTuple):
    """A method that learns from records, on one of several devices that share a learner."""

    game: Game
    network: PolicyValue
    config: RecordSettings
    hyper: RecordSettings  # its float fields are arrays
    lesson: Lesson
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
        """The records of the game, some of them held out."""
        found = read_examples(self.game, self.config.records, self.config.held_out, self.lesson.choose)
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
        """What is measured on all positions of the games held out, and on as many of those learnt from."""
        of_held, of_learnt = (self._measuring(games, shapes) for games in (data.held_out, data.training))
        return lambda params: [self.lesson.said(of_held(params), of_learnt(params))]

    def _measuring(self, games: Recorded, shapes: PyTree) -> Callable[[PyTree], Measure]:
        """What measures parameters on at most ``MOST`` positions of the first ``games``, compiled."""
        moves = np.asarray(games.length - games.first)
        used = moves[: max(1, int((np.cumsum(moves) <= MOST).sum()))]
        chunk = jax.jit(lambda params, games, begin: self._scores(params, games, begin + jnp.arange(CHUNK)))
        run, count = compiled(chunk.lower(shapes, games, jnp.int32(0)), "quick"), int(used.sum())

        def measure(params: PyTree) -> Measure:
            found = [np.asarray(run(params, games, np.int32(begin))) for begin in range(0, count, CHUNK)]
            return Measure(*per_game(np.concatenate(found)[:count], used), len(used), count)

        return measure

    def _draw(self, num_devices: int, key: Key, data: Examples) -> Samples:
        """This device's share of the K batches [K, B, ...] of an iteration."""
        k, share = self.config.n_updates, self.config.batch_size // num_devices
        which, symmetry = words(per_device_key(key), (k * share,), (k * share,))
        samples = positions(self.game, data.training, below(which, position_count(data.training)))
        if self.config.symmetries:
            samples = symmetric(self.game, samples, symmetry)
        return jax.tree.map(lambda x: x.reshape(k, share, *x.shape[1:]), samples)

    def _step(self, learner: Learner, samples: Samples) -> tuple[Learner, Metrics]:
        return update(self.network.apply, moving_average, learner, samples, self.lesson.loss)

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
        """The lesson's measure on positions spread evenly over the games held out; the same ones each time."""
        asked = self.config.held_out_sample

        def run(state: State, now: Now) -> tuple[State, Metrics]:
            games: Recorded = now.data.held_out
            index = (jnp.arange(asked) * (position_count(games) / asked)).astype(jnp.int32)
            return state, {self.lesson.metric: self._scores(state.learner.extra.params, games, index).mean()}

        return Stage("held out", run, (), GATE)

    def _scores(self, params: PyTree, games: Recorded, index: Array) -> Array:
        """[N] the lesson's measure in positions of ``games``; numbers behind the last one stand for it."""
        samples = positions(self.game, games, jnp.minimum(index, position_count(games) - 1))
        return self.lesson.score(self.network.apply, params, samples)


def make_supervised(config: RecordSettings, net: BoardNetwork, game: Game, lesson: Lesson) -> Supervised:
    """A method that learns ``lesson``."""
    return Supervised(game, PolicyValue(net, game.actions), config, traced(config), lesson)


def per_game(scores: NDArray[np.floating], moves: NDArray[np.integer]) -> tuple[float, float]:
    """(mean of ``scores`` over all moves, half of its 95 % interval), where moves of one game depend on each other.

    Args:
        scores: [N] of all moves, game after game.
        moves: [G] number of moves of each game, 1 or more.
    """
    sums = np.add.reduceat(scores, np.concatenate([[0], np.cumsum(moves)[:-1]]))
    mean = float(scores.mean())
    residuals = sums - mean * moves  # of a ratio of two sums over games
    games = len(moves)
    variance = games / max(games - 1, 1) * float(np.square(residuals).sum()) / float(moves.sum()) ** 2
    return mean, 1.96 * variance**0.5
