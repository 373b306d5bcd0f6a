"""Games in files: SGF, PGN, KIF, CSA, lines of SFEN, and lines of JSON for every game.

A file of many games grows by one game at a time; KIF has one game a file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from logpi.errors import LogpiError
from logpi.games.records import forms
from logpi.games.records.record import Record, Tell, refuse
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.runs.files import AppendFile, without_waiting

MOST = 1 << 28  # bytes of a file of games


def suffix(game: Game) -> str:
    """``.sgf``, ``.pgn`` or ``.jsonl``: how records of this game are written."""
    return forms.usual(game).suffixes[0]


def game_of(record: Record, wanted: Game | None = None) -> Game:
    """Its rules, from the position that it began with; ``wanted`` are its game's, where they are there already."""
    game = wanted if wanted is not None and wanted.id == record.game else make_game(record.game)
    komi, notation = game.protocols.komi, game.notation
    if record.komi is not None and komi is not None:
        return komi.game(record.komi)
    if record.start and notation is not None:
        state = notation.start(record.start)
        return game._replace(init=lambda: state)
    return game


def dumps(record: Record, form: str = "") -> str:
    """The record as text, with the line break at its end.

    Args:
        record: to write.
        form: the suffix of a format, such as ".kif"; "" the usual one of the game.

    Raises:
        LogpiError: the format does not know this game.
    """
    game = make_game(record.game)
    return forms.chosen(game, form).write(record, game)


def append(path: Path, record: Record) -> None:
    """Add a record to a file in the format of its suffix, else in the game's usual one; it is made if there is none.

    Raises:
        LogpiError: the format does not know this game, or the disk refuses.
    """
    form = forms.chosen(make_game(record.game), path.suffix)
    text = dumps(record, path.suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = AppendFile(path)
    try:
        file.append(text.encode(form.encoding, "replace"))
    finally:
        file.close()


def read(path: Path, wanted: Game | None = None, tell: Tell = refuse) -> list[Record]:
    """All records of a file, as ``located`` without their places."""
    return [record for _, record in located(path, wanted, tell)]


def located(path: Path, wanted: Game | None = None, tell: Tell = refuse) -> list[tuple[str, Record]]:
    """All records of a file, each with its place there.

    Moves are read by name, which does not make them legal (but in PGN, whose names mean nothing without the rules).

    Args:
        path: a file of games, of a suffix in any case; of another suffix what its beginning says.
        wanted: the game where a header does not say it legibly. If it is one from ``path/file.py:name``, its records
            may be read: no record makes another file run.
        tell: told of everything that is not read, and where; by default the first such fault is an error.

    Raises:
        LogpiError: no such file, or one of over 256 MiB; and as ``tell``.
    """
    data = content(path)
    return list(forms.form_of(path.suffix, data).read(data, str(path), wanted, tell))


def content(path: Path) -> bytes:
    """What is in a file of games.

    Raises:
        LogpiError: no such file, or one of over 256 MiB.
    """
    allowed = f"give a file of games, {', '.join(forms.suffixes())}"
    try:
        with open(path, "rb", opener=without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise LogpiError(f"cannot read {path}: not a regular file; {allowed}")
            if found.st_size > MOST:
                raise LogpiError(f"cannot read {path}: it has {found.st_size:,} bytes, more than {MOST:,}; split it")
            return file.read()
    except OSError as error:
        raise LogpiError(f"cannot read {path}: {error.strerror}; {allowed}") from error


def parsed(text: str, wanted: Game | None = None, tell: Tell = refuse) -> list[Record]:
    """All records in the text of a file of games; the other arguments, and errors, as of ``located``."""
    data = text.encode()
    return [record for _, record in forms.form_of("", data).read(data, "the record", wanted, tell)]
