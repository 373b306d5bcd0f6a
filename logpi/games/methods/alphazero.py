"""AlphaZero (Silver et al. 2018): one network, trained without end on the games that it plays against itself.

No evaluator decides which network plays: the newest does, here as a moving average over the last updates, which is
steadier. ``docs/alphazero.md`` lists the paper's constants, and every deviation.
"""

from __future__ import annotations

import jax

from logpi.config.settings import BoardNetwork, SelfPlaySettings
from logpi.games.rules.game import Game
from logpi.games.self_play_system import System, make_system
from logpi.types import PyTree


def alphazero(config: SelfPlaySettings, net: BoardNetwork, game: Game, sharing: int = 1) -> System:
    """AlphaZero on one of ``sharing`` devices."""

    def follow(player: PyTree, newest: PyTree, h: SelfPlaySettings) -> PyTree:
        return jax.tree.map(lambda old, new: h.ema_decay * old + (1 - h.ema_decay) * new, player, newest)

    return make_system(config, net, game, sharing, follow)
