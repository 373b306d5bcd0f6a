"""Engines over UCI and USI: moves go there and back, clocks run, and every way to fail is named."""

import sys
from pathlib import Path

import pytest

from logpi.arena.match import play_match
from logpi.arena.players.base import ForfeitError, RandomPlayer, Referee, begin
from logpi.arena.players.limits import Clock, Limits, parse, spent
from logpi.arena.players.make import make_player
from logpi.arena.players.uci import UciPlayer
from logpi.errors import LogpiError
from logpi.games.rules.make import make_game

FAKE = f"{sys.executable} {Path(__file__).parents[2] / 'support' / 'fake_uci_engine.py'}"
START = "position fen rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
CHESS = make_game("chess")


@pytest.fixture
def engine():
    """Makes players of the fake engine, and closes them."""
    made = []

    def make(options="", settings="movetime=0.1", seconds=30.0, **others):
        made.append(UciPlayer(CHESS, f"{settings} {FAKE} {options}", "fake", seconds, **others))
        return made[-1]

    yield make
    for player in made:
        player.close()


def after(moves, number=0):
    referee, position = Referee(CHESS), begin(CHESS)._replace(number=number)
    for move in moves.split():
        position = referee.play(position, CHESS.parse(move))
    return position


def fault_of(player, *positions):
    with pytest.raises(ForfeitError) as caught:
        player.choose(positions)
    return caught.value


def test_it_moves_in_several_games_and_is_told_where_one_begins(engine, tmp_path):
    player = engine(f"--log {tmp_path / 'log'}", 'nodes=7 "option.skill level=3"')
    assert player.about == "Fake"
    names = [CHESS.name(answer.action) for answer in player.choose([after("e2e4"), after("", 1)])]
    assert names == ["a7a5", "a2a3"]
    assert CHESS.name(player.choose([after("a2a3 a7a5", 1)])[0].action) == "a1a2"
    player.close()
    assert (tmp_path / "log").read_text().splitlines() == [
        *("uci", "setoption name UCI_Variant value chess", "setoption name Skill Level value 3", "isready"),
        *("ucinewgame", "isready", f"{START} moves e2e4", "go nodes 7"),
        *("ucinewgame", "isready", START, "go nodes 7"),
        *(f"{START} moves a2a3 a7a5", "go nodes 7"),
        "quit",
    ]


@pytest.mark.parametrize(
    ("fault", "reason", "note"),
    [
        ("die", "engine died", "exit code 3; out of ideas"),
        ("hang", "timed out", "no reply to 'go movetime 100' in 1 s"),
        ("illegal", "illegal move", "'a1a8' at move 3"),
        ("nonsense", "illegal move", "?"),
        ("none", "illegal move", "'(none)'"),
        ("resign", "resigned", "at move 3"),
    ],
)
def test_every_way_to_fail_is_named_and_it_plays_on(engine, tmp_path, fault, reason, note):
    player = engine(f"--fault {fault} --at 2 --until {tmp_path / 'once'}", seconds=1.0)
    assert len(player.choose([after("")])) == 1
    found = fault_of(player, after("a2a3 a7a5"))
    assert found.reason == reason
    assert note in found.note
    assert "\x1b" not in str(found)
    assert len(player.choose([after("a2a3 a7a5", 1), after("e2e4 e7e5", 2)])) == 2


def test_what_it_says_while_it_thinks_fills_no_pipe(engine):
    assert len(engine("--fault chatter").choose([after("")])) == 1


def test_one_that_dies_too_often_forfeits_the_rest(engine):
    player = engine("--fault die", restarts=1)
    assert fault_of(player, after("")).reason == "engine died"
    assert "exit code 3" in fault_of(player, after("")).note
    assert "as often as it may be started again" in fault_of(player, after("")).note


def test_a_clock_runs_while_it_thinks_and_its_flag_falls(engine, tmp_path):
    player = engine(f"--sleep 0.1 --log {tmp_path / 'log'}", "tc=1+0.05")
    player.choose([after("")])
    player.choose([after("a2a3 a7a5")])
    asked = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("go")]
    assert asked[0] == "go btime 1000 wtime 1000 binc 50 winc 50"
    left = int(asked[1].split()[2])
    assert 500 < left <= 950
    late = engine("--fault late", "tc=0.2")
    found = fault_of(late, after(""))
    assert found.reason == "timed out"
    assert "s with 0.200 s left, at move 1" in found.note


@pytest.mark.parametrize(
    ("text", "limits", "command"),
    [
        ("stockfish", Limits(movetime=1.0), "stockfish"),
        ("tc=40/60+0.5 a b", Limits(Clock(60, 0.5, 0, 40)), "a b"),
        ("tc=0 byoyomi=2 a", Limits(Clock(0, 0, 2)), "a"),
        ("byoyomi=2 a", Limits(Clock(0, 0, 2)), "a"),
        ("depth=3 nodes=9 a", Limits(depth=3, nodes=9), "a"),
        ('nodes=1 "option.Skill Level=0" "a b" tc=1', Limits(nodes=1, options=(("Skill Level", "0"),)), "'a b' tc=1"),
    ],
)
def test_limits_stand_before_the_command(text, limits, command):
    assert parse(text) == (limits, command)


@pytest.mark.parametrize("text", ["tc=x a", "tc=1+ a", "nodes=0 a", "movetime=0 a", "depth=-1 a", "byoyomi=1e9 a"])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(LogpiError, match="is no limit of an engine; allowed: tc="):
        parse(text)


def test_a_clock_gets_its_increment_and_its_next_control():
    full = Clock(10, 1, 0, 2)
    first = spent(full, full, 4, 1)
    assert first.left == 7
    assert spent(first, full, 3, 2).left == 15
    assert spent(first, full, 7.1, 2) is None
    slow = Clock(1, byoyomi=2)
    assert spent(slow, slow, 2.5, 1).left == 0
    assert spent(slow, slow, 3.1, 1) is None


def test_what_is_no_engine_of_the_game_is_refused():
    for text, said in (
        ("uci:nodes=1 /nowhere/engine", "no program"),
        (f"uci:option.Nothing=1 {FAKE}", "has no option 'Nothing'; it offers: Skill Level, UCI_Variant"),
        (f"usi:{FAKE}", "usi: engines do not play chess; it is played over uci"),
        ("uci:", "the engine's command is empty"),
    ):
        with pytest.raises(LogpiError, match=said):
            make_player(text, CHESS)
    with pytest.raises(LogpiError, match="not played over UCI or USI"):
        UciPlayer(make_game("hex-3x3"), FAKE)


def test_an_engine_that_does_not_greet_is_given_up(engine, monkeypatch):
    monkeypatch.setattr("logpi.arena.players.uci_process.FIRST_WORDS", 0.2)
    with pytest.raises(ForfeitError, match="no reply to 'uci'"):
        engine("--fault deaf", seconds=0.2)


def test_a_match_goes_on_where_an_engine_dies(engine, tmp_path):
    player = engine(f"--fault die --at 4 --until {tmp_path / 'once'}")
    results = play_match(CHESS, player, RandomPlayer(CHESS, 1), games=4, plies=2, parallel_games=2)
    assert len(results) == 4
    reasons = [result.reason for result in results]
    assert reasons.count("engine died") == 1
    assert reasons.count("played out") == 3
