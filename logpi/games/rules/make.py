"""``make_game(name)``: the one door to every game."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from logpi.config.settings import PGX
from logpi.errors import LogpiError
from logpi.games.rules.connect_four import connect_four
from logpi.games.rules.game import Game
from logpi.games.rules.hex import hex_game
from logpi.games.rules.othello import othello
from logpi.games.rules.tic_tac_toe import tic_tac_toe


def _go(size: int) -> Game:
    from logpi.games.rules.go import go  # the largest of the rules

    return go(size)


GAMES: dict[str, Callable[[], Game]] = {
    "tic-tac-toe": tic_tac_toe,
    "connect-four": connect_four,
    "othello": othello,
}
SIZED: dict[str, tuple[Callable[[int], Game], range]] = {  # called such as hex-11x11
    "hex": (hex_game, range(3, 20)),
    "go": (_go, range(5, 20)),
}


def make_game(name: str) -> Game:
    """The game called ``name``, such as ``connect-four`` or ``hex-11x11``; ``pgx:`` begins the names of pgx's games.

    Raises:
        LogpiError: no such game (with the nearest names), or no board of that size.
    """
    if name in GAMES:
        return GAMES[name]()
    if name.startswith(PGX):
        from logpi.games.rules.pgx import pgx_game

        return pgx_game(name.removeprefix(PGX))
    found = re.fullmatch(r"([a-z]+)-([1-9][0-9]*)x([1-9][0-9]*)", name, re.ASCII)
    if found is not None and found[1] in SIZED:
        build, sizes = SIZED[found[1]]
        if found[2] != found[3] or int(found[2]) not in sizes:
            first, last = (f"{found[1]}-{size}x{size}" for size in (sizes[0], sizes[-1]))
            raise LogpiError(f"no board for {name!r}; allowed: squares from {first} to {last}")
        return build(int(found[2]))
    known = [*GAMES, *(f"{game}-{size}x{size}" for game, (_, sizes) in SIZED.items() for size in sizes)]
    begun = [game for game in known if name and game.startswith(name)]
    near = begun[:3] or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise LogpiError(f"unknown game {name!r}; {hint}allowed: {', '.join(GAMES)}, hex-NxN, go-NxN, {PGX}NAME")
