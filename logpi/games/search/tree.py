"""Search trees of B positions in parallel; every simulation adds one leaf to each.

Node n of every tree is made by simulation n, so that making a node is one contiguous write; node 0 is the root. Values
are kept in the root player's view: with neither rewards on the way nor discounts but the change of sides, what a
simulation found is then one number for its whole path, and backing it up is one masked addition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.games.search.top_k import best
from logpi.ops.distributions import ILLEGAL
from logpi.types import Array, PyTree

NONE = 0  # no child: nothing leads back to the root


class Leaf(NamedTuple):
    """B positions as the rules and the network evaluate them. Where a game has ended, the value is its outcome."""

    state: PyTree  # [B, ...]
    logits: Array  # [B, A] of the prior; distributions.ILLEGAL where a move is illegal
    value: Array  # [B] for the player to move
    terminal: Array  # [B] bool


Expand = Callable[[PyTree, Array], Leaf]  # (states [B, ...], legal actions [B] int32) -> the positions after them


class Tree(NamedTuple):
    """N nodes of B trees, with K moves each: all A of them, or those of the largest prior."""

    state: PyTree  # [N, B, ...]
    move: Array | None  # [N, B, K] int32: the action of each slot; None where slots are actions
    logits: Array  # [N, B, K]
    child: Array  # [N, B, K] int32: the node after a move, or NONE
    value: Array  # [N, B] the network's, or the outcome; this and ``total`` in the root player's view
    terminal: Array  # [N, B] bool
    visits: Array  # [N, B] float32: simulations that passed here, the one that made the node included
    total: Array  # [N, B] sum of the values that those simulations backed up


class Searched(NamedTuple):
    """The result of a search of B positions."""

    action: Array  # [B] int32: the move to play
    policy: Array  # [B, A] the training target π; it sums to 1 over the legal moves
    value: Array  # [B] for the player to move
    visits: Array  # [B, A] of the root's moves
    tree: Tree | None = None  # None where the caller has no use for it


class Edges(NamedTuple):
    """The moves of one node of each tree, in the view of its player: the input of a selection rule."""

    logits: Array  # [B, K]
    visits: Array  # [B, K] N(s, a)
    q: Array  # [B, K] Q(s, a), 0 where there was no visit
    value: Array  # [B] the network's value of the node itself

    @property
    def legal(self) -> Array:
        """[B, K] bool."""
        return self.logits > ILLEGAL / 2


Rule = Callable[[Edges], Array]  # a score [B, K] for each move; the highest of a legal move is followed


def edges(tree: Tree, node: Array, depth: Array | int) -> Edges:
    """The moves of ``node`` [B], all of them ``depth`` moves below the root."""
    row = jnp.arange(node.shape[0])
    child = tree.child[node, row]
    made = child != NONE
    sign = jnp.where(depth % 2 == 0, 1.0, -1.0)
    visits = jnp.where(made, tree.visits[child, row[:, None]], 0.0)
    total = tree.total[child, row[:, None]]
    q = jnp.where(made, sign * total / jnp.maximum(visits, 1.0), 0.0)
    return Edges(tree.logits[node, row], visits, q, sign * tree.value[node, row])


def spread(of_slots: Array, tree: Tree, actions: int) -> Array:
    """[B, A] from the root's slots [B, K]; 0 for the moves that were not kept."""
    if tree.move is None:
        return of_slots
    row = jnp.arange(len(of_slots))[:, None]
    return jnp.zeros((len(of_slots), actions)).at[row, tree.move[0]].set(of_slots)


def init_tree(root: Leaf, simulations: int, max_children: int, order: Array | None = None) -> Tree:
    """Trees of a root alone, with room for ``simulations`` leaves.

    Args:
        root: B positions, none of which has ended.
        simulations: leaves that ``run_simulations`` adds to each tree.
        max_children: K, the moves that a node keeps, those of the largest prior; 0: all.
        order: [B, A] by which the root's moves are kept instead; below ``ILLEGAL / 2`` where a move is illegal.
    """
    n, (b, a) = simulations + 1, root.logits.shape
    k = min(max_children, a) if max_children else a
    tree = Tree(
        state=jax.tree.map(lambda x: jnp.zeros((n, *x.shape), x.dtype), root.state),
        move=jnp.zeros((n, b, k), jnp.int32) if k < a else None,
        logits=jnp.zeros((n, b, k)),
        child=jnp.full((n, b, k), NONE, jnp.int32),
        value=jnp.zeros((n, b)),
        terminal=jnp.zeros((n, b), bool),
        visits=jnp.zeros((n, b)).at[0].set(1.0),
        total=jnp.zeros((n, b)).at[0].set(root.value),
    )
    return _written(tree, root, 0, jnp.ones(b), root.logits if order is None else order)


