"""How ``logpi play`` draws boards, tells ends, and what the agent thinks."""

import re

import numpy as np
import pytest
from table import ASCII, COLOUR, UNICODE, board, session, told

from logpi.arena.players.base import SearchResult
from logpi.arena.scenes import Scene, hoshi
from logpi.arena.terminal.board import draw
from logpi.arena.terminal.panel import comment, ending, falls, view
from logpi.arena.terminal.session import result
from logpi.games.rules.looks import Looks
from logpi.games.rules.make import make_game

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
    colours = {span.style.bgcolor for line in view(t._replace(display=COLOUR), s) for span in line.spans}
    assert colours - {None}
    assert not any(span.style.color for line in view(t, s) for span in line.spans)


def test_hoshi():
    points = {size: hoshi(make_game(f"go-{size}x{size}")) for size in (5, 6, 7, 8, 9, 13, 15, 19)}
    assert {size: len(found) for size, found in points.items()} == {5: 1, 6: 0, 7: 5, 8: 4, 9: 5, 13: 5, 15: 9, 19: 9}
    assert points[9] == {(2, 2), (2, 6), (6, 2), (6, 6), (4, 4)}
    assert (3, 9) in points[19]
    assert not hoshi(make_game("othello"))


def test_a_game_without_looks_is_drawn_too():
    game = make_game("othello")._replace(looks=Looks(), name=lambda action: f"move {action}")
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
    found = {t.game.name(row * size + column) for row, column in t.game.looks.winning(t.cells(s.now), outcome)}
    if name == "hex-3x3" and "Blue" in words:
        assert found in ({"a2", "b1", "c1"}, {"a2", "b2", "c1"})
    else:
        assert found == set(stars.split())
    assert ending(t, s) == words
    assert board(name, moves).count("*") == len(found)
    assert words in told(view(t, s))


def test_four_in_a_row_and_more():
    t, s = session("connect-four", "1 1 2 2 3 3 5 5 6 6 7 7 4")
    assert t.game.looks.winning(t.cells(s.now), 1.0) == {(5, column) for column in range(7)}
    assert ending(t, s) == "Red wins with four in a row"
    t, s = session("connect-four", "1 2 2 3 3 4 3 4 4 1 4")
    assert t.game.looks.winning(t.cells(s.now), 1.0) == {(5, 0), (4, 1), (3, 2), (2, 3)}


def test_the_score_of_go():
    t, s = session("go-5x5", "C3 pass pass")
    assert ending(t, s).startswith("Black wins by 17.5 points (area, komi)")
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
    [("", "second", "you win    25%"), ("", "first", "you win    75%"), ("4", "first", "you win    25%"),
     ("4", "none", "Red wins   25%"), ("", "both", "Red wins   75%")],
)  # fmt: skip
def test_chances_are_the_readers(moves, side, shown):
    """A value is the mover's, who is the agent, or the person who asks for a hint."""
    t, s = session("connect-four", moves, side)
    assert shown in told(comment(t, s, SearchResult(3, value=0.5), 0.1))


def test_a_thought_in_words():
    t, s = session("connect-four", "4", "first")
    answer = SearchResult(3, -1.0, {3: 75, 2: 25, 1: 0}, (3, 2, 3))
    assert told(comment(t, s, answer, 1.234)) == (
        "agent plays 4  1.23 s\nyou win    100%  ####################\nexpects    4 3 4"
    )
    assert "looks at   4 75%, 3 25%\n" in told(comment(t, s, answer, 1.234, hint=True))
    long = comment(t, s, answer._replace(variation=(3,) * 40), 1.0)
    assert max(len(line.plain) for line in long) < 50
    assert told(comment(t, s, SearchResult(3), 0.0)) == "agent plays 4  0.00 s"


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


COUNTED = """
    A B C D E
5   x x X . .   5
4   x x X O O   4
3   x X X O o   3
2   x X . O o   2
1   x x X . O   1
    A B C D E
"""


def test_the_end_of_go_shows_whose_each_point_is():
    moves = "C5 D4 C4 E4 C3 D3 B3 D2 B2 E1 C1 pass"
    assert "x" not in board("go-5x5", moves), "only the end is counted"
    assert board("go-5x5", f"{moves} pass") == COUNTED.strip("\n")
    t, s = session("go-5x5", f"{moves} pass")
    area = t.area(s.now)
    assert (area.lead, int(np.sum(area.owned == 1)), int(np.sum(area.owned == 2))) == (14 - 7 - 7.5, 14, 7)
    t, s = session("go-5x5", f"{moves.removesuffix('pass')} E3 pass pass")
    assert (t.area(s.now).lead, t.area(s.now).owned.tolist()) == (area.lead, area.owned.tolist()), "whoever is to move"
