"""Games from a Python file or an entry point: ``path/file.py:name``, and the group ``logpi.games``."""

from __future__ import annotations

import inspect
from importlib.metadata import EntryPoint
from types import ModuleType

from logpi.errors import LogpiError
from logpi.games import GROUP
from logpi.games.rules.game import Game
from logpi.own_code import import_file
from logpi.own_code import load_entry as load_entry_point

WANTED = "a Game (logpi.games.rules.game), or a function without arguments that returns one"


def load_file(name: str) -> Game:
    """The game ``path/file.py:attribute``; its id is ``name``.

    Raises:
        LogpiError: no such file or attribute, an import or a function that raises (chained), or something that is not
            a game.
    """
    path, _, attribute = name.rpartition(":")
    module = import_file(path, attribute)
    if not hasattr(module, attribute):
        there = ", ".join(_candidates(module)) or "no game"
        raise LogpiError(f"{path} has no {attribute!r}; it has: {there}")
    return _game(name, getattr(module, attribute))


def load_entry(entry: EntryPoint) -> Game:
    """The game of an entry point; its id is the entry point's name.

    Raises:
        LogpiError: it cannot be imported (chained), or is not a game.
    """
    try:
        found = load_entry_point(entry)
    except LogpiError:
        raise
    except Exception as error:
        raise LogpiError(
            f"game {entry.name!r}: the entry point {entry.value} of the group {GROUP} raised "
            f"{type(error).__name__}: {error}; update or remove the package that declares it"
        ) from error
    return _game(entry.name, found)


def holds_game(name: str) -> bool:
    """Whether ``path/file.py:attribute`` is a game: a ``Game``, or a function that is annotated so or returns one.

    False where the file or the attribute is missing or raises: loading it then gives the error.
    """
    path, _, attribute = name.rpartition(":")
    try:
        found = getattr(import_file(path, attribute), attribute, None)
    except LogpiError:
        return False
    if isinstance(found, Game) or not callable(found) or inspect.isclass(found):
        return isinstance(found, Game)
    returned = getattr(found, "__annotations__", {}).get("return")
    if returned is not None:
        return returned is Game or (isinstance(returned, str) and returned.split(".")[-1] == Game.__name__)
    try:
        inspect.signature(found).bind()
        return isinstance(found(), Game)
    except Exception:
        return False


def _game(name: str, found: object) -> Game:
    """``found``, or what it returns, as a game called ``name``."""
    made = found
    if callable(found) and not inspect.isclass(found) and not isinstance(found, Game):
        try:
            made = found()
        except Exception as error:
            raise LogpiError(f"game {name}: the function raised {type(error).__name__}: {error}") from error
    if not isinstance(made, Game):
        what = f"a function that returned a {type(made).__name__}" if made is not found else _kind(found)
        raise LogpiError(f"game {name} is {what}; wanted: {WANTED}")
    return made._replace(id=name)


def _kind(found: object) -> str:
    return f"the class {found.__name__}" if inspect.isclass(found) else f"a {type(found).__name__}"


def _candidates(module: ModuleType) -> list[str]:
    """The public games and functions of a file."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (isinstance(value, Game) or (inspect.isfunction(value) and value.__module__ == module.__name__))
    ]
