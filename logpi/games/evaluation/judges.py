"""What an agent is judged by while it learns: a perfect solver's labels where there are some, else plain search."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import numpy as np

from logpi.config.settings import SelfPlaySettings
from logpi.games.agent import GameAgent
from logpi.games.evaluation.connect_four_labels import Labelled, labelled, shares_kept
from logpi.games.evaluation.evaluators import Judge, by_answers, by_games
from logpi.games.evaluation.rating import mean_score
from logpi.games.programs import Judges
from logpi.games.rules.game import Game

LABELLED = "connect-four"
GAMES = 200


def judges_of(game: Game, config: SelfPlaySettings) -> Judges:
    """By which recipes are chosen, and what is looked at once.

    Connect Four: the share of moves that keep the value of the game, where the choice matters (``agreement``), on two
    sets of positions. All other games: the mean result against plain Monte-Carlo tree search, in games that are new
    each time, so that validation and test need not differ.
    """
    simulations = config.eval_simulations
    if game.id != LABELLED:
        games = by_games(game, simulations, config.eval_opponent_simulations)
        return Judges(games, games)
    validation, test = (_answers(which, simulations) for which in ("validation", "test"))
    return Judges(validation, test)


def judge(agent: GameAgent, count: int, seed: int = 0) -> dict[str, Any]:
    """How well ``agent`` plays, by the cases kept for the end, at most ``count`` of them, with a 95 % interval.

    Of games an even number, at least 2 and at most 200: each opening is played by both sides.
    """
    test = judges_of(agent.game, agent.config).test
    count = min(count, test.cases) if agent.game.id == LABELLED else 2 * max(1, min(count, GAMES) // 2)
    scored = jax.jit(lambda params, cases, key: test.score(agent.think, params, cases, key))
    scores: list[float] = []
    for n in itertools.count():
        if len(scores) >= count:
            break
        key = jax.random.fold_in(jax.random.key(seed), n)
        scores += np.asarray(scored(agent.params, test.group(n, 1), key)).tolist()
    found = np.asarray(scores[:count])
    return {
        "game": agent.game.id,
        "what": "share of value-keeping moves" if agent.game.id == LABELLED else "mean result against plain search",
        **(_answered(found) if agent.game.id == LABELLED else _won(found)),
        "count": count,
        "simulations": agent.config.eval_simulations,
    }


def _answered(kept: np.ndarray[Any, Any]) -> dict[str, float]:
    positions = labelled("test")
    decided = shares_kept(kept, positions.ply[_order(positions)[: len(kept)]])["decision"]
    return {"mean": decided["share"], "low": decided["low"], "high": decided["high"]}


def _won(results: np.ndarray[Any, Any]) -> dict[str, float]:
    """Of 1, 0 and -1 for an even number of games; the two of one opening stand side by side (``versus``)."""
    pairs = results.reshape(-1, 2).sum(1).astype(int)
    share = mean_score(np.bincount(pairs + 2, minlength=5).tolist())
    return {name: 2 * of - 1 for name, of in zip(("mean", "low", "high"), share, strict=True)}


def measured(game: Game, config: SelfPlaySettings, scores: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What the first ``scores`` [n] of the test say, for a run's result."""
    facts: dict[str, Any] = {"simulations": config.eval_simulations}
    if game.id != LABELLED:
        return facts | {"opponent": f"mcts:{config.eval_opponent_simulations}"}
    positions = labelled("test")
    return facts | {"agreement": shares_kept(scores, positions.ply[_order(positions)[: len(scores)]])}


def _order(positions: Labelled) -> np.ndarray[Any, Any]:
    """Where the choice matters, in an order of their own: the first few are a fair sample."""
    return np.random.default_rng(0).permutation(np.flatnonzero(positions.decision))


def _answers(which: str, simulations: int) -> Judge:
    positions = labelled("validation" if which == "validation" else "test")
    order = _order(positions)
    return by_answers(positions.state[order], positions.keeping[order], simulations)
