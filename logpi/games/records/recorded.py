"""Recorded games as arrays, and their positions, which the rules make from the moves on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.games.records.record import Record
from logpi.games.rules.game import Game
from logpi.ops.collectives import where
from logpi.types import Array, PyTree

CHUNK = 256  # games that are replayed at once


class Recorded(NamedTuple):
    """G games of at most L moves."""

    start: PyTree  # [K, ...] the position that games began with, once for each komi and position
    which: Array | NDArray[np.int32]  # [G] int32: the game's own among them
    actions: Array | NDArray[np.int32]  # [G, L] int32 from the empty board; 0 behind the last
    length: Array | NDArray[np.int32]  # [G] int32
    first: Array | NDArray[np.int32]  # [G] int32: actions before the first one that a player chose
    outcome: Array | NDArray[np.float32]  # [G]: 1, 0 or -1 for the first player; nan where it is not known


def recorded(game: Game, records: Sequence[Record]) -> Recorded:
    """One or more ``records`` of ``game`` as arrays."""
    komi = game.protocols.komi
    usual = komi.of(game.init()) if komi else 0.0
    began = [(usual if record.komi is None else record.komi, record.start) for record in records]
    kinds = sorted(set(began))
    starts = [jax.device_get(_start(game, *kind)) for kind in kinds]
    actions = np.zeros((len(records), max(1, *(len(record.actions) for record in records))), np.int32)
    for row, record in zip(actions, records, strict=True):
        row[: len(record.actions)] = record.actions
    return Recorded(
        jax.tree.map(lambda *states: np.stack(states), *starts),
        np.array([kinds.index(one) for one in began], np.int32),
        actions,
        np.array([len(record.actions) for record in records], np.int32),
        np.array([max(record.plies, record.setup) for record in records], np.int32),
        np.array([np.nan if record.outcome is None else record.outcome for record in records], np.float32),
    )


def _start(game: Game, points: float, text: str) -> PyTree:
    """The first position of games with a komi of ``points``, or from the position ``text``."""
    if text and game.notation is not None:
        return game.notation.start(text)
    return (game.protocols.komi.game(points) if game.protocols.komi else game).init()


def begin(games: Recorded, which: Array) -> PyTree:
    """The first positions [B, ...] of the games ``which`` [B]."""
    return jax.tree.map(lambda x: jnp.asarray(x)[jnp.asarray(games.which)[which]], games.start)


def playable(game: Game, games: Recorded) -> NDArray[np.int32]:
    """[G]: the number of first moves of each game that the rules allow."""
    count = len(games.length)

    @jax.jit
    def chunk(games: Recorded, which: Array) -> Array:
        actions, length = jnp.asarray(games.actions)[which], jnp.asarray(games.length)[which]

        def going(carry: tuple[PyTree, Array, Array]) -> Array:
            return carry[2].any()

        def move(carry: tuple[PyTree, Array, Array]) -> tuple[PyTree, Array, Array]:
            state, made, on = carry
            action = jnp.take_along_axis(actions, made[:, None], 1)[:, 0]
            legal = jnp.take_along_axis(jax.vmap(game.legal)(state), action[:, None], 1)[:, 0]
            moved = on & legal & ~jax.vmap(game.ended)(state)
            state = where(moved, jax.vmap(game.step)(state, action), state)
            made += moved
            return state, made, moved & (made < length)

        start = begin(games, which)
        return jax.lax.while_loop(going, move, (start, jnp.zeros_like(length), length > 0))[1]

    found = [chunk(games, jnp.arange(k, k + CHUNK) % count) for k in range(0, count, CHUNK)]
    return np.concatenate([np.asarray(part) for part in found])[:count]


def position_count(games: Recorded) -> Array:
    """Number of positions in which a player chose a move."""
    return jnp.sum(jnp.asarray(games.length) - jnp.asarray(games.first))
