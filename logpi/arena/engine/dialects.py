"""What UCI (chess) and USI (shogi) say differently, as data and small functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple


class Dialect(NamedTuple):
    """One of the two protocols, whose commands are otherwise the same."""

    hello: str  # first command of the program that the engine serves
    ready: str  # what answers it
    new_game: str
    start: str  # what announces a position as text: "fen", "sfen"
    hash_option: str
    ponder_option: str
    lost: str  # in place of a move, where there is none or the game is lost
    won: str  # in place of a move, where the rules make the position a win; "": the other program does not know that
    sides: tuple[str, str]  # prefixes of clocks: of the first and of the second player
    score: Callable[[float], str]


def centipawns(value: float) -> str:
    """A value in [-1, 1] as Leela Chess Zero writes it: ``cp 35``."""
    limited = max(-0.9999, min(0.9999, value))
    return f"cp {round(111.714640912 * math.tan(1.5620688421 * limited))}"


def ponanza(value: float) -> str:
    """A value in [-1, 1] in the usual scale of shogi engines, where 600 is a chance of 73 %: ``cp 600``."""
    chance = min(0.9999, max(0.0001, (1 + value) / 2))
    return f"cp {round(600 * math.log(chance / (1 - chance)))}"


UCI = Dialect(
    "uci", "uciok", "ucinewgame", "fen", "Hash", "Ponder", "bestmove (none)", "", ("w", "b"), centipawns
)  # Kahlen, "UCI protocol", 2006
USI = Dialect(
    "usi",
    "usiok",
    "usinewgame",
    "sfen",
    "USI_Hash",
    "USI_Ponder",
    "bestmove resign",
    "bestmove win",
    ("b", "w"),
    ponanza,
)  # Romstad, "The Universal Shogi Interface", 2007
DIALECTS = {"uci": UCI, "usi": USI}  # by ``Protocols.engine``
