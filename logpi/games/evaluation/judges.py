"""Evaluators of each game: a perfect solver's labels where they exist, else matches against plain tree search."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.config.settings import Run
from logpi.driver.budget import Plan, plan
from logpi.games import LABELLED
from logpi.games.agent import GameAgent
from logpi.games.evaluation.connect_four_labels import Labelled, labelled, shares_kept
from logpi.games.evaluation.evaluators import (
    GROUP,
    PARALLEL,
    Evaluator,
    Evaluators,
    by_answers,
    by_games,
    evaluate,
)
from logpi.games.evaluation.rating import mean_score
from logpi.games.rules.game import Game
from logpi.games.search.guided import SearchFn
from logpi.games.settings import GameSettings
from logpi.runs.scores import interval, plus_minus, significant
from logpi.tasks import Facts

GAMES = 200
PLAYOUT_COST = 0.4  # of a move in a random game, in the same; measured on Hex 7x7 and Go 5x5, 4 games at once
# Plain MCTS of 200 rollouts a move keeps the value in 0.8688 of the 3,095 validation and 0.8690 of the 3,076 test
# positions where the choice matters (``logpi.games.search.uct``, seeds 0, 512, 1024, …)
PLAIN_ROLLOUTS, PLAIN_KEEPS = 200, 0.869
Scores: TypeAlias = NDArray[np.generic]  # [n]


class Judge(NamedTuple):
    """How the agents of a game are evaluated."""

    what: Callable[[GameSettings], str]  # the mean score measures
    over: str  # what it is the mean over
    plain: Callable[[GameSettings], tuple[str, float]]  # name and score of plain MCTS on the same scale
    evaluators: Callable[[Game, GameSettings, SearchFn, int], Evaluators]  # the last: cases of a device
    cases: Callable[[int], int]  # (cases asked for) -> cases of a test
    longest: Callable[[Game], int]  # steps of a case, at most
    cost: Callable[[Game, GameSettings], float]  # of a step, in network evaluations
    interval: Callable[[Scores], dict[str, float]]  # scores [n] -> mean, and the bounds low, high of its 95 % interval
    facts: Callable[[GameSettings, Scores], Facts]  # of a run's result, from its scores [n]


def evaluators_of(game: Game, config: GameSettings, search: SearchFn, cases: int = GROUP) -> Evaluators:
    """Validation and test evaluator of an agent of ``game``, for evaluations of ``cases`` cases on each device.

    Connect Four: the fraction of moves that keep the value of the game, where the choice matters (``agreement``), on
    two sets of positions. All other games: the mean result against plain Monte-Carlo tree search, in games that are new
    each time, so that validation and test need not differ.
    """
    return _judge(game).evaluators(game, config, search, cases)


def evaluations(run: Run, config: GameSettings, game: Game) -> Plan:
    """The periodic evaluations of a run."""
    return plan(run, config.total_timesteps, step_cost(config, game), _judge(game).longest(game))


def step_cost(config: GameSettings, game: Game) -> float:
    """Time of a step of an evaluation, in moves of training.

    It is estimated, in network evaluations of the search, so that no clock decides.
    """
    return _judge(game).cost(game, config) / config.move_cost


def evaluate_agent(agent: GameAgent, count: int, seed: int = 0) -> Facts:
    """Test score of ``agent`` on at most ``count`` cases, with a 95 % interval.

    Of games an even number, at least 2 and at most 200: each opening is played by both sides.
    """
    judge = _judge(agent.game)
    count = judge.cases(count)
    test = evaluators_of(agent.game, agent.config, agent.think, count).test
    scored = jax.jit(lambda params, cases, key: evaluate(test, params, cases, key))
    scores: list[float] = []
    for n in itertools.count():
        if len(scores) >= count:
            break
        key = jax.random.fold_in(jax.random.key(seed), n)
        scores += np.asarray(scored(agent.params, test.group(n, 1), key)).tolist()
    return {
        "game": agent.game.id,
        "what": judge.what(agent.config),
        **judge.interval(np.asarray(scores[:count])),
        "count": count,
        "over": judge.over,
        "simulations": agent.config.eval_simulations,
    }


def summary(game: Game, config: GameSettings, scores: Scores) -> str:
    """Mean and 95 % interval of the ``scores`` [S, n] of the agents of a run's S seeds, in words."""
    judge = _judge(game)
    if len(scores) > 1:
        mean, half = interval(scores.mean(1)[:, None])
        over = f"95 % interval over {len(scores)} seeds, {scores.shape[1]:,} {judge.over} each"
        return f"{judge.what(config)} {plus_minus(mean[0], half[0])} ({over})"
    (scores,) = scores
    return said(
        {"what": judge.what(config), **judge.interval(scores), "count": len(scores), "over": judge.over}, config
    )


