"""``logpi play``: what a typed line does to a game, how boards look, and a whole game through a terminal."""

import io
import logging
import os
import pty
import re
import select
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from small import ROOT, SETTINGS, command, logpi

from logpi.arena import records
from logpi.arena.drawing import Look, Scene, draw, hoshi
from logpi.arena.endings import winning
from logpi.arena.players import ForfeitError, RandomPlayer, Thought, begin
from logpi.arena.screen import Screen, look_of
from logpi.arena.sitting import Sitting
from logpi.arena.telling import ending, falls, prompt, remark, view
from logpi.arena.terminal import COMMANDS, Session, lay, moved, reply, result
from logpi.cli import main
from logpi.errors import LogpiError
from logpi.games.make import make_game

ASCII, UNICODE, COLOUR = Look(False, False), Look(False, True), Look(True, True)
_tables = {}


def table(name, look=ASCII):
    """A table for a game against "agent", compiled once."""
    if name not in _tables:
        _tables[name] = lay(make_game(name), "agent", ASCII)
    return _tables[name]._replace(look=look)


def session(name, moves="", side="first"):
    """A table, and a session after moves written in words."""
    t = table(name)
    s = Session((begin(t.game),), side)
    for move in moves.split():
        s = moved(t, s, t.game.parse(move))
    return t, s


def told(lines):
    """Lines as one plain text without spaces at their ends."""
    return "\n".join(getattr(line, "plain", line).rstrip() for line in lines)


def board(name, moves="", look=ASCII):
    t, s = session(name, moves)
    return told(view(t._replace(look=look), s, width=0)).split("\n\n")[0]


def played(s):
    return [s.now.game.name(action) for action in s.now.actions]


def say(t, s, *lines):
    """The last reply to lines said one after the other."""
    for line in lines:
        answer = reply(t, s, line)
        s = answer.session
    return answer


# --- what lines do


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
    assert say(t, s, "hint").wish == say(t, s, "hi").wish == say(t, s, "H").wish == "hint"
    assert (say(t, s, "save my games.jsonl").wish, say(t, s, "s my games.jsonl").file) == ("save", "my games.jsonl")
    assert "save FILE" in told(say(t, s, "save").lines)
    assert say(t, s, "q").wish == "quit"
    assert (say(t, s, "new").wish, played(say(t, s, "new").session)) == ("new", [])
    assert say(t, s, "board").wish == "board"


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
        ("tic-tac-toe", "", "d4", "'d4' is no move of tic-tac-toe; allowed: a cell, a1 (top left) to c3"),
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
    assert answer.session is not s or answer.lines or answer.wish


def test_after_the_end_no_move_and_no_advice():
    t, s = session("tic-tac-toe", "a1 b1 a2 b2 a3")
    for line in ("c3", "hint", "resign"):
        answer = reply(t, s, line)
        assert answer.session is s
        assert "over" in told(answer.lines)
    assert told(reply(t, s, "moves").lines) == "played: 1. a1 b1  2. a2 b2  3. a3"
    assert prompt(t, s).startswith("over")


# --- boards

TIC_TAC_TOE = """
   a   b   c
1  X | O |    1
  ---+---+---
2    |(X)|    2
  ---+---+---
3    |   |    3
   a   b   c
"""
CONNECT_FOUR = """
  1  2  3  4  5  6  7
| .  .  .  .  .  .  . |
| .  .  .  .  .  .  . |
| .  .  .  .  .  .  . |
| .  .  .  .  .  .  . |
| .  .  . (X) .  .  . |
| .  .  .  X  O  .  . |
+---------------------+
"""
OTHELLO = """
   a  b  c  d  e  f  g  h
1  .  .  .  .  .  .  .  .  1
2  .  .  .  .  .  .  .  .  2
3  .  .  * (X) *  .  .  .  3
4  .  .  .  X  X  .  .  .  4
5  .  .  *  X  O  .  .  .  5
6  .  .  .  .  .  .  .  .  6
7  .  .  .  .  .  .  .  .  7
8  .  .  .  .  .  .  .  .  8
   a  b  c  d  e  f  g  h
"""
HEX = r"""
    a b c d
    --------
1 \ . O . . \ 1
 2 \ . . X . \ 2
  3 \ .(X). . \ 3
   4 \ . . . . \ 4
       --------
       a b c d
"""
GO = """
    A B C D E F G H J
9   . . . . . . . . .   9
8   . . . . . . . . .   8
7   . . X . . . + . .   7
6   . . . . . . . . .   6
5   . . . . + . . . .   5
4   . . . . . . . . .   4
3   . . + . . .(O). .   3
2   . . . . . . . . .   2
1   . . . . . . . . .   1
    A B C D E F G H J
"""


