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
from logpi.tasks import Verdict
from logpi.types import Array, PyTree

SHORT = 9  # plies of the longest game that is walked through
BATCH = 64  # positions that the agent is asked about at once
Choose: TypeAlias = Callable[[PyTree], Array]  # positions [BATCH, ...] -> legal moves [BATCH]


class Walk(NamedTuple):
    """What a walk has found."""

    positions: int  # in which the agent was to move
    lost: int  # positions in which the agent has lost

    def verdict(self) -> Verdict:
        """What that says of the agent."""
        how = f"every play of an opponent was walked through ({self.positions:,} positions, moving first and second)"
        if self.lost:
            return Verdict([f"it can be beaten: in {self.lost:,} positions it has lost; {how}"])
        return Verdict([f"it cannot be beaten: {how}"], unbeatable=True)


def walking(game: Game, search: SearchFn, params: PyTree, simulations: int) -> Callable[[PyTree], Verdict]:
    """What walks an agent's games through: (parameters, as the shapes of ``params``) -> what that says of it.

    Its programs are compiled here. Of a longer game it says nothing.
    """
    if game.longest > SHORT:
        return lambda params: Verdict()

    def decided(params: PyTree, states: PyTree) -> Array:
        return search(params, states, jax.random.key(0), simulations).action

    decide, rules = compiled(jax.jit(decided).lower(params, _first(game)), "least"), Rules(game)

    return lambda params: walk(rules, lambda states: decide(params, states)).verdict()


def walk(rules: Rules, choose: Choose) -> Walk:
    """All games of an agent against every play of its opponent, the agent moving first and second."""
    start = rules.start()
    second, lost = rules.moved(start, np.argwhere(start.legal), lost=-1.0)
    seen = 0
    for reached in (start, second):
        while len(reached.legal):
            seen += len(reached.legal)
            actions = np.asarray(_batched(choose, reached.states), np.int32)
            moved, beaten = rules.moved(reached, np.stack([np.arange(len(actions)), actions], 1), lost=1.0)
            lost += beaten
            reached, beaten = rules.moved(moved, np.argwhere(moved.legal), lost=-1.0)
            lost += beaten
    return Walk(seen, lost)


class Reached(NamedTuple):
    """Positions that have not ended."""

    states: PyTree  # [N, ...]
    legal: NDArray[np.bool_]  # moves [N, A]


class Rules:
    """The rules on batches of any size, by one program of one size."""

    def __init__(self, game: Game) -> None:
        def step(states: PyTree, actions: Array) -> tuple[PyTree, Array, Array, Array]:
            after = jax.vmap(game.step)(states, actions)
            return after, *(jax.vmap(f)(after) for f in (game.legal, game.ended, game.outcome))

        self._game = game
        self._step = compiled(jax.jit(step).lower(_first(game), jnp.zeros(BATCH, jnp.int32)), "least")

    def start(self) -> Reached:
        """The first position, alone."""
        state = self._game.init()
        return Reached(jax.tree.map(lambda x: np.asarray(x)[None], state), np.asarray(self._game.legal(state))[None])

    def moved(self, reached: Reached, moves: NDArray[np.integer], lost: float) -> tuple[Reached, int]:
        """(the positions after ``moves``, the count in which the agent has lost).

        Each position comes once, and none that has ended.

        Args:
            reached: positions.
            moves: numbers of a position and of an action [M, 2].
            lost: outcome of a loss of the agent, for the player to move.
        """
        which, actions = moves.T
        if not len(actions):
            return Reached(_taken(reached.states, which), reached.legal[which]), 0
        states, legal, ended, outcome = _batched(self._step, _taken(reached.states, which), actions.astype(np.int32))
        once = _distinct(states)
        going = once[~ended[once]]
        return Reached(_taken(states, going), legal[going]), int((outcome[once][ended[once]] == lost).sum())


def _first(game: Game) -> PyTree:
    """``BATCH`` times the first position."""
    return jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (BATCH, *jnp.shape(x))), game.init())


def _distinct(states: PyTree) -> NDArray[np.integer]:
    """Where each of the ``states`` [N, ...] stands first."""
    rows = np.concatenate([np.asarray(x).reshape(len(x), -1).astype(np.float64) for x in jax.tree.leaves(states)], 1)
    return np.sort(np.unique(rows, axis=0, return_index=True)[1])


def _taken(tree: PyTree, which: NDArray[np.integer]) -> PyTree:
    return jax.tree.map(lambda x: np.asarray(x)[which], tree)


def _batched(f: Callable[..., PyTree], *arguments: PyTree) -> PyTree:
    """``f`` on arrays of any length above 0, in pieces of ``BATCH``; the last entry fills the last piece up."""
    count = len(jax.tree.leaves(arguments)[0])
    pieces = []
    for begin in range(0, count, BATCH):
        which = np.minimum(np.arange(begin, begin + BATCH), count - 1)
        pieces.append(jax.device_get(f(*_taken(arguments, which))))
    return jax.tree.map(lambda *x: np.concatenate(x)[:count], *pieces)
