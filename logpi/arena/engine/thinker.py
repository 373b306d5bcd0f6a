"""An agent that thinks about one position at a time: in pieces, so that it can be stopped, and with what it knew."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.arena.engine.clock import Budget
from logpi.arena.players.base import Position
from logpi.games.agent import GameAgent
from logpi.games.search.playing import LEAVES, Growth, Roots, programs
from logpi.games.search.tree import Tree
from logpi.types import Array

ROOM = 16_384  # nodes of a tree by default
PIECE = 0.02  # seconds between two looks at a stop
REPORT = 0.5  # seconds between two reports


class Limits(NamedTuple):
    """When thinking ends by itself."""

    budget: Budget = Budget(math.inf, math.inf)
    nodes: float = math.inf  # simulations of this move
    depth: float = math.inf  # moves of the best line
    moves: Collection[int] | None = None  # actions among which to choose; None: all


class Line(NamedTuple):
    """One of the root's moves."""

    actions: tuple[int, ...]  # what is expected, the move first
    visits: int
    value: float  # expected result for the player to move, -1 to 1
    prior: float


class Thought(NamedTuple):
    """What is known of a position."""

    lines: tuple[Line, ...]  # the best first
    value: float  # expected result for the player to move, -1 to 1
    nodes: int  # simulations in the tree
    new: int  # of them those made since thinking began
    seconds: float


