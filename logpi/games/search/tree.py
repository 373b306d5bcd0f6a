"""Search trees of B positions in parallel; every simulation adds one leaf to each.

Node n of every tree is made by simulation n, so that making a node is one contiguous write. Simulation 0 makes the
root: rules and network, most of what there is to compile, then stand once in the program. Values are kept in the root
player's view: with neither rewards on the way nor discounts but the change of sides, what a simulation found is then
one number for its whole path, and backing it up is one masked addition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.games.search.top_k import best
from logpi.ops.collectives import where
from logpi.ops.distributions import ILLEGAL
from logpi.types import Array, PyTree

NONE = 0  # no child: nothing leads back to the root


class Leaf(NamedTuple):
    """B positions as the rules and the network evaluate them. Where a game has ended, the value is its outcome."""

    logits: Array  # [B, A] of the prior; distributions.ILLEGAL where a move is illegal
    value: Array  # [B] for the player to move
    terminal: Array  # [B] bool


class Expansion(NamedTuple):
    """How a tree grows: the rules, and what evaluates a position."""

    step: Callable[[PyTree, Array], PyTree]  # (states [B, ...], actions [B] int32) -> the positions after them
    evaluate: Callable[[PyTree], Leaf]  # of states [B, ...]; jitted, it is traced once for its shapes and its use

    def shape(self, state: PyTree) -> tuple[int, int]:
        """(B, A) of ``state`` [B, ...]."""
        b, a = jax.eval_shape(self.evaluate, state).logits.shape
        return b, a


class Simulations(NamedTuple):
    """How many leaves a search adds to each tree: one of two numbers, which may turn out while it runs."""

    usual: int
    other: int = 0
    use_other: Array | bool = False  # [] bool

    @property
    def room(self) -> int:
        """The most there can be."""
        return max(self.usual, self.other)

    @property
    def number(self) -> Array:
        """[] int32."""
        return jnp.where(self.use_other, self.other, self.usual)


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
    prior: Array | None  # [B, A] the root's logits of all moves; None where slots are actions
    # [N, B] int32: the node whose value simulation n backed up: n, or the end of a game that was reached once more
    reached: Array


class Searched(NamedTuple):
    """The result of a search of B positions."""

    action: Array  # [B] int32: the move to play
    policy: Array  # [B, A] the training target π; it sums to 1 over the legal moves
    value: Array  # [B] for the player to move
    visits: Array  # [B, A] of the root's moves
    legal: Array  # [B, A] bool: of the root's moves
    tree: Tree | None = None  # None where the caller has no use for it


class Edges(NamedTuple):
    """The moves of one node of each tree, in the view of its player: the input of a selection rule."""

    logits: Array  # [B, K]
    visits: Array  # [B, K] N(s, a)
    q: Array  # [B, K] Q(s, a), 0 where there was no visit
    value: Array  # [B] the network's value of the node itself
    move: Array | None = None  # [B, K] int32 the action of each slot; None where slots are actions

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
    move = None if tree.move is None else tree.move[node, row]
    return Edges(tree.logits[node, row], visits, q, sign * tree.value[node, row], move)


def spread(of_slots: Array, tree: Tree) -> Array:
    """[B, A] from the root's slots [B, K]; 0 for the moves that were not kept."""
    if tree.move is None:
        return of_slots
    row = jnp.arange(len(of_slots))[:, None]
    return jnp.zeros_like(root_logits(tree)).at[row, tree.move[0]].set(of_slots)


class AtRoot(NamedTuple):
    """What a search does otherwise at the root."""

    rule: Callable[[Edges, Array], Array]  # selection; it also gets the number of simulations made, [] int32
    mix: Callable[[Array], Array] | None = None  # noise: the logits [B, K] that the search has instead of its own
    mixes: Array | bool = True  # [] bool: whether it has them
    order: Array | None = None  # [B, A] added to the logits to decide which moves are kept


def grow(
    state: PyTree, expansion: Expansion, simulations: Simulations, max_children: int, at_root: AtRoot, rule: Rule
) -> Tree:
    """Trees of B positions after all ``simulations``.

    Args:
        state: [B, ...] the positions at the roots; none has ended.
        expansion: rules and network.
        simulations: leaves that are added to each root.
        max_children: K, the moves that a node keeps, those of the largest prior; 0: all.
        at_root: what is done otherwise there.
        rule: the selection rule at all other nodes.
    """
    tree = empty(state, expansion.shape(state), simulations.room, max_children)
    return grown(tree, expansion, 0, 1 + simulations.number, at_root, rule)


