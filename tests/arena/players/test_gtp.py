"""Engines over GTP: moves go there and back, every way to fail is named, and nothing is left running."""

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from logpi.arena.match import play_match
from logpi.arena.players.base import ForfeitError, RandomPlayer, Referee, begin
from logpi.arena.players.gtp import GtpPlayer
from logpi.arena.players.gtp_process import Engine
from logpi.arena.players.make import make_player
from logpi.arena.players.process import GAMES_FOLDER
from logpi.errors import LogpiError
from logpi.games.rules.go import score
from logpi.games.rules.make import make_game

FAKE = f"{sys.executable} {Path(__file__).parents[2] / 'support' / 'fake_gtp_engine.py'}"
HEX = make_game("hex-3x3")
PATH = os.pathsep.join([os.environ.get("PATH", ""), GAMES_FOLDER])
needs_gnugo = pytest.mark.skipif(shutil.which("gnugo", path=PATH) is None, reason="gnugo is not installed")
needs_rhino = pytest.mark.skipif(shutil.which("gtp-rhino", path=PATH) is None, reason="gtp-rhino is not installed")


@pytest.fixture
def engine():
    """Makes players of the fake engine, and closes them."""
    made = []

    def make(options="", seconds=30.0, **others):
        made.append(GtpPlayer(HEX, f"{FAKE} {options}", "fake", seconds, **others))
        return made[-1]

    yield make
    for player in made:
        player.close()


def after(moves, game=HEX):
    referee, position = Referee(game), begin(game)
    for move in moves.split():
        position = referee.play(position, game.parse(move))
    return position


def fault_of(player, *positions):
    with pytest.raises(ForfeitError) as caught:
        player.choose(positions)
    return caught.value


def alive(pid):
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_it_moves_in_many_games_and_sends_no_more_than_it_must(engine, tmp_path):
    player = engine(f"--log {tmp_path / 'log'}")
    assert player.about == "Fake 1.0"
    names = [HEX.name(answer.action) for answer in player.choose([after("a1"), after(""), after("b2 c3")])]
    assert names == ["b1", "a1", "a1"]
    assert [HEX.name(answer.action) for answer in player.choose([after("b2 c3 a1 c1")])] == ["b1"]
    player.close()
    log = (tmp_path / "log").read_text().split("\n")[5:]
    assert log == [
        *("clear_board", "play black a1", "genmove white"),
        *("clear_board", "genmove black"),
        *("clear_board", "play black b2", "play white c3", "genmove black"),
        *("play white c1", "genmove black"),
        *("quit", ""),
    ]


@pytest.mark.parametrize(
    ("fault", "reason", "note"),
    [
        ("die", "engine died", "'genmove white', exit code 3; out of ideas"),
        ("hang", "timed out", "'genmove white' in 1 s"),
        ("illegal", "illegal move", "'a1' as white, at move 2"),
        ("nonsense", "illegal move", "'??' as white, at move 2"),
        ("fail", "illegal move", "no move comes to mind"),
        ("resign", "resigned", "as white, at move 2"),
    ],
)
def test_faults_are_named_and_the_next_game_goes_on(engine, fault, reason, note):
    player = engine(f"--fault {fault}", seconds=1.0 if fault == "hang" else 30.0)
    error = fault_of(player, after("b1 c1 b2"), after("a1"), after(""))
    assert error.reason == reason
    assert note in error.note
    assert [HEX.name(answer.action) for answer in error.answers] == ["a1"], "what was answer before is not lost"
    assert HEX.name(player.choose([after("b1 c1")])[0].action) == "a1"


MANNERS = {  # of engines in the wild
    "no numbers": "--unnumbered",
    "a banner like a reply": "--banner '========\nMy Engine\n========\n'",
    "the same without numbers": "--unnumbered --banner '========\nMy Engine\n========\n'",
    "a banner that refuses": "--banner '? no book\n'",
    "replies unasked": "--unasked '= ready\n\n'",
    "replies of earlier commands": "--unasked '=1 2\n\n'",
    "a prompt": "--banner '' --form '{sign}{number} {text}\n\nGTP> '",
    "the line ends of DOS": "--form '{sign}{number} {text}\r\n\r\n'",
    "a tabulator": "--form '{sign}{number}\t{text}\n\n'",
    "a remark behind the move": "--form '{sign}{number} {text} (53 %%)\nvisits 12\n\n'",
}


@pytest.mark.parametrize("how", MANNERS)
def test_engines_with_manners_of_their_own(engine, how):
    player = engine(MANNERS[how].replace("%%", "%"), seconds=10.0)
    answers = player.choose([after("a1"), after("")])
    assert [HEX.name(answer.action) for answer in answers] == ["b1", "a1"]


def test_an_engine_that_refuses_a_legal_move(engine):
    player = engine("--fault refuse --at 2")
    error = fault_of(player, after("a1"), after("a1 b1 c1"))
    assert (error.reason, error.note, len(error.answers)) == (
        "refused a legal move",
        "'c1' at move 3: illegal move",
        1,
    )
    assert HEX.name(player.choose([after("b1")])[0].action) == "a1", "its board is set up anew"


def test_an_engine_is_restarted_so_many_times(engine):
    player = engine("--fault die", restarts=2)
    for _ in range(3):
        assert "exit code 3" in fault_of(player, after("")).note
    assert "as often as it may" in fault_of(player, after("")).note


