"""Games under way, as a page or a notebook shows them."""

import pytest
from small import quick_compilation

from logpi.arena.board_game import BoardGame, looks_of
from logpi.errors import LogpiError
from logpi.games import GAMES
from logpi.games.rules.make import make_game

ALL = [*GAMES, "hex-4x4", "go-5x5"]


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def test_a_game_to_its_end():
    game = BoardGame("connect-four", ["1", "2", "1", "2", "1", "2"])
    assert (game.turn, game.result, game.ending) == (1, None, "")
    won = game.play("1")
    assert (won.result, won.ending, won.legal) == (1.0, "Red wins with four in a row", [])
    assert won.moves == ["1", "2", "1", "2", "1", "2", "1"]
    assert won.view()["winning"] == [(2, 0), (3, 0), (4, 0), (5, 0)]
    assert len(game.positions) == 7, "it has not changed"
    assert won.undo().view() == game.view()
    with pytest.raises(LogpiError, match="the game is over: Red wins"):
        won.play("2")
    with pytest.raises(LogpiError, match="allowed: 0 to 7"):
        won.undo(8)


def test_an_illegal_move_says_what_is_allowed():
    game = BoardGame("tic-tac-toe", ["a1"])
    with pytest.raises(LogpiError, match="'a1' is not allowed here; allowed: b1, c1"):
        game.play("a1")
    with pytest.raises(LogpiError, match="allowed: b1, c1"):
        game.play(99)


def test_where_moves_are_played():
    def touched(game, *moves):
        view = BoardGame(game, moves).view()
        return {move["name"]: {k: v for k, v in move.items() if k not in ("name", "action")} for move in view["legal"]}

    assert touched("connect-four", "4", "4")["4"] == {"to": (3, 3)}
    assert touched("hex-4x4")["b3"] == {"to": (2, 1)}
    assert touched("go-5x5")["pass"] == {}
    assert touched("chess")["e4"] == {"to": (4, 4), "start": (6, 4)}
    assert touched("chess", "e4")["e5"] == {"to": (3, 4), "start": (1, 4)}
    assert touched("shogi")["7g7f"] == {"to": (5, 2), "start": (6, 2)}
    assert touched("shogi", "7g7f")["3c3d"] == {"to": (3, 6), "start": (2, 6)}
    dropping = touched("animal-shogi", "2c2b", "2a2b", "3d2c", "3a2a")
    assert any(move.get("drop") == "C" and "start" not in move for move in dropping.values())


@pytest.mark.parametrize("name", ALL)
def test_every_move_is_pointed_at_where_the_board_changes(name):
    """The cell of arrival is the mover's afterwards, the cell of departure is empty or another's."""
    game = BoardGame(name)
    for _ in range(4):
        before = game.view()
        moves = {move["action"]: move for move in before["legal"]}
        for action in list(moves)[:: max(1, len(moves) // 4)]:
            if "to" not in moves[action]:
                continue
            after = game.play(action).view()
            row, column = moves[action]["to"]
            assert after["cells"][row][column] == game.turn
            if "start" in moves[action]:
                row, column = moves[action]["start"]
                assert before["cells"][row][column] == game.turn
                assert after["cells"][row][column] == 0
        game = game.play(list(moves)[len(moves) // 2])


@pytest.mark.parametrize("name", ALL)
def test_looks_and_view_are_json(name):
    import json

    game = make_game(name)
    looks, view = (json.loads(json.dumps(found)) for found in (looks_of(game), BoardGame(game).view()))
    assert (len(looks["above"]), len(looks["beside"])) == (looks["columns"], looks["rows"])
    assert len(view["cells"]) == looks["rows"]
    assert view["legal"]


@pytest.mark.parametrize("name", ["go-5x5", "connect-four", "animal-shogi"])
def test_a_record_is_read_back(name):
    game = BoardGame(name)
    for _ in range(5):
        game = game.play(game.legal[-1] if name != "go-5x5" else game.legal[len(game.now.actions) * 2])
    text = game.text(("me", "it"))
    again = BoardGame(name).opened(text)
    assert again.moves == game.moves
    assert again.record().players == ("player 1", "player 2")
    with pytest.raises(LogpiError, match="no game of"):
        BoardGame("tic-tac-toe").opened(BoardGame("connect-four", ["1"]).text())
    with pytest.raises(LogpiError, match="the record, line 1"):
        BoardGame(name).opened('{"game": 3}')
