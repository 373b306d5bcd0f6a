"""Analysis: what a move lost, comments in records, and queries in the form of KataGo's analysis engine."""

import io
import json

import jax
import pytest
from sgfmill import sgf as sgfmill
from small import quick_compilation

import logpi
from logpi.arena.analysis.analyst import Analyst, Seen
from logpi.arena.analysis.judgement import judge
from logpi.arena.analysis.lines import Lines
from logpi.arena.engine.thinker import Line
from logpi.cli.main import main
from logpi.config.experiments import resolve
from logpi.errors import LogpiError
from logpi.games.agent import load_game_agent, save_game_agent
from logpi.games.methods.alphago import alphago
from logpi.games.records.files import read
from logpi.games.records.record import Record
from logpi.games.rules.make import make_game

FEW = 16  # simulations


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def seen(value, *best):
    return Seen(value, value, 10, (Line(best, 10, value, 1.0),))


def test_a_move_loses_what_the_search_after_it_misses_of_the_best():
    positions = [seen(0.2, 4), seen(-0.1, 1), seen(0.9, 2), seen(0.5, 3)]
    judged = judge(positions, [4, 0, 5, 3], -1.0)
    assert [one.mark for one in judge(positions, [4, 0, 5, 3], -1.0, 2)] == ["", "", "blunder", "", ""]
    # the best move; then worth -0.9 where -0.1 was to be had; then -0.5 in place of 0.9; then the best again
    assert [round(one.loss, 6) for one in judged] == [0, 0.8, 1.4, 0, 0]
    assert [one.mark for one in judged] == ["", "blunder", "blunder", "", ""]
    assert [round(one.value, 6) for one in judged] == [0.2, 0.1, 0.9, -1.0, -1.0]
    assert [one.first for one in judged] == [True, False, True, False, True]


def test_the_last_move_is_worth_the_outcome_and_marks_have_their_thresholds():
    lost = judge([seen(0.0, 1)], [0], -1.0)[0]
    assert (lost.loss, lost.mark) == (1.0, "blunder")
    for value, mark in ((0.05, ""), (0.15, "inaccuracy"), (0.35, "mistake"), (0.65, "blunder")):
        assert judge([seen(value, 1), seen(0.0, 1)], [0], None)[0].mark == mark
    better = judge([seen(0.1, 1), seen(-0.4, 1)], [0], None)[0]
    assert (better.loss, better.value) == (0.0, 0.4), "the move made was better than the search had thought"
    assert judge([seen(0.3, 1), seen(0.9, 2)], [0], None)[1].played is None


def test_a_losing_reply_in_tic_tac_toe_is_marked_and_the_right_one_is_not():
    # the corner is answered by the middle alone
    wrong, right = logpi.analyze(
        "tic-tac-toe",
        [Record("tic-tac-toe", ("", ""), (0, 1), None), Record("tic-tac-toe", ("", ""), (0, 4), None)],
        simulations=200,
    )
    assert [position.turn for position in wrong.mistakes] == [1]
    assert wrong.positions[1].lines[0].actions[0] == 4
    assert right.mistakes == []
    assert len(right.positions) == 3


@pytest.fixture(scope="module")
def go(tmp_path_factory):
    """An agent of Go 5x5 with parameters drawn at random."""
    folder = tmp_path_factory.mktemp("agent")
    game = make_game("go-5x5")
    experiment = resolve(game.id, "alphago", {"network": {"units": 8, "blocks": 1, "value_units": 4}})[0]
    system = alphago(experiment.method, experiment.network, game)
    save_game_agent(folder, system.init(jax.random.key(0)).params, experiment, {"algo": "alphago", "timesteps": 0})
    return load_game_agent(folder)


GAMES = """(;GM[1]FF[4]CA[UTF-8]SZ[5]KM[0.5]HA[2]AB[bb][dd]PL[W]PB[Ünal]C[the first
comment]
;W[cc]C[one \\] of mine]BM[1];B[cb](;W[bc];B[])(;W[aa]))
(;GM[1]SZ[5]KM[7.5];B[cc]EV[a match])"""