def grown(tree: Tree, expansion: Expansion, first: Array | int, end: Array | int, at_root: AtRoot, rule: Rule) -> Tree:
    """``tree`` after the simulations ``first`` up to ``end``; simulation 0 makes the root, whose state is there."""

    def simulate(n: Array, tree: Tree) -> Tree:
        node, slot, path = _descend(tree, lambda e: at_root.rule(e, n - 1), rule, n > 0)
        row = jnp.arange(node.shape[0])
        child = tree.child[node, row, slot]
        action = slot if tree.move is None else tree.move[node, row, slot]
        parent = jax.tree.map(lambda x: x[node, row], tree.state)
        state = where(n > 0, expansion.step(parent, action), parent)  # the root stands in its own place already
        # the end of a game reached again: its outcome counts once more, and the new leaf stays unlinked
        again = child != NONE
        sign = jnp.where(path.sum(0) % 2 == 0, 1.0, -1.0)
        tree = _written(tree, state, expansion.evaluate(state), n, sign, at_root)
        link = jnp.where(again, child, n)
        tree = tree._replace(child=tree.child.at[node, row, slot].set(link))
        tree = tree._replace(reached=tree.reached.at[n].set(link))
        path |= jnp.arange(path.shape[0])[:, None] == link[None]
        found = jnp.where(again, tree.value[link, row], tree.value[n])
        return tree._replace(visits=tree.visits + path, total=tree.total + jnp.where(path, found[None], 0.0))

    return jax.lax.fori_loop(first, end, simulate, tree)


def root_logits(tree: Tree) -> Array:
    """[B, A] the root's logits of all moves, with the noise that was mixed in where slots are actions."""
    return tree.logits[0] if tree.prior is None else tree.prior


def root_legal(tree: Tree) -> Array:
    """[B, A] bool: the root's legal moves."""
    return root_logits(tree) > ILLEGAL / 2


def empty(state: PyTree, shape: tuple[int, int], simulations: int, max_children: int) -> Tree:
    """Trees without a node, and ``state`` in the root's place."""
    n, (b, a) = simulations + 1, shape
    k = min(max_children, a) if max_children else a
    return Tree(
        state=jax.tree.map(lambda x: jnp.zeros((n, *x.shape), x.dtype).at[0].set(x), state),
        move=jnp.zeros((n, b, k), jnp.int32) if k < a else None,
        logits=jnp.zeros((n, b, k)),
        child=jnp.full((n, b, k), NONE, jnp.int32),
        value=jnp.zeros((n, b)),
        terminal=jnp.zeros((n, b), bool),
        visits=jnp.zeros((n, b)),
        total=jnp.zeros((n, b)),
        prior=jnp.zeros((b, a)) if k < a else None,
        reached=jnp.zeros((n, b), jnp.int32),
    )


def _written(tree: Tree, state: PyTree, leaf: Leaf, n: Array, sign: Array, at_root: AtRoot) -> Tree:
    """``tree`` with ``leaf`` as node ``n`` of every tree; it keeps the moves of the largest logits."""
    logits, move, prior = leaf.logits, tree.move, tree.prior
    if move is not None and prior is not None:
        order = logits if at_root.order is None else logits + jnp.where(n == 0, at_root.order, 0.0)
        prior = jnp.where(n == 0, logits, prior)
        _, action = best(order, move.shape[-1])
        logits, move = jnp.take_along_axis(logits, action, 1), move.at[n].set(action)
    if at_root.mix is not None:
        logits = jax.lax.cond((n == 0) & at_root.mixes, at_root.mix, lambda x: x, logits)
    return tree._replace(
        state=jax.tree.map(lambda to, x: to.at[n].set(x), tree.state, state),
        move=move,
        logits=tree.logits.at[n].set(logits),
        value=tree.value.at[n].set(sign * leaf.value),
        terminal=tree.terminal.at[n].set(leaf.terminal),
        prior=prior,
    )


def _descend(tree: Tree, first: Rule, rule: Rule, rooted: Array) -> tuple[Array, Array, Array]:
    """(node [B], slot [B], path [N, B] bool): where each tree expands next, and the nodes from its root to there.

    Unless the trees are ``rooted`` the path is empty, and the rest means nothing.
    """
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
    path = jnp.zeros((n, b), bool).at[0].set(rooted)
    slot, ahead = follow(first, node, 0)
    node, slot, _, path, _ = jax.lax.while_loop(
        lambda carry: (carry[2] != NONE).any(), deeper, (node, slot, ahead, path, jnp.int32(1))
    )
    return node, slot, path
