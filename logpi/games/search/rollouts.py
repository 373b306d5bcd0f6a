"""Rollouts by a fast policy: what follows from a leaf if both sides move by it to the end of the game."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from logpi.games.rules.game import Game
from logpi.games.search.guided import Apply, permute_actions
from logpi.games.search.uct import Choose, playout
from logpi.ops.distributions import masked
from logpi.ops.draws import by_weight
from logpi.types import Array, Key, PyTree

MULTIPLIER = 0x9E3779B1  # odd, and far from a power of two


def rollout(game: Game, apply: Apply, params: PyTree, state: PyTree) -> Array:
    """z [B]: the outcome of one rollout of the policy from each of B positions, for the player to move there.

    The random numbers of a rollout come from its position alone. A search is then the same whenever it is made, and
    whatever other positions are evaluated beside a leaf.
    """
    return playout(game, state, keys_of(state), by_policy(game, apply, params))[0]


def by_policy(game: Game, apply: Apply, params: PyTree) -> Choose:
    """Moves drawn from a policy's probabilities."""

    def choose(state: PyTree, legal: Array, drawn: Array) -> Array:
        logits = permute_actions(game, state, apply(params, jax.vmap(game.observe)(state))[0])
        return by_weight(drawn, jax.nn.softmax(masked(logits, legal).logits))

    return choose


def keys_of(state: PyTree) -> Key:
    """[B] keys that positions [B, ...] decide: equal positions have equal ones, others seldom."""
    found = jnp.uint32(0)
    for leaf in jax.tree.leaves(state):
        words = _words(leaf)
        places = jnp.arange(words.shape[1], dtype=jnp.uint32)
        factors = (places * 2 + 1) * jnp.uint32(MULTIPLIER)
        found = (found ^ (found >> 15)) * jnp.uint32(MULTIPLIER) + (words * factors[None]).sum(1, dtype=jnp.uint32)
    return jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), found)


def _words(leaf: Array) -> Array:
    """[B, N] uint32 of an array [B, ...] of numbers or keys."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    elif jnp.issubdtype(leaf.dtype, jnp.floating):
        leaf = jax.lax.bitcast_convert_type(leaf.astype(jnp.float32), jnp.uint32)
    return leaf.astype(jnp.uint32).reshape(leaf.shape[0], -1)
