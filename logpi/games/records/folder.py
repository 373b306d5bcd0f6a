"""Records of a game from a folder of files, as the world has them: what is used, and what is not and why."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from logpi.errors import LogpiError
from logpi.games.records.files import located
from logpi.games.records.forms import suffixes
from logpi.games.records.record import (
    AGAIN,
    ILLEGAL,
    NO_MOVES,
    NO_RECORDS,
    OTHER_GAME,
    UNREADABLE,
    Fault,
    Record,
    Tell,
)
from logpi.games.records.recorded import playable, recorded
from logpi.games.rules.game import Game

SAID = 200  # characters of a fault in a report


class Report(NamedTuple):
    """What became of the games in a folder."""

    files: int  # that were read
    games: int  # found in them
    used: int
    moves: int  # to learn from
    faults: list[Fault]  # of files, games and parts of games that are not used, in the order in which they were found

    def lines(self) -> list[str]:
        """One line for what is used and one for each cause, the most frequent first."""
        causes: dict[str, list[Fault]] = {}
        for fault in self.faults:
            causes.setdefault(fault.cause, []).append(fault)
        used = f"records: {self.used:,} of {self.games:,} games, {self.moves:,} moves (files: {self.files:,})"
        by_count = sorted(causes.items(), key=lambda item: -len(item[1]))
        return [used, *(f"  {len(found):,} × {cause} (first {found[0].where})" for cause, found in by_count)]

    def places(self) -> str:
        """Every fault with its place, one a line."""
        return "".join(f"{fault.cause}\t{str(fault)[:SAID]}\n" for fault in self.faults)


class Collection(NamedTuple):
    """The records of a game that can be learnt from, each game once; all their moves are legal."""

    records: list[Record]
    report: Report


def read_folder(folder: Path, game: Game) -> Collection:
    """The records of ``game`` in all files below ``folder``, or in one file.

    Of a game with a fault, the moves before it are used.

    Raises:
        LogpiError: there is no such folder, or no record of the game in it.
    """
    if not folder.exists():
        raise LogpiError(f"records {folder}: no such folder; give a folder of files of games")
    faults: list[Fault] = []
    files = list(_files(folder, faults.append))
    found = [one for path in files for one in _games(path, game, faults.append)]
    mine = [(where, record) for where, record in found if _is_of(where, record, game, faults.append)]
    usable = list(_usable(mine, game, faults.append)) if mine else []
    moves = sum(len(record.actions) - max(record.plies, record.setup) for record in usable)
    report = Report(len(files), len(found), len(usable), moves, faults)
    if not usable:
        raise LogpiError("\n".join([f"no record of {game.id} to learn from in {folder}", *report.lines()]))
    return Collection(usable, report)


def held_out(record: Record, fraction: float) -> bool:
    """Whether a game is one of the ``fraction`` that is not learnt from.

    Its moves alone decide: the same games are held out when others are added, or read in another order.
    """
    moves = np.asarray(record.actions, "<i4").tobytes()
    return int.from_bytes(hashlib.blake2b(moves, digest_size=6).digest(), "little") < fraction * 2**48


def _files(folder: Path, tell: Tell) -> Iterator[Path]:
    """The files of records, in the order of their names."""
    if not folder.is_dir():
        yield folder
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix.lower() in suffixes():
                yield path
            else:
                tell(Fault(str(path), NO_RECORDS, "not read"))


def _games(path: Path, game: Game, tell: Tell) -> list[tuple[str, Record]]:
    try:
        return located(path, game, tell)
    except LogpiError as error:
        tell(Fault(str(path), UNREADABLE, str(error)))
        return []


def _is_of(where: str, record: Record, game: Game, tell: Tell) -> bool:
    if record.game != game.id:
        tell(Fault(where, OTHER_GAME, f"a game of {record.game}"))
    return record.game == game.id


def _usable(found: list[tuple[str, Record]], game: Game, tell: Tell) -> Iterator[Record]:
    """Each game once, up to its first illegal move."""
    legal = playable(game, recorded(game, [record for _, record in found]))
    seen: set[tuple[object, ...]] = set()
    for (where, whole), count in zip(found, legal.tolist(), strict=True):
        record = whole._replace(actions=whole.actions[:count])
        if count < len(whole.actions):
            tell(Fault(where, ILLEGAL, f"move {count + 1 - whole.setup}, {game.name(whole.actions[count])}"))
        key = (record.komi, record.start, record.setup, record.actions)
        if count <= max(record.plies, record.setup):
            tell(Fault(where, NO_MOVES, f"{count} moves"))
        elif key in seen:
            tell(Fault(where, AGAIN, f"{count} moves"))
        else:
            seen.add(key)
            yield record