@pytest.mark.parametrize(
    ("name", "moves", "drawn"),
    [
        ("tic-tac-toe", "a1 b1 b2", TIC_TAC_TOE),
        ("connect-four", "4 5 4", CONNECT_FOUR),
        ("othello", "d3", OTHELLO),
        ("hex-4x4", "c2 b1 b3", HEX),
        ("go-9x9", "C7 G3", GO),
    ],
)
def test_boards_as_people_know_them(name, moves, drawn):
    assert board(name, moves) == drawn.strip("\n")


UNCOLOURED = """
    A B C D E
5   ┌─┬─┬─┬─┐   5
4   ├─┼─●─┼─┤   4
3   ├─┼─╋─┼─┤   3
2   ├─┼(○)┼─┤   2
1   └─┴─┴─┴─┘   1
    A B C D E
"""


def test_in_unicode():
    assert board("go-5x5", "C4 C2", UNICODE) == UNCOLOURED.strip("\n")
    assert "(●)" in board("connect-four", "4", UNICODE)
    assert "╰" in board("connect-four", "4", UNICODE)


@pytest.mark.parametrize("name", ["tic-tac-toe", "connect-four", "othello", "hex-5x5", "go-9x9", "go-19x19"])
def test_colours_are_never_all_that_tells(name):
    """With colours the last move is in the same place, and each stone is where it is without."""
    t, s = session(name)
    move = t.game.name(t.referee.legal(s.now)[2])
    plain, coloured = board(name, move, UNICODE), board(name, move, COLOUR)
    assert len(re.findall(r"\([●X]\)", plain)) == len(re.findall(r"\([●X]\)", coloured)) == 1
    t, s = session(name, move)
    colours = {span.style.bgcolor for line in view(t._replace(look=COLOUR), s) for span in line.spans}
    assert colours - {None}
    assert not any(span.style.color for line in view(t, s) for span in line.spans)


def test_hoshi():
    assert {size: len(hoshi(size)) for size in (5, 6, 7, 8, 9, 13, 15, 19)} == {
        5: 1, 6: 0, 7: 5, 8: 4, 9: 5, 13: 5, 15: 9, 19: 9
    }  # fmt: skip
    assert hoshi(9) == {(2, 2), (2, 6), (6, 2), (6, 6), (4, 4)}
    assert (3, 9) in hoshi(19)


def test_a_game_without_a_skin_is_drawn_too():
    game = make_game("othello")._replace(id="somebody/othello", name=lambda action: f"move {action}")
    cells = np.zeros((8, 8), np.int8)
    cells[0, 0], cells[7, 7] = 1, 2
    lines = told(draw(game, Scene(cells, last=(7, 7)), ASCII)).splitlines()
    assert (len(lines), lines[0].split()[0], lines[7][-3:]) == (8, "X", "(O)")


# --- ends


@pytest.mark.parametrize(
    ("name", "moves", "stars", "words"),
    [
        ("tic-tac-toe", "a1 b1 a2 b2 a3", "a1 a2 a3", "X wins with three in a row"),
        ("tic-tac-toe", "c1 a1 c2 b2 b1 c3", "a1 b2 c3", "O wins with three in a row"),
        ("tic-tac-toe", "a1 b1 c1 a3 b3 c3 a2 c2 b2", "", "a draw"),
        ("hex-3x3", "b1 a1 a2 c3 a3", "b1 a2 a3", "Red wins: top and bottom are connected"),
        ("hex-3x3", "a1 a2 c3 b2 a3 c1 c2 b1", "a2 b1 c1", "Blue wins: left and right are connected"),
    ],
)
def test_winning_stones_and_words(name, moves, stars, words):
    t, s = session(name, moves)
    outcome = result(t, s)
    size = t.game.shape[1]
    found = {t.game.name(row * size + column) for row, column in winning(t.game, t.cells(s.now), outcome)}
    if name == "hex-3x3" and "Blue" in words:
        assert found in ({"a2", "b1", "c1"}, {"a2", "b2", "c1"})
    else:
        assert found == set(stars.split())
    assert ending(t, s) == words
    assert board(name, moves).count("*") == len(found)
    assert words in told(view(t, s))


def test_four_in_a_row_and_more():
    t, s = session("connect-four", "1 1 2 2 3 3 5 5 6 6 7 7 4")
    assert winning(t.game, t.cells(s.now), 1.0) == {(5, column) for column in range(7)}
    assert ending(t, s) == "Red wins with four in a row"
    t, s = session("connect-four", "1 2 2 3 3 4 3 4 4 1 4")
    assert winning(t.game, t.cells(s.now), 1.0) == {(5, 0), (4, 1), (3, 2), (2, 3)}


