"""The search of training, for play: it grows in pieces, keeps its tree between moves, and can be asked at any moment.

It is PUCT of one position. With one leaf at a time, it makes from a new root the visits that training's search makes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.games.rules.game import Game
from logpi.games.search.guided import Apply, Evaluate, SearchProblem, evaluate_leaf
from logpi.games.search.leaves import SHARE, grown_by_leaves
from logpi.games.search.puct import PuctConstants, terms
from logpi.games.search.tree import Expansion, Tree, edges, empty
from logpi.games.settings import SelfPlaySettings
from logpi.types import Array, PyTree

LONGEST = 24  # moves of a line
LEAVES = 64  # that are evaluated at a time, at most
FEW = 8  # the same in a small tree
BLOCK = 256  # nodes that are moved at a time

X = TypeVar("X")


class Roots(NamedTuple):
    """What a tree makes of the moves at its root; K slots."""

    move: NDArray[np.int32]  # [K] actions
    visits: NDArray[np.float32]  # [K]
    q: NDArray[np.float32]  # [K] for the player to move
    prior: NDArray[np.float32]  # [K]
    value: float  # of the position, for the player to move
    size: int  # simulations in the tree, the root's own included


class Growth(NamedTuple):
    """A compiled search of that number of leaves at a time."""

    width: int  # leaves
    least: int  # simulations in the smallest tree that it is meant for
    # (params, tree, allowed [A] bool, first, end) -> the tree, which is given away, with the simulations up to ``end``
    run: Callable[[PyTree, Tree, Array, Array, Array], Tree]


class Programs(NamedTuple):
    """The compiled parts of a search with room for a number of nodes."""

    plant: Callable[[PyTree], Tree]  # (state) -> a tree without simulations
    replant: Callable[[Tree, Array, PyTree], Tree]  # (tree, given away; its count; state) -> a tree without simulations
    grow: tuple[Growth, ...]  # the one of fewest leaves first
    look: Callable[[Tree], tuple[Array, ...]]
    # (tree, given away; slot; its count) -> the tree below the slot, and that one's count
    follow: Callable[[Tree, Array, Array], tuple[Tree, Array]]
    line: Callable[[Tree, Array], Array]  # (tree, slot) -> [LONGEST] actions, -1 behind the last


def programs(
    game: Game,
    apply: Apply,
    settings: SelfPlaySettings,
    room: int,
    leaves: int = LEAVES,
    leaf: Evaluate = evaluate_leaf,
) -> Programs:
    """The parts for trees of at most ``room`` nodes.

    Args:
        game: the rules.
        apply: the network.
        settings: of the search.
        room: nodes.
        leaves: that are evaluated at a time, at most.
        leaf: what evaluates them.
    """
    s = settings
    of = terms(PuctConstants(None, s.max_children, s.c_init, s.c_base, s.fpu_reduction))

    def plant(state: PyTree) -> Tree:
        one = jax.tree.map(lambda x: jnp.asarray(x)[None], state)
        return empty(one, (1, game.actions), room - 1, s.max_children)

    def replant(tree: Tree, count: Array, state: PyTree) -> Tree:
        bare = _emptied(tree, jnp.int32(0), count)
        return bare._replace(state=jax.tree.map(lambda to, x: to.at[0, 0].set(x), bare.state, state))

    def growing(width: int, least: int) -> Growth:
        def grow(params: PyTree, tree: Tree, allowed: Array, first: Array, end: Array) -> Tree:
            problem = SearchProblem(game, apply, params, settings, leaf)
            grows = Expansion(jax.vmap(game.step), jax.jit(lambda state: problem.leaf(problem, state)))
            return grown_by_leaves(tree, grows, of, allowed, first, end, width, game.longest)

        return Growth(width, least, jax.jit(grow, donate_argnums=1))

    few = min(FEW, leaves)
    wide = (growing(leaves, SHARE * (few + 1)),) if leaves > few else ()
    return Programs(
        jax.jit(plant),
        jax.jit(replant, donate_argnums=0),
        (growing(few, 0), *wide),
        jax.jit(_look),
        jax.jit(_follow, donate_argnums=0),
        jax.jit(_line),
    )


def _look(tree: Tree) -> tuple[Array, ...]:
    e = edges(tree, jnp.zeros(1, jnp.int32), 0)
    move = jnp.arange(e.logits.shape[1], dtype=jnp.int32) if e.move is None else e.move[0]
    prior = jnp.where(e.legal, jax.nn.softmax(e.logits), 0.0)[0]
    return move, e.visits[0], e.q[0], prior, tree.total[0, 0] / jnp.maximum(tree.visits[0, 0], 1.0), tree.visits[0, 0]


def _line(tree: Tree, slot: Array) -> Array:
    """The most visited moves after a slot of the root, that one first."""

    def action(node: Array, slot: Array) -> Array:
        return slot if tree.move is None else tree.move[node, 0, slot]

    def deeper(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        node, slot = carry
        played = jnp.where(slot >= 0, action(node, slot), -1)
        child = jnp.where(slot >= 0, tree.child[node, 0, slot], 0)
        below = tree.child[child, 0]
        visits = jnp.where((below != 0) & (child != 0), tree.visits[below, 0], 0.0)
        following = jnp.where(visits.max() > 0, visits.argmax().astype(jnp.int32), -1)
        return (child, following), played

    _, actions = jax.lax.scan(deeper, (jnp.int32(0), slot), None, LONGEST)
    return actions


def _follow(tree: Tree, slot: Array, count: Array) -> tuple[Tree, Array]:
    """What is below a slot of the root, with that node as its root; count 0 where nothing is.

    Kept nodes move to the front in their order, a block at a time and in place: the time that it takes grows with the
    ``count`` of nodes, not with the room of the tree.
    """
    rows, top = tree.visits.shape[0], tree.child[0, 0, slot]
    numbers = jnp.arange(rows, dtype=jnp.int32)

    def linked(parent: Array, block: Array) -> Array:
        child = tree.child[block, 0]
        child = jnp.where(block[:, None] < count, child, rows)
        return parent.at[child].set(jnp.broadcast_to(block[:, None], child.shape), mode="drop")

    parent = _blocks(rows, count, linked, jnp.zeros(rows, jnp.int32))
    parent = parent.at[0].set(0).at[top].set(top)  # the two ends of every way up
    for _ in range(max(1, int(np.ceil(np.log2(rows))))):
        parent = parent[parent]
    made = (numbers > 0) & (tree.visits[:, 0] > 0)
    kept = made & (parent == top) & (top > 0)
    place = jnp.cumsum(kept.astype(jnp.int32)) - 1
    number = kept.sum(dtype=jnp.int32)
    order = jnp.zeros(rows, jnp.int32).at[jnp.where(kept, place, rows)].set(numbers, mode="drop")

    def moved(tree: Tree, block: Array) -> Tree:
        source, to = order[block], jnp.where(block < number, block, rows)
        below = tree.child[source]
        below = jnp.where((below > 0) & kept[below], place[below], 0)
        rest = tree._replace(child=jnp.zeros(rows, jnp.int32), prior=None)
        after = jax.tree.map(lambda x: x.at[to].set(x[source], mode="drop"), rest)
        return after._replace(child=tree.child.at[to].set(below, mode="drop"), prior=tree.prior)

    after = _emptied(_blocks(rows, number, moved, tree), number, count)
    # a part of a tree has no order of simulations of its own
    return after._replace(value=-after.value, total=-after.total, reached=jnp.zeros_like(after.reached)), number


def _emptied(tree: Tree, first: Array, end: Array) -> Tree:
    """``tree`` without the nodes from ``first`` up to ``end``, behind which nothing is."""

    def cleared(tree: Tree, block: Array) -> Tree:
        gone = jnp.where(block >= first, block, len(tree.visits))
        child, visits, total = (x.at[gone].set(0, mode="drop") for x in (tree.child, tree.visits, tree.total))
        return tree._replace(child=child, visits=visits, total=total)

    return _blocks(len(tree.visits), end, cleared, tree)


def _blocks(rows: int, end: Array, change: Callable[[X, Array], X], x: X) -> X:
    """``x`` after ``change`` with the numbers of each block of rows up to ``end``; those beyond ``rows`` too."""
    block = jnp.arange(min(BLOCK, rows), dtype=jnp.int32)
    number = -(-end // len(block))
    return jax.lax.fori_loop(0, number, lambda i, x: change(x, i * len(block) + block), x)
