"""Players that search on the device: a trained agent, and plain Monte-Carlo tree search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from logpi.arena.players.base import Position, SearchResult
from logpi.arena.search_tree import SearchTree
from logpi.games.agent import GameAgent
from logpi.games.rules.game import Game
from logpi.games.search.tree import Tree
from logpi.games.search.uct import chosen, uct, uct_tree
from logpi.types import Key, PyTree

WIDTH = 32  # positions searched at once; one alone is searched alone
LONGEST = 12  # moves of a variation


class SearchPlayer:
    """Whatever searches a batch of positions: all that is asked at once, in programs of two sizes."""

    def __init__(self, name: str, search: Callable[[PyTree, Key], Any], seed: int) -> None:
        self.name, self._search, self._seed, self._asked = name, search, seed, 0

    def choose(self, positions: Sequence[Position]) -> list[SearchResult]:
        return [
            self._answer(found, b) for found, some in self._batches(self._search, positions) for b in range(len(some))
        ]

    def _batches(
        self, search: Callable[[PyTree, Key], Any], positions: Sequence[Position]
    ) -> Iterator[tuple[Any, list[Position]]]:
        """What ``search`` finds, on the host, and the positions at the beginning of its batch."""
        width = 1 if len(positions) == 1 else WIDTH
        for start in range(0, len(positions), width):
            some = list(positions[start : start + width])
            filled = some + some[:1] * (width - len(some))
            states = jax.tree.map(lambda *rows: np.stack(rows), *(position.state for position in filled))
            key = jax.random.fold_in(jax.random.key(self._seed), self._asked)
            self._asked += 1
            yield jax.device_get(search(states, key)), some

    def _answer(self, found: Any, b: int) -> SearchResult:
        action, value = found
        return SearchResult(int(action[b]), float(value[b]))

    def close(self) -> None:
        pass


class PlainPlayer(SearchPlayer):
    """UCT with ``simulations`` random games a move."""

    def __init__(self, game: Game, simulations: int, seed: int = 0) -> None:
        search = jax.jit(lambda states, key: uct(game, states, key, simulations))
        self._grow = jax.jit(lambda states, key: uct_tree(game, states, key, simulations))
        super().__init__(f"mcts:{simulations}", search, seed)

    def trees(self, positions: Sequence[Position]) -> list[SearchTree]:
        """The searches by which ``choose`` would answer."""
        return [
            SearchTree(position, tree._replace(state=tree.state[0]), self._of_tree(tree, b), has_prior=False, b=b)
            for tree, some in self._batches(self._grow, positions)
            for b, position in enumerate(some)
        ]

    def _of_tree(self, tree: Tree, b: int) -> SearchResult:
        action, value = self._answer(jax.device_get(chosen(tree)), b)[:2]
        visits = np.where(tree.child[0, b] > 0, tree.visits[tree.child[0, b], b], 0)
        counts = {int(a): int(visits[a]) for a in np.flatnonzero(visits)}
        return SearchResult(action, value, counts, variation(tree, b, action))


class AgentPlayer(SearchPlayer):
    """A trained agent that searches ``simulations`` leaves a move; 0: as many as in its run's evaluations."""

    def __init__(self, agent: GameAgent, name: str, simulations: int = 0, seed: int = 0) -> None:
        count = simulations or agent.config.eval_simulations
        super().__init__(name, lambda states, key: agent.think(agent.params, states, key, count), seed)

    def trees(self, positions: Sequence[Position]) -> list[SearchTree]:
        """The searches by which ``choose`` would answer."""
        return [
            SearchTree(position, found.tree, self._answer(found, b), b=b)
            for found, some in self._batches(self._search, positions)
            for b, position in enumerate(some)
        ]

    def _answer(self, found: Any, b: int) -> SearchResult:
        return SearchResult(
            int(found.action[b]),
            float(found.value[b]),
            {int(a): int(found.visits[b, a]) for a in np.flatnonzero(found.visits[b])},
            variation(found.tree, b, int(found.action[b])),
        )


def variation(tree: Tree, b: int, action: int) -> tuple[int, ...]:
    """The line of play that tree ``b`` expects after ``action``: at each node the most visited move."""
    line, node, slot = [action], 0, action
    if tree.move is not None:
        slot = int(np.flatnonzero(np.asarray(tree.move)[0, b] == action)[0])
    while len(line) < LONGEST and (node := int(tree.child[node, b, slot])):
        children = np.asarray(tree.child[node, b])
        visits = np.where(children > 0, np.asarray(tree.visits)[children, b], 0)
        slot = int(visits.argmax())
        if visits[slot] == 0:
            break
        line.append(slot if tree.move is None else int(tree.move[node, b, slot]))
    return tuple(line)