def test_the_score_of_go():
    t, s = session("go-5x5", "C3 pass pass")
    assert ending(t, s).startswith("Black wins by 17.5 points (area and komi;")
    t, s = session("go-5x5", "pass pass")
    assert ending(t, s).startswith("White wins by 7.5 points")
    t, s = session("go-5x5", "C3 pass C4 A1 pass pass")
    assert ending(t, s).startswith("White wins by 6.5 points")
    assert "White passed" in told(view(t, s))


def test_captives_are_counted():
    t, s = session("go-5x5", "B5 A5 A4")
    assert re.search(r"Black +took 1", told(view(t, s)))
    assert re.search(r"White +took 0", told(view(t, s)))


def test_the_count_of_othello():
    t, s = session("othello", "d3 c3 c4 e3 e2 f4 f3 g3 d6 d1")
    first, second = (int(np.sum(t.cells(s.now) == player)) for player in (1, 2))
    assert re.search(rf"Black +{first} .*\n.*White +{second} ", told(view(t, s)))


# --- what the agent thinks


@pytest.mark.parametrize(
    ("moves", "side", "shown"),
    [("", "second", "you      25%"), ("", "first", "you      75%"), ("4", "first", "you      25%"),
     ("4", "none", "Red      25%"), ("", "both", "Red      75%")],
)  # fmt: skip
def test_chances_are_the_readers(moves, side, shown):
    """A value is the mover's, who is the agent, or the person who asks for a hint."""
    t, s = session("connect-four", moves, side)
    assert shown in told(remark(t, s, Thought(3, value=0.5), 0.1))


def test_a_thought_in_words():
    t, s = session("connect-four", "4", "first")
    thought = Thought(3, -1.0, {3: 75, 2: 25, 1: 0}, (3, 2, 3))
    assert told(remark(t, s, thought, 1.234)) == (
        "agent plays 4  1.23 s\nyou      100%  ####################\nexpects  4 3 4"
    )
    assert "looks at 4 75%, 3 25%\n" in told(remark(t, s, thought, 1.234, hint=True))
    long = remark(t, s, thought._replace(variation=(3,) * 40), 1.0)
    assert max(len(line.plain) for line in long) < 50
    assert told(remark(t, s, Thought(3), 0.0)) == "agent plays 4  0.00 s"


def test_the_board_and_what_is_beside_it():
    t, s = session("go-19x19")
    assert max(line.cell_len for line in view(t, s, 80)) <= 80
    assert "Black" in told(view(t, s, 80)).splitlines()[3], "beside"
    assert "Black" in told(view(t, s, 60)).splitlines()[-2], "below"


def test_a_disc_falls():
    t, s = session("connect-four", "4 4 4")
    frames = [told(frame) for frame in falls(t, s)]
    assert len(frames) == 3
    assert [[line[10:13].strip() for line in frame.splitlines()[1:7]].index("X") for frame in frames] == [0, 1, 2]
    assert falls(*session("othello", "d3")) == falls(*session("connect-four")) == []


# --- at the table


class Typist:
    """Types lines, then ends its input as told."""

    def __init__(self, *lines, end=EOFError):
        self.lines, self.end, self.asked = list(lines), end, []

    def __call__(self, question):
        self.asked.append(question)
        if not self.lines:
            raise self.end
        return self.lines.pop(0)


class Puppet:
    """Plays the moves it was given, in turn."""

    def __init__(self, game, *moves):
        self.name, self.moves, self.game = "agent", list(moves), game

    def choose(self, positions):
        move = self.moves.pop(0)
        if isinstance(move, BaseException):
            raise move
        return [Thought(self.game.parse(move), 0.5) for _ in positions]


def sit(name, typist, *moves, played="", side="first", terminal=False, **options):
    """A sitting with scripted lines and agent's moves; returns it and a function that gives what was printed."""
    t, s = session(name, played, side)
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=terminal, color_system="truecolor" if terminal else None)
    t = t._replace(look=look_of(console)._replace(unicode=True))
    return Sitting(t, s, Puppet(t.game, *moves), Screen(t, console), read=typist, **options), out.getvalue


