"""``logpi check-game``: test of the rules of a user's board game."""

from __future__ import annotations

from typing import Annotated

import tyro

from logpi.cli.check_env import tell
from logpi.cli.options import NO_OFF, SEEDS, Json, within

GAME = "Board game: path/file.py:NAME, or a name of `logpi envs`"


def check_game(argv: list[str]) -> int:
    """Test the rules of a board game."""

    def options(
        game: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=GAME, metavar="GAME")],
        games: int = 64,
        seed: int = 0,
        json: Json = False,
    ) -> tuple[str, int, int, bool]:
        """Test the rules of a board game in random games and say what to fix.

        Args:
            games: Number of random games, 1 to 100,000; fewer are played if they are long
            seed: Seed of the random moves, 0 to 2147483647
        """
        return game, games, seed, json

    name, games, seed, json = tyro.cli(options, args=argv, prog="logpi check-game", config=NO_OFF)
    within("--games", games, 1, 100_000)
    within("--seed", seed, *SEEDS)
    from logpi.driver import devices
    from logpi.games.rules.check import check_game as check

    devices.prepare()
    report = check(name, games=games, seed=seed)
    return tell(report, f"{report.moves_per_second:,.0f} random moves/s", json)
