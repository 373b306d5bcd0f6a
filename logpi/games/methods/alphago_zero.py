"""AlphaGo Zero (Silver et al. 2017): the best player so far plays; a newer network must beat it to take its place.

    (p, v) = f_θ(s),    l = (z - v)² - πᵀ log p + c ‖θ‖²       (eq. 1; ``logpi.games.learning``)

The evaluator lets the newest network, α_θ_i, play against the best one, α_θ*, by the most visited moves (τ → 0); where
it wins more than 55 % of the games, draws counted half, it becomes the best and from then on plays all games of
self-play (Methods, "Evaluator"). ``docs/alphazero-method.md`` lists the paper's constants and every deviation.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from logpi.config.settings import at_least, fraction
from logpi.games.batched_match import Choose, Match, advance_match, results, start_match
from logpi.games.learning import Player
from logpi.games.random_moves import random_openings
from logpi.games.rules.game import Game
from logpi.games.search.guided import SearchFn
from logpi.games.self_play_method import Gate, SelfPlay, make_self_play
from logpi.games.settings import BoardNetwork, Search, SelfPlaySettings
from logpi.methods import method
from logpi.ops.collectives import per_device_key, psum
from logpi.types import Array, Key, Learner, PyTree


@dataclasses.dataclass(frozen=True)
class AlphaGoZero(SelfPlaySettings):
    """AlphaGo Zero (Silver et al. 2017): a newer network plays once it has beaten the best one."""

    search: Search = "puct"
    random_opening_fraction: float = 0.0
    td_lambda: float = 1.0
    gating_interval: int = at_least(1, 20)  # Iterations between gating matches, the newest network against the best
    gating_games: int = at_least(1, 128)  # Number of games per gating match; AlphaGo Zero plays 400
    # Gating threshold: fraction of points above which the newest network becomes the best
    gating_threshold: float = fraction(0.55)
    gating_simulations: int = at_least(1, 32)  # Number of search simulations per move of a gating match
    # Maximum random opening plies of a gating match; both sides play each opening
    gating_opening_plies: int = at_least(1, 4)

    fixed = ("gating_threshold",)


@method(settings=AlphaGoZero, network=BoardNetwork, task="games")
def alphago_zero(config: AlphaGoZero, net: BoardNetwork, game: Game, num_devices: int = 1) -> SelfPlay:
    """AlphaGo Zero on one of ``num_devices`` devices."""
    openings = max(config.gating_games // (2 * num_devices), 1)

    def make_gate(search: SearchFn) -> Gate:
        return gate(config, game, openings, search)

    return make_self_play(config, net, game, num_devices, keep_best, make_gate)


def keep_best(best: PyTree, newest: PyTree, h: SelfPlaySettings) -> PyTree:
    """An update leaves the player as it is."""
    return best


def gate(config: AlphaGoZero, game: Game, openings: int, search: SearchFn) -> Gate:
    """The match of α_θ_i against α_θ*; each of the ``openings`` is played by both sides."""

    def start(key: Key) -> Match:
        opening_key, _ = jax.random.split(per_device_key(key))
        return start_match(random_openings(game, opening_key, openings, 1.0, config.gating_opening_plies)[0])

    def advance(learner: Learner, match: Match, key: Key, until: Array | int) -> Match:
        _, play_key = jax.random.split(per_device_key(key))

        def by(params: PyTree) -> Choose:
            return lambda state, key: search(params, state, key, config.gating_simulations).action

        return advance_match(game, by(learner.params), by(learner.extra.params), match, play_key, until)

    def decide(learner: Learner, match: Match) -> Learner:
        result = results(match)
        points = psum(jnp.stack([(1.0 + result).sum() / 2.0, jnp.float32(len(result))]))
        score = points[0] / points[1]
        promoted = score > config.gating_threshold
        best = jax.tree.map(lambda new, old: jnp.where(promoted, new, old), learner.params, learner.extra.params)
        promotions = learner.extra.match["gating/promotions"] + promoted
        return learner._replace(extra=Player(best, {"gating/score": score, "gating/promotions": promotions}))

    return Gate(config.gating_interval, game.longest, ("gating/score", "gating/promotions"), start, advance, decide)
