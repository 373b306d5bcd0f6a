"""Sets of cells as bits, for games whose men move along lines: shifts by steps, rays, and what they meet.

``Bits`` are W arrays of uint32 of the same shape, the first with the cells 0 to 31. Cells count from the corner at the
bottom left of the player to move, row by row. A *step* is (rows up, columns to the right); arrays over steps have the
steps as their last axis, and the steps of a ray come in eight, clockwise from straight ahead (``COMPASS``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.games.rules import boards
from logpi.types import Array

WORD = 32
COMPASS = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
LINES, DIAGONALS = (0, 2, 4, 6), (1, 3, 5, 7)  # of the compass
Bits = tuple[Array, ...]
Steps = Sequence[tuple[int, int]]
Cells = NDArray[np.bool_]  # [..., cells]


class Grid:
    """A board's cells, and moves upon it; no move goes over a side."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns, self.cells = rows, columns, rows * columns
        self.words = -(-self.cells // WORD)
        self.all = self.bits(np.ones(self.cells, bool))
        self.none = self.bits(np.zeros(self.cells, bool))
        self._entered = self.reached(COMPASS)
        self._amounts = [self.amounts(COMPASS, k) for k in (1, 2, 4)]

    def bits(self, cells: Cells) -> Bits:
        """Constant sets [...] of ``cells`` [..., cells]."""
        padded = np.zeros((*cells.shape[:-1], self.words * WORD), np.uint32)
        padded[..., : self.cells] = cells
        words = padded.reshape(*cells.shape[:-1], self.words, WORD)
        values = (words << np.arange(WORD, dtype=np.uint32)).sum(-1).astype(np.uint32)
        return tuple(jnp.asarray(values[..., w]) for w in range(self.words))

    def cells_of(self, bits: Bits) -> Array:
        """[..., cells] bool, the contrary of ``bits``."""
        words = boards.bits(jnp.stack(bits, -1), WORD)
        return words.reshape(*words.shape[:-2], -1)[..., : self.cells]

    def cell(self, index: Array) -> Bits:
        """The set of one cell; of none for -1."""
        place = index.astype(jnp.uint32)  # -1 is far beyond every word
        one = jnp.uint32(1)
        return tuple(jnp.where(place // WORD == w, one << place % WORD, jnp.uint32(0)) for w in range(self.words))

    def amounts(self, steps: Steps, times: int = 1) -> NDArray[np.int64]:
        """How far the cells are, in numbers of cells, that ``times`` ``steps`` lead to."""
        return np.array([(up * self.columns + right) * times for up, right in steps])

    def reached(self, steps: Steps, times: int = 1) -> Bits:
        """[steps] The cells that can be entered by ``times`` of each step."""
        return self._on_board([(-up, -right) for up, right in steps], times)

    def leaving(self, steps: Steps, times: int = 1) -> Bits:
        """[steps] The cells from which ``times`` of each step stay on the board."""
        return self._on_board(steps, times)

    def _on_board(self, steps: Steps, times: int) -> Bits:
        row, column = np.divmod(np.arange(self.cells), self.columns)
        on = [
            (row + up * times >= 0)
            & (row + up * times < self.rows)
            & (column + right * times >= 0)
            & (column + right * times < self.columns)
            for up, right in steps
        ]
        return self.bits(np.array(on))

    def attacks(self, sliders: Bits, empty: Bits) -> Bits:
        """[8] The cells that ``sliders`` [8] or [] see along the compass, through ``empty``, the first man included."""
        return meet(self._entered, moved(self.rays(sliders, empty), self._amounts[0]))

    def rays(self, start: Bits, empty: Bits) -> Bits:
        """[8] ``start``, and the empty cells next to it along the compass: at most seven, by doubling."""
        run, free = start, meet(empty, self._entered)
        for k, amounts in enumerate(self._amounts):
            run = join(run, meet(free, moved(run, amounts)))
            if k < len(self._amounts) - 1:
                free = meet(free, moved(free, amounts))
        return run

    def neighbours(self, men: Bits, steps: Steps) -> Bits:
        """[steps] The cells one step from ``men``."""
        return meet(self.reached(steps), moved(men, self.amounts(steps)))


def moved(bits: Bits, by: NDArray[np.int64]) -> Bits:
    """Every cell of ``bits`` moved by a number of cells, up or down: a constant for each step [steps]."""
    return tuple(
        _any([part for j, word in enumerate(bits) for part in _parts(word, by - WORD * (i - j))], word_of(bits, by))
        for i in range(len(bits))
    )


def word_of(bits: Bits, by: NDArray[np.int64]) -> Array:
    """Zeros in the shape of a word moved ``by``."""
    return jnp.zeros(jnp.broadcast_shapes(bits[0].shape, by.shape), jnp.uint32)


def _parts(word: Array, by: NDArray[np.int64]) -> list[Array]:
    """What of ``word`` lies in another word that is ``by`` bits away: shifted up where that is positive, else down."""
    by = by.reshape((1,) * max(word.ndim - 1, 0) + by.shape)
    up, down = np.where((by >= 0) & (by < WORD), by, WORD), np.where((by < 0) & (by > -WORD), -by, WORD)
    found = []
    if (up < WORD).any():
        found.append(word << jnp.asarray(up, jnp.uint32))  # a shift by a whole word leaves 0
    if (down < WORD).any():
        found.append(word >> jnp.asarray(down, jnp.uint32))
    return found


def _any(parts: list[Array], nothing: Array) -> Array:
    if not parts:
        return nothing
    found = parts[0]
    for part in parts[1:]:
        found = found | part
    return found


def meet(a: Bits, *others: Bits) -> Bits:
    """The cells in all of the sets."""
    for b in others:
        a = tuple(x & y for x, y in _pairs(a, b))
    return a


def join(a: Bits, *others: Bits) -> Bits:
    """The cells in any of the sets."""
    for b in others:
        a = tuple(x | y for x, y in _pairs(a, b))
    return a


def without(a: Bits, b: Bits) -> Bits:
    """The cells of ``a`` that are not in ``b``."""
    return tuple(x & ~y for x, y in _pairs(a, b))


def where(condition: Array, a: Bits, b: Bits) -> Bits:
    """``a`` where the condition holds, else ``b``."""
    return tuple(jnp.where(condition, x, y) for x, y in _pairs(a, b))


def _pairs(a: Bits, b: Bits) -> Iterator[tuple[Array, Array]]:
    """Word by word; one with fewer axes gets as many in front as the other has, unless it is a single set."""
    for x, y in zip(a, b, strict=True):
        n = max(x.ndim, y.ndim)
        yield tuple(z if z.ndim in (0, n) else z.reshape((1,) * (n - z.ndim) + z.shape) for z in (x, y))  # type: ignore[misc]


def union(bits: Bits) -> Bits:
    """The union over the last axis."""
    return tuple(jnp.bitwise_or.reduce(x, axis=-1) for x in bits)


def pick(bits: Bits, index: int | Sequence[int] | NDArray[np.int_]) -> Bits:
    """The entries ``index`` of the last axis."""
    return tuple(x[..., np.asarray(index)] for x in bits)


def some(bits: Bits) -> Array:
    """[...] bool: whether there is a cell."""
    found = bits[0]
    for word in bits[1:]:
        found = found | word
    return jnp.not_equal(found, 0)


def count(bits: Bits) -> Array:
    """[...] int32: how many cells there are."""
    words = [jnp.bitwise_count(word).astype(jnp.int32) for word in bits]
    return sum(words[1:], words[0])


def mixed(words: Sequence[Array], seed: Array) -> Array:
    """A hash of ``words`` [] uint32, in the shape of ``seed`` uint32: MurmurHash3 without the length (Appleby 2011)."""
    h = seed
    for word in words:
        k = word * np.uint32(0xCC9E2D51)
        k = (k << np.uint32(15) | k >> np.uint32(17)) * np.uint32(0x1B873593)
        h = h ^ k
        h = (h << np.uint32(13) | h >> np.uint32(19)) * np.uint32(5) + np.uint32(0xE6546B64)
    h = (h ^ h >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    h = (h ^ h >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    return h ^ h >> np.uint32(16)