def test_what_is_written_opens_in_sgfmill_with_the_comments_in_place(go, tmp_path):
    path, out = tmp_path / "games.sgf", tmp_path / "out.sgf"
    path.write_text(GAMES)
    found = logpi.analyze(go, path, simulations=FEW, lines=1, out=out)
    assert [len(one.positions) for one in found] == [8, 2]
    assert read(out) == read(path), "the games are as they were"
    first, second = out.read_bytes().split(b"\n(;")
    game = sgfmill.Sgf_game.from_bytes(first)
    nodes = game.get_main_sequence()
    assert game.get_root().get("PB") == "Ünal"
    assert game.get_root().get("C").startswith("the first\ncomment\nBlack ")
    assert nodes[1].get("C").startswith("one ] of mine\n")
    assert [node.get_move() for node in nodes[1:]] == [("w", (2, 2)), ("b", (3, 2)), ("w", (2, 1)), ("b", None)]
    for node, position in zip(nodes, found[0].positions[3:], strict=True):
        assert f"{50 * (1 + position.value):.0f} %" in node.get("C")
        assert ("visits" in node.get("C")) == (position.visits > 0)
    assert all(node.has_property("C") for node in nodes)
    second = sgfmill.Sgf_game.from_bytes(b"(;" + second)
    assert second.get_main_sequence()[1].get("EV") == "a match"
    assert len([node for node in second.get_main_sequence() if node.has_property("C")]) == 2


def test_marks_are_properties_and_a_move_has_one(go, tmp_path):
    from logpi.games.records import notes, sgf

    nodes = sgf.read(b"(;GM[1]SZ[5];B[cc]TE[1];W[bb];B[dd])", "", print)[0]
    marks = [notes.Note(f"n{k}", mark) for k, mark in enumerate(("", "blunder", "inaccuracy", ""))]
    text = notes.in_sgf(nodes, go.game, marks)
    (again,) = sgf.read(text.encode(), "", print)
    assert again[1].properties == {"B": ["cc"], "C": ["n1"], "BM": ["2"]}
    assert again[2].properties == {"W": ["bb"], "C": ["n2"], "DO": [""]}
    assert again[3].properties == {"B": ["dd"], "C": ["n3"]}


