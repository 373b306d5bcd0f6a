"""What the room of board games answers, without a server: positions, players, searches, records."""

import json

import pytest

from logpi.errors import LogpiError
from logpi.page.rooms.play import Room, game_name, moves_in
from logpi.page.state import Page
from logpi.runs.files import json_text


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    return Room(Page(tmp_path_factory.mktemp("runs"), readonly=False, token="secret"))


def plain(value):
    """As a browser gets it."""
    return json.loads(json_text(value))


def ask(**fields):
    return {"game": "tic-tac-toe", "player": "mcts", "simulations": 64, **fields}


def test_a_game_is_opened_with_its_board_and_its_players(room):
    found = plain(room.open({"game": "connect-four"}))
    assert found["looks"]["sides"] == ["Red", "Yellow"]
    assert len(found["view"]["legal"]) == 7
    assert [one["text"] for one in found["players"]][-1] == "random"
    assert "mcts" in [one["text"] for one in found["players"]]


def test_a_position_is_the_same_whatever_was_asked_before(room):
    moves = [0, 4, 1, 3]
    whole = plain(room.view(ask(moves=moves)))
    for end in (2, 4, 1, 3, 4):
        found = plain(room.view(ask(moves=moves[:end])))
        assert found["moves"] == moves[:end]
    assert found == whole
    assert whole["written"] == ["a1", "b2", "b1", "a2"]


def test_a_search_comes_with_all_of_its_simulations(room):
    found = plain(room.think(ask(moves=[0, 4, 1])))  # c1 must be stopped
    assert found["name"] == "c1"
    assert found["tree"]["simulations"] == 64
    root = plain(room.node({"search": found["search"], "node": 0}))
    assert sum(move["visits"] for move in root["moves"]) == 64
    child = next(move["child"] for move in root["moves"] if move["action"] == found["action"])
    below = plain(room.node({"search": found["search"], "node": child}))
    assert below["view"]["moves"] == [0, 4, 1, 2]


def test_an_agent_plays_too_after_it_was_prepared(room):
    offers = [one["text"] for one in room.open({"game": "tic-tac-toe"})["players"]]
    (agent,) = [text for text in offers if "shipped" in text]
    assert room.prepare(ask(player=agent, simulations=8))["seconds"] >= 0
    found = plain(room.think(ask(player=agent, simulations=8, moves=[0])))
    assert found["tree"]["prior"]
    assert -1 <= found["value"] <= 1


def test_a_player_without_a_search_answers_all_the_same(room):
    found = plain(room.think(ask(player="random")))
    assert (found["search"], found["value"], found["line"]) == (None, None, [])


def test_records_go_out_and_come_back(room):
    for game, moves in (("tic-tac-toe", [0, 4, 8]), ("go-5x5", [12, 13, 25])):
        record = room.record({"game": game, "moves": moves, "players": ["human", "agent <b>"]})
        assert record["name"].startswith(game)
        assert room.read({"game": game, "text": record["text"]}) == {"moves": moves}


@pytest.mark.parametrize(
    ("method", "fields", "words"),
    [
        ("view", {"game": "nim"}, "no game 'nim' here; allowed: tic-tac-toe"),
        ("view", {"game": "own.py:game"}, "no game 'own.py:game' here"),
        ("view", {"game": ["x"]}, "no game"),
        ("view", {"moves": [0, 0]}, "0 is not allowed here; allowed: b1"),
        ("view", {"moves": "00"}, "moves: a list of at most 2,000 whole numbers"),
        ("view", {"moves": [True]}, "moves: a list"),
        ("think", {"player": "gtp:rm -rf"}, "no player 'gtp:rm -rf' of tic-tac-toe"),
        ("think", {"player": "../../other"}, "no player"),
        ("think", {"player": None}, "no player 'None'"),
        ("think", {"simulations": 10**6}, "simulations: a whole number from 2 to 5,000"),
        ("think", {"moves": [0, 3, 1, 4, 2]}, "the game is over: X wins"),
        ("node", {"search": 999, "node": 0}, "no longer kept"),
        ("read", {"text": 3}, "text: a record"),
        ("read", {"text": "(;GM[1]"}, "the record"),
        ("record", {"players": ["one"]}, "players: the names of two players"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(room, method, fields, words):
    with pytest.raises(LogpiError, match=words):
        getattr(room, method)(ask(**fields))


def test_a_node_that_is_not_there(room):
    search = room.think(ask())["search"]
    for node in (-1, 65, "0", None, 1.5):
        with pytest.raises(LogpiError, match="node: a whole number from 0 to 64"):
            room.node({"search": search, "node": node})


def test_names_and_moves_of_requests():
    assert game_name("hex-7x7") == "hex-7x7"
    assert moves_in([1, 2]) == (1, 2)
    with pytest.raises(LogpiError, match="moves"):
        moves_in([0] * 2_001)
