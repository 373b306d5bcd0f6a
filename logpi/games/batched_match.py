"""Games between two sides on the device, many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.games.rules.game import Game
from logpi.ops.collectives import select
from logpi.types import Array, Key, PyTree

Choose = Callable[[PyTree, Key], Array]  # (states [B, ...] that have not ended, key) -> legal actions [B]


class Half(NamedTuple):
    """Half of the games, in which the same side is to move."""

    state: PyTree  # [B, ...]
    over: Array  # [B] bool
    result: Array  # [B] for the first side, once the game is over


def versus(game: Game, one: Choose, other: Choose, start: PyTree, key: Key) -> Array:
    """Results [2B] for ``one``, 1, 0 or -1: each of the positions ``start`` [B, ...] is played twice.

    In the even games ``one`` moves first, in the odd ones ``other`` does, so that any even number of the results is
    fair to both. At every ply each side moves in one half of the games, so that neither waits. None of the positions
    has ended.
    """

    def ply(carry: tuple[Array, Half, Half]) -> tuple[Array, Half, Half]:
        t, ours, theirs = carry
        one_key, other_key = jax.random.split(jax.random.fold_in(key, t))
        # who has finished waits, asked for what is thrown away: in ended positions there is nothing to choose
        asked, also_asked = (select(half.over, start, half.state) for half in (ours, theirs))
        action, answer = one(asked, one_key), other(also_asked, other_key)
        return t + 1, _moved(game, theirs, answer, 1.0), _moved(game, ours, action, -1.0)

    count = len(jax.tree.leaves(start)[0])
    begun = Half(start, jnp.zeros(count, bool), jnp.zeros(count))
    plies, ours, theirs = jax.lax.while_loop(
        lambda carry: ~(carry[1].over.all() & carry[2].over.all()), ply, (jnp.int32(0), begun, begun)
    )
    # the halves change places at every ply
    swapped = plies % 2 == 1
    first, second = (jnp.where(swapped, a, b) for a, b in ((theirs.result, ours.result), (ours.result, theirs.result)))
    return jnp.stack([first, second], -1).reshape(-1)


def _moved(game: Game, half: Half, action: Array, sign: float) -> Half:
    """``half`` after a move each; ``sign`` is 1 where the first side is to move then."""
    state = select(half.over, half.state, jax.vmap(game.step)(half.state, action))
    ended = ~half.over & jax.vmap(game.ended)(state)
    result = jnp.where(ended, sign * jax.vmap(game.outcome)(state), half.result)
    return Half(state, half.over | ended, result)
