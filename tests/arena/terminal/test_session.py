"""``logpi play`` read and printed: scripted persons and agents, pipes, and whole games in a pseudo-terminal."""

import contextlib
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
import pytest
from rich.console import Console
from small import ROOT, SETTINGS, command, logpi
from table import ASCII, COLOUR, UNICODE, say, session

from logpi.arena.players.base import ForfeitError, RandomPlayer, SearchResult, begin
from logpi.arena.replay import replay
from logpi.arena.terminal.console import InteractiveGame
from logpi.arena.terminal.panel import comment, view
from logpi.arena.terminal.screen import Screen, display_of
from logpi.arena.terminal.session import Session, make_table, result
from logpi.cli.main import main
from logpi.errors import LogpiError
from logpi.games.records import files as records
from logpi.games.rules.make import make_game


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
        return [SearchResult(self.game.parse(move), 0.5) for _ in positions]


def show(name, typist, *moves, played="", side="first", terminal=False, **options):
    """A shown with scripted lines and agent's moves; returns it and a function that gives what was printed."""
    t, s = session(name, played, side)
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=terminal, color_system="truecolor" if terminal else None)
    t = t._replace(display=display_of(console)._replace(unicode=True))
    return InteractiveGame(t, s, Puppet(t.game, *moves), Screen(t, console), read=typist, **options), out.getvalue


def test_a_game_is_played_saved_and_read_back(tmp_path):
    typist = Typist("a1", "9", "a2", "hint", f"save {tmp_path / 'mine'}", "a3", "quit", "")
    shown, printed = show("tic-tac-toe", typist, "b1", "b2", "c3")
    assert shown.run() == 0
    text = printed()
    assert "X wins with three in a row" in text
    assert "agent plays b1" in text
    assert "agent would play c3" in text
    assert "'9' is not a move" in text
    assert text.count("    a   b   c") == 0
    assert text.count("   a   b   c") == 2 * (1 + 2 + 1), "one board at first, after each pair of moves, at the end"
    (record,) = records.read(tmp_path / "mine.jsonl")
    assert (record.players, record.outcome, len(record.actions)) == (("human", "agent"), None, 4)
    assert typist.asked[-1].startswith("a file to save")
    assert "the game: 1. a1 b1  2. a2 b2  3. a3" in text


def test_the_end_of_input_saves_what_is_to_be_saved(tmp_path):
    path = tmp_path / "new" / "games.sgf"
    shown, printed = show("go-5x5", Typist("C3", "new", "C2", "resign"), "B1", "B2", save=str(path))
    assert shown.run() == 0
    assert f"saved: {path}" in printed().replace("\n", "")
    one, other = records.read(path)
    assert (len(one.actions), one.outcome, len(other.actions), other.outcome) == (2, None, 2, -1.0)
    assert (other.reason, other.komi) == ("resigned", 7.5)
    assert [len(replay(r)) for r in (one, other)] == [3, 3]


def test_an_interrupt_offers_to_save(tmp_path):
    path = tmp_path / "game.jsonl"
    typist = Typist("4", end=KeyboardInterrupt)
    shown, _ = show("connect-four", typist, "4")
    with pytest.raises(KeyboardInterrupt, match=r"the game: 1\. 4 4"):
        shown.run()
    assert typist.asked[-1].startswith("a file to save")
    shown, _ = show("connect-four", Typist("4", end=KeyboardInterrupt), KeyboardInterrupt(), save=str(path))
    with pytest.raises(KeyboardInterrupt, match="saved"):
        shown.run()
    assert len(records.read(path)[0].actions) == 1


def test_a_file_that_cannot_be_written_ends_no_game(tmp_path):
    (tmp_path / "taken").write_text("")
    shown, printed = show("connect-four", Typist("4", f"save {tmp_path}/taken/x", "quit", ""), "4")
    assert shown.run() == 0
    assert "not saved" in printed()


def test_an_agent_that_fails():
    shown, printed = show("connect-four", Typist("4"), ForfeitError("engine died", "at genmove"))
    shown.run()
    assert "Red wins: Yellow forfeits (engine died)" in printed()
    assert "at genmove" in printed()
    shown, printed = show("tic-tac-toe", Typist("a1"), "a1")
    shown.run()
    assert "X wins: O forfeits (illegal move)" in printed()
    shown, printed = show("tic-tac-toe", Typist("a1"), LogpiError("out of order"))
    with pytest.raises(LogpiError, match="out of order"):
        shown.run()
    assert "the game: 1. a1" in printed()


