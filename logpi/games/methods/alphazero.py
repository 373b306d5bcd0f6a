"""AlphaZero (Silver et al. 2018): one network, trained without end on the games that it plays against itself.

    (p, v) = f_θ(s),    l = (z - v)² - πᵀ log p + c ‖θ‖²       (Silver et al. 2017, eq. 1)

``logpi.games.learning`` is this equation: ``target`` is z, ``loss`` is l and ``update`` is a step of θ down its
gradient; π is the policy that ``logpi.games.self_play`` finds by search. No match decides which network plays: the
newest one does, here as a moving average over the last updates, which is steadier.
``docs/alphazero-method.md`` lists the paper's constants and every deviation.
"""

from __future__ import annotations

import dataclasses

from logpi.games.learning import moving_average
from logpi.games.rules.game import Game
from logpi.games.self_play_method import SelfPlay, make_self_play
from logpi.games.settings import BoardNetwork, SelfPlaySettings
from logpi.methods import method


@dataclasses.dataclass(frozen=True)
class AlphaZero(SelfPlaySettings):
    """AlphaZero (Silver et al. 2018): the newest network plays."""


@method(settings=AlphaZero, network=BoardNetwork, parent="alphago_zero", task="games")
def alphazero(config: SelfPlaySettings, net: BoardNetwork, game: Game, num_devices: int = 1) -> SelfPlay:
    """AlphaZero on one of ``num_devices`` devices."""
    return make_self_play(config, net, game, num_devices, moving_average)