def test_the_command_writes_json_records_and_says_what_was_marked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = {"game": "tic-tac-toe", "players": ["a", "b"], "moves": ["a1", "b1"], "outcome": None, "event": "kept"}
    other = {"game": "connect-four", "players": ["a", "b"], "moves": ["1"], "outcome": None}
    (tmp_path / "games.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (line, other)))
    assert main(["analyze", "tic-tac-toe", "games.jsonl", "--simulations", "200"]) == 0
    said, errors = capsys.readouterr()
    assert "2 O b1: blunder" in said
    assert "a game of connect-four; the agent plays tic-tac-toe" in errors
    (written,) = [json.loads(text) for text in (tmp_path / "games-analysis.jsonl").read_text().splitlines()]
    assert written["event"] == "kept"
    assert written["marks"] == ["", "", "blunder"]
    assert "blunder: b1 loses" in written["comments"][2]
    assert main(["analyze", "tic-tac-toe", "games.jsonl"]) == 1
    assert "is there already" in capsys.readouterr().err


@pytest.fixture(scope="module")
def lines(go):
    return Lines(Analyst(go, FEW), "1.0")


def asked(lines, **query):
    return list(lines.answer(json.dumps({"id": "a", **query})))


def test_queries_are_answered_in_katagos_form(lines):
    first, last = asked(lines, moves=[["B", "C3"], ["W", "B2"]], analyzeTurns=[0, 2], includePolicy=True)
    assert (first["id"], first["isDuringSearch"], first["turnNumber"], last["turnNumber"]) == ("a", False, 0, 2)
    assert (first["rootInfo"]["currentPlayer"], first["rootInfo"]["visits"]) == ("B", FEW)
    best = first["moveInfos"][0]
    assert set(best) == {"move", "visits", "winrate", "utility", "prior", "order", "pv"}
    assert best["pv"][0] == best["move"]
    assert [info["order"] for info in first["moveInfos"]] == list(range(len(first["moveInfos"])))
    assert sum(info["visits"] for info in first["moveInfos"]) == FEW
    assert len(first["policy"]) == 26
    assert last["policy"][12] == -1
    assert "policy" not in asked(lines, moves=[])[0]


def test_utilities_are_the_first_players(lines):
    (black,) = asked(lines, moves=["C3"], maxVisits=8)
    (seen,) = lines._analyst.look([lines._positions({"moves": ["C3"]})[0][-1]], 8)
    assert black["rootInfo"]["utility"] == -seen.mean
    assert black["moveInfos"][0]["utility"] == -seen.lines[0].value


def test_a_position_can_be_set_up_and_a_game_can_be_over(lines):
    stones = {"initialStones": [["B", "B2"], ["B", "D4"], ["W", "C3"]], "initialPlayer": "W"}
    (found,) = asked(lines, **stones, moves=[["W", "A1"]], komi=0.5)
    assert (found["turnNumber"], found["rootInfo"]["currentPlayer"]) == (1, "B")
    over = asked(lines, moves=["C3", "pass", "pass"])[0]
    assert over["moveInfos"] == []
    assert over["rootInfo"]["winrate"] == 1.0


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({"moves": [["B", "C3"], ["B", "A1"]]}, "moves", "not to move"),
        ({"moves": ["C3", "C3"]}, "moves", "illegal move 1: C3"),
        ({"moves": ["Z9"]}, "moves", "is not a move"),
        ({"moves": [["red", "C3"]]}, "moves", "'red' is not a player"),
        ({}, "moves", "moves is missing"),
        ({"moves": [], "boardXSize": 19}, "boardXSize", "19; the agent plays go-5x5"),
        ({"moves": [], "rules": "japanese"}, "rules", "allowed: tromp-taylor, chinese"),
        ({"moves": [], "komi": 0.3}, "komi", "not a whole or half number"),
        ({"moves": [], "analyzeTurns": [1]}, "analyzeTurns", "from 0 to 0"),
        ({"moves": [], "maxVisits": 0}, "maxVisits", "from 2 to"),
        ({"action": "sing"}, "action", "unknown action"),
        ({"id": 3}, "id", "id is missing"),
    ],
)
def test_what_is_wrong_with_a_query_is_its_answer(lines, query, field, message):
    (answer,) = asked(lines, **query)
    assert answer["field"] == field
    assert message in answer["error"]


def test_other_lines(lines):
    assert "not JSON" in next(lines.answer("{"))["error"]
    assert "not a JSON object" in next(lines.answer("[]"))["error"]
    assert asked(lines, action="query_version") == [
        {"id": "a", "action": "query_version", "version": "1.0", "git_hash": ""}
    ]
    warning, answer = asked(lines, moves=[], priority=3, maxVisits=8)
    assert (warning["field"], answer["rootInfo"]["visits"]) == ("priority", 8)


def test_queries_on_standard_input(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO('{"id": "q", "moves": ["a1"]}\n\n'))
    assert main(["analyze", "tic-tac-toe", "--simulations", "200"]) == 0
    (answer,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert answer["moveInfos"][0]["move"] == "b2"


def test_what_cannot_be_analysed(go, tmp_path):
    with pytest.raises(LogpiError, match="at least 2"):
        logpi.analyze(go, ["C3"], simulations=1)
    with pytest.raises(LogpiError, match="out is for the games of a file"):
        logpi.analyze(go, ["C3"], out=tmp_path / "a.sgf")
    with pytest.raises(LogpiError, match="move 2, C3, is illegal"):
        logpi.analyze(go, ["C3", "C3"], simulations=FEW)
    with pytest.raises(LogpiError, match="a record of hex-5x5; the agent plays go-5x5"):
        logpi.analyze(go, Record("hex-5x5", ("", ""), (1,), None))
    with pytest.raises(LogpiError, match="not a board game"):
        logpi.analyze("CartPole-v1", ["C3"])