def test_a_game_is_played_saved_and_read_back(tmp_path):
    typist = Typist("a1", "9", "a2", "hint", f"save {tmp_path / 'mine'}", "a3", "quit", "")
    sitting, printed = sit("tic-tac-toe", typist, "b1", "b2", "c3")
    assert sitting.through() == 0
    text = printed()
    assert "X wins with three in a row" in text
    assert "agent plays b1" in text
    assert "agent would play c3" in text
    assert "'9' is no move" in text
    assert text.count("    a   b   c") == 0
    assert text.count("   a   b   c") == 2 * (1 + 2 + 1), "one board at first, after each pair of moves, at the end"
    (record,) = records.read(tmp_path / "mine.jsonl")
    assert (record.players, record.outcome, len(record.actions)) == (("human", "agent"), None, 4)
    assert typist.asked[-1].startswith("a file to save")
    assert "the game: 1. a1 b1  2. a2 b2  3. a3" in text


def test_the_end_of_input_saves_what_is_to_be_saved(tmp_path):
    path = tmp_path / "new" / "games.sgf"
    sitting, printed = sit("go-5x5", Typist("C3", "new", "C2", "resign"), "B1", "B2", save=str(path))
    assert sitting.through() == 0
    assert f"saved: {path}" in printed().replace("\n", "")
    one, other = records.read(path)
    assert (len(one.actions), one.outcome, len(other.actions), other.outcome) == (2, None, 2, -1.0)
    assert (other.reason, other.komi) == ("resigned", 7.5)
    assert [len(records.replay(r)) for r in (one, other)] == [3, 3]


def test_an_interrupt_offers_to_save(tmp_path):
    path = tmp_path / "game.jsonl"
    typist = Typist("4", end=KeyboardInterrupt)
    sitting, _ = sit("connect-four", typist, "4")
    with pytest.raises(KeyboardInterrupt, match=r"the game: 1\. 4 4"):
        sitting.through()
    assert typist.asked[-1].startswith("a file to save")
    sitting, _ = sit("connect-four", Typist("4", end=KeyboardInterrupt), KeyboardInterrupt(), save=str(path))
    with pytest.raises(KeyboardInterrupt, match="saved"):
        sitting.through()
    assert len(records.read(path)[0].actions) == 1


def test_a_file_that_cannot_be_written_ends_no_game(tmp_path):
    (tmp_path / "taken").write_text("")
    sitting, printed = sit("connect-four", Typist("4", f"save {tmp_path}/taken/x", "quit", ""), "4")
    assert sitting.through() == 0
    assert "not saved" in printed()


def test_an_agent_that_fails():
    sitting, printed = sit("connect-four", Typist("4"), ForfeitError("engine died", "at genmove"))
    sitting.through()
    assert "Red wins: Yellow forfeits (engine died)" in printed()
    assert "at genmove" in printed()
    sitting, printed = sit("tic-tac-toe", Typist("a1"), "a1")
    sitting.through()
    assert "X wins: O forfeits (illegal move)" in printed()
    sitting, printed = sit("tic-tac-toe", Typist("a1"), LogpiError("out of order"))
    with pytest.raises(LogpiError, match="out of order"):
        sitting.through()
    assert "the game: 1. a1" in printed()


def test_watching_needs_nobody():
    sitting, printed = sit("tic-tac-toe", Typist(), *["a1", "b1", "a2", "b2", "a3"], side="none")
    assert sitting.through() == 0
    assert "X wins" in printed()
    assert "X        75%" in printed()


def test_in_a_terminal_discs_fall_and_the_agent_is_seen_to_think():
    sitting, printed = sit("connect-four", Typist("4", "quit", ""), "4", terminal=True)
    sitting.through()
    text = printed()
    assert "agent thinks" in text
    assert "\x1b[" in text
    assert text.count("●") > 42 * 8, "the frames of two falls"


def test_what_a_console_can_show(monkeypatch):
    def look(**options):
        return look_of(Console(file=io.TextIOWrapper(io.BytesIO(), options.pop("encoding", "utf-8")), **options))

    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert look(force_terminal=True) == COLOUR
    assert look() == UNICODE, "a pipe"
    assert look(encoding="ascii") == ASCII
    monkeypatch.setenv("NO_COLOR", "1")
    assert look(force_terminal=True) == UNICODE
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "linux")
    assert look(force_terminal=True) == UNICODE, "sixteen colours are not enough"


@pytest.mark.parametrize("name", ["othello", "go-5x5"])
def test_nothing_is_compiled_once_the_first_board_is_shown(name, caplog):
    game = make_game(name)
    player = RandomPlayer(game, 1)
    t = lay(game, player.name, ASCII)
    player.choose([begin(game)])
    s = Session((begin(game),), "second")
    with caplog.at_level(logging.DEBUG), jax.log_compiles(True):
        while result(t, s) is None:
            view(t, s)
            (thought,) = player.choose([s.now])
            said = remark(t, s, thought, 0.0)
            s = say(t, s, "moves", game.name(thought.action)).session._replace(remark=said)
        view(t, s)
    assert len(s.now.actions) > 20
    assert not [r.getMessage() for r in caplog.records if "ompil" in r.getMessage()]


