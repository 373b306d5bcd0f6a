"""The folder of a tournament: its games, ``result.json`` and ``elo.png``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

from logpi.arena.report import Json, Report
from logpi.errors import LogpiError
from logpi.runs.files import atomic_write, disk_error, json_text

PARENT = "arena"  # of folders that get a number


def new_folder(game: str, out: str | Path = "") -> Path:
    """The folder ``out``, or the next free ``arena/GAME_n``.

    Raises:
        LogpiError: there is a result in it already, or the disk refuses.
    """
    path = Path(out)
    if not str(out):
        parent = Path(PARENT)
        taken = [re.fullmatch(rf"{re.escape(game)}_(\d+)", found.name) for found in parent.glob(f"{game}_*")]
        path = parent / f"{game}_{max((int(match[1]) for match in taken if match), default=0) + 1}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        full = [child.name for child in path.iterdir() if child.stem in ("games", "result")]
    except OSError as error:
        raise disk_error(path, error) from error
    if full:
        raise LogpiError(f"{path} has {full[0]} of an earlier arena; choose another folder")
    return path


def remove_if_empty(folder: Path) -> None:
    """Leave no folder behind where nothing was played."""
    with contextlib.suppress(OSError):
        folder.rmdir()
        if folder.parent == Path(PARENT):
            folder.parent.rmdir()


def save(folder: Path, title: str, found: Json, report: Report, order: Sequence[str] | None = None) -> None:
    """Write ``result.json`` and ``elo.png``.

    Args:
        folder: to write into.
        title: the game, over the picture.
        found: what ``result.json`` holds.
        report: what the picture shows.
        order: of the players in the picture; None: the strongest first.

    Raises:
        LogpiError: the disk refuses.
    """
    from logpi.view.elo import elo_chart

    players = report.players if order is None else sorted(report.players, key=lambda player: order.index(player.name))
    zero = f"{report.anchor} is 0" if report.anchor else "the mean is 0"
    elo_chart(
        [player.name for player in players],
        [player.elo for player in players],
        [player.interval for player in players],
        folder / "elo.png",
        f"{title}: {sum(match.games for match in report.matches):,} games",
        f"Elo, {zero}" + ("; a drawn game added for every two" if report.drawn_games_added else ""),
        connected=order is not None,
    )
    atomic_write(folder / "result.json", (json_text(found, indent=1) + "\n").encode())


def snapshots(run: str, count: int) -> list[str]:
    """Players ``NAME=FOLDER``: the agents of ``run`` as they were at its evaluations, first to last, evenly spread.

    Of several seeds they are the first one's.

    Raises:
        LogpiError: no such run, or fewer than two agents.
    """
    from logpi.runs.lookup import agents_in, open_run

    stages = sorted(stage for stage in open_run(run).stages.glob("*") if stage.name.isdecimal())
    found = [(stage.name, agents[0]) for stage in stages if (agents := agents_in(stage))]
    if len(found) < 2 or count < 2:
        raise LogpiError(
            f"{count} snapshots of {run}: it has {len(found)} agents; give at least 2 snapshots, of a run of "
            "self-play that has been evaluated twice"
        )
    some = min(count, len(found))
    chosen = [found[round(k * (len(found) - 1) / (some - 1))] for k in range(some)]
    return [f"{int(name) / 1000:g}k={folder}" for name, folder in chosen]