def test_watching_needs_nobody():
    shown, printed = show("tic-tac-toe", Typist(), *["a1", "b1", "a2", "b2", "a3"], side="none")
    assert shown.run() == 0
    assert "X wins" in printed()
    assert "X wins     75%" in printed()


def test_in_a_terminal_discs_fall_and_the_agent_is_seen_to_think():
    shown, printed = show("connect-four", Typist("4", "quit", ""), "4", terminal=True)
    shown.run()
    text = printed()
    assert "agent thinks" in text
    assert "\x1b[" in text
    assert text.count("●") > 42 * 8, "the frames of two falls"


def test_what_a_console_can_show(monkeypatch):
    def display(**options):
        return display_of(Console(file=io.TextIOWrapper(io.BytesIO(), options.pop("encoding", "utf-8")), **options))

    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert display(force_terminal=True) == COLOUR
    assert display() == UNICODE, "a pipe"
    assert display(encoding="ascii") == ASCII
    monkeypatch.setenv("NO_COLOR", "1")
    assert display(force_terminal=True) == UNICODE
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "linux")
    assert display(force_terminal=True) == UNICODE, "sixteen colours are not enough"


@pytest.mark.parametrize("name", ["othello", "go-5x5"])
def test_nothing_is_compiled_once_the_first_board_is_shown(name, caplog):
    game = make_game(name)
    player = RandomPlayer(game, 1)
    t = make_table(game, player.name, ASCII)
    player.choose([begin(game)])
    s = Session((begin(game),), "second")
    with caplog.at_level(logging.DEBUG), jax.log_compiles(True):
        while result(t, s) is None:
            view(t, s)
            (answer,) = player.choose([s.now])
            said = comment(t, s, answer, 0.0)
            s = say(t, s, "moves", game.name(answer.action)).session._replace(comment=said)
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
    assert main(["play", "checkers"]) == 1
    assert "unknown game 'checkers'" in capsys.readouterr().err
    assert main(["play", "connect-four", "--agent", "nobody"]) == 1
    assert "unknown player 'nobody'" in capsys.readouterr().err
    assert main(["play", "connect-four", "--agent", "random", "--simulations", "5"]) == 1
    assert "random takes no argument" in capsys.readouterr().err
    assert main(["play", "connect-four", "--agent", "mcts:9", "--simulations", "5"]) == 1
    assert "say it once" in capsys.readouterr().err
    file = tmp_path / "game.sgf"
    records.append(file, records.Record("go-9x9", ("a", "b"), (), None))
    assert main(["play", "go-5x5", "--record", str(file)]) == 1
    assert "is of go-9x9, not go-5x5" in capsys.readouterr().err
    (tmp_path / "none.jsonl").write_text("")
    assert main(["play", "go-5x5", "--record", str(tmp_path / "none.jsonl")]) == 1
    assert "no game in it" in capsys.readouterr().err


TAKE_TERMINAL = """
import fcntl, os, signal, sys, termios

signal.signal(signal.SIGINT, signal.default_int_handler)  # what nohup ignores would stay ignored
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class LateError(AssertionError):
    """What a terminal should have shown did not come."""


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
            if not ready:
                raise LateError(f"waited {seconds} s in vain for {expected}: {self.text[-2000:]}")
            try:
                data = os.read(self.master, 65536)
            except OSError:  # how Linux says that the other side has closed
                break
            self.text += data.decode()
        return self.text[start:]

    def type(self, line):
        os.write(self.master, line.encode())

    def interrupt(self, expected):
        """Press Ctrl-C until ``expected`` is seen: CPython loses one that comes between a prompt and its waiting."""
        for patience in (5, 10, 75):
            self.type("\x03")
            with contextlib.suppress(LateError):
                return self.until(expected, seconds=patience)
        raise LateError(f"Ctrl-C in vain: {self.text[-2000:]}")

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
    terminal.interrupt("a file to save the game to")
    terminal.type("\n")
    assert terminal.end() == 130
    assert "logpi play: interrupted; the game: 1. b2" in terminal.text