# --- the command


def test_a_script_of_lines(tmp_path):
    done = subprocess.run(
        command("play", "connect-four", "--agent", "random", "--seed", "3", "--side", "both", "--save", tmp_path / "a"),
        input="4\n4\nmoves\nquit\n",
        env={**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "compiling connect-four" in done.stdout
    assert "Red's move: 4\n" in done.stdout, "what came through a pipe is shown too"
    assert "\x1b" not in done.stdout
    (record,) = records.read(tmp_path / "a.jsonl")
    assert record.actions == (3, 3)
    again = logpi("play", "connect-four", "--agent", "random", "--record", tmp_path / "a.jsonl", "--side", "none",
                  "--pause", "0", "--seed", "1")  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "the game: 1. 4 4" in again.stdout
    assert re.search("wins|draw", again.stdout)


def test_mistakes_are_told(tmp_path, capsys):
    assert main(["play", "chess"]) == 1
    assert "unknown game 'chess'" in capsys.readouterr().err
    assert main(["play", "connect-four", "--agent", "nobody"]) == 1
    assert "unknown player 'nobody'" in capsys.readouterr().err
    assert main(["play", "connect-four", "--agent", "random", "--simulations", "5"]) == 1
    assert "--simulations" in capsys.readouterr().err
    file = tmp_path / "game.sgf"
    records.append(file, records.Record("go-9x9", ("a", "b"), (), None))
    assert main(["play", "go-5x5", "--record", str(file)]) == 1
    assert "is of go-9x9, not go-5x5" in capsys.readouterr().err
    (tmp_path / "none.jsonl").write_text("")
    assert main(["play", "go-5x5", "--record", str(tmp_path / "none.jsonl")]) == 1
    assert "no game in it" in capsys.readouterr().err


TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A command in a pseudo-terminal, which is read and typed to as a person would."""

    def __init__(self, *argv, **environment):
        self.master, slave = pty.openpty()
        settings = {**SETTINGS, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *command(*argv)],
            env={k: v for k, v in os.environ.items() if k != "NO_COLOR"} | settings,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.text = ""

    def until(self, *expected, seconds=90):
        """Read until one of the texts comes, or the end; returns what was new."""
        start, limit = len(self.text), time.monotonic() + seconds
        while not any(self.text.find(text, start) >= 0 for text in expected):
            ready, _, _ = select.select([self.master], [], [], max(0.0, limit - time.monotonic()))
            assert ready, f"waited {seconds} s in vain for {expected}: {self.text[-2000:]}"
            try:
                data = os.read(self.master, 65536)
            except OSError:  # how Linux says that the other side has closed
                break
            self.text += data.decode()
        return self.text[start:]

    def type(self, line):
        os.write(self.master, line.encode())

    def end(self):
        """The exit code."""
        self.until("\0")
        os.close(self.master)
        return self.process.wait(timeout=60)


def test_a_whole_game_in_a_terminal(tmp_path):
    """Cell after cell, until somebody has won: taken ones are told, the end is seen, the game is saved."""
    terminal = Terminal("play", "tic-tac-toe", "--agent", "random", "--seed", "0", "--save", tmp_path / "game")
    terminal.until("X, your move: ")
    cells = iter(f"{column}{row}" for row in "123" for column in "abc")
    while "over (" not in terminal.text:
        terminal.type(f"{next(cells)}\n")
        terminal.until("X, your move: ", "over (")
    terminal.type("quit\n")
    assert terminal.end() == 0
    assert re.search("wins with three in a row|a draw", terminal.text)
    assert "compiling tic-tac-toe" in terminal.text
    assert "48;2;" in terminal.text or "48;5;" in terminal.text, "the board has its colour"
    (record,) = records.read(tmp_path / "game.jsonl")
    assert record.outcome is not None
    assert record.players == ("human", "random")


def test_ctrl_c_in_a_terminal():
    terminal = Terminal("play", "tic-tac-toe", "--agent", "random", NO_COLOR="1")
    terminal.until("X, your move: ")
    terminal.type("b2\n")
    terminal.until("X, your move: ")
    terminal.type("\x03")
    terminal.until("a file to save the game to")
    terminal.type("\n")
    assert terminal.end() == 130
    assert "logpi play: interrupted; the game: 1. b2" in terminal.text