def run_simulations(tree: Tree, expand: Expand, first: Callable[[Edges, Array], Array], rule: Rule) -> Tree:
    """``tree`` after all the simulations that it has room for.

    Args:
        tree: as ``init_tree`` makes it.
        expand: rules and network.
        first: the selection rule at the root, which also gets the number of simulations made, [] int32.
        rule: the selection rule at all other nodes.
    """

    def simulate(n: Array, tree: Tree) -> Tree:
        node, slot, path = _descend(tree, lambda e: first(e, n - 1), rule)
        row = jnp.arange(node.shape[0])
        child = tree.child[node, row, slot]
        action = slot if tree.move is None else tree.move[node, row, slot]
        leaf = expand(jax.tree.map(lambda x: x[node, row], tree.state), action)
        # the end of a game reached again: its outcome counts once more, and the new leaf stays unlinked
        again = child != NONE
        tree = _written(tree, leaf, n, jnp.where(path.sum(0) % 2 == 0, 1.0, -1.0), leaf.logits)
        link = jnp.where(again, child, n)
        tree = tree._replace(child=tree.child.at[node, row, slot].set(link))
        path |= jnp.arange(path.shape[0])[:, None] == link[None]
        found = jnp.where(again, tree.value[link, row], tree.value[n])
        return tree._replace(visits=tree.visits + path, total=tree.total + jnp.where(path, found[None], 0.0))

    return jax.lax.fori_loop(1, tree.visits.shape[0], simulate, tree)


def _written(tree: Tree, leaf: Leaf, n: Array | int, sign: Array, order: Array) -> Tree:
    """``tree`` with ``leaf`` as node ``n`` of every tree; it keeps the moves that come first in ``order`` [B, A]."""
    logits, move = leaf.logits, tree.move
    if move is not None:
        _, action = best(order, move.shape[-1])
        logits, move = jnp.take_along_axis(logits, action, 1), move.at[n].set(action)
    return tree._replace(
        state=jax.tree.map(lambda to, x: to.at[n].set(x), tree.state, leaf.state),
        move=move,
        logits=tree.logits.at[n].set(logits),
        value=tree.value.at[n].set(sign * leaf.value),
        terminal=tree.terminal.at[n].set(leaf.terminal),
    )


def _descend(tree: Tree, first: Rule, rule: Rule) -> tuple[Array, Array, Array]:
    """(node [B], slot [B], path [N, B] bool): where each tree expands next, and the nodes from its root to there."""
    n, b = tree.visits.shape
    row = jnp.arange(b)

    def follow(rule: Rule, node: Array, depth: Array | int) -> tuple[Array, Array]:
        """The slot chosen in ``node``, and its child where the descent continues, else NONE."""
        e = edges(tree, node, depth)
        slot = jnp.argmax(jnp.where(e.legal, rule(e), -jnp.inf), -1).astype(jnp.int32)
        child = tree.child[node, row, slot]
        return slot, jnp.where(tree.terminal[child, row], NONE, child)

    def deeper(carry: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        node, slot, ahead, path, depth = carry
        node = jnp.where(ahead != NONE, ahead, node)
        path |= jnp.arange(n)[:, None] == node[None]
        next_slot, next_ahead = follow(rule, node, depth)
        going = ahead != NONE
        return node, jnp.where(going, next_slot, slot), jnp.where(going, next_ahead, NONE), path, depth + 1

    node = jnp.zeros(b, jnp.int32)
    path = jnp.zeros((n, b), bool).at[0].set(True)
    slot, ahead = follow(first, node, 0)
    node, slot, _, path, _ = jax.lax.while_loop(
        lambda carry: (carry[2] != NONE).any(), deeper, (node, slot, ahead, path, jnp.int32(1))
    )
    return node, slot, path
