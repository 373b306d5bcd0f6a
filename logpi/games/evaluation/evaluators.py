"""How an agent of a game is judged while it learns: on positions with known answers, or against plain search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.batched_match import versus
from logpi.games.rules.game import Game
from logpi.games.search.uct import uct
from logpi.games.self_play import openings
from logpi.games.self_play_system import Think
from logpi.ops.collectives import apart
from logpi.types import Array, Key, PyTree

GROUP = 256  # cases that a device judges at once


class Judge(NamedTuple):
    """A measure of strength."""

    cases: int  # how many there are
    group: Callable[[int, int], PyTree]  # (number, devices) -> as many cases for each, the last ones repeated
    score: Callable[[Think, PyTree, PyTree, Key], Array]  # (think, params, cases, key) -> [cases]


def by_answers(state: Any, keeping: np.ndarray[Any, Any], simulations: int) -> Judge:
    """1 where the agent's move is one of the right ones, else 0.

    Args:
        state: N positions.
        keeping: [N, A] bool, the moves that keep the value of the game.
        simulations: of the agent.
    """
    count = len(keeping)

    def group(number: int, devices: int) -> PyTree:
        which = np.arange(number * GROUP * devices, (number + 1) * GROUP * devices) % count
        return jax.tree.map(lambda x: x[which], (state, keeping))

    def score(think: Think, params: PyTree, cases: PyTree, key: Key) -> Array:
        state, keeping = cases
        action = think(params, state, key, simulations).action
        return jnp.take_along_axis(keeping, action[:, None], 1)[:, 0].astype(jnp.float32)

    return Judge(count, group, score)


def by_games(game: Game, simulations: int, opponent: int, side: int = 64, plies: int = 2) -> Judge:
    """1, 0 or -1 for games against plain Monte-Carlo tree search, half of them moved first.

    Args:
        game: the rules.
        simulations: of the agent.
        opponent: random games that the opponent plays at each move.
        side: games that a device plays at once.
        plies: random moves at the beginning, at most.
    """

    def group(number: int, devices: int) -> PyTree:
        return np.zeros(side * devices, np.int32)

    def score(think: Think, params: PyTree, cases: PyTree, key: Key) -> Array:
        opening_key, play_key = jax.random.split(apart(key))
        start, _ = openings(game, opening_key, side // 2, 1.0, plies)
        return versus(
            game,
            lambda state, key: think(params, state, key, simulations).action,
            lambda state, key: uct(game, state, key, opponent)[0],
            start,
            play_key,
        )

    return Judge(2**30, group, score)
