"""Positions of recorded games as a network sees them, with the expert's move."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from logpi.games.records.recorded import Recorded, begin
from logpi.games.replay import Samples
from logpi.games.rules.game import Game
from logpi.games.search.guided import permute_actions
from logpi.ops.collectives import where
from logpi.types import Array, PyTree


def positions(game: Game, games: Recorded, index: Array) -> Samples:
    """N of the positions in which a player chose a move: ``policy`` is 1 for that move, ``target`` the game's outcome.

    The games' positions are numbered one game after the other, without the random and set-up moves that a game may
    begin with. Each is made from its moves: a game's state is much larger than they are. The outcome is for the player
    to move, and 0 where it is not known.

    Args:
        game: the rules.
        games: recorded; all moves are legal.
        index: [N] int32 numbers of positions.
    """
    length, actions = jnp.asarray(games.length), jnp.asarray(games.actions)
    ends = jnp.cumsum(length - jnp.asarray(games.first))
    which = jnp.searchsorted(ends, index, side="right")
    ply = length[which] - (ends[which] - index)
    moves = actions[which]

    def move(t: Array, state: PyTree) -> PyTree:
        return where(t < ply, jax.vmap(game.step)(state, moves[:, t]), state)

    state = jax.lax.fori_loop(0, ply.max(), move, begin(games, which))
    chosen = jax.nn.one_hot(jnp.take_along_axis(moves, ply[:, None], 1)[:, 0], game.actions)
    outcome = jnp.asarray(games.outcome)[which] * jnp.where(ply % 2 == 0, 1.0, -1.0)
    return Samples(
        obs=jax.vmap(game.observe)(state).astype(jnp.float32),
        policy=permute_actions(game, state, chosen),
        legal=permute_actions(game, state, jax.vmap(game.legal)(state)),
        target=jnp.nan_to_num(outcome),
        weight=jnp.ones_like(outcome),
        ownership=None,
    )
