"""Games of a policy against an opponent, all at a time; both draw their moves from their probabilities.

In one half of the games the policy moves first, in the other half the opponent. A round is two plies: in each of them
the policy moves in one half and the opponent in the other, so that neither waits. Rounds can be played in pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.games.rules.game import Game
from logpi.games.search.guided import permute_actions
from logpi.ops.collectives import where
from logpi.ops.distributions import masked
from logpi.ops.draws import gumbel, words
from logpi.types import Array, Key, PyTree

Logits = Callable[[Array], Array]  # observations [N, ...] -> logits [N, A]


class Moves(NamedTuple):
    """The policy's moves, [U, 2, N, ...]: round, half, game."""

    obs: Array  # [..., rows, columns, planes] float16
    action: Array  # int32, on the observed board
    legal: Array  # [..., A] bool, on the observed board
    mask: Array  # float32: 1, or 0 where the game was over


class Duels(NamedTuple):
    """2N games: in half 0 the policy moves first, in half 1 the opponent."""

    state: tuple[PyTree, PyTree]  # of each half, [N, ...]
    over: Array  # [2, N] bool
    z: Array  # [2, N] outcome for the policy, 0 while the game goes on
    moves: Moves


def rounds(game: Game) -> int:
    """Rounds of the longest game."""
    return -(-game.longest // 2)


def begin(game: Game, half: int) -> Duels:
    """Twice ``half`` games from the empty board."""
    state = jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (half, *jnp.shape(x))), game.init())
    obs, shape = jax.eval_shape(jax.vmap(game.observe), state), (rounds(game), 2, half)
    moves = Moves(
        jnp.zeros((*shape, *obs.shape[1:]), jnp.float16),
        jnp.zeros(shape, jnp.int32),
        jnp.zeros((*shape, game.actions), bool),
        jnp.zeros(shape),
    )
    return Duels((state, state), jnp.zeros((2, half), bool), jnp.zeros((2, half)), moves)


def play(
    game: Game, policy: Logits, opponent: Logits, duels: Duels, key: Key, begin: Array | int, end: Array | int
) -> Duels:
    """The games after rounds ``begin`` to ``end`` - 1; ``key`` is that of the games, the same for all pieces."""

    def going(carry: tuple[Duels, Array]) -> Array:
        return ~carry[0].over.all() & (carry[1] < end)

    def step(carry: tuple[Duels, Array]) -> tuple[Duels, Array]:
        duels, u = carry
        for turn in (0, 1):
            duels = _ply(game, policy, opponent, duels, jax.random.fold_in(key, 2 * u + turn), (u, turn))
        return duels, u + 1

    return jax.lax.while_loop(going, step, (duels, jnp.asarray(begin, jnp.int32)))[0]


def _ply(game: Game, policy: Logits, opponent: Logits, duels: Duels, key: Key, at: tuple[Array, int]) -> Duels:
    """A move of the policy in half ``turn`` and of the opponent in the other half; ``at`` is (round, turn)."""
    _, turn = at
    half = duels.over.shape[1]
    mine, theirs = words(key, (half, game.actions), (half, game.actions))
    obs, legal, drawn, action = _drawn(game, policy, duels, turn, mine)
    *_, answer = _drawn(game, opponent, duels, 1 - turn, theirs)
    made = Moves(obs.astype(jnp.float16), drawn, legal, 1.0 - duels.over[turn])
    moves = jax.tree.map(lambda rows, new: rows.at[at].set(new), duels.moves, made)
    duels = duels._replace(moves=moves)
    # the outcome is for the player to move: after the policy's own move that is the opponent
    return _moved(game, _moved(game, duels, turn, action, -1.0), 1 - turn, answer, 1.0)


def _drawn(game: Game, logits: Logits, duels: Duels, turn: int, drawn: Array) -> tuple[Array, Array, Array, Array]:
    """(observations, legal moves, moves on the observed board, the same moves of the rules) of half ``turn``."""
    start = jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (len(drawn), *jnp.shape(x))), game.init())
    state = where(duels.over[turn], start, duels.state[turn])  # rules say nothing of a game that is over
    obs, legal = jax.vmap(game.observe)(state), jax.vmap(game.legal)(state)
    seen = permute_actions(game, state, legal)
    action = (masked(logits(obs), seen).logits + gumbel(drawn)).argmax(-1).astype(jnp.int32)
    chosen = permute_actions(game, state, jax.nn.one_hot(action, game.actions)).argmax(-1).astype(jnp.int32)
    return obs, seen, action, chosen


def _moved(game: Game, duels: Duels, turn: int, action: Array, sign: float) -> Duels:
    """The games of half ``turn`` after a move each; those that are over stay as they are."""
    over = duels.over[turn]
    state = where(over, duels.state[turn], jax.vmap(game.step)(duels.state[turn], action))
    ended = ~over & jax.vmap(game.ended)(state)
    z = jnp.where(ended, sign * jax.vmap(game.outcome)(state), duels.z[turn])
    states = (state, duels.state[1]) if turn == 0 else (duels.state[0], state)
    return duels._replace(state=states, over=duels.over.at[turn].set(over | ended), z=duels.z.at[turn].set(z))
