"""Evaluators: how strong an agent of a game is, on positions with known answers or against plain tree search.

An evaluation can be made in pieces: ``begin``, any number of ``advance`` with growing ``until`` (steps since the
beginning), then ``scores``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.games.batched_match import Match, advance_match, match_over, results, start_match
from logpi.games.random_moves import random_openings
from logpi.games.rules.game import Game
from logpi.games.search.guided import SearchFn
from logpi.games.search.uct import uct
from logpi.ops.collectives import per_device_key
from logpi.types import Array, Key, PyTree

GROUP = 256  # positions that a device evaluates at once, at most
PARALLEL = 64  # games that a device plays at once, at most


class Evaluator(NamedTuple):
    """A measure of strength, on numbered groups of cases, as pure functions of one device's part of a group."""

    cases: int  # how many there are; of games as many as are asked for
    even: bool  # whether cases come in pairs, such as the two games of an opening
    limit: int  # steps of the longest case
    group: Callable[[int, int], PyTree]  # (number, devices) -> the same number of cases for each; the last ones repeat
    begin: Callable[[PyTree, PyTree, Key], PyTree]  # (params, cases, key) -> play
    advance: Callable[[PyTree, PyTree, Key, Array | int], PyTree]  # (params, play, key, until) -> play
    scores: Callable[[PyTree], Array]  # (play) -> [n]
    steps: Callable[[PyTree], Array]  # (play) -> [1] int32, made so far
    done: Callable[[PyTree], Array]  # (play) -> [1] bool: all scores are final


class Evaluators(NamedTuple):
    """The validation evaluator chooses among checkpoints and recipes; the test evaluator is used once, at the end."""

    validation: Evaluator
    test: Evaluator


class Answers(NamedTuple):
    """Positions and the agent's moves."""

    state: PyTree  # [n, ...]
    right: Array  # [n, A] bool: moves that keep the value of the game
    score: Array  # [n]
    steps: Array  # [n] int32: 1 once the moves are chosen


def evaluate(evaluator: Evaluator, params: PyTree, cases: PyTree, key: Key) -> Array:
    """Scores [n] of one group of ``cases``."""
    first, later = jax.random.split(key)
    play = evaluator.begin(params, cases, first)
    return evaluator.scores(evaluator.advance(params, play, later, evaluator.limit))


def by_answers(
    search: SearchFn, state: Any, right: NDArray[np.generic], simulations: int, at_once: int = GROUP
) -> Evaluator:
    """1 where the agent's move is one of the right ones, else 0.

    Args:
        search: of the agent.
        state: N positions.
        right: [N, A] bool, the moves that keep the value of the game.
        simulations: of the agent.
        at_once: positions that a device evaluates at once.
    """
    count = len(right)

    def group(number: int, devices: int) -> PyTree:
        which = np.arange(number * at_once * devices, (number + 1) * at_once * devices) % count
        return jax.tree.map(lambda x: x[which], (state, right))

    def begin(params: PyTree, cases: PyTree, key: Key) -> Answers:
        state, right = cases
        return Answers(state, right, jnp.zeros(len(right)), jnp.zeros(len(right), jnp.int32))

    def advance(params: PyTree, play: Answers, key: Key, until: Array | int) -> Answers:
        action = search(params, play.state, key, simulations).action
        score = jnp.take_along_axis(play.right, action[:, None], 1)[:, 0].astype(jnp.float32)
        return play._replace(score=score, steps=jnp.ones_like(play.steps))

    return Evaluator(
        cases=count,
        even=False,
        limit=1,
        group=group,
        begin=begin,
        advance=advance,
        scores=lambda play: play.score,
        steps=lambda play: play.steps[:1],
        done=lambda play: play.steps[:1] > 0,
    )


def by_games(
    game: Game,
    search: SearchFn,
    simulations: int,
    opponent_simulations: int,
    parallel_games: int = PARALLEL,
    plies: int = 2,
) -> Evaluator:
    """1, 0 or -1 for games against plain Monte-Carlo tree search; the agent moves first in half of them.

    Args:
        game: the rules.
        search: of the agent.
        simulations: of the agent.
        opponent_simulations: random games that the opponent plays at each move.
        parallel_games: games that a device plays at once, an even number.
        plies: random moves at the beginning, at most.
    """

    def group(number: int, devices: int) -> PyTree:
        return np.zeros(parallel_games * devices, np.int32)  # the openings are drawn on the devices

    def begin(params: PyTree, cases: PyTree, key: Key) -> Match:
        return start_match(random_openings(game, per_device_key(key), parallel_games // 2, 1.0, plies)[0])

    def advance(params: PyTree, play: Match, key: Key, until: Array | int) -> Match:
        return advance_match(
            game,
            lambda state, key: search(params, state, key, simulations).action,
            lambda state, key: uct(game, state, key, opponent_simulations)[0],
            play,
            per_device_key(key),
            until,
        )

    return Evaluator(
        cases=2**30,
        even=True,
        limit=game.longest,
        group=group,
        begin=begin,
        advance=advance,
        scores=results,
        steps=lambda play: play.plies[:1],
        done=lambda play: match_over(play).all(keepdims=True),
    )
