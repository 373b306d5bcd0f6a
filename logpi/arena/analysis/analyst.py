"""An agent that looks at many positions at once: what each is worth, and its best lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.arena.engine.thinker import Line
from logpi.arena.players.base import Position
from logpi.arena.players.mcts import variation
from logpi.games.agent import GameAgent
from logpi.games.search.tree import Tree

WIDTH = 32  # positions searched at once; one alone is searched alone


class Seen(NamedTuple):
    """What a search found in a position. Values are expected results for the player to move, -1 to 1."""

    value: float  # after the best move
    mean: float  # over all simulations
    visits: int  # simulations
    lines: tuple[Line, ...]  # all moves that were searched, the most visited first


class Analyst:
    """The search of an agent."""

    def __init__(self, agent: GameAgent, simulations: int) -> None:
        """``simulations``: of a position."""
        self.agent, self.simulations = agent, simulations

    def look(self, positions: Sequence[Position], simulations: int = 0) -> list[Seen]:
        """Search positions that have not ended, each anew; 0 ``simulations``: the analyst's usual number."""
        found: list[Seen] = []
        width = 1 if len(positions) == 1 else WIDTH
        for start in range(0, len(positions), width):
            some = list(positions[start : start + width])
            filled = some + some[:1] * (width - len(some))
            states = jax.tree.map(lambda *rows: np.stack(rows), *(position.state for position in filled))
            searched = self.agent.search(states, simulations or self.simulations)
            assert searched.tree is not None
            tree: Tree = jax.device_get(searched.tree._replace(state=None))
            legal = np.asarray(searched.legal)
            found += [_seen(tree, legal[b], b) for b in range(len(some))]
        return found


def _seen(tree: Tree, allowed: NDArray[np.bool_], b: int) -> Seen:
    """What is known at the root of tree ``b``; ``allowed`` [A] are its legal actions."""
    logits, child = np.asarray(tree.logits)[0, b], np.asarray(tree.child)[0, b]
    moves = np.arange(len(logits)) if tree.move is None else np.asarray(tree.move)[0, b]
    visits = np.where(child > 0, np.asarray(tree.visits)[child, b], 0.0)
    q = np.where(child > 0, np.asarray(tree.total)[child, b] / np.maximum(visits, 1.0), 0.0)
    legal = allowed[moves]
    prior = np.where(legal, np.exp(logits - logits[legal].max()), 0.0)
    prior /= prior.sum()
    order = [slot for slot in np.lexsort((-prior, -visits)) if visits[slot] > 0]
    lines = tuple(
        Line(variation(tree, b, int(moves[slot])), int(visits[slot]), float(q[slot]), float(prior[slot]))
        for slot in order
    )
    mean = float(np.asarray(tree.total)[0, b] / np.asarray(tree.visits)[0, b])
    return Seen(lines[0].value if lines else mean, mean, int(visits.sum()), lines)