def said(facts: Facts, config: GameSettings) -> str:
    """What ``evaluate_agent`` found, in words."""
    mean, low, high = (significant(facts[name]) for name in ("mean", "low", "high"))
    return (
        f"{facts['what']} {mean} (95 % interval {low} to {high} over {facts['count']:,} {facts['over']}; "
        f"{config.eval_simulations} simulation{'s' * (config.eval_simulations != 1)} a move)"
    )


def scale(game: Game, config: GameSettings) -> dict[str, float]:
    """Fixed points of the score's scale: what plain Monte-Carlo tree search scores, by name."""
    return dict([_judge(game).plain(config)])


def measured(game: Game, config: GameSettings, scores: Scores) -> Facts:
    """Facts for a run's result from the first ``scores`` [n] of the test."""
    return {"simulations": config.eval_simulations, **_judge(game).facts(config, scores)}


def _judge(game: Game) -> Judge:
    return LABELS if game.id == LABELLED else MATCHES


def _shares(kept: Scores) -> Facts:
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


def _order(positions: Labelled) -> NDArray[np.generic]:
    """Indices of the positions where the choice matters, shuffled: the first few are a fair sample."""
    return np.random.default_rng(0).permutation(np.flatnonzero(positions.decision))


def _answers(positions: Labelled, search: SearchFn, simulations: int, cases: int) -> Evaluator:
    order = _order(positions)
    return by_answers(search, positions.state[order], positions.keeping[order], simulations, min(cases, GROUP))


def _answering(game: Game, config: GameSettings, search: SearchFn, cases: int) -> Evaluators:
    n = config.eval_simulations
    validation, test = (_answers(labelled(name), search, n, cases) for name in ("validation", "test"))
    return Evaluators(validation, test)


def _moves_of_both(game: Game, config: GameSettings) -> float:
    """Of a ply, which either side makes: a search by the network, or random games of half the length on average."""
    rollouts = config.eval_opponent_simulations * game.longest / 2
    return (config.eval_simulations + PLAYOUT_COST * rollouts) / 2


def _playing(game: Game, config: GameSettings, search: SearchFn, cases: int) -> Evaluators:
    parallel = min(cases + cases % 2, PARALLEL)
    games = by_games(game, search, config.eval_simulations, config.eval_opponent_simulations, parallel)
    return Evaluators(games, games)


LABELS = Judge(
    what=lambda config: "fraction of value-keeping moves",
    over="positions where the choice matters",
    plain=lambda config: (f"plain MCTS of {PLAIN_ROLLOUTS} rollouts a move", PLAIN_KEEPS),
    evaluators=_answering,
    cases=lambda asked: min(asked, int(labelled("test").decision.sum())),
    longest=lambda game: 1,
    cost=lambda game, config: config.eval_simulations,
    interval=_answered,
    facts=lambda config, kept: {"agreement": _shares(kept)},
)
MATCHES = Judge(
    what=lambda config: f"mean result against plain MCTS of {config.eval_opponent_simulations} rollouts a move",
    over="games",
    plain=lambda config: ("plain MCTS, the opponent itself", 0.0),
    evaluators=_playing,
    cases=lambda asked: 2 * max(1, min(asked, GAMES) // 2),
    longest=lambda game: game.longest,
    cost=_moves_of_both,
    interval=_won,
    facts=lambda config, results: {"opponent": f"mcts:{config.eval_opponent_simulations}"},
)