class Thinker:
    """A search that keeps its tree from one position to the next."""

    def __init__(self, agent: GameAgent, room: int = ROOM, leaves: int = LEAVES) -> None:
        """Begin with no tree.

        Args:
            agent: whose network and settings are used.
            room: nodes that a tree has at most; a search that has filled it ends.
            leaves: that are evaluated at a time, at most; 1 makes the visits of training's search.
        """
        self.agent, self.room = agent, room
        self._programs = programs(agent.game, agent.apply, agent.config, room, leaves, agent.leaf)
        self._growths = list(self._programs.grow)
        self._every = jnp.ones(agent.game.actions, bool)
        self._allowed: Array = self._every
        self._tree: Tree | None = None
        self._at: Position | None = None
        self._count, self._piece = 0, 8

    def forget(self) -> None:
        """Begin the next search anew."""
        self._at = None

    def warm_up(self, position: Position) -> None:
        """Compile all that a move needs; a round of leaves that takes longer than a stop may is not made."""
        self.think(position, Limits(nodes=2 * self._piece), lambda thought: None, lambda: False)
        for growth in self._growths[1:]:
            seconds = [self._run(growth, self._count + 1) for _ in range(3)]
            if min(seconds[1:]) > PIECE:
                self._growths.remove(growth)
        slot = int(self._roots().visits.argmax())
        self._tree, count = self._programs.follow(self._whole(), jnp.int32(slot), jnp.int32(self._count))
        self._count = int(count)
        self._plant(position)
        self.forget()

    def think(
        self,
        position: Position,
        limits: Limits,
        report: Callable[[Thought], None],
        stop: Callable[[], bool],
        lines: int = 1,
        budget: Callable[[], Budget] | None = None,
    ) -> Thought:
        """Search ``position``, which has not ended, until a limit or a stop.

        Args:
            position: to search; where it follows the one before, its tree is kept.
            limits: when the search ends.
            report: told twice a second, and at the end, what is known.
            stop: asked every 20 ms; True ends the search.
            lines: number of the best moves whose lines are wanted.
            budget: asked for the time of this move where it may change, as after pondering.
        """
        began, told = time.perf_counter(), 0.0
        before = self._placed(position, limits.moves)
        while True:
            spent = time.perf_counter() - began
            thought = self._thought(max(lines, 2), before, spent)  # two, to see whether the choice is clear
            if spent - told > REPORT:
                told = spent
                report(thought)
            times = limits.budget if budget is None else budget()
            if stop() or self._is_enough(thought, limits, times, spent):
                break
            self._grow(min(limits.nodes - thought.new, self._piece))
        report(thought)
        return thought

    def _placed(self, position: Position, moves: Collection[int] | None) -> int:
        """Make ``position`` the root; returns the simulations that its tree has already."""
        reused = moves is None and self._walked(position)
        if not reused:
            known = self._every if moves is None else jnp.zeros_like(self._every).at[jnp.asarray([*moves])].set(True)
            self._allowed = known
            self._plant(position)
            self._run(self._programs.grow[0], 1)
        self._at = position if moves is None else None  # a tree of some moves is of no use to the next search
        return self._count

    def _plant(self, position: Position) -> None:
        """A tree without simulations, in the memory of the one before."""
        if self._tree is None:
            self._tree = self._programs.plant(position.state)
        else:
            self._tree = self._programs.replant(self._tree, jnp.int32(self._count), position.state)
        self._count = 0

    def _walked(self, position: Position) -> bool:
        """Whether the tree reaches ``position``; its root is there then."""
        if self._tree is None or self._at is None or position.game is not self._at.game:
            return False
        past, now = self._at.actions, position.actions
        if now[: len(past)] != past or not _same(self._at, position):
            return False
        for action in now[len(past) :]:
            found = self._roots()
            slots = np.flatnonzero(found.move == action)
            if not len(slots):
                return False
            tree, count = self._programs.follow(self._whole(), jnp.int32(slots[0]), jnp.int32(self._count))
            self._tree, self._count = tree, int(count)
            if self._count == 0:
                return False
        return True

    def _grow(self, wanted: float) -> None:
        """Some simulations more, as many as take about ``PIECE``."""
        number = max(1, int(min(wanted, self.room - self._count)))
        growth = [growth for growth in self._growths if growth.least <= self._count][-1]
        took = self._run(growth, self._count + number)
        self._piece = int(np.clip(number * PIECE / took, 1, 4 * self._piece))

    def _run(self, growth: Growth, end: int) -> float:
        """Grow the tree up to ``end`` simulations; returns the seconds that it took."""
        began, span = time.perf_counter(), (jnp.int32(self._count), jnp.int32(end))
        self._tree = growth.run(self.agent.params, self._whole(), self._allowed, *span)
        jax.block_until_ready(self._tree.visits)
        self._count = end
        return max(time.perf_counter() - began, 1e-6)

    def _is_enough(self, thought: Thought, limits: Limits, budget: Budget, spent: float) -> bool:
        if self._count >= self.room or thought.new >= limits.nodes or spent >= budget.most:
            return True
        if thought.lines and len(thought.lines[0].actions) >= limits.depth:
            return True
        return spent >= budget.usual and _is_clear(thought)

    def _whole(self) -> Tree:
        assert self._tree is not None, "nothing was placed"
        return self._tree

    def _roots(self) -> Roots:
        move, visits, q, prior, value, count = jax.device_get(self._programs.look(self._whole()))
        return Roots(move, visits, q, prior, float(value), int(count))

    def _thought(self, lines: int, before: int, seconds: float) -> Thought:
        found = self._roots()
        # visits decide, then the prior: before the first simulation only that is known
        best = np.lexsort((-found.prior, -found.visits))[:lines]
        order = [slot for slot in best if found.prior[slot] > 0]
        shown = tuple(
            Line(self._line(int(slot)), int(found.visits[slot]), float(found.q[slot]), float(found.prior[slot]))
            for slot in order
        )
        return Thought(shown, found.value, self._count, self._count - before, seconds)

    def _line(self, slot: int) -> tuple[int, ...]:
        actions: Sequence[int] = np.asarray(self._programs.line(self._whole(), jnp.int32(slot))).tolist()
        return tuple(action for action in actions if action >= 0)


def _same(before: Position, after: Position) -> bool:
    """Whether two positions began as the same game did: one without moves has to be the same board."""
    if len(before.actions) != len(after.actions):
        return True
    pairs = zip(jax.tree.leaves(before.state), jax.tree.leaves(after.state), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def _is_clear(thought: Thought) -> bool:
    """Whether the move with most visits is also the one of the highest value, as far as is known."""
    return len(thought.lines) < 2 or thought.lines[0].value >= thought.lines[1].value
