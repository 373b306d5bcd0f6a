"""``list_players``: who can play a game here without anything being typed: agents, searches, solvers, engines."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from logpi.games.rules.game import Game
from logpi.runs.lookup import agents_in, find_runs
from logpi.runs.shipped import shipped_folder

GAMES_FOLDER = "/usr/games"  # where Debian puts engines, often not in PATH


class Offer(NamedTuple):
    """One player."""

    text: str  # as ``logpi.make_player`` takes it, without a number of simulations
    label: str  # for people
    searches: bool  # whether it takes a number of simulations behind a colon, and its search can be looked at


class _Other(NamedTuple):
    """A player other than an agent."""

    offer: Offer
    plays: Callable[[Game], bool] = lambda game: True
    is_here: Callable[[], bool] = lambda: True


def list_players(game: Game, root: str | Path = "runs") -> list[Offer]:
    """The players of ``game``: agents of runs below ``root``, the newest first, the agent that comes with logpi, plain
    search, random moves, and solvers and engines that are installed.

    Args:
        game: the rules.
        root: folder that holds the runs.
    """
    runs = [info for info in reversed(find_runs(root)) if info.env == game.id]
    agents = [
        Offer(str(info.path), f"{info.path.parent.name}/{info.path.name}", True)
        for info in runs
        if any(agents_in(info.path / part) for part in ("best", "last"))
    ]
    shipped = shipped_folder(game.id)
    if shipped is not None:
        agents.append(Offer(str(shipped), "logpi's own agent", True))
    return [*agents, *(other.offer for other in OTHERS if other.plays(game) and other.is_here())]


def _installed(program: str) -> Callable[[], bool]:
    return lambda: bool(shutil.which(program) or shutil.which(program, path=GAMES_FOLDER))


def _speaks(rules: str) -> Callable[[Game], bool]:
    return lambda game: game.protocols.gtp is not None and game.protocols.gtp.game == rules


OTHERS = (
    _Other(Offer("mcts", "plain Monte Carlo tree search", True)),
    _Other(
        Offer("solver", "perfect play (BitBully)", False),
        lambda game: game.protocols.bitbully,
        lambda: importlib.util.find_spec("bitbully") is not None,
    ),
    *(
        _Other(Offer(f"gnugo:{level}", f"GNU Go, level {level}", False), _speaks("go"), _installed("gnugo"))
        for level in (1, 10)
    ),
    *(
        _Other(Offer(f"rhino:{level}", f"GRhino, level {level}", False), _speaks("othello"), _installed("gtp-rhino"))
        for level in (1, 5)
    ),
    _Other(Offer("random", "random moves", False)),
)
