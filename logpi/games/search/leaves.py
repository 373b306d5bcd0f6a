"""PUCT of one position that evaluates several leaves at a time.

All leaves of a round are looked for at once, each by a *walker* that goes down from the root. Walkers that meet in a
node part by the rule itself: each takes the move that the rule would choose next if the moves of those before it had
been visited and lost (virtual loss, Silver et al. 2016). With one walker that is the rule and nothing else.

A walker that ends at a move which another one expands already is given up. A round has at most one walker for every
``SHARE`` simulations in the tree, for those that do not know of each other choose worse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.games.search.puct import Terms
from logpi.games.search.top_k import best
from logpi.games.search.tree import NONE, Edges, Expansion, Leaf, Tree
from logpi.ops.collectives import where
from logpi.ops.distributions import ILLEGAL
from logpi.types import Array

SHARE = 8  # simulations in the tree for every walker of a round


class Walkers(NamedTuple):
    """W walkers, at the end of their ways or under way."""

    node: Array  # [W] int32: the last node whose move was chosen
    slot: Array  # [W] int32: that move
    rank: Array  # [W] int32: number of walkers before this one in the same node
    going: Array  # [W] bool
    valid: Array  # [W] bool: it has not been given up
    moves: Array  # [W] int32: moves from the root to its end
    trail: Array  # [longest + 1, W] int32: the nodes that it has passed; N where it has not


def grown_by_leaves(
    tree: Tree,
    expansion: Expansion,
    terms: Callable[[Edges], Terms],
    allowed: Array,
    first: Array,
    end: Array,
    width: int,
    longest: int,
) -> Tree:
    """``tree`` of one position after the simulations ``first`` up to ``end``; simulation 0 makes the root.

    Args:
        tree: one tree; its root's state is there.
        expansion: rules and network.
        terms: of the selection rule.
        allowed: [A] bool, moves that the root has; the others are taken for illegal.
        first: simulations made.
        end: simulations wanted.
        width: W, walkers at most.
        longest: moves of a line at most.
    """

    def one_round(carry: tuple[Tree, Array]) -> tuple[Tree, Array]:
        tree, n = carry
        wanted = jnp.minimum(jnp.clip(n // SHARE, 1, width), end - n)
        walkers = _walk(tree, terms, n > 0, wanted, width, longest)
        return _expanded(tree, expansion, allowed, walkers, n), n + walkers.valid.sum(dtype=jnp.int32)

    return jax.lax.while_loop(lambda carry: carry[1] < end, one_round, (tree, jnp.asarray(first, jnp.int32)))[0]


def next_moves(e: Edges, terms: Terms, rank: Array, most: Array) -> tuple[Array, Array]:
    """(slot [W], walkers before this one that chose it [W]) of the choice number ``rank`` [W] in each of W nodes.

    Args:
        e: [W, K] the moves of each walker's node.
        terms: of the rule there.
        rank: [W] 0 for the rule's own choice.
        most: the largest rank that matters.
    """
    row = jnp.arange(len(rank))

    def choose(i: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        lost, slot, before = carry
        visits = e.visits + lost
        q = jnp.where(lost > 0, (terms.q * e.visits - lost) / jnp.maximum(visits, 1.0), terms.q)
        score = jnp.where(e.legal, q + terms.u / (1.0 + visits), -jnp.inf)
        chosen = score.argmax(-1).astype(jnp.int32)
        mine = i == rank
        before = jnp.where(mine, lost[row, chosen].astype(jnp.int32), before)
        return lost.at[row, chosen].add(1.0), jnp.where(mine, chosen, slot), before

    none = jnp.zeros(len(rank), jnp.int32)
    _, slot, before = jax.lax.fori_loop(0, most + 1, choose, (jnp.zeros_like(e.visits), none, none))
    return slot, before


def _walk(
    tree: Tree, terms: Callable[[Edges], Terms], rooted: Array, wanted: Array, width: int, longest: int
) -> Walkers:
    """The first ``wanted`` of W walkers, at the moves that they expand; before there is a root they stay."""
    rows, row = tree.visits.shape[0], jnp.arange(width, dtype=jnp.int32)
    none, valid = jnp.zeros(width, jnp.int32), row < wanted

    def deeper(carry: tuple[Walkers, Array]) -> tuple[Walkers, Array]:
        walkers, depth = carry
        at = walkers.node
        e = _edges(tree, at, depth)
        slot, before = next_moves(e, terms(e), walkers.rank, jnp.where(walkers.going, walkers.rank, 0).max())
        child = tree.child[at, 0, slot]
        new = child == NONE
        on = walkers.going & ~new & ~tree.terminal[child, 0]
        return Walkers(
            node=jnp.where(on, child, at),
            slot=jnp.where(walkers.going, slot, walkers.slot),
            rank=before,
            going=on,
            valid=walkers.valid & ~(walkers.going & new & (before > 0)),
            moves=jnp.where(walkers.going, depth + 1, walkers.moves),
            trail=walkers.trail.at[depth].set(jnp.where(walkers.going, at, rows)),
        ), depth + 1

    trail = jnp.full((longest + 1, width), rows, jnp.int32)
    walkers = Walkers(none, none, row, valid & rooted, valid, none, trail)
    return jax.lax.while_loop(lambda carry: carry[0].going.any(), deeper, (walkers, jnp.int32(0)))[0]


def _edges(tree: Tree, node: Array, depth: Array) -> Edges:
    """The moves of the nodes [W] of one tree, all ``depth`` moves below the root."""
    child = tree.child[node, 0]
    made, sign = child != NONE, jnp.where(depth % 2 == 0, 1.0, -1.0)
    visits = jnp.where(made, tree.visits[child, 0], 0.0)
    q = jnp.where(made, sign * tree.total[child, 0] / jnp.maximum(visits, 1.0), 0.0)
    return Edges(tree.logits[node, 0], visits, q, sign * tree.value[node, 0])


def _expanded(tree: Tree, expansion: Expansion, allowed: Array, walkers: Walkers, n: Array) -> Tree:
    """``tree`` with the leaves of ``walkers`` as the nodes from ``n`` on, and what they found backed up."""
    rows, (node, slot, valid) = tree.visits.shape[0], (walkers.node, walkers.slot, walkers.valid)
    number = jnp.where(valid, n + jnp.cumsum(valid, dtype=jnp.int32) - 1, rows)  # a row beyond the last is dropped
    action = slot if tree.move is None else tree.move[node, 0, slot]
    parent = jax.tree.map(lambda x: x[node, 0], tree.state)
    state = where(n > 0, expansion.step(parent, action), parent)  # the root stands in its own place already
    child = tree.child[node, 0, slot]
    again = (child != NONE) & (n > 0)  # the end of a game: its outcome counts once more, and the new leaf is unlinked
    leaf = expansion.evaluate(state)
    found = jnp.where(walkers.moves % 2 == 0, 1.0, -1.0) * leaf.value
    tree = _written(tree, state, leaf, found, number, allowed, n)
    linked = jnp.where(again | ~valid | (n == 0), rows, node)
    tree = tree._replace(child=tree.child.at[linked, 0, slot].set(number, mode="drop"))
    found = jnp.where(again, tree.value[child, 0], found)
    end = jnp.where(again & valid, child, number)
    return _backed_up(tree, walkers, end, found)


def _written(tree: Tree, state: Array, leaf: Leaf, value: Array, number: Array, allowed: Array, n: Array) -> Tree:
    """``tree`` with W leaves in the rows ``number``; each keeps the moves of the largest logits."""
    logits = jnp.where(allowed[None] | (n > 0), leaf.logits, ILLEGAL)
    moves, prior = tree.move, tree.prior
    if moves is not None and prior is not None:
        prior = jnp.where(n == 0, leaf.logits[:1], prior)
        _, action = best(logits, moves.shape[-1])
        logits, moves = jnp.take_along_axis(logits, action, 1), moves.at[number, 0].set(action, mode="drop")
    return tree._replace(
        state=jax.tree.map(lambda to, x: to.at[number, 0].set(x, mode="drop"), tree.state, state),
        move=moves,
        logits=tree.logits.at[number, 0].set(logits, mode="drop"),
        value=tree.value.at[number, 0].set(value, mode="drop"),
        terminal=tree.terminal.at[number, 0].set(leaf.terminal, mode="drop"),
        prior=prior,
    )


def _backed_up(tree: Tree, walkers: Walkers, end: Array, found: Array) -> Tree:
    """``tree`` with what each walker found added to the nodes of its trail and to its ``end``."""
    rows = tree.visits.shape[0]

    def add(sums: tuple[Array, Array], node: Array) -> tuple[Array, Array]:
        visits, total = sums
        there = jnp.where(walkers.valid, node, rows)
        return visits.at[there, 0].add(1.0, mode="drop"), total.at[there, 0].add(found, mode="drop")

    def level(depth: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
        return add(sums, walkers.trail[depth])

    sums = jax.lax.fori_loop(0, walkers.moves.max(), level, (tree.visits, tree.total))
    visits, total = add(sums, end)
    return tree._replace(visits=visits, total=total)
