"""``logpi arena``."""

from __future__ import annotations

import contextlib
import json as jsonlib
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from logpi.cli.validation import SEEDS, within
from logpi.errors import LogpiError

if TYPE_CHECKING:
    from logpi.arena.players.base import Player
    from logpi.arena.tournament import Duel, Settings
    from logpi.games.rules.game import Game


def arena(argv: list[str]) -> int:
    """Play matches and measure strength."""

    def options(
        game: Annotated[
            tyro.conf.Positional[str], tyro.conf.arg(help="such as connect-four, othello or go-9x9", metavar="GAME")
        ],
        players: Annotated[
            tyro.conf.Positional[tuple[str, ...]],
            tyro.conf.arg(
                help="two or more, each as KIND or NAME=KIND; a wrong one tells what there is", metavar="PLAYER"
            ),
        ],
        games: int = 100,
        openings: int = 4,
        seed: int = 0,
        sprt: Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="ELO0 ELO1")] = None,
        alpha: float = 0.05,
        beta: float = 0.05,
        anchor: str = "",
        ladder: Annotated[str, tyro.conf.arg(metavar="RUN")] = "",
        rungs: int = 8,
        seconds: float = 60.0,
        together: int = 128,
        out: str = "",
        quiet: bool = False,
        json: bool = False,
    ) -> Any:
        """Play every two of the players against each other, each opening with both colours, and rate them.

        Args:
            games: of every two players, an even number
            openings: random moves that begin each game
            seed: of the openings, and of players that are random
            sprt: end a match as soon as a sequential test is decided between these two Elo differences
            alpha: how often the test may accept ELO1 wrongly
            beta: how often it may accept ELO0 wrongly
            anchor: the player whose Elo is 0; else the mean is
            ladder: the run whose agents, as they were at its evaluations, play before the other players
            rungs: how many of them; each meets the two before it and the two behind it
            seconds: that an external engine may take for one answer
            together: games of a match that are played side by side
            out: the folder of the result; else a new one in arena/
            quiet: show no progress
            json: print a JSON object
        """
        limits = (anchor, ladder, rungs, seconds, together, out)
        return game, players, games, openings, seed, sprt, (alpha, beta), *limits, quiet, json

    name, texts, games, plies, seed, elos, errors, anchor, run, rungs, seconds, together, out, quiet, as_json = (
        tyro.cli(options, args=argv, prog="logpi arena", config=(tyro.conf.FlagCreatePairsOff,))
    )
    within("--seed", seed, *SEEDS)
    within("--openings", plies, 0, 1000)
    from logpi.arena.players.make import make_player
    from logpi.arena.tournament import SequentialTest, Settings, report
    from logpi.cli.known_issues import tell
    from logpi.driver import devices
    from logpi.games.rules.make import make_game
    from logpi.view.matches import show

    devices.prepare()
    tell(name)
    game = make_game(name)
    test = SequentialTest(*elos, *errors) if elos else None
    texts, reach = (*stages(run, rungs), *texts), 2 if run else 0
    with contextlib.ExitStack() as closing:
        players = []
        for number, text in enumerate(texts):
            players.append(make_player(text, game, (seed + number) % (SEEDS[1] + 1), seconds))
            closing.callback(players[-1].close)
        names = [player.name for player in players]
        if anchor and anchor not in names:
            raise LogpiError(f"the anchor {anchor!r} does not play; allowed: {', '.join(names)}")
        folder = new_folder(out, game.id)
        closing.callback(remove_if_empty, folder)
        duels = play(game, players, Settings(games, plies, seed, together, test), folder, quiet, reach)
    found = {
        "game": game.id,
        "openings": plies,
        "seed": seed,
        **report(names, duels, names.index(anchor) if anchor else None, test),
        "folder": str(folder),
    }
    save(found, folder, names if run else None)
    if as_json:
        print(jsonlib.dumps(found))
        return 0
    show(found)
    print(f"games, result and ladder: {folder}")
    return 0


