"""Every game that an agent can be drawn into, walked through: whether it can be beaten at all.

The agent's side makes the one move that the agent chooses, the other side every legal move. Only for games so short
that all of that is a few thousand positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.driver.compiling import compiled
from logpi.games.rules.game import Game
from logpi.games.search.guided import SearchFn
from logpi.types import Array, PyTree

SHORT = 9  # plies of the longest game that is walked through
BATCH = 64  # positions that the agent is asked about at once
Choose: TypeAlias = Callable[[PyTree], Array]  # positions [BATCH, ...] -> legal moves [BATCH]


class Walk(NamedTuple):
    """What a walk has found."""

    positions: int  # in which the agent was to move
    lost: int  # positions in which the agent has lost


def walked(game: Game, search: SearchFn, params: PyTree, simulations: int) -> list[str]:
    """What a walk says of an agent, as lines for people; none of a longer game."""
    if game.longest > SHORT:
        return []

    def decided(params: PyTree, states: PyTree) -> Array:
        return search(params, states, jax.random.key(0), simulations).action

    first = jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (BATCH, *jnp.shape(x))), game.init())
    decide = compiled(jax.jit(decided).lower(params, first), "least")
    found = walk(game, lambda states: decide(params, states))
    how = f"every play of an opponent was walked through ({found.positions:,} positions, moving first and second)"
    if found.lost:
        return [f"it can be beaten: in {found.lost:,} positions it has lost; {how}"]
    return [f"it cannot be beaten: {how}"]


def walk(game: Game, choose: Choose) -> Walk:
    """All games of an agent against every play of its opponent, the agent moving first and second."""
    start = jax.tree.map(lambda x: np.asarray(x)[None], game.init())
    answers, seen = _Answers(game), 0
    first, lost = start, 0
    second, beaten = answers.of(start)
    lost += beaten
    for reached in (first, second):
        while len(jax.tree.leaves(reached)[0]):
            seen += len(jax.tree.leaves(reached)[0])
            moved, beaten = answers.after(reached, _chosen(choose, reached))
            lost += beaten
            reached, beaten = answers.of(moved)
            lost += beaten
    return Walk(seen, lost)


class _Answers:
    """The rules on batches of any size, by programs of one size."""

    def __init__(self, game: Game) -> None:
        self._legal = jax.jit(jax.vmap(game.legal))
        self._step = jax.jit(jax.vmap(game.step))
        self._ended = jax.jit(jax.vmap(game.ended))
        self._outcome = jax.jit(jax.vmap(game.outcome))

    def after(self, states: PyTree, actions: NDArray[np.generic]) -> tuple[PyTree, int]:
        """(the positions after the agent's moves that have not ended, those in which it has lost)."""
        return self._going(_batched(self._step, states, actions), 1.0)

    def of(self, states: PyTree) -> tuple[PyTree, int]:
        """(the positions after every legal move of the opponent that have not ended, those in which the agent lost)."""
        if not len(jax.tree.leaves(states)[0]):
            return states, 0
        legal = np.asarray(_batched(self._legal, states))
        which, actions = np.nonzero(legal)
        moved = _batched(self._step, jax.tree.map(lambda x: x[which], states), actions.astype(np.int32))
        return self._going(moved, -1.0)

    def _going(self, states: PyTree, loss: float) -> tuple[PyTree, int]:
        """Without ended positions and doubles; ``loss`` is the outcome, for the player to move, of the agent's loss."""
        states = _distinct(states)
        ended = np.asarray(_batched(self._ended, states))
        lost = int((np.asarray(_batched(self._outcome, states))[ended] == loss).sum())
        return jax.tree.map(lambda x: x[~ended], states), lost


def _distinct(states: PyTree) -> PyTree:
    rows = np.concatenate([np.asarray(x).reshape(len(x), -1).astype(np.float64) for x in jax.tree.leaves(states)], 1)
    _, which = np.unique(rows, axis=0, return_index=True)
    return jax.tree.map(lambda x: np.asarray(x)[np.sort(which)], states)


def _taken(tree: PyTree, which: NDArray[np.generic]) -> PyTree:
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)[which]), tree)


def _chosen(choose: Choose, states: PyTree) -> NDArray[np.generic]:
    return np.asarray(_batched(choose, states), np.int32)


def _batched(f: Callable[..., PyTree], *arguments: PyTree) -> PyTree:
    """``f`` on arrays of any length above 0, in pieces of ``BATCH``; the last entry fills the last piece up."""
    count = len(jax.tree.leaves(arguments)[0])
    pieces = []
    for begin in range(0, count, BATCH):
        which = np.minimum(np.arange(begin, begin + BATCH), count - 1)
        pieces.append(jax.device_get(f(*_taken(arguments, which))))
    return jax.tree.map(lambda *x: np.concatenate(x)[:count], *pieces)
