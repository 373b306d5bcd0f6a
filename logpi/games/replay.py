"""The replay window of self-play: the last W moves of each of B games, a trajectory written in a ring.

What a move was worth follows from what came after it, by the one backward recursion (``logpi.ops.returns``) with the
discount -1 of a change of sides; a move that strayed from the search cuts it. It is computed anew for the newest rows
whenever some are written, so that games may be cut anywhere: a move is learnt from once its game has ended.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.ops.returns import lambda_returns
from logpi.types import Array, Key

UNKNOWN = 2  # or -2: to whom a cell belongs, where a player resigned


class Moves(NamedTuple):
    """T moves of each of B games."""

    obs: Array  # [T, B, rows, columns, planes] float16
    policy: Array  # [T, B, A] float16 of the search; -1 where a move is illegal
    value: Array  # [T, B] of the search, for the player to move
    reward: Array  # [T, B] for the player who moved: the outcome where the game ended, else 0
    discount: Array  # [T, B] 0 where the game ended, else -1
    learn: Array  # [T, B] bool: searched in full
    strays: Array  # [T, B] bool: another move was made than the search had chosen
    area: Array | None  # [T, B, cells] int8 where the game ended: whose each cell was, for the player who moved


class Window(NamedTuple):
    """The ring; W rows."""

    moves: Moves
    target: Array  # [W, B] the λ-return of each move
    known: Array  # [W, B] bool: the game has ended
    head: Array  # [] int32: the row that is written next
    filled: Array  # [] int32: rows that hold moves


class Samples(NamedTuple):
    """N moves to learn from."""

    obs: Array  # [N, rows, columns, planes] float32
    policy: Array  # [N, A] float32
    legal: Array  # [N, A] bool
    target: Array  # [N]
    weight: Array  # [N] 1, or 0 where there is nothing to learn
    area: Array | None  # [N, cells] float32: whose each cell was in the end; UNKNOWN where that was not played out


def empty(like: Moves, rows: int) -> Window:
    """A window of ``rows`` rows for moves of the shapes of ``like`` [T, B, ...]."""
    moves = jax.tree.map(lambda x: jnp.zeros((rows, *x.shape[1:]), x.dtype), like)
    games = like.value.shape[1]
    zero = jnp.int32(0)
    return Window(moves, jnp.zeros((rows, games)), jnp.zeros((rows, games), bool), zero, zero)


def push(window: Window, new: Moves, following: Array, lam: float | Array, longest: int) -> Window:
    """``window`` with T ``new`` rows in place of its oldest, and targets to match.

    Args:
        window: W rows, a multiple of T.
        new: [T, B].
        following: [B] the value of the positions that follow, for the player to move.
        lam: λ of the targets; 1: the game's outcome.
        longest: moves of the longest game: no game reaches further back.
    """
    w, t = window.target.shape[0], new.value.shape[0]
    moves = jax.tree.map(
        lambda ring, rows: jax.lax.dynamic_update_slice_in_dim(ring, rows, window.head, 0), window.moves, new
    )
    head, filled = (window.head + t) % w, jnp.minimum(window.filled + t, w)
    last = min(longest + t, w)
    rows = (head - last + jnp.arange(last)) % w
    reward, discount, value = moves.reward[rows], moves.discount[rows], moves.value[rows]
    # what came after a move that the search had not chosen says nothing of the choice: there its own value stands
    chosen = 1.0 - moves.strays[rows]
    target = lambda_returns(reward, discount, chosen, jnp.concatenate([value, following[None]]), lam)
    target = jnp.where(chosen > 0, target, value)
    if moves.area is not None:
        area = final_areas(moves.area[rows], discount == 0)
        moves = moves._replace(area=moves.area.at[rows].set(area))
    known = jax.lax.associative_scan(jnp.logical_or, discount == 0, reverse=True)
    known &= (jnp.arange(last) >= last - filled)[:, None]
    return Window(moves, window.target.at[rows].set(target), window.known.at[rows].set(known), head, filled)


def final_areas(area: Array, ended: Array) -> Array:
    """``area`` [T, B, cells] with that of the end of its game in every row, in the view of each row's player."""

    def back(after: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        own, last = row
        now = jnp.where(last[:, None], own, -after)
        return now, now

    _, areas = jax.lax.scan(back, jnp.full_like(area[0], UNKNOWN), (area, ended), reverse=True)
    return areas


def sample(window: Window, key: Key, count: int) -> Samples:
    """``count`` moves, each of the window's that were searched in full with the same probability."""
    games = window.target.shape[1]
    row_key, game_key = jax.random.split(key)
    # all moves of a row are searched alike (``selfplay.play``); rows not written yet hold none
    searched = window.moves.learn.any(1)
    number = jax.random.randint(row_key, (count,), 1, jnp.maximum(searched.sum(), 1) + 1)
    row = jnp.searchsorted(jnp.cumsum(searched), number)
    game = jax.random.randint(game_key, (count,), 0, games)
    policy = window.moves.policy[row, game].astype(jnp.float32)
    return Samples(
        window.moves.obs[row, game].astype(jnp.float32),
        jnp.maximum(policy, 0.0),
        policy >= 0,
        window.target[row, game],
        (window.known & window.moves.learn)[row, game].astype(jnp.float32),
        None if window.moves.area is None else window.moves.area[row, game].astype(jnp.float32),
    )


def mirrored(samples: Samples, key: Key, cells: Array, actions: Array, planes: Array | None = None) -> Samples:
    """``samples``, each under a symmetry of the board drawn at random.

    Args:
        samples: N moves.
        key: of the symmetries.
        cells: [S, rows * columns] as ``Game.symmetries``.
        actions: [S, A] as ``Game.action_symmetries``.
        planes: [S, planes] as ``Game.plane_symmetries``.
    """
    n, rows, columns, depth = samples.obs.shape
    which = jax.random.randint(key, (n,), 0, len(cells))
    obs = jnp.take_along_axis(samples.obs.reshape(n, -1, depth), cells[which][:, :, None], 1)
    if planes is not None:
        obs = jnp.take_along_axis(obs, planes[which][:, None, :], 2)
    moved = actions[which]
    return samples._replace(
        obs=obs.reshape(n, rows, columns, depth),
        policy=jnp.take_along_axis(samples.policy, moved, 1),
        legal=jnp.take_along_axis(samples.legal, moved, 1),
        area=None if samples.area is None else jnp.take_along_axis(samples.area, cells[which], 1),
    )
