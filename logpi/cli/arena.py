"""``logpi arena``: matches and tournaments between players of a board game."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Annotated

import tyro

from logpi.cli.options import SEEDS, within
from logpi.cli.output import say, say_json, warn

if TYPE_CHECKING:
    from logpi.view.matches import Watcher

Game = Annotated[
    tyro.conf.Positional[str],
    tyro.conf.arg(help="Board game, such as connect-four, go-9x9 or path/file.py:NAME", metavar="GAME"),
]
Players = Annotated[
    tyro.conf.Positional[tuple[str, ...]],
    tyro.conf.arg(
        help="Players, two or more, each KIND or NAME=KIND; an unknown kind lists the valid ones", metavar="PLAYER"
    ),
]
Sprt = Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="ELO0 ELO1")]
Run = Annotated[str, tyro.conf.arg(metavar="RUN")]


@dataclasses.dataclass(frozen=True)
class Options:
    """Play a round-robin tournament, each opening with both colours, and rate the players in Elo."""

    game: Game
    players: Players
    games: int = 100  # Games per pair of players, an even number
    openings: int = 4  # Number of random opening plies of each game, 0 to 1000
    seed: int = 0  # Seed of the openings and of the players' random choices, 0 to 2147483647
    sprt: Sprt = None  # Sequential test (SPRT) between two Elo differences, which ends a match once decided
    alpha: float = 0.05  # False-positive rate of the SPRT (accepts ELO1 wrongly), 0 to 0.5
    beta: float = 0.05  # False-negative rate of the SPRT (accepts ELO0 wrongly), 0 to 0.5
    anchor: str = ""  # Name of the player whose Elo is 0; by default the mean is 0
    snapshots_of: Run = ""  # Run whose snapshots at its periodic evaluations play too, before the other players
    snapshots: int = 8  # Number of these snapshots, at least 2; each meets its two neighbours on either side
    seconds: float = 60.0  # Time limit of an external engine's answer, in seconds, 0.001 to 86,400
    parallel_games: int = 128  # Number of games of a match that are played in parallel, at least 1
    out: str = ""  # Output folder; by default a new one in arena/
    quiet: bool = False  # No progress display
    json: bool = False  # Output as a JSON object


def arena(argv: list[str]) -> int:
    """Play matches and measure strength."""
    asked = tyro.cli(Options, args=argv, prog="logpi arena", config=(tyro.conf.FlagCreatePairsOff,))
    within("--seed", asked.seed, *SEEDS)
    within("--openings", asked.openings, 0, 1000)
    within("--seconds", asked.seconds, 0.001, 86_400)
    from logpi.arena.api import play_tournament
    from logpi.arena.tournament import SequentialTest
    from logpi.driver import devices
    from logpi.games.task import remark
    from logpi.view.matches import show

    devices.prepare()
    if known := remark(asked.game):
        warn(f"logpi: {known}")
    with contextlib.ExitStack() as stack:
        found = play_tournament(
            asked.game,
            asked.players,
            games=asked.games,
            openings=asked.openings,
            seed=asked.seed,
            test=SequentialTest(*asked.sprt, asked.alpha, asked.beta) if asked.sprt else None,
            anchor=asked.anchor,
            snapshots_of=asked.snapshots_of,
            snapshots=asked.snapshots,
            seconds=asked.seconds,
            parallel_games=asked.parallel_games,
            out=asked.out,
            watcher=Shown(asked.game, asked.quiet, stack),
        )
    if asked.json:
        say_json(found.to_json())
        return 0
    show(found.to_json())
    say(f"games, result and chart: {found.folder}")
    return 0


class Shown:
    """Progress display of a tournament on standard error."""

    def __init__(self, title: str, quiet: bool, stack: contextlib.ExitStack) -> None:
        self._title, self._quiet, self._stack = title, quiet, stack
        self._display: Watcher | None = None

    def begin(self, games: int, longest: int) -> None:
        from logpi.view.matches import Progress, watching

        self._display = self._stack.enter_context(watching(Progress(games, longest), self._title, self._quiet))

    def game(self, moves: int) -> None:
        if self._display is not None:
            self._display.progress.game(moves)
            self._display.changed()

    def moved(self, moves: int) -> None:
        if self._display is not None:
            self._display.progress.moves += moves
            self._display.changed()
