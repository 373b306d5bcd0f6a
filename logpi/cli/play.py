"""``logpi play``: a game against an agent at the terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from logpi.cli.options import SEEDS, within
from logpi.errors import LogpiError

if TYPE_CHECKING:
    from logpi.arena.players.base import Player, Position
    from logpi.games.rules.game import Game

SEARCHED = 400  # simulations, where nothing else is asked for


def play(argv: list[str]) -> int:
    """Play a board game against an agent."""

    def options(
        game: Annotated[
            tyro.conf.Positional[str],
            tyro.conf.arg(help="tic-tac-toe, connect-four, othello, hex-NxN or go-NxN", metavar="GAME"),
        ],
        agent: str = "",
        side: Literal["first", "second", "both", "none"] = "first",
        simulations: int | None = None,
        save: str = "",
        record: str = "",
        pause: float = 1.0,
        seed: int | None = None,
    ) -> Any:
        """Play a board game against an agent in the terminal, or watch it play itself; in the game, type help.

        Args:
            agent: who plays against you, such as a run's folder, mcts:N or random; by default the newest run of this
                game in runs/, else plain MCTS
            side: yours; none to watch
            simulations: of the agent's search, before each of its moves
            save: add the game to this file when you leave
            record: start from the last game in this file
            pause: seconds between moves, when you watch
            seed: of the agent's random choices; another one each time by default
        """
        return game, agent, side, simulations, save, record, pause, seed

    name, agent, side, simulations, save, record, pause, seed = tyro.cli(options, args=argv, prog="logpi play")
    within("--seed", 0 if seed is None else seed, *SEEDS)
    within("--pause", pause, 0, 3600)
    from rich.console import Console

    from logpi.arena.players.base import begin
    from logpi.arena.terminal.console import InteractiveGame
    from logpi.arena.terminal.screen import Screen, busy, display_of
    from logpi.arena.terminal.session import Session, make_table
    from logpi.driver import devices
    from logpi.games.task import remark

    devices.prepare()
    if known := remark(name):
        print(f"logpi: {known}", file=sys.stderr)
    console = Console(highlight=False)
    game, positions = begin_from(record, name)
    with contextlib.ExitStack() as stack:
        with busy(console, f"compiling {game.title} …"):
            player = make_agent(game, agent, simulations, time.time_ns() % 2**31 if seed is None else seed)
            stack.callback(player.close)
            table = make_table(game, player.name, display_of(console))
            player.choose([begin(game)])
        return InteractiveGame(table, Session(positions, side), player, Screen(table, console), pause, save).run()


def begin_from(record: str, name: str) -> tuple[Game, tuple[Position, ...]]:
    """The game, and its positions so far: those of the last game in the file ``record``, if one is given.

    Raises:
        LogpiError: no such game or file, or the file is of another game.
    """
    from logpi.arena.players.base import begin
    from logpi.arena.records import game_of, read, replay
    from logpi.games.rules.make import make_game

    game = make_game(name)
    if not record:
        return game, (begin(game),)
    games = read(Path(record), game)
    if not games:
        raise LogpiError(f"{record}: no game in it; leave --record to begin from the empty board")
    last = games[-1]
    if last.game != game.id:
        raise LogpiError(f"{record} is of {last.game}, not {game.id}; give: logpi play {last.game} --record {record}")
    return game_of(last), tuple(replay(last))


def make_agent(game: Game, text: str, simulations: int | None, seed: int) -> Player:
    """The player that ``text`` names, or the best there is: the newest run of the game, else a plain search.

    Args:
        game: what it is to play.
        text: as ``make_player`` takes it, or nothing.
        simulations: what is to stand after the colon.
        seed: of its random choices.

    Raises:
        LogpiError: there is no such player.
    """
    from logpi.arena.players.make import KINDS, make_player
    from logpi.runs.lookup import find_runs

    if simulations is not None and ":" in text:
        raise LogpiError(f"--simulations {simulations} and --agent {text}: say it once, as in --agent mcts:400")
    if not text:
        runs = [str(info.path) for info in find_runs() if info.env == game.id]
        text = runs[-1] if runs else "mcts" if "mcts" in KINDS else "random"
    if text == "mcts":
        simulations = SEARCHED if simulations is None else simulations
    return make_player(text if simulations is None else f"{text}:{simulations}", game, seed)
