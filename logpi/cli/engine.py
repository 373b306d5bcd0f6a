"""``logpi engine``: an agent of a board game as an engine for other programs."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal

import tyro

from logpi.cli.options import NO_OFF
from logpi.errors import LogpiError

AGENT = "Run of a board game, or an agent's folder"


def engine(argv: list[str]) -> int:
    """Serve an agent to other programs."""

    def options(
        agent: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=AGENT, metavar="AGENT")],
        protocol: Literal["auto", "uci", "usi", "gtp"] = "auto",
        simulations: int = 800,
        room: int = 16_384,
        leaves: int = 64,
    ) -> Any:
        """Serve an agent as an engine on standard input and output: by UCI for chess, USI for shogi, and GTP 2 for Go,
        Othello and Hex.

        Args:
            protocol: Protocol; auto: that of the agent's game
            simulations: Number of search simulations of a move in GTP, where no clock was set, at least 1
            room: Number of positions that a search remembers at most, 64 to 1000000
            leaves: Number of positions that the network evaluates at a time at most, 1 to 256; 1 searches as training
                does
        """
        return agent, protocol, simulations, room, leaves

    path, protocol, simulations, room, leaves = tyro.cli(options, args=argv, prog="logpi engine", config=NO_OFF)
    if simulations < 1:
        raise LogpiError(f"--simulations is {simulations}; it must be at least 1")
    if not 64 <= room <= 1_000_000:
        raise LogpiError(f"--room is {room}; allowed: 64 to 1000000")
    if not 1 <= leaves <= 256:
        raise LogpiError(f"--leaves is {leaves}; allowed: 1 to 256")
    out, sys.stdout = sys.stdout, sys.stderr  # nothing but the protocol is written there

    def write(text: str) -> None:
        out.write(text)
        out.flush()

    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(lines,), name="logpi-lines", daemon=True)
    reader.start()
    try:
        _serve(path, protocol, simulations, room, leaves, lines, write)
    except BrokenPipeError:  # the other program has gone
        return 0
    finally:
        sys.stdout = out
    return 0


def _read(lines: queue.Queue[str]) -> None:
    """Put every line of standard input into ``lines``, and "quit" behind the last."""
    for line in sys.stdin.buffer:  # some programs send names of files in encodings of their own
        lines.put(line.decode("utf-8", "replace"))
    lines.put("quit")


def _serve(
    path: str,
    protocol: str,
    simulations: int,
    room: int,
    leaves: int,
    lines: queue.Queue[str],
    write: Callable[[str], None],
) -> None:
    from logpi.api.agents import load
    from logpi.arena.engine.serve import session

    handle = session(load(path), protocol, simulations, room, lines, write, leaves)
    while handle(lines.get()):
        pass
