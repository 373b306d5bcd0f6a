"""``SearchTree``: a search that has ended, simulation by simulation: N, P, Q and V of every move of every node.

A tree keeps, beside its nodes, which node each simulation reached. As making node n is simulation n, the tree after any
number of simulations is known from the last one: nothing is searched again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.arena.players.base import Player, Position, SearchResult
from logpi.errors import LogpiError
from logpi.games.search.tree import Tree
from logpi.ops.distributions import ILLEGAL
from logpi.runs.files import Json
from logpi.types import PyTree

LONGEST = 12  # moves of a line


class Move(NamedTuple):
    """A legal move of a node; values are for the player to move there, from -1 to 1."""

    action: int
    name: str  # as people write it in that position
    visits: int  # N
    prior: float | None  # P; None in a search without a network
    q: float | None  # Q, mean of what its simulations found; None without a visit
    value: float | None  # V of the position after it, by the network, or the outcome; None without a visit
    child: int  # number of the node after it; 0: none


class SearchTree:
    """A search from one position.

    After n simulations there are n + 1 nodes; node 0 is the root. ``parent`` and ``action`` [n + 1] int32: the node
    that each was made from, and by which move; -1 of the root, and of simulations that only reached the end of a game
    once more and made no node. ``value`` [n + 1] float32: V for the player to move at the root. ``reached`` [n + 1]
    int32: the node whose value each simulation backed up.
    """

    def __init__(
        self, position: Position, tree: Tree, answer: SearchResult, *, has_prior: bool = True, b: int = 0
    ) -> None:
        """Take tree number ``b`` of a batch.

        Args:
            position: at the root.
            tree: arrays of NumPy.
            answer: what the player makes of the position.
            has_prior: whether the logits are those of a network.
            b: number of the tree.
        """
        self.position, self.answer, self.has_prior = position, answer, has_prior
        self._child, self._logits = tree.child[:, b], tree.logits[:, b]
        self._move = None if tree.move is None else np.asarray(tree.move[:, b])
        self._state = jax.tree.map(lambda x: x[:, b], tree.state)
        self.value: NDArray[np.float32] = np.asarray(tree.value[:, b])
        self.terminal: NDArray[np.bool_] = np.asarray(tree.terminal[:, b])
        self.reached: NDArray[np.int32] = np.asarray(tree.reached[:, b])
        self.parent, self.action = (np.full(len(self.value), -1, np.int32) for _ in range(2))
        above, slots = np.nonzero(self._child)
        self.parent[self._child[above, slots]] = above
        self.action[self._child[above, slots]] = slots if self._move is None else self._move[above, slots]

    @property
    def simulations(self) -> int:
        """n; the one that made the root is not counted."""
        return len(self.value) - 1

    @functools.cached_property
    def bytes(self) -> int:
        """Size in memory, of which the states are most."""
        return sum(x.nbytes for x in (self._child, self._logits, *jax.tree.leaves(self._state)))

    @functools.cached_property
    def depth(self) -> NDArray[np.int32]:
        """[n + 1] moves from the root."""
        depth = np.zeros(len(self.parent), np.int32)
        for node, above in enumerate(self.parent.tolist()):  # a node's number is above its parent's
            depth[node] = depth[above] + 1 if above >= 0 else 0
        return depth

    def path(self, node: int) -> list[int]:
        """The nodes from the root to ``node``."""
        self._check(node)
        found = [node]
        while found[-1] > 0 and self.parent[found[-1]] >= 0:
            found.append(int(self.parent[found[-1]]))
        return found[::-1]

    def state(self, node: int) -> PyTree:
        """The state of the rules at ``node``."""
        self._check(node)
        return jax.tree.map(lambda x: x[node], self._state)

    def place(self, node: int) -> Position:
        """The position at ``node``."""
        line = [int(self.action[k]) for k in self.path(node)[1:]]
        return Position(self.position.game, (*self.position.actions, *line), self.state(node))

    def after(self, simulations: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(N, W) [n + 1] of each node after a number of simulations; W is the sum of values in the root player's view.

        Raises:
            LogpiError: more simulations than there were, or fewer than 0.
        """
        end = self._count(simulations)
        visits, total = np.zeros(len(self.value), np.int64), np.zeros(len(self.value))
        for k in range(end + 1):
            on = self.path(int(self.reached[k]))
            visits[on] += 1
            total[on] += self.value[self.reached[k]]
        return visits, total

    def moves(self, node: int = 0, simulations: int | None = None) -> list[Move]:
        """The moves of ``node`` after a number of simulations (all by default), in the order of the rules.

        Where a search keeps the moves of the largest prior alone, it is these.

        Raises:
            LogpiError: no such node, or number of simulations.
        """
        self._check(node)
        visits, total = self.after(simulations)
        sign = -1.0 if self.depth[node] % 2 else 1.0
        logits, children = self._logits[node], self._child[node]
        prior = np.exp(logits - logits.max(initial=ILLEGAL))
        prior, game, state = prior / prior.sum(), self.position.game, self.state(node)
        actions = np.arange(len(logits)) if self._move is None else self._move[node]
        found = []
        for slot in np.argsort(actions):
            if logits[slot] <= ILLEGAL / 2 or self.terminal[node]:
                continue
            child, action = int(children[slot]), int(actions[slot])
            n = int(visits[child]) if child else 0
            q = sign * total[child] / n if n else None
            value = sign * float(self.value[child]) if n else None
            p = float(prior[slot]) if self.has_prior else None
            found.append(Move(action, game.written(state, action), n, p, q, value, child if n else 0))
        return found

    def line(self, simulations: int | None = None) -> list[int]:
        """Actions of the line of most visits from the root after a number of simulations."""
        visits, _ = self.after(simulations)
        node, found = 0, list[int]()
        while len(found) < LONGEST:
            children = np.flatnonzero((self.parent == node) & (visits > 0))
            if not len(children):
                break
            node = int(children[visits[children].argmax()])
            found.append(int(self.action[node]))
        return found

    def to_json(self) -> Json:
        """What it takes to replay the search: node by node and simulation by simulation."""
        name = self.position.game.name
        return {
            "simulations": self.simulations,
            "parent": self.parent.tolist(),
            "action": self.action.tolist(),
            "name": [name(action) if action >= 0 else "" for action in self.action.tolist()],
            "value": np.round(self.value.astype(float), 5).tolist(),
            "terminal": np.flatnonzero(self.terminal).tolist(),
            "reached": self.reached.tolist(),
            "prior": self.has_prior,
        }

    def _check(self, node: int) -> None:
        if not 0 <= node < len(self.value):
            raise LogpiError(f"node {node}; allowed: 0 to {len(self.value) - 1}")

    def _count(self, simulations: int | None) -> int:
        if simulations is None:
            return self.simulations
        if not 0 <= simulations <= self.simulations:
            raise LogpiError(f"{simulations} simulations; allowed: 0 to {self.simulations}")
        return simulations


def searching(player: Player) -> Callable[[Sequence[Position]], list[SearchTree]] | None:
    """How ``player`` searches positions so that the search can be looked at; None where it does not search here."""
    found: Callable[[Sequence[Position]], list[SearchTree]] | None = getattr(player, "trees", None)
    return found


def search(player: Player, position: Position) -> SearchTree:
    """The search of ``player`` in a position that has not ended; ``answer`` is what it would play.

    Raises:
        LogpiError: it is a player that does not search, or whose search cannot be seen, such as an engine.
    """
    trees = searching(player)
    if trees is None:
        raise LogpiError(
            f"{player.name} does not search here; allowed: an agent of a run, RUN:SIMULATIONS, or mcts:SIMULATIONS"
        )
    return trees([position])[0]
