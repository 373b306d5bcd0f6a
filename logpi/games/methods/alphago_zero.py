"""AlphaGo Zero (Silver et al. 2017): the best player so far plays; a newer network must beat it to take its place.

The evaluator lets the newest network, α_θ_i, play against the best one, α_θ*, by the most visited moves (τ → 0); where
it wins more than 55 % of the games, draws counted half, it becomes the best and from then on plays all games of
self-play (Methods, "Evaluator"). ``docs/alphazero.md`` lists the paper's constants, and every deviation.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from logpi.config.settings import AlphaGoZero, BoardNetwork, SelfPlaySettings
from logpi.games.batched_match import Choose, versus
from logpi.games.rules.game import Game
from logpi.games.self_play import openings
from logpi.games.self_play_system import Player, System, Think, make_system
from logpi.ops.collectives import apart, total
from logpi.types import Key, Learner, PyTree


def alphago_zero(config: AlphaGoZero, net: BoardNetwork, game: Game, sharing: int = 1) -> System:
    """AlphaGo Zero on one of ``sharing`` devices."""

    def follow(best: PyTree, newest: PyTree, h: SelfPlaySettings) -> PyTree:
        return best

    def evaluator(think: Think, learner: Learner, key: Key) -> Learner:
        opening_key, play_key = jax.random.split(apart(key))
        start, _ = openings(
            game, opening_key, max(config.gating_games // (2 * sharing), 1), 1.0, config.gating_opening_plies
        )

        def by(params: PyTree) -> Choose:
            return lambda state, key: think(params, state, key, config.gating_simulations).action

        results = versus(game, by(learner.params), by(learner.extra.params), start, play_key)
        points = total(jnp.stack([(1.0 + results).sum() / 2.0, jnp.float32(len(results))]))
        share = points[0] / points[1]
        promoted = share > config.gating_threshold
        best = jax.tree.map(lambda new, old: jnp.where(promoted, new, old), learner.params, learner.extra.params)
        promotions = learner.extra.match["gating/promotions"] + promoted
        return learner._replace(extra=Player(best, {"gating/score": share, "gating/promotions": promotions}))

    return make_system(config, net, game, sharing, follow, evaluator, ("gating/score", "gating/promotions"))
