"""Plain Monte Carlo tree search: UCT with one random rollout from each new leaf (Kocsis & Szepesvári 2006).

a = argmax_a Q(s, a) + c √(ln N(s) / N(s, a)),    a move without a visit first
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from logpi.games.rules.game import Game
from logpi.games.search.tree import AtRoot, Edges, Expansion, Leaf, Simulations, Tree, edges, grow
from logpi.ops.collectives import where
from logpi.ops.distributions import ILLEGAL
from logpi.ops.draws import key_of, one_of, uniform, words
from logpi.types import Array, Key, PyTree

FIRST = 1e6  # the score of a move without a visit
SPREAD = 0x9E3779B1  # odd, and far from a power of two: lines of play of equal length seldom share a number

Choose = Callable[[PyTree, Array, Array], Array]  # (B states, legal [B, A], random words [B]) -> actions [B]


def evenly(state: PyTree, legal: Array, drawn: Array) -> Array:
    """Every legal move with the same probability."""
    return one_of(drawn, legal)


def uct(game: Game, state: PyTree, key: Key, simulations: int, c: float = 1.4) -> tuple[Array, Array]:
    """(the most visited move [B], the value for the player to move [B]) of positions that have not ended.

    Args:
        game: the rules.
        state: B positions.
        key: of the random games, and of the order in which moves are tried.
        simulations: random games a position.
        c: weight of exploration; values are in [-1, 1].
    """
    return chosen(uct_tree(game, state, key, simulations, c))


def chosen(tree: Tree) -> tuple[Array, Array]:
    """(the most visited move [B], the value for the player to move [B]) of trees."""
    visits = edges(tree, jnp.zeros(tree.visits.shape[1], jnp.int32), 0).visits
    return visits.argmax(-1).astype(jnp.int32), tree.total[0] / tree.visits[0]


def uct_tree(game: Game, state: PyTree, key: Key, simulations: int, c: float = 1.4) -> Tree:
    """The trees of the same search; a node's state is (position, salt), and its logits mean nothing."""
    batch = len(jax.tree.leaves(state)[0])

    def evaluate(at: tuple[PyTree, Array]) -> Leaf:
        """Random logits: they only break ties. The salt [B] uint32 differs from node to node, and tree to tree."""
        state, salt = at
        own = jax.vmap(jax.random.fold_in, (None, 0))(key, salt)
        order, game_word = jax.vmap(lambda key: tuple(words(key, (game.actions,), (2,))))(own)
        outcome, legal, ended = playout(game, state, key_of(game_word))
        return Leaf(jnp.where(legal, uniform(order), ILLEGAL), outcome, ended)

    def step(at: tuple[PyTree, Array], action: Array) -> tuple[PyTree, Array]:
        state, salt = at
        line = salt * jnp.uint32(SPREAD) + action.astype(jnp.uint32) + 1  # a number for the line of play
        return jax.vmap(game.step)(state, action), line

    def score(e: Edges) -> Array:
        n = 1.0 + e.visits.sum(-1, keepdims=True)
        bonus = c * jnp.sqrt(jnp.log(n) / jnp.maximum(e.visits, 1.0))
        return jnp.where(e.visits > 0, e.q + bonus, FIRST) + 1e-3 * e.logits

    root = (state, jnp.arange(batch, dtype=jnp.uint32))
    expansion = Expansion(step, jax.jit(evaluate))
    return grow(root, expansion, Simulations(simulations), 0, AtRoot(lambda e, _: score(e)), score)


def playout(game: Game, state: PyTree, keys: Key, choose: Choose = evenly) -> tuple[Array, Array, Array]:
    """One game from each of B positions.

    The rules stand once in the program, in the loop of the moves: it also tells what they say of the first positions,
    and goes on until all games were seen to have ended.

    Args:
        game: the rules.
        state: B positions.
        keys: [B], a key of each game's own.
        choose: the policy of both sides; by default every legal move has the same probability.

    Returns:
        (the outcome for the player to move there [B], its legal moves [B, A], whether it has ended [B]).
    """

    def going(carry: tuple[PyTree, ...]) -> Array:
        return ~carry[1].all()

    def move(carry: tuple[PyTree, ...]) -> tuple[PyTree, ...]:
        state, _, sign, t, first = carry
        ended, legal = jax.vmap(game.ended)(state), jax.vmap(game.legal)(state)
        first = jax.tree.map(lambda old, new: jnp.where(t == 0, new, old), first, (legal, ended))
        drawn = jax.random.key_data(jax.vmap(jax.random.fold_in, (0, None))(keys, t))[:, 0]
        action = choose(state, legal, drawn)
        after = jax.vmap(game.step)(state, action)
        return where(ended, state, after), ended, jnp.where(ended, sign, -sign), t + 1, first

    batch = len(jax.tree.leaves(state)[0])
    none = jnp.zeros(batch, bool)
    begun = (state, none, jnp.ones(batch), jnp.int32(0), (jnp.zeros((batch, game.actions), bool), none))
    last, _, sign, _, (legal, ended) = jax.lax.while_loop(going, move, begun)
    return sign * jax.vmap(game.outcome)(last), legal, ended
