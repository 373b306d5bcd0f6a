"""``logpi play``: a board game against an agent in the terminal."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from logpi.cli.options import SEEDS, within
from logpi.cli.output import warn
from logpi.errors import LogpiError

if TYPE_CHECKING:
    from logpi.arena.players.base import Player, Position
    from logpi.games.rules.game import Game

SEARCHED = 400  # simulations of plain MCTS by default
GAME = "Board game, a name of `logpi envs` such as connect-four, chess, hex-NxN or go-NxN, or path/file.py:NAME"


def play(argv: list[str]) -> int:
    """Play a board game against an agent."""

    def options(
        game: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=GAME, metavar="GAME")],
        agent: str = "",
        side: Literal["first", "second", "both", "none"] = "first",
        simulations: int | None = None,
        save: str = "",
        record: str = "",
        pause: float = 1.0,
        seed: int | None = None,
    ) -> Any:
        """Play a board game against an agent in the terminal, or watch it play itself; `help` lists the commands.

        Args:
            agent: Opponent, such as a run, mcts:N or random; by default the newest run of the game, else
                logpi's own agent, else plain MCTS
            side: Side that you play; none: the agent plays itself
            simulations: Number of search simulations per move of the agent, at least 1
            save: File to which the game is added at the end
            record: File whose last game is continued
            pause: Pause after each move with side none, in seconds, 0 to 3600
            seed: Seed of the agent's random choices, 0 to 2147483647; a new one each time by default
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
        warn(f"logpi: {known}")
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
    """(game, positions so far): those of the last game in the file ``record``, or the start.

    Raises:
        LogpiError: there is no such game or file, or the file holds another game.
    """
    from logpi.arena.players.base import opened
    from logpi.arena.replay import replay
    from logpi.games.records.files import game_of, read
    from logpi.games.records.record import Fault
    from logpi.games.rules.make import make_named

    game = make_named(name)
    if not record:
        return game, opened(game)
    faults: list[Fault] = []
    games = read(Path(record), game, faults.append)
    if not games:
        raise LogpiError(str(faults[0]) if faults else f"{record}: no game in it; leave --record to begin a new one")
    for fault in faults:
        warn(f"logpi: {fault} ({fault.cause})")
    last = games[-1]
    if last.game != game.id:
        raise LogpiError(f"{record} is of {last.game}, not {game.id}; give: logpi play {last.game} --record {record}")
    return game_of(last), tuple(replay(last))


def make_agent(game: Game, text: str, simulations: int | None, seed: int) -> Player:
    """The player that ``text`` names; by default the newest run of the game, else the agent that comes with logpi,
    else plain MCTS.

    Args:
        game: rules.
        text: a player in the syntax of ``make_player``, or "".
        simulations: number of search simulations per move, as after a colon in ``text``.
        seed: seed of the player's random choices.

    Raises:
        LogpiError: there is no such player.
    """
    from logpi.arena.players.make import KINDS, make_player
    from logpi.runs.lookup import find_runs
    from logpi.runs.shipped import shipped_folder

    if simulations is not None and ":" in text:
        raise LogpiError(f"--simulations {simulations} and --agent {text}: say it once, as in --agent mcts:400")
    if not text:
        runs = [str(info.path) for info in find_runs() if info.env == game.id]
        known = [*map(str, filter(None, [shipped_folder(game.id)])), *runs]
        text = known[-1] if known else "mcts" if "mcts" in KINDS else "random"
    if text == "mcts":
        simulations = SEARCHED if simulations is None else simulations
    return make_player(text if simulations is None else f"{text}:{simulations}", game, seed)
