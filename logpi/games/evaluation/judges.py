"""Evaluators of each game: a perfect solver's labels where they exist, else matches against plain tree search."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import numpy as np

from logpi.games.agent import GameAgent
from logpi.games.evaluation.connect_four_labels import Labelled, labelled, shares_kept
from logpi.games.evaluation.evaluators import Evaluator, Evaluators, by_answers, by_games, evaluate
from logpi.games.evaluation.rating import mean_score
from logpi.games.rules.game import Game
from logpi.games.search.guided import SearchFn
from logpi.games.settings import SelfPlaySettings

LABELLED = "connect-four"
GAMES = 200


def evaluators_of(game: Game, config: SelfPlaySettings, search: SearchFn) -> Evaluators:
    """Validation and test evaluator of an agent of ``game``.

    Connect Four: the fraction of moves that keep the value of the game, where the choice matters (``agreement``), on
    two sets of positions. All other games: the mean result against plain Monte-Carlo tree search, in games that are new
    each time, so that validation and test need not differ.
    """
    simulations = config.eval_simulations
    if game.id != LABELLED:
        games = by_games(game, search, simulations, config.eval_opponent_simulations)
        return Evaluators(games, games)
    validation, test = (_answers(which, search, simulations) for which in ("validation", "test"))
    return Evaluators(validation, test)


def evaluate_agent(agent: GameAgent, count: int, seed: int = 0) -> dict[str, Any]:
    """Test score of ``agent`` on at most ``count`` cases, with a 95 % interval.

    Of games an even number, at least 2 and at most 200: each opening is played by both sides.
    """
    test = evaluators_of(agent.game, agent.config, agent.think).test
    count = min(count, test.cases) if agent.game.id == LABELLED else 2 * max(1, min(count, GAMES) // 2)
    scored = jax.jit(lambda params, cases, key: evaluate(test, params, cases, key))
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
    """Mean and interval of 1 and 0 for the first test positions."""
    positions = labelled("test")
    decided = shares_kept(kept, positions.ply[_order(positions)[: len(kept)]])["decision"]
    return {"mean": decided["share"], "low": decided["low"], "high": decided["high"]}


def _won(results: np.ndarray[Any, Any]) -> dict[str, float]:
    """Mean and interval of 1, 0 and -1 for an even number of games; the two of one opening are neighbours."""
    pairs = results.reshape(-1, 2).sum(1).astype(int)
    share = mean_score(np.bincount(pairs + 2, minlength=5).tolist())
    return {name: 2 * of - 1 for name, of in zip(("mean", "low", "high"), share, strict=True)}


def measured(game: Game, config: SelfPlaySettings, scores: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Facts for a run's result from the first ``scores`` [n] of the test."""
    facts: dict[str, Any] = {"simulations": config.eval_simulations}
    if game.id != LABELLED:
        return facts | {"opponent": f"mcts:{config.eval_opponent_simulations}"}
    positions = labelled("test")
    return facts | {"agreement": shares_kept(scores, positions.ply[_order(positions)[: len(scores)]])}


def _order(positions: Labelled) -> np.ndarray[Any, Any]:
    """Indices of the positions where the choice matters, shuffled: the first few are a fair sample."""
    return np.random.default_rng(0).permutation(np.flatnonzero(positions.decision))


def _answers(which: str, search: SearchFn, simulations: int) -> Evaluator:
    """The evaluator on the "validation" or "test" positions of Connect Four."""
    positions = labelled("validation" if which == "validation" else "test")
    order = _order(positions)
    return by_answers(search, positions.state[order], positions.keeping[order], simulations)
