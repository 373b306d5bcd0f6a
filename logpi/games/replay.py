"""The replay buffer of self-play: the last W moves of each of B games, one trajectory per game, written as a ring.

The target of a move depends on the moves after it, so targets are computed anew for the newest rows at every write.
Games may therefore be cut anywhere: a move is sampled once its game has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.games.rules.game import Game
from logpi.ops.draws import below
from logpi.types import Array

UNKNOWN = 2  # or -2: the owner of a cell in a game that ended by resignation


class Moves(NamedTuple):
    """T moves of each of B games."""

    obs: Array  # [T, B, rows, columns, planes] float16
    policy: Array  # [T, B, A] float16: π of the search; -1 where a move is illegal
    value: Array  # [T, B] of the search, for the player to move
    reward: Array  # [T, B] for the player who moved: the outcome where the game ended, else 0
    discount: Array  # [T, B] 0 where the game ended, else -1
    learn: Array  # [T, B] bool: full search
    random_move: Array  # [T, B] bool: a random move replaced that of the search
    ownership: Array | None  # [T, B, cells] int8 where the game ended: 1 the cell is the player's who moved, -1, 0


class MoveReplay(NamedTuple):
    """The ring; W rows."""

    moves: Moves
    target: Array  # [W, B] of the value of each move
    known: Array  # [W, B] bool: the game has ended, so that the target is final
    head: Array  # [] int32: the row that is written next
    filled: Array  # [] int32: rows that hold moves


class Samples(NamedTuple):
    """A batch of N moves."""

    obs: Array  # [N, rows, columns, planes] float32
    policy: Array  # [N, A] float32: π of the search
    legal: Array  # [N, A] bool
    target: Array  # [N] z
    weight: Array  # [N] 1, or 0 where the target is not known
    ownership: Array | None  # [N, cells] float32 at the end of the game; UNKNOWN where it was resigned


def empty_replay(moves: Moves, rows: int) -> MoveReplay:
    """A replay of ``rows`` rows for moves shaped as ``moves`` [T, B, ...]."""
    ring = jax.tree.map(lambda x: jnp.zeros((rows, *x.shape[1:]), x.dtype), moves)
    games = moves.value.shape[1]
    zero = jnp.int32(0)
    return MoveReplay(ring, jnp.zeros((rows, games)), jnp.zeros((rows, games), bool), zero, zero)


def push(replay: MoveReplay, new: Moves, longest: int, targets: Callable[[Moves], Array]) -> MoveReplay:
    """``replay`` with T ``new`` rows in place of its oldest, and targets to match.

    Args:
        replay: W rows, a multiple of T.
        new: [T, B].
        longest: moves of the longest game; targets further back do not change.
        targets: (the newest moves [L, B], the last of which is the newest) -> their targets [L, B].
    """
    w, t = replay.target.shape[0], new.value.shape[0]
    moves = jax.tree.map(
        lambda ring, rows: jax.lax.dynamic_update_slice_in_dim(ring, rows, replay.head, 0), replay.moves, new
    )
    head, filled = (replay.head + t) % w, jnp.minimum(replay.filled + t, w)
    last = min(longest + t, w)
    rows = (head - last + jnp.arange(last)) % w
    recent = jax.tree.map(lambda ring: ring[rows], moves)
    ended = recent.discount == 0
    if recent.ownership is not None:
        ownership = final_ownership(recent.ownership, ended)
        moves = moves._replace(ownership=moves.ownership.at[rows].set(ownership))
    known = jax.lax.associative_scan(jnp.logical_or, ended, reverse=True)
    known &= (jnp.arange(last) >= last - filled)[:, None]
    target = replay.target.at[rows].set(targets(recent))
    return MoveReplay(moves, target, replay.known.at[rows].set(known), head, filled)


def final_ownership(ownership: Array, ended: Array) -> Array:
    """Ownership [T, B, cells] at the end of each row's game, in the view of the row's player."""

    def back(after: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        own, last = row
        now = jnp.where(last[:, None], own, -after)
        return now, now

    _, found = jax.lax.scan(back, jnp.full_like(ownership[0], UNKNOWN), (ownership, ended), reverse=True)
    return found


def sample(replay: MoveReplay, drawn: Sequence[Array]) -> Samples:
    """N moves, each drawn with the same probability from those of a full search, by two arrays of random words [N]."""
    games = replay.target.shape[1]
    row_word, game_word = drawn
    # all moves of a row have the same search (``self_play.search_moves``); rows not written yet have none
    searched = replay.moves.learn.any(1)
    number = 1 + below(row_word, jnp.maximum(searched.sum(), 1))
    row = jnp.searchsorted(jnp.cumsum(searched), number)
    game = below(game_word, games)
    policy = replay.moves.policy[row, game].astype(jnp.float32)
    ownership = replay.moves.ownership
    return Samples(
        replay.moves.obs[row, game].astype(jnp.float32),
        jnp.maximum(policy, 0.0),
        policy >= 0,
        replay.target[row, game],
        (replay.known & replay.moves.learn)[row, game].astype(jnp.float32),
        None if ownership is None else ownership[row, game].astype(jnp.float32),
    )


def symmetric(game: Game, samples: Samples, drawn: Array) -> Samples:
    """``samples`` of ``game``, each under a symmetry of the board drawn at random by the random words ``drawn`` [N]."""
    planes = None if game.plane_symmetries is None else jnp.asarray(game.plane_symmetries)
    cells, actions = jnp.asarray(game.symmetries), jnp.asarray(game.action_symmetries)
    return apply_symmetries(samples, drawn, cells, actions, planes)


def apply_symmetries(
    samples: Samples, drawn: Array, cells: Array, actions: Array, planes: Array | None = None
) -> Samples:
    """``samples``, each under a symmetry of the board drawn at random.

    Args:
        samples: N moves.
        drawn: [N] random words.
        cells: [S, rows * columns] as ``Game.symmetries``.
        actions: [S, A] as ``Game.action_symmetries``.
        planes: [S, planes] as ``Game.plane_symmetries``.
    """
    n, rows, columns, depth = samples.obs.shape
    which = below(drawn, len(cells))
    obs = jnp.take_along_axis(samples.obs.reshape(n, -1, depth), cells[which][:, :, None], 1)
    if planes is not None:
        obs = jnp.take_along_axis(obs, planes[which][:, None, :], 2)
    moved, ownership = actions[which], samples.ownership
    return samples._replace(
        obs=obs.reshape(n, rows, columns, depth),
        policy=jnp.take_along_axis(samples.policy, moved, 1),
        legal=jnp.take_along_axis(samples.legal, moved, 1),
        ownership=None if ownership is None else jnp.take_along_axis(ownership, cells[which], 1),
    )
