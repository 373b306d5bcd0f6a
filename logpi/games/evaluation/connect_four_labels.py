"""Move accuracy in Connect Four: the fraction of moves that keep the game's value, on positions labelled by a solver.

Two sets, disjoint also under reflection: recipes are chosen on ``validation``, figures are reported on ``test``.
`bench/connect_four_positions.py` makes both; `logpi/games/files/ATTRIBUTION.md` describes them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from logpi.errors import LogpiError
from logpi.tasks import Facts

FILES = Path(__file__).parents[1] / "files"
NAMES = {"test": "connect-four.npz", "validation": "connect-four-validation.npz"}
PLIES = ((2, 7), (8, 13), (14, 19), (20, 25), (26, 31))  # groups, each of six numbers of stones on the board
ILLEGAL = -128  # the score of a full column
Mask = NDArray[np.bool_]
Column = NDArray[Any]  # [n] of truth values, numbers or fractions


class Labelled(NamedTuple):
    """N positions of ``make_game("connect-four")``, none of them ended, as one batch of states."""

    state: NDArray[np.uint8]  # [N, 2, 7]
    score: NDArray[np.int8]  # [N, 7] of each column, as the solver of logpi.arena gives it; ILLEGAL where it is full
    ply: NDArray[np.uint8]  # [N] stones on the board

    @property
    def legal(self) -> Mask:
        """[N, 7]."""
        return self.score != ILLEGAL

    @property
    def keeping(self) -> Mask:
        """[N, 7]: after this move the mover still wins, draws or loses as after the best one."""
        values = np.where(self.legal, np.sign(self.score), np.int8(ILLEGAL))
        return values == values.max(1, keepdims=True)

    @property
    def best(self) -> Mask:
        """[N, 7]: a fastest win, a draw or a longest loss."""
        return self.score == self.score.max(1, keepdims=True)

    @property
    def decision(self) -> Mask:
        """[N]: the choice matters, because legal moves differ in value."""
        return np.any(self.legal & ~self.keeping, axis=1)


def labelled(which: Literal["test", "validation"]) -> Labelled:
    """One of the two sets that ship with logpi.

    Raises:
        LogpiError: the file is missing or damaged.
    """
    path = FILES / NAMES[which]
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Labelled(*(arrays[field] for field in Labelled._fields))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        step = "install logpi again: pip install --force-reinstall --no-deps logpi"
        raise LogpiError(f"{path} cannot be read ({error}); {step}") from error


def agreement(actions: ArrayLike, positions: Labelled) -> Facts:
    """The share of good moves, with a 95 % interval each (Wilson 1927), as JSON-able numbers.

    Args:
        actions: [N] integers, the column (0 to 6) chosen in each position.
        positions: N of them.

    Returns:
        ``share``, ``low``, ``high`` and ``n`` under each of ``decision`` (value kept where the choice matters), ``all``
        (value kept), ``best`` (a fastest win, a draw or a longest loss, in all positions), and the groups of
        ``by_ply`` (as ``decision``, by stones on the board; a group without such positions is left out).

    Raises:
        LogpiError: not one integer for each position, a column that is full or not there, or no position where the
            choice matters.
    """
    chosen = _checked(np.asarray(actions), positions)
    rows = np.arange(len(chosen))
    return _grouped(positions, positions.keeping[rows, chosen], positions.best[rows, chosen], _share)


def shares_kept(kept: Column, ply: Column) -> Facts:
    """``decision`` and ``by_ply`` of `agreement`, for positions where the choice matters.

    Args:
        kept: [N] 1 where the move kept the value.
        ply: [N] stones on the board.
    """
    return _decided(np.asarray(kept) > 0, ply, _share)


def random_agreement(positions: Labelled) -> Facts:
    """The exact expectation of ``share`` in `agreement` for moves that are uniformly random among the legal ones."""
    kept, best = (good.sum(1) / positions.legal.sum(1) for good in (positions.keeping, positions.best))
    return _grouped(positions, kept, best, lambda chances: float(chances.mean()))


def _checked(actions: Column, positions: Labelled) -> NDArray[np.int64]:
    count = len(positions.ply)
    if actions.shape != (count,) or not np.issubdtype(actions.dtype, np.integer):
        raise LogpiError(
            f"actions of shape {actions.shape} and type {actions.dtype}; wanted: integers of shape ({count},), a "
            "column 0 to 6 for each position"
        )
    if not positions.decision.any():
        raise LogpiError(f"the choice matters in none of the {count} positions; take more of them")
    inside = (actions >= 0) & (actions < positions.score.shape[1])
    allowed = inside & positions.legal[np.arange(count), np.where(inside, actions, 0)]
    if not allowed.all():
        at = int(np.argmin(allowed))
        columns = np.flatnonzero(positions.legal[at]).tolist()
        raise LogpiError(f"action {actions[at]} in position {at} is illegal; allowed there: {columns}")
    return actions.astype(np.int64)


def _grouped(
    positions: Labelled,
    kept: Column,
    best: Column,
    share: Callable[[Column], object],
) -> Facts:
    where = positions.decision
    return {"all": share(kept), "best": share(best), **_decided(kept[where], positions.ply[where], share)}


def _decided(kept: Column, ply: Column, share: Callable[[Column], object]) -> Facts:
    groups = {f"{low}-{high}": kept[(low <= ply) & (ply <= high)] for low, high in PLIES}
    return {"decision": share(kept), "by_ply": {name: share(group) for name, group in groups.items() if len(group)}}


def _share(good: Mask) -> dict[str, float]:
    found, n = int(good.sum()), len(good)
    interval = stats.binomtest(found, n).proportion_ci(method="wilson")
    return {"share": found / n, "low": float(interval.low), "high": float(interval.high), "n": n}
