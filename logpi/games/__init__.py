"""Board games: the one table of their names. It imports neither the rules nor JAX.

Names: ``tic-tac-toe`` (one board), ``hex-11x11`` (a board of one of several sizes), ``go-9x9:komi=5.5`` (the same with
settings of its rules), ``pgx:chess`` (of the package pgx), an entry point of the group ``logpi.games``, and
``path/file.py:name`` (a ``Game`` of a Python file, or a function that returns one).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from logpi.own_code import IN_FILE, absolute

PGX = "pgx:"  # prefix of the games of the package pgx
GROUP = "logpi.games"  # group of entry points: a name, and the module:function that returns the Game
LABELLED = "connect-four"  # its agents are evaluated on positions that a perfect solver has labelled


class Sized(NamedTuple):
    """A game that is played on square boards of several sizes."""

    rules: str  # module:function; the function takes the size
    sizes: range
    examples: tuple[int, ...]  # sizes that lists of games show
    settings: tuple[str, ...] = ()  # of its rules, as in "go-9x9:komi=5.5,handicap=2": arguments of the function


GAMES = {  # name: module:function of the rules
    "tic-tac-toe": "logpi.games.rules.tic_tac_toe:tic_tac_toe",
    "connect-four": "logpi.games.rules.connect_four:connect_four",
    "othello": "logpi.games.rules.othello:othello",
    "chess": "logpi.games.rules.chess:chess",
    "gardner-chess": "logpi.games.rules.chess:gardner_chess",
    "shogi": "logpi.games.rules.shogi:shogi",
    "animal-shogi": "logpi.games.rules.shogi:animal_shogi",
}
# settings of self-play that suit a game without a recipe: a tree has no columns for thousands of actions, and a move in
# the replay has two bytes for each of them
SUITED: Mapping[str, Mapping[str, object]] = {
    "chess": {"max_children": 64, "n_games": 64, "replay_size": 50_000},
    "gardner-chess": {"max_children": 32, "replay_size": 200_000},
    "shogi": {"max_children": 64, "n_games": 64, "replay_size": 50_000},
}
ALSO = {
    "connect4": "connect-four",
    "reversi": "othello",
    "noughtsandcrosses": "tic-tac-toe",
    "baduk": "go-19x19",
    "minichess": "gardner-chess",
    "dobutsu": "animal-shogi",
    "dobutsushogi": "animal-shogi",
}
SIZED = {
    "hex": Sized("logpi.games.rules.hex:hex_game", range(3, 20), (11,)),
    "go": Sized("logpi.games.rules.go:go", range(5, 20), (9, 19), ("komi", "handicap", "superko")),
}


def is_known(name: str) -> bool:
    """Whether ``name`` is a board game's rather than an environment's; the game itself need not exist.

    ``hex-99x99`` and ``pgx:nothing`` are therefore known: ``make_game`` says what is wrong with them. Of
    ``path/file.py:name`` the file is imported, to tell a game from an environment.
    """
    if name in GAMES or name.startswith((*(f"{game}-" for game in SIZED), PGX)):
        return True
    if is_file(name):
        from logpi.games.rules.own import holds_game

        return holds_game(absolute(name))
    return name in entries()


def meant(name: str) -> str:
    """For a name that is nearly a game's, what to write: ``connect4`` is ``connect-four``; "" where none comes near."""
    plain = re.sub(r"[^a-z0-9]", "", re.sub(r"[-_]v\d+$", "", name.lower()))
    own = {re.sub(r"[^a-z0-9]", "", game): game for game in GAMES}
    for game, family in SIZED.items():
        own |= {f"{game}{size}x{size}": f"{game}-{size}x{size}" for size in family.sizes}
        own[game] = f"{game}-{family.examples[0]}x{family.examples[0]}"
    if found := own.get(plain) or ALSO.get(plain):
        return f"did you mean the game {found}?"
    return ""


def board_of(name: str) -> str:
    """The name of a game without the settings of its rules: ``go-9x9`` of ``go-9x9:komi=5.5,handicap=2``."""
    return re.sub(r":[a-z]+=.*", "", name)


def game_names() -> list[str]:
    """Every game that can be listed by name: those with one board, examples of the others, entry points."""
    sized = [f"{game}-{size}x{size}" for game, family in SIZED.items() for size in family.examples]
    return [*GAMES, *sized, *entries()]


def game_forms() -> str:
    """How the name of a game is written, as error messages say it."""
    return ", ".join([*GAMES, *(f"{game}-NxN" for game in SIZED), *entries(), f"{PGX}NAME", "path/file.py:NAME"])


def is_file(name: str) -> bool:
    """Whether ``name`` is written as ``path/file.py:name``."""
    return IN_FILE.fullmatch(name) is not None


def entries() -> dict[str, EntryPoint]:
    """The games that installed packages declare."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}
