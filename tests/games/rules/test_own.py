"""Games from files and entry points: found by name, told from environments, and mistakes are named."""

from importlib.metadata import EntryPoint

import pytest
from own_game import write_connect3

from logpi import games
from logpi.errors import LogpiError
from logpi.games.rules.make import make_game
from logpi.own_code import name_code

OWN = """
from logpi.games.rules.game import Game
from logpi.games.rules.tic_tac_toe import tic_tac_toe

GAME = tic_tac_toe()
number = 3


def plain():
    return GAME


def annotated() -> Game:
    raise RuntimeError("rules")


def other():
    return {"a": 1}


def needs(size):
    return GAME


class Environment:
    pass


def environment() -> Environment:
    raise AssertionError("an annotation says enough")
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    name_code("own.py", "broken.py", "connect3.py")
    return tmp_path


@pytest.mark.parametrize("name", ["GAME", "plain"])
def test_a_game_from_a_file(path, name):
    game = make_game(f"own.py:{name}")
    assert game.id == f"{path}/own.py:{name}"
    assert make_game(game.id).id == game.id
    assert game.title == name
    assert games.is_known(f"own.py:{name}")


def test_games_are_told_from_environments(path):
    write_connect3(path)
    known = [name for name in ("annotated", "other", "needs", "Environment", "environment", "none", "number")
             if games.is_known(f"own.py:{name}")]  # fmt: skip
    assert known == ["annotated"]
    assert games.is_known("connect3.py:connect3")
    assert not games.is_known("nothing.py:game")
    assert not games.is_known("CartPole-v1")
    assert games.is_known("hex-99x99"), "a game, though there is no such board"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.py:game", "no such file"),
        ("own.py:none", "has no 'none'; it has: tic_tac_toe, GAME|has no 'none'; it has: GAME, plain"),
        ("own.py:number", "is a int; wanted: a Game"),
        ("own.py:Environment", "is the class Environment; wanted: a Game"),
        ("own.py:other", "a function that returned a dict"),
        ("own.py:annotated", "the function raised RuntimeError: rules"),
        ("own.py:needs", "the function raised TypeError"),
    ],
)
def test_what_is_no_game_is_named(path, name, message):
    with pytest.raises(LogpiError, match=message):
        make_game(name)


def test_a_file_that_nobody_named_is_not_run(path):
    (path / "strange.py").write_text("raise SystemExit('run')")
    with pytest.raises(LogpiError, match="named by a run or an agent"):
        make_game("strange.py:game")
    assert not games.is_known("strange.py:game")


def test_a_file_that_cannot_be_imported(path):
    (path / "broken.py").write_text("import nowhere_at_all")
    with pytest.raises(LogpiError, match=r"importing .* raised ModuleNotFoundError"):
        make_game("broken.py:game")
    assert not games.is_known("broken.py:game"), "whoever loads it says why"


def test_entry_points(monkeypatch):
    found = {
        name: EntryPoint(name, value, games.GROUP)
        for name, value in {
            "toe": "logpi.games.rules.tic_tac_toe:tic_tac_toe",
            "away": "logpi.nowhere:game",
            "odd": "logpi.games:GROUP",
        }.items()
    }
    monkeypatch.setattr(games, "entry_points", lambda group: list(found.values()))
    assert games.is_known("toe")
    assert "toe" in games.game_names()
    assert make_game("toe").id == "toe"
    with pytest.raises(LogpiError, match=r"entry point logpi\.nowhere:game of the group logpi\.games raised"):
        make_game("away")
    with pytest.raises(LogpiError, match="odd is a str; wanted: a Game"):
        make_game("odd")
    with pytest.raises(LogpiError, match="did you mean toe"):
        make_game("toe2")


def test_the_table_and_the_rules_agree():
    for name in games.game_names():
        assert make_game(name).id == name
        assert games.is_known(name)
