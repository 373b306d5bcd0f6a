"""Records to learn from, and records that are held out to measure on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from logpi.errors import LogpiError
from logpi.games.records.folder import held_out, read_folder
from logpi.games.records.recorded import Recorded, position_count, recorded
from logpi.games.rules.game import Game
from logpi.types import PyTree


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


def read_examples(game: Game, folder: str, fraction: float) -> Read:
    """The records of ``game`` in ``folder``, a ``fraction`` of the games held out.

    Raises:
        LogpiError: no folder is given, it has no record of the game, or too few to hold some out.
    """
    if not folder:
        raise LogpiError(
            f"there are no records of {game.id} to learn from; give a folder of .sgf or .jsonl files, --records FOLDER "
            "(bench/expert_records.py makes some of Go, and `logpi arena` keeps all games that it plays)"
        )
    records, report = read_folder(Path(folder), game)
    out = [held_out(record, fraction) for record in records]
    parts = [[record for record, one in zip(records, out, strict=True) if one == side] for side in (False, True)]
    if not all(parts):
        raise LogpiError(f"{len(records):,} games, a fraction of {fraction:g} held out: too few; give more records")
    examples = Examples(*(recorded(game, part) for part in parts))
    held = f"{len(parts[1]):,} games with {int(position_count(examples.held_out)):,} moves are held out"
    text = "\n".join([*report.lines(), "", report.places()])
    return Read(examples, fingerprint(examples), [*report.lines(), held], text)


def fingerprint(arrays: PyTree) -> str:
    """SHA-256 of a tree of arrays."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(arrays):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
