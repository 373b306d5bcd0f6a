"""What an agent is judged by while it learns: a perfect solver's labels where there are some, else plain search."""

from __future__ import annotations

import numpy as np

from logpi.arena.agreement import labelled
from logpi.config import SelfPlay
from logpi.games.game import Game
from logpi.games.judging import Judge, by_answers, by_games
from logpi.games.programs import Judges


def judges_of(game: Game, config: SelfPlay) -> Judges:
    """By which recipes are chosen, and what is looked at once.

    Connect Four: the share of moves that keep the value of the game, where the choice matters (``agreement``). All
    other games: the mean result against plain Monte-Carlo tree search.
    """
    simulations = config.judge_simulations
    if game.id != "connect-four":
        games = by_games(game, simulations, config.judge_opponent)
        return Judges(games, games)
    validation, test = (_answers(which, simulations) for which in ("validation", "test"))
    return Judges(validation, test)


def _answers(which: str, simulations: int) -> Judge:
    positions = labelled("validation" if which == "validation" else "test")
    # in an order of their own: the first few are a fair sample
    order = np.random.default_rng(0).permutation(np.flatnonzero(positions.decision))
    return by_answers(positions.state[order], positions.keeping[order], simulations)
