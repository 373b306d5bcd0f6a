"""Parts that several boards share: symmetries as permutations, names of cells, bits as cells."""

from __future__ import annotations

import re

import jax.numpy as jnp
import numpy as np

from logpi.errors import LogpiError
from logpi.games.rules.game import Permutations
from logpi.types import Array


def mirror(rows: int, columns: int) -> Permutations:
    """[2, rows * columns] int32: the board as it is, and with left and right exchanged."""
    board = _numbered(rows, columns)
    return _stacked([board, board[:, ::-1]])


def half_turn(rows: int, columns: int) -> Permutations:
    """[2, rows * columns] int32: the board as it is, and turned by 180 degrees."""
    board = _numbered(rows, columns)
    return _stacked([board, board[::-1, ::-1]])


def square(size: int) -> Permutations:
    """[8, size * size] int32: the turns and reflections of a square board, the identity first."""
    board = _numbered(size, size)
    turns = [np.rot90(board, k) for k in range(4)]
    return _stacked([*turns, *(turn.T for turn in turns)])


def with_pass(symmetries: Permutations) -> Permutations:
    """[S, cells + 1] int32: the same for actions that are the cells and, last, a pass, which stays where it is."""
    cells = symmetries.shape[1]
    return np.pad(symmetries, ((0, 0), (0, 1)), constant_values=cells)


def cell_name(index: int, columns: int) -> str:
    """``a1`` is the top left cell; letters count columns to the right, numbers count rows downwards."""
    row, column = divmod(index, columns)
    return f"{chr(ord('a') + column)}{row + 1}"


def parse_cell(text: str, rows: int, columns: int) -> int | None:
    """The index of the cell called ``text`` in either case, or None where there is none."""
    found = re.fullmatch(r"([a-z])([1-9][0-9]?)", text.strip().lower(), re.ASCII)
    if found is None:
        return None
    column, row = ord(found[1]) - ord("a"), int(found[2]) - 1
    return row * columns + column if row < rows and column < columns else None


def no_action(text: str, game: str, allowed: str) -> LogpiError:
    """The error for what names no action."""
    return LogpiError(f"{text!r} is not a move of {game}; allowed: {allowed}")


def last_cell(rows: int, columns: int) -> str:
    """The name of the bottom right cell."""
    return cell_name(rows * columns - 1, columns)


def bits(words: Array, count: int) -> Array:
    """[..., count] bool of unsigned [...]: the lowest ``count`` bits of each word, the lowest first."""
    places = jnp.arange(count, dtype=words.dtype).reshape((1,) * words.ndim + (count,))
    return jnp.not_equal(words[..., None] >> places & 1, 0)


def players(stones: Array, first: Array) -> Array:
    """[...] int8: 0 empty, 1 the first player's, 2 the second's, of bool [2, ...]: the mover's and the other's."""
    mine, theirs = stones
    return jnp.where(mine, jnp.where(first, 1, 2), jnp.where(theirs, jnp.where(first, 2, 1), 0)).astype(jnp.int8)


def _numbered(rows: int, columns: int) -> Permutations:
    return np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)


def _stacked(boards: list[Permutations]) -> Permutations:
    return np.stack([board.ravel() for board in boards])
