"""Players that search on the device: a trained agent, and plain Monte-Carlo tree search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from logpi.arena.players.base import Position, SearchResult
from logpi.games.agent import GameAgent
from logpi.games.rules.game import Game
from logpi.games.search.tree import Tree
from logpi.games.search.uct import uct
from logpi.types import Key, PyTree

WIDTH = 32  # positions searched at once; one alone is searched alone
LONGEST = 12  # moves of a variation


class SearchPlayer:
    """Whatever searches a batch of positions: all that is asked at once, in programs of two sizes."""

    def __init__(self, name: str, search: Callable[[PyTree, Key], Any], seed: int) -> None:
        self.name, self._search, self._seed, self._asked = name, search, seed, 0

    def choose(self, positions: Sequence[Position]) -> list[SearchResult]:
        answers: list[SearchResult] = []
        width = 1 if len(positions) == 1 else WIDTH
        for start in range(0, len(positions), width):
            some = list(positions[start : start + width])
            filled = some + some[:1] * (width - len(some))
            states = jax.tree.map(lambda *rows: np.stack(rows), *(position.state for position in filled))
            key = jax.random.fold_in(jax.random.key(self._seed), self._asked)
            self._asked += 1
            answers += self._answers(jax.device_get(self._search(states, key)))[: len(some)]
        return answers

    def _answers(self, found: Any) -> list[SearchResult]:
        action, value = found
        return [SearchResult(int(a), float(v)) for a, v in zip(action, value, strict=True)]

    def close(self) -> None:
        pass


class PlainPlayer(SearchPlayer):
    """UCT with ``simulations`` random games a move."""

    def __init__(self, game: Game, simulations: int, seed: int = 0) -> None:
        search = jax.jit(lambda states, key: uct(game, states, key, simulations))
        super().__init__(f"mcts:{simulations}", search, seed)


class AgentPlayer(SearchPlayer):
    """A trained agent that searches ``simulations`` leaves a move; 0: as many as in its run's evaluations."""

    def __init__(self, agent: GameAgent, name: str, simulations: int = 0, seed: int = 0) -> None:
        count = simulations or agent.config.eval_simulations
        super().__init__(name, lambda states, key: agent.think(agent.params, states, key, count), seed)

    def _answers(self, found: Any) -> list[SearchResult]:
        return [
            SearchResult(
                int(found.action[b]),
                float(found.value[b]),
                {int(a): int(found.visits[b, a]) for a in np.flatnonzero(found.visits[b])},
                variation(found.tree, b, int(found.action[b])),
            )
            for b in range(len(found.action))
        ]


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
