"""What a line typed at ``logpi play`` does to a game."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table import played, say, session, told

from logpi.arena.terminal.panel import ending, prompt
from logpi.arena.terminal.session import COMMANDS, reply, result


def test_a_move_is_made_in_any_spelling():
    t, s = session("go-5x5")
    assert played(say(t, s, " c3 ").session) == ["C3"]
    assert played(say(t, s, "PASS").session) == ["pass"]


def test_undo_takes_back_the_pair():
    t, s = session("connect-four", "4 4 3 3")
    assert played(say(t, s, "undo").session) == ["4", "4"]
    assert played(say(t, s, "U", "und").session) == []
    assert "no move of yours" in told(say(t, s, "u", "u", "u").lines)
    t, s = session("connect-four", "4", side="second")
    assert "no move of yours" in told(reply(t, s, "undo").lines), "the agent's first move stays"
    t, s = session("connect-four", "4 4 3 3", side="both")
    assert played(say(t, s, "undo").session) == ["4", "4", "3"], "who plays both sides takes back one move"


def test_undo_after_the_end():
    t, s = session("tic-tac-toe", "a1 b1 a2 b2 a3")
    assert result(t, s) == 1
    assert played(say(t, s, "undo").session) == ["a1", "b1", "a2", "b2"], "the person's own last move"
    t, s = session("tic-tac-toe", "a1 b1 a2 b2 c3 b3")
    assert result(t, s) == -1
    assert played(say(t, s, "undo").session) == ["a1", "b1", "a2", "b2"], "the agent's last move and the one before"


def test_resign_and_its_undo():
    t, s = session("connect-four", "4 4")
    gone = say(t, s, "resign").session
    assert (result(t, gone), ending(t, gone)) == (-1, "Yellow wins: Red resigns")
    assert "over" in told(reply(t, gone, "4").lines)
    assert result(t, say(t, gone, "undo").session) is None
    assert say(t, s, "r").session is s, "one letter does not end a game"
    t, s = session("connect-four", "4", side="both")
    assert ending(t, say(t, s, "resign").session) == "Red wins: Yellow resigns"


def test_swap_changes_sides():
    t, s = session("othello", "d3 c3")
    assert say(t, s, "swap").session.side == "second"
    assert say(t, s, "sw", "sw").session.side == "first"
    t, s = session("othello", side="both")
    assert "both" in told(reply(t, s, "swap").lines)


def test_what_the_caller_is_asked_to_do():
    t, s = session("connect-four", "4 4")
    assert say(t, s, "hint").request == say(t, s, "hi").request == say(t, s, "H").request == "hint"
    assert (say(t, s, "save my games.jsonl").request, say(t, s, "s my games.jsonl").file) == ("save", "my games.jsonl")
    assert "save FILE" in told(say(t, s, "save").lines)
    assert say(t, s, "q").request == "quit"
    assert (say(t, s, "new").request, played(say(t, s, "new").session)) == ("new", [])
    assert say(t, s, "board").request == "board"


def test_help_and_moves():
    t, s = session("connect-four", "4 4 3")
    text = told(reply(t, s, "help").lines)
    assert all(re.search(rf"^{name}\b", text, re.M) for name in COMMANDS)
    assert told(reply(t, s, "moves").lines) == "played: 1. 4 4  2. 3\nallowed: 1 2 3 4 5 6 7"
    assert "a move such as" in text


@pytest.mark.parametrize(
    ("name", "moves", "line", "why"),
    [
        ("tic-tac-toe", "a1 b1", "b1", "b1 is not allowed here: a stone is there; you may play c1, a2"),
        ("tic-tac-toe", "", "d4", "'d4' is not a move of tic-tac-toe; allowed: a cell, a1 (top left) to c3"),
        ("connect-four", "4 4 4 4 4 4", "4", "4 is not allowed here: the column is full; you may play 1, 2, 3, 5"),
        ("othello", "", "a1", "a1 is not allowed here: it turns no disc; you may play d3, c4, f5, e6"),
        ("othello", "", "pass", "you can move, so you must"),
        ("hex-3x3", "b2 a1", "B2", "a stone is there"),
        ("go-5x5", "C3 A4 D3 B5", "A5", "A5 is not allowed here: it is suicide"),
        ("go-5x5", "B3 D4 C4 D2 C2 E3 pass C3 D3", "C3", "repeats an earlier position (superko); you may play"),
    ],
)
def test_what_is_not_allowed_says_why(name, moves, line, why):
    t, s = session(name, moves)
    answer = reply(t, s, line)
    assert answer.session is s
    assert why in told(answer.lines)


@given(st.text(max_size=12))
def test_no_line_is_an_error(line):
    t, s = session("tic-tac-toe", "a1 b2")
    answer = reply(t, s, line)
    assert answer.session is not s or answer.lines or answer.request


def test_after_the_end_no_move_and_no_advice():
    t, s = session("tic-tac-toe", "a1 b1 a2 b2 a3")
    for line in ("c3", "hint", "resign"):
        answer = reply(t, s, line)
        assert answer.session is s
        assert "over" in told(answer.lines)
    assert told(reply(t, s, "moves").lines) == "played: 1. a1 b1  2. a2 b2  3. a3"
    assert prompt(t, s).startswith("over")
