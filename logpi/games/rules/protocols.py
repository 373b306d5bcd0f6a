"""Names of a game in other programs: file formats, engines, libraries. A name is left out where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from logpi.types import PyTree

if TYPE_CHECKING:
    from logpi.games.rules.game import Game


class Sgf(NamedTuple):
    """The Smart Game Format, FF[4] (red-bean.com/sgf). Moves are written by their names, if there are no functions."""

    number: int  # the property GM
    name: str  # of the game on a board of some size: "hex-{0}x{0}"
    size: int  # the board where the property SZ is missing
    write: Callable[[int], str] | None = None  # an action as the properties B and W have it
    read: Callable[[str], int] | None = None  # and back; LogpiError for other text
    rules: str = ""  # the property RU
    passing: int | None = None  # the action that is a pass, in games where a player may always pass


class Gtp(NamedTuple):
    """The Go Text Protocol, version 2: engines are told moves by their names."""

    game: str  # the rules that the engine must know: "go", "othello", "hex"
    setup: str = ""  # command that chooses the game, for engines that know ``set_game``
    passes_itself: bool = False  # where a pass is forced, engines may refuse to be told of it
    superko: str = ""  # of Go: "positional" or "situational"


class Komi(NamedTuple):
    """Points for the second player."""

    of: Callable[[PyTree], float]  # a state's
    game: Callable[[float], Game]  # the rules with another komi


class Protocols(NamedTuple):
    """What other programs call a game."""

    sgf: Sgf | None = None
    gtp: Gtp | None = None
    engine: Literal["", "uci", "usi"] = ""  # the protocol of its engines, where that is not GTP
    records: tuple[str, ...] = ()  # suffixes of the formats of files that hold its games, beside .sgf and .jsonl
    variant: str = ""  # what engines of several games call it in their option UCI_Variant
    open_spiel: str = ""  # OpenSpiel's name with parameters; its actions must have the same numbers
    bitbully: bool = False  # the state is that of Connect Four, which BitBully solves
    komi: Komi | None = None
    setup: int = 0  # first moves of every game, which only set a position up, such as handicap stones
