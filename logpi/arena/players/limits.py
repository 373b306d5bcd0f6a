"""What a person gives an engine beside its command: how long it may think, and the engine's own options.

    tc=1+0.1 "option.Skill Level=0" fairy-stockfish

Settings stand before the command, as variables do in a shell.
"""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from logpi.errors import LogpiError

SECONDS = 1.0  # of a move, where nothing is said
NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,3})?"
FORMS = "tc=[MOVES/]SECONDS[+INCREMENT], byoyomi=SECONDS, movetime=SECONDS, nodes=N, depth=N, option.NAME=VALUE"
SETTING = re.compile(r"(tc|byoyomi|movetime|nodes|depth|option\.[^=]+)=(.*)", re.DOTALL)


class Clock(NamedTuple):
    """Time of one player for one game, in seconds."""

    left: float
    increment: float = 0.0  # after each move
    byoyomi: float = 0.0  # for each move, once nothing is left
    moves: int = 0  # for which ``left`` is; 0: for all


class Limits(NamedTuple):
    """How an engine thinks about a move."""

    clock: Clock | None = None  # at the beginning of a game; None: no clock
    movetime: float | None = None  # seconds
    nodes: int = 0  # 0: no limit
    depth: int = 0  # 0: no limit
    options: tuple[tuple[str, str], ...] = ()  # names and values


def parse(text: str) -> tuple[Limits, str]:
    """(the limits, the command) of ``[SETTING …] COMMAND``.

    Raises:
        LogpiError: a setting has no such value.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise LogpiError(f"cannot read the engine's command {text!r}: {error}; correct its quotes") from error
    given: dict[str, str] = {}
    while words and (found := SETTING.fullmatch(words[0])):
        given[found[1]] = found[2]
        words.pop(0)
    limits = Limits(
        _clock(given),
        _seconds(given, "movetime"),
        _count(given, "nodes"),
        _count(given, "depth"),
        tuple((name.removeprefix("option."), value) for name, value in given.items() if name.startswith("option.")),
    )
    if limits[:4] == (None, None, 0, 0):
        limits = limits._replace(movetime=SECONDS)
    return limits, shlex.join(words)


def spent(clock: Clock, full: Clock, seconds: float, made: int) -> Clock | None:
    """The clock after a move; None where the flag has fallen.

    Args:
        clock: before the move.
        full: at the beginning of the game.
        seconds: that the move took.
        made: moves of the player, this one included.
    """
    if seconds > clock.left + clock.byoyomi:
        return None
    left = max(0.0, clock.left - seconds) + clock.increment
    if full.moves and made % full.moves == 0:
        left += full.left
    return clock._replace(left=left)


def _clock(given: dict[str, str]) -> Clock | None:
    byoyomi = _seconds(given, "byoyomi") or 0.0
    if "tc" not in given:
        return Clock(0.0, byoyomi=byoyomi) if byoyomi else None
    found = re.fullmatch(rf"(?:([1-9][0-9]{{0,2}})/)?({NUMBER})(?:\+({NUMBER}))?", given["tc"], re.ASCII)
    if found is None:
        raise _refused("tc", given["tc"])
    return Clock(float(found[2]), float(found[3] or 0), byoyomi, int(found[1] or 0))


def _seconds(given: dict[str, str], name: str) -> float | None:
    if name not in given:
        return None
    if not re.fullmatch(NUMBER, given[name], re.ASCII) or float(given[name]) <= 0:
        raise _refused(name, given[name])
    return float(given[name])


def _count(given: dict[str, str], name: str) -> int:
    if name in given and not re.fullmatch(r"[1-9][0-9]{0,9}", given[name], re.ASCII):
        raise _refused(name, given[name])
    return int(given.get(name, 0))


def _refused(name: str, value: str) -> LogpiError:
    return LogpiError(f"{name}={value} is no limit of an engine; allowed: {FORMS}")
