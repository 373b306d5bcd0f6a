"""A yardstick from outside: the Monte-Carlo tree search of OpenSpiel, an optional package."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from logpi.arena.players.base import Position, SearchResult
from logpi.errors import LogpiError
from logpi.games.rules.game import Game

UCT_C = 2.0  # OpenSpiel's own default
MEMORY = 1000  # MB that its tree may take
SEEDS = 2**31 - 1


class OpenSpielMCTS:
    """OpenSpiel's ``MCTSBot``: UCT from random rollouts, one a simulation, proven results taken as such."""

    def __init__(self, game: Game, simulations: int, seed: int = 0) -> None:
        """LogpiError for a game that the two do not share, fewer than 2 simulations, or where it is not installed."""
        name = game.protocols.open_spiel
        if not name:
            allowed = "tic-tac-toe, connect-four, othello, hex-NxN, games with protocols.open_spiel"
            raise LogpiError(f"openspiel-mcts does not play {game.id}; allowed: {allowed}")
        if simulations < 2:
            raise LogpiError(f"openspiel-mcts: {simulations} simulations; give at least 2")
        try:
            import pyspiel
        except ImportError as error:
            raise LogpiError(f"OpenSpiel is not installed ({error}); pip install open_spiel") from error
        self.name = f"openspiel-mcts:{simulations}"
        rng = random.Random(seed)
        self._game = pyspiel.load_game(name)
        rollouts = pyspiel.RandomRolloutEvaluator(1, rng.randrange(SEEDS))
        self._bot = pyspiel.MCTSBot(self._game, rollouts, UCT_C, simulations, MEMORY, True, rng.randrange(SEEDS), False)

    def choose(self, positions: Sequence[Position]) -> list[SearchResult]:
        """The move of each search; every one starts from nothing."""
        return [SearchResult(int(self._bot.step(self._replayed(position)))) for position in positions]

    def close(self) -> None:
        pass

    def _replayed(self, position: Position) -> Any:
        state = self._game.new_initial_state()
        for action in position.actions:  # the actions of these games have the same numbers there
            state.apply_action(action)
        return state