def stages(run: str, rungs: int) -> list[str]:
    """Players: agents of ``run`` as they were, at most ``rungs``, evenly spread from the first to the last."""
    if not run:
        return []
    from logpi.runs.folder import open_run

    found = sorted(folder for folder in open_run(run).stages.glob("*") if (folder / "agent.json").exists())
    if len(found) < 2 or rungs < 2:
        raise LogpiError(
            f"--ladder {run} --rungs {rungs}: it has {len(found)} agents; give 2 rungs at least, of a run of self-play "
            "that has been evaluated twice"
        )
    count = min(rungs, len(found))
    some = [found[round(k * (len(found) - 1) / (count - 1))] for k in range(count)]
    return [f"{int(folder.name) / 1000:g}k={folder}" for folder in some]


def play(
    game: Game, players: Sequence[Player], settings: Settings, folder: Path, quiet: bool, reach: int = 0
) -> list[Duel]:
    """Play it all, showing progress and saving every game as it ends."""
    from logpi.arena.match import Result
    from logpi.arena.record import Record
    from logpi.arena.records import append, suffix
    from logpi.arena.tournament import pairings, play_all
    from logpi.view.matches import Progress, watching

    path = folder / f"games{suffix(game)}"
    total = settings.games * len(pairings(len(players), reach))
    with watching(Progress(total, game.longest), game.id, quiet) as watcher:

        def on_game(a: int, b: int, result: Result) -> None:
            first, second = (players[k].name for k in ((a, b) if result.first == 0 else (b, a)))
            today = date.today().isoformat()
            fields = (result.actions, result.outcome, result.plies, result.reason, result.note, today)
            append(path, Record(game.id, (first, second), *fields))
            watcher.progress.game(len(result.actions) - result.plies)
            watcher.changed()

        def on_turn(moves: int) -> None:
            watcher.progress.moves += moves
            watcher.changed()

        try:
            return play_all(game, players, settings, on_game, on_turn, reach)
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(f"the games that were over are in {path}") from interrupt


def save(found: dict[str, Any], folder: Path, order: Sequence[str] | None = None) -> None:
    """``result.json`` and ``ladder.png``; in this ``order`` where there is one, else the strongest first."""
    from logpi.runs.files import atomic_write
    from logpi.view.ladder import ladder

    players = found["players"]
    if order:
        players = sorted(players, key=lambda player: order.index(player["name"]))
    ladder(
        [player["name"] for player in players],
        [player["elo"] for player in players],
        [player["interval"] for player in players],
        folder / "ladder.png",
        f"{found['game']}: {sum(match['games'] for match in found['matches']):,} games",
        "Elo, "
        + (f"{found['anchor']} is 0" if found["anchor"] else "the mean is 0")
        + ("; a drawn game added for every two" if found["drawn_games_added"] else ""),
        connected=order is not None,
    )
    atomic_write(folder / "result.json", (jsonlib.dumps(found, indent=1) + "\n").encode())


def remove_if_empty(folder: Path) -> None:
    """Leave no folder behind where nothing was played."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def new_folder(out: str, game: str) -> Path:
    """``out``, or the next free ``arena/GAME_n``.

    Raises:
        LogpiError: there is a result in it already, or the disk refuses.
    """
    from logpi.runs.files import disk_error

    path = Path(out)
    if not out:
        parent = Path("arena")
        taken = [re.fullmatch(rf"{game}_(\d+)", found.name) for found in parent.glob(f"{game}_*")]
        path = parent / f"{game}_{max((int(match[1]) for match in taken if match), default=0) + 1}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        full = [child.name for child in path.iterdir() if child.stem in ("games", "result")]
    except OSError as error:
        raise disk_error(path, error) from error
    if full:
        raise LogpiError(f"{path} has {full[0]} of an earlier arena; choose another --out")
    return path
