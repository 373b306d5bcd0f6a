"""Evaluators of each game: a perfect solver's labels where they exist, else matches against plain tree search."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np

from logpi.games import LABELLED
from logpi.games.agent import GameAgent
from logpi.games.evaluation.connect_four_labels import Labelled, labelled, shares_kept
from logpi.games.evaluation.evaluators import Evaluator, Evaluators, by_answers, by_games, evaluate
from logpi.games.evaluation.rating import mean_score
from logpi.games.rules.game import Game
from logpi.games.search.guided import SearchFn
from logpi.games.settings import SelfPlaySettings

GAMES = 200
Scores: TypeAlias = np.ndarray[Any, Any]  # [n]


class Judge(NamedTuple):
    """How the agents of a game are evaluated."""

    what: str  # the mean score measures
    evaluators: Callable[[Game, SelfPlaySettings, SearchFn], Evaluators]
    cases: Callable[[int, int], int]  # (cases asked for, cases that there are) -> cases of an evaluation
    interval: Callable[[Scores], dict[str, float]]  # scores [n] -> mean, and the bounds low, high of its 95 % interval
    facts: Callable[[SelfPlaySettings, Scores], dict[str, Any]]  # of a run's result, from its scores [n]


def evaluators_of(game: Game, config: SelfPlaySettings, search: SearchFn) -> Evaluators:
    """Validation and test evaluator of an agent of ``game``.

    Connect Four: the fraction of moves that keep the value of the game, where the choice matters (``agreement``), on
    two sets of positions. All other games: the mean result against plain Monte-Carlo tree search, in games that are new
    each time, so that validation and test need not differ.
    """
    return _judge(game).evaluators(game, config, search)


def evaluate_agent(agent: GameAgent, count: int, seed: int = 0) -> dict[str, Any]:
    """Test score of ``agent`` on at most ``count`` cases, with a 95 % interval.

    Of games an even number, at least 2 and at most 200: each opening is played by both sides.
    """
    judge = _judge(agent.game)
    test = evaluators_of(agent.game, agent.config, agent.think).test
    count = judge.cases(count, test.cases)
    scored = jax.jit(lambda params, cases, key: evaluate(test, params, cases, key))
    scores: list[float] = []
    for n in itertools.count():
        if len(scores) >= count:
            break
        key = jax.random.fold_in(jax.random.key(seed), n)
        scores += np.asarray(scored(agent.params, test.group(n, 1), key)).tolist()
    return {
        "game": agent.game.id,
        "what": judge.what,
        **judge.interval(np.asarray(scores[:count])),
        "count": count,
        "simulations": agent.config.eval_simulations,
    }


def measured(game: Game, config: SelfPlaySettings, scores: Scores) -> dict[str, Any]:
    """Facts for a run's result from the first ``scores`` [n] of the test."""
    return {"simulations": config.eval_simulations, **_judge(game).facts(config, scores)}


def _judge(game: Game) -> Judge:
    return LABELS if game.id == LABELLED else MATCHES


def _shares(kept: Scores) -> dict[str, Any]:
    """Shares of value-keeping moves from 1 and 0 for the first test positions."""
    positions = labelled("test")
    return shares_kept(kept, positions.ply[_order(positions)[: len(kept)]])


def _answered(kept: Scores) -> dict[str, float]:
    decided = _shares(kept)["decision"]
    return {"mean": decided["share"], "low": decided["low"], "high": decided["high"]}


def _won(results: Scores) -> dict[str, float]:
    """Mean and interval of 1, 0 and -1 for an even number of games; the two of one opening are neighbours."""
    pairs = results.reshape(-1, 2).sum(1).astype(int)
    share = mean_score(np.bincount(pairs + 2, minlength=5).tolist())
    return {name: 2 * of - 1 for name, of in zip(("mean", "low", "high"), share, strict=True)}


def _order(positions: Labelled) -> np.ndarray[Any, Any]:
    """Indices of the positions where the choice matters, shuffled: the first few are a fair sample."""
    return np.random.default_rng(0).permutation(np.flatnonzero(positions.decision))


def _answers(positions: Labelled, search: SearchFn, simulations: int) -> Evaluator:
    order = _order(positions)
    return by_answers(search, positions.state[order], positions.keeping[order], simulations)


def _answering(game: Game, config: SelfPlaySettings, search: SearchFn) -> Evaluators:
    n = config.eval_simulations
    return Evaluators(_answers(labelled("validation"), search, n), _answers(labelled("test"), search, n))


def _playing(game: Game, config: SelfPlaySettings, search: SearchFn) -> Evaluators:
    games = by_games(game, search, config.eval_simulations, config.eval_opponent_simulations)
    return Evaluators(games, games)


LABELS = Judge(
    what="fraction of value-keeping moves",
    evaluators=_answering,
    cases=min,
    interval=_answered,
    facts=lambda config, kept: {"agreement": _shares(kept)},
)
MATCHES = Judge(
    what="mean result against plain search",
    evaluators=_playing,
    cases=lambda asked, cases: 2 * max(1, min(asked, GAMES) // 2),
    interval=_won,
    facts=lambda config, results: {"opponent": f"mcts:{config.eval_opponent_simulations}"},
)
