"""Records to learn from, and records that are held out to measure on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import jax
import numpy as np

from logpi.errors import LogpiError
from logpi.games.records.folder import held_out, read_folder
from logpi.games.records.record import Record
from logpi.games.records.recorded import Recorded, position_count, recorded
from logpi.games.rules.game import Game
from logpi.types import PyTree

Choose: TypeAlias = Callable[[Record], Record | None]


class Examples(NamedTuple):
    """Games to learn from, and games to measure the policy on."""

    training: Recorded
    held_out: Recorded


class Read(NamedTuple):
    """What a folder of records has given."""

    examples: Examples
    fingerprint: str  # of the games
    notes: list[str]  # what was used, and what was not and why
    report: str  # the same with the place of every fault


def every_move(record: Record) -> Record | None:
    """All positions of a record in which a player chose a move."""
    return record


def read_examples(game: Game, folder: str, fraction: float, choose: Choose = every_move) -> Read:
    """The records of ``game`` in ``folder``, a ``fraction`` of the games held out.

    Args:
        game: the rules.
        folder: of the records.
        fraction: of the games.
        choose: the part of a record that is used; None: nothing of it is.

    Raises:
        LogpiError: no folder is given, it has no record of the game, or too few to hold some out.
    """
    if not folder:
        raise LogpiError(
            f"there are no records of {game.id} to learn from; give a folder of files of games, --records FOLDER "
            "(bench/expert_records.py makes some of Go, and `logpi arena` keeps all games that it plays)"
        )
    records, report = read_folder(Path(folder), game)
    parts: tuple[list[Record], list[Record]] = [], []
    for record in records:
        if (part := choose(record)) is not None:
            parts[held_out(record, fraction)].append(part)
    if not all(parts):
        raise LogpiError(
            f"{len(records):,} games: {len(parts[0]):,} to learn from and {len(parts[1]):,} held out, a fraction of "
            f"{fraction:g}; at least 1 of each is needed: give more records, or another fraction (held_out)"
        )
    examples = Examples(*(recorded(game, part) for part in parts))
    counts = [f"{len(games.length):,} games with {int(position_count(games)):,} positions" for games in examples]
    notes = [*report.lines(), f"{counts[0]} are learnt from, {counts[1]} are held out"]
    return Read(examples, fingerprint(examples), notes, "\n".join([*notes, "", report.places()]))


def fingerprint(arrays: PyTree) -> str:
    """SHA-256 of a tree of arrays."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(arrays):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