def test_the_match_goes_on_after_faults(engine):
    """Every third move it dies, as often as it may be restarted; then all its games are forfeited at once."""
    results = play_match(HEX, engine("--fault die --at 3", restarts=2), RandomPlayer(HEX), games=20, plies=1)
    assert len(results) == 20
    lost = [result for result in results if result.reason == "engine died"]
    assert len(lost) > 3
    assert all(result.score == 0 for result in lost)
    assert sum("exit code 3" in result.note for result in lost) == 3
    good = play_match(HEX, engine(), RandomPlayer(HEX), games=4, plies=1)
    assert {result.reason for result in good} == {"played out"}


def test_noise_on_stderr_blocks_nothing(engine):
    player = engine("--noise 300000")
    assert len(player.choose([after(""), after("a1"), after("a2")])) == 3


@pytest.mark.parametrize("options", ["", "--stay", "--fault hang"])
def test_nothing_is_left_running(engine, tmp_path, options):
    player = engine(f"--child {tmp_path / 'child'} {options}", seconds=1.0)
    pids = [player._kept.engine._process._process.pid, int((tmp_path / "child").read_text())]
    assert all(map(alive, pids))
    if "hang" in options:
        fault_of(player, after(""))
    started = time.monotonic()
    player.close()
    assert time.monotonic() - started < 8
    patience = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < patience:
        time.sleep(0.05)
    assert not any(map(alive, pids))
    player.close()


def test_what_is_no_engine():
    with pytest.raises(LogpiError, match="no program 'no-such-engine'"):
        GtpPlayer(HEX, "no-such-engine --level 1")
    with pytest.raises(LogpiError, match="the engine's command is empty"):
        GtpPlayer(HEX, " ")
    with pytest.raises(LogpiError, match="correct its quotes"):
        GtpPlayer(HEX, "engine 'half")
    with pytest.raises(LogpiError, match="engine died"):
        GtpPlayer(HEX, f"{sys.executable} -c pass")
    with pytest.raises(LogpiError, match="connect-four is not played over GTP"):
        GtpPlayer(make_game("connect-four"), FAKE)
    with pytest.raises(LogpiError, match="refuses a board of size 12: unacceptable size"):
        GtpPlayer(make_game("hex-12x12"), FAKE)


def test_an_engine_that_never_speaks_is_given_up(monkeypatch):
    monkeypatch.setattr("logpi.arena.players.gtp.FIRST_WORDS", 0.5)
    with pytest.raises(LogpiError, match="no reply to 'protocol_version'"):
        GtpPlayer(HEX, f"{FAKE} --fault mute", seconds=0.5)


def random_games(game, count, seed):
    """Every position of some random games, in order."""
    referee, rng = Referee(game), np.random.default_rng(seed)
    for _ in range(count):
        position = begin(game)
        while referee.result(position) is None:
            yield position
            position = referee.play(position, int(rng.choice(referee.legal(position))))


@needs_rhino
def test_rhino_knows_our_othello():
    """It accepts whole random games, passes among them, and has an answer that is legal here everywhere."""
    game = make_game("othello")
    player = GtpPlayer(game, "gtp-rhino --level 1 --book 0")
    referee, passes = Referee(game), 0
    try:
        for position in random_games(game, 12, seed=3):
            (answer,) = player.choose([position])
            legal = referee.legal(position)
            assert answer.action in legal
            passes += legal == [64]
    finally:
        player.close()
    assert passes > 0, "a pass was sent"
    assert player.about == "GTP GRhino 0.16.1"


@needs_rhino
def test_rhino_beats_a_random_player():
    game = make_game("othello")
    player = GtpPlayer(game, "gtp-rhino --level 1")
    try:
        results = play_match(game, player, RandomPlayer(game), games=6, plies=4)
    finally:
        player.close()
    assert sum(result.score for result in results) >= 5
    assert {result.reason for result in results} == {"played out"}


@needs_gnugo
def test_gnugo_counts_its_games_as_we_do():
    """With the options of ``gnugo:LEVEL`` no dead stone is left on the board when both have passed."""
    game = make_game("go-7x7")
    players = [make_player(f"p{level}=gnugo:{level}", game, level) for level in (1, 2)]
    judge = Engine("gnugo --mode gtp --chinese-rules")
    try:
        for result in play_match(game, *players, games=4, plies=4):
            position = after(" ".join(map(game.name, result.actions)), game)
            lead = float(score(position.state)) * (1 if len(result.actions) % 2 == 0 else -1)
            moves = [f"play {('black', 'white')[t % 2]} {game.name(a)}" for t, a in enumerate(result.actions)]
            judge.ask(["boardsize 7", "clear_board", "komi 7.5", *moves], 30)
            assert judge.ask(["final_score"], 60)[0].text == f"{'B' if lead > 0 else 'W'}+{abs(lead):g}"
            assert result.reason == "played out"
    finally:
        for closing in (*players, judge):
            closing.close()


@needs_gnugo
def test_gnugo_accepts_random_games_and_beats_a_random_player():
    game = make_game("go-5x5")
    player = GtpPlayer(
        game,
        "gnugo --mode gtp --level 1 --seed 1 --never-resign --chinese-rules --positional-superko --capture-all-dead",
    )
    referee = Referee(game)
    try:
        for number, position in enumerate(random_games(game, 2, seed=1)):
            if number % 7 == 0:
                assert player.choose([position])[0].action in referee.legal(position)
        results = play_match(game, player, RandomPlayer(game), games=4, plies=2)
    finally:
        player.close()
    assert sum(result.score for result in results) >= 3
    assert {result.reason for result in results} == {"played out"}
