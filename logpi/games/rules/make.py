"""``make_game(name)``: the rules of any game by its name."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable

from logpi.errors import LogpiError
from logpi.games import GAMES, PGX, SIZED, entries, game_forms, is_file, meant
from logpi.games.rules.game import Game
from logpi.own_code import absolute, name_code


def make_game(name: str) -> Game:
    """The game called ``name``, such as ``connect-four``, ``hex-11x11``, ``pgx:chess`` or ``path/file.py:name``.

    Raises:
        LogpiError: no such game (with the nearest names), no board of that size, or a file or an entry point that
            holds no game.
    """
    if name in GAMES:
        return _builder(GAMES[name])()
    if name.startswith(PGX):
        from logpi.games.rules.pgx import pgx_game

        return pgx_game(name.removeprefix(PGX))
    if is_file(name):
        from logpi.games.rules.own import load_file

        return load_file(absolute(name))
    sized = re.fullmatch(r"([a-z]+)-([1-9][0-9]{0,8})x([1-9][0-9]{0,8})(?::(.*))?", name, re.ASCII)
    if sized is not None and sized[1] in SIZED:
        return _sized(*sized.groups())
    if name in (declared := entries()):
        from logpi.games.rules.own import load_entry

        return load_entry(declared[name])
    raise _unknown(name)


def make_named(name: str) -> Game:
    """``make_game`` for a caller who writes the name: the file in it is imported."""
    name_code(name)
    return make_game(name)


def _builder(place: str) -> Callable[..., Game]:
    module, _, function = place.partition(":")
    found: Callable[..., Game] = getattr(importlib.import_module(module), function)
    return found


def _sized(game: str, rows: str, columns: str, settings: str | None) -> Game:
    family = SIZED[game]
    if rows != columns or int(rows) not in family.sizes:
        first, last = (f"{game}-{size}x{size}" for size in (family.sizes[0], family.sizes[-1]))
        raise LogpiError(f"no board for '{game}-{rows}x{columns}'; allowed: squares from {first} to {last}")
    return _builder(family.rules)(int(rows), **_settings(f"{game}-{rows}x{columns}", settings, family.settings))


def _settings(board: str, text: str | None, allowed: tuple[str, ...]) -> dict[str, object]:
    """Settings of the rules, from what stands behind the board: ``komi=5.5,handicap=2``."""
    found: dict[str, object] = {}
    for pair in [] if text is None else text.split(","):
        name, sign, value = (part.strip() for part in pair.partition("="))
        if name not in allowed or not sign or name in found:
            forms = f"such as {board}:{allowed[0]}=5.5; settings: {', '.join(allowed)}" if allowed else board
            raise LogpiError(f"{board}:{text}: {pair!r} is not a setting of it, or a second time; allowed: {forms}")
        found[name] = _number(value)
    return found


def _number(text: str) -> object:
    """A whole number, another number, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _unknown(name: str) -> LogpiError:
    known = [*GAMES, *(f"{game}-{size}x{size}" for game, family in SIZED.items() for size in family.sizes), *entries()]
    begun = [game for game in known if name and game.startswith(name)]
    near = begun[:3] or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"{meant(name)} " if meant(name) else f"did you mean {' or '.join(near)}? " if near else ""
    return LogpiError(f"unknown game {name!r}; {hint}allowed: {game_forms()}")
