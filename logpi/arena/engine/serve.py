"""The session that fits an agent's game."""

from __future__ import annotations

import queue
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from logpi.arena.engine.chess_like import Engine
from logpi.arena.engine.dialects import DIALECTS
from logpi.arena.engine.gtp import GtpEngine
from logpi.arena.engine.thinker import Thinker
from logpi.errors import LogpiError
from logpi.games.agent import game_agent
from logpi.games.search.playing import LEAVES


def session(
    agent: Any,
    protocol: str,
    simulations: int,
    room: int,
    waiting: queue.Queue[str],
    write: Callable[[str], None],
    leaves: int = LEAVES,
) -> Callable[[str], bool]:
    """What obeys one line of the other program, and says whether the session goes on.

    Args:
        agent: of a board game.
        protocol: "uci", "usi", "gtp", or "auto" for that of the game.
        simulations: of a move in GTP, without a clock.
        room: positions that a search remembers.
        waiting: the lines that follow.
        write: takes text for the other program.
        leaves: that a search evaluates at a time, at most.

    Raises:
        LogpiError: the agent plays no board game, or one without that protocol.
    """
    player = game_agent(agent, "an engine needs one")
    game = player.game
    spoken = game.protocols.engine or ("gtp" if game.protocols.gtp else "")
    if not spoken or protocol not in ("auto", spoken):
        raise LogpiError(
            f"{game.id} is played by no engine protocol{f' {protocol}' if protocol != 'auto' else ''}; games with one: "
            "chess, gardner-chess (UCI), shogi, animal-shogi (USI), go-NxN, othello, hex-NxN (GTP)"
        )
    name = f"logpi {game.title}"
    thinker = Thinker(player, room, leaves)
    if spoken == "gtp":
        gtp = GtpEngine(thinker, name, _version(), write, simulations, waiting)
        return gtp.handle
    return Engine(thinker, DIALECTS[spoken], name, lambda line: write(f"{line}\n")).handle


def _version() -> str:
    try:
        return version("logpi")
    except PackageNotFoundError:
        return "0"
