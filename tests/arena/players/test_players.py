"""Tournaments and the verb: who plays whom, what is measured, shown and saved; and how players are named."""

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from logpi.arena.match import Result, in_order, play_match
from logpi.arena.players.base import RandomPlayer, Referee, begin
from logpi.arena.players.make import make_player
from logpi.arena.players.open_spiel import OpenSpielMCTS
from logpi.arena.replay import replay
from logpi.arena.report import report
from logpi.arena.tournament import Duel, SequentialTest, Settings, play_all
from logpi.cli.main import main
from logpi.errors import LogpiError
from logpi.games.records.files import read
from logpi.games.rules.make import make_game
from logpi.view import elo as pictures
from logpi.view import matches as view

FAKE = f"{sys.executable} {Path(__file__).parents[2] / 'support' / 'fake_gtp_engine.py'}"
TOE, FOUR, HEX = (make_game(name) for name in ("tic-tac-toe", "connect-four", "hex-3x3"))


def random_players(game, count):
    players = [RandomPlayer(game, seed) for seed in range(count)]
    for number, player in enumerate(players):
        player.name = f"r{number}"
    return players


def result(opening, first, outcome, reason="played out"):
    return Result(opening, first, (0, 1), 0, outcome, reason)


def test_everyone_meets_everyone_with_the_same_openings():
    heard = []
    duels = play_all(
        TOE, random_players(TOE, 3), Settings(games=6, plies=2, seed=4), lambda a, b, result: heard.append((a, b))
    )
    assert [(duel.a, duel.b) for duel in duels] == [(0, 1), (0, 2), (1, 2)]
    assert heard == [(0, 1)] * 6 + [(0, 2)] * 6 + [(1, 2)] * 6
    openings = [sorted({r.actions[:2] for r in duel.results}) for duel in duels]
    assert openings[0] == openings[1] == openings[2]
    assert len(openings[0]) == 3


def test_a_sequential_test_ends_a_match_early():
    players = [OpenSpielMCTS(FOUR, 50, 0), RandomPlayer(FOUR)]
    test = SequentialTest(0, 200)
    (duel,) = play_all(FOUR, players, Settings(games=200, parallel_games=4, test=test))
    assert len(duel.results) < 60
    assert test.of(duel.results).verdict == "elo1"


def test_games_that_end_soon_do_not_count_first():
    quick = [result(k, first, 1.0) for k in (3, 1) for first in (0, 1)]
    assert in_order([*quick, result(0, 0, 1.0)]) == []
    both = [*quick, result(0, 0, 1.0), result(0, 1, -1.0)]
    assert [r.opening for r in in_order(both)] == [0, 0, 1, 1]
    counts = []

    def enough(results):
        counts.append(len(results))
        return counts[-1] >= 8

    results = play_match(
        FOUR, OpenSpielMCTS(FOUR, 20, 0), RandomPlayer(FOUR), games=40, parallel_games=4, enough=enough
    )
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert [r.opening for r in results[::2]] == list(range(len(results) // 2))
    assert 8 <= len(results) < 40


@pytest.mark.parametrize(("names", "message"), [(["a"], "two players"), (["a", "a"], "called 'a'; name them")])
def test_players_that_cannot_be_told_apart(names, message):
    players = random_players(TOE, len(names))
    for player, name in zip(players, names, strict=True):
        player.name = name
    with pytest.raises(LogpiError, match=message):
        play_all(TOE, players, Settings())


def test_a_report_counts_for_both_sides():
    first = Duel(0, 1, [result(0, 0, 1), result(0, 1, -1), result(1, 0, 0), result(1, 1, -1, "timed out")])
    second = Duel(1, 2, [result(0, 0, 1), result(0, 1, 1)])
    found = report(["x", "y", "z"], [first, second], anchor=1).to_json()
    x, y, z = (next(p for p in found["players"] if p["name"] == name) for name in "xyz")
    assert found["players"][0] is x
    assert (x["points"], x["won"], x["drawn"], x["lost"]) == (3.5, 3, 1, 0)
    assert (y["points"], y["games"], y["faults"]) == (1.5, 6, {"timed out": 1})
    assert (z["points"], z["faults"]) == (1, {})
    assert (y["elo"], y["interval"]) == (0, [0, 0])
    match, other = found["matches"]
    assert (match["pairs"], match["won_moving_first"], match["sprt"]) == ([0, 0, 0, 1, 1], 1, None)
    assert match["score"][0] == 0.875
    assert (other["points"], other["pairs"]) == (1, [0, 0, 1, 0, 0])
    assert not found["drawn_games_added"], "x drew one"
    swept = report(["x", "y"], [Duel(0, 1, first.results[:2])], test=SequentialTest(0, 10)).to_json()
    assert swept["matches"][0]["elo"][0] is None, "infinite"
    assert swept["matches"][0]["sprt"]["verdict"] == ""
    assert swept["drawn_games_added"]
    json.dumps(swept, allow_nan=False)


def shown(found):
    file = io.StringIO()
    view.show(found, Console(file=file, force_terminal=False))
    return file.getvalue()


def test_long_names_stay_told_apart_in_a_narrow_terminal():
    names = [f"runs/alphazero/connect-four_1/stages/000{number}000000" for number in (1, 2)]
    found = report(names, [Duel(0, 1, [result(0, 0, 1), result(0, 1, -1)])]).to_json()
    file = io.StringIO()
    view.show(found, Console(file=file, width=80, force_terminal=True, color_system=None))
    table = file.getvalue().partition("\n\n")[0]
    assert "…" not in table
    folded = "".join(line.strip() for line in table.splitlines() if line.startswith("   "))
    assert all(name[-8:] in folded for name in names)


def test_a_report_in_words():
    duel = Duel(0, 1, [result(0, 0, 1), result(0, 1, -1), result(1, 0, 0), result(1, 1, -1, "timed out")])
    text = shown(report(["x[b]", "y"], [duel], test=SequentialTest(0, 10)).to_json())
    assert "x[b] – y: 3.5 of 4  +3 =1 -0  87.5%" in text
    assert "SPRT 0 or 10: undecided, LLR 0.0" in text
    assert "y forfeited 1: timed out" in text
    swept = shown(report(["x", "y"], [Duel(0, 1, duel.results[:2])]).to_json())
    assert "x – y: 2 of 2  +2 =0 -0  100.0% (20.7% to 100.0%)  Elo +∞ (-23" in swept
    assert " to +∞)" in swept
    assert "a drawn game was added" in swept
    assert "their mean is 0" in text
    assert re.search(r"1  x\[b\] .* ·\s+87\.5", text)
    clean = [Duel(0, 1, [result(0, 0, 1), result(0, 1, 1)])]
    assert "drawn game" not in text
    assert "x is 0" in shown(report(["x", "y"], clean, anchor=0).to_json())


def test_progress_estimates_from_the_games_so_far(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: now[0])
    progress = view.Progress(10, longest=40)
    assert progress.text() == "0 / 10 games  0%"
    now[0], progress.moves = 110.0, 100
    assert progress.text() == "0 / 10 games  0%  10 moves/s  at most 0:30 left"
    assert progress.share() == 0.25
    progress.game(20)
    assert progress.text() == "1 / 10 games  10%  10 moves/s  about 0:10 left"
    assert progress.share() == 0.5
    for _ in range(9):
        progress.game(20)
    assert progress.text() == "10 / 10 games  100%  10 moves/s"
    assert progress.share() == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_seen_but_not_too_often(monkeypatch, terminal):
    now = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: now[0])
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120, color_system=None)
    with view.watching(view.Progress(1000, 9), "tic-tac-toe", console=console) as watcher:
        for _ in range(1000):
            now[0] += 0.01
            watcher.progress.moves += 5
            watcher.progress.game(5)
            watcher.changed()
    times = file.getvalue().count("tic-tac-toe")
    assert times == 2 if not terminal else 60 <= times <= 90
    assert "games" in file.getvalue()


def test_an_elo_chart_is_drawn(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(pictures, "atomic_write", lambda path, data: (kept.append(path), path.write_bytes(data)))
    names = ["strong", "x" * 80, "anchor"]
    path = pictures.elo_chart(
        names, [300.0, 100, 0], [(200, 400), (50, 150), (0, 0)], tmp_path / "l.png", "$1", connected=True
    )
    assert kept == [path]
    picture = np.asarray(Image.open(path).convert("L"))
    assert picture.std() > 5
    assert picture.shape[1] == 1200


def test_every_kind_of_player_plays():
    for text, game in [
        ("random", TOE),
        ("solver", FOUR),
        ("openspiel-mcts:10", HEX),
        ("openspiel-mcts:10", make_game("othello")),
        (f"gtp:{FAKE}", HEX),
    ]:
        player = make_player(text, game)
        try:
            (answer,) = player.choose([begin(game)])
            assert answer.action in Referee(game).legal(begin(game))
            assert player.name == text
        finally:
            player.close()
    assert make_player("weak=random", TOE).name == "weak"


@pytest.mark.parametrize(
    ("text", "game", "message"),
    [
        ("nonsense", TOE, "unknown player 'nonsense'; allowed: random, mcts:SIMULATIONS, solver"),
        ("", TOE, "unknown player ''"),
        ("random:3", TOE, "random takes no argument"),
        ("solver", TOE, "solver plays connect-four alone"),
        ("openspiel-mcts", TOE, "give openspiel-mcts:N a whole number"),
        ("openspiel-mcts:1", TOE, "from 2 to"),
        ("openspiel-mcts:10", make_game("go-5x5"), "does not play go-5x5"),
        ("gnugo:1", TOE, "gnugo plays go-NxN alone"),
        ("gnugo:x", make_game("go-5x5"), "give gnugo:LEVEL a whole number from 0 to 10"),
        ("rhino:1", TOE, "rhino plays othello alone"),
        ("rhino:6", make_game("othello"), "from 1 to 5"),
        ("gtp:", HEX, "command is empty"),
        ("gtp:no-such-engine", HEX, "no program 'no-such-engine'"),
    ],
)
def test_players_that_are_none(text, game, message):
    with pytest.raises(LogpiError, match=message):
        make_player(text, game)


def test_openspiel_finds_the_win():
    referee, position = Referee(FOUR), begin(FOUR)
    for column in (3, 0, 3, 0, 3, 0):
        position = referee.play(position, column)
    (answer,) = OpenSpielMCTS(FOUR, 200, 1).choose([position])
    assert answer.action == 3


@pytest.fixture
def arena(capsys, tmp_path, monkeypatch):
    """Run the verb in an empty folder; returns what it printed on stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*argv, code=0):
        capsys.readouterr()
        assert main(["arena", *map(str, argv)]) == code
        return capsys.readouterr()

    return run


def test_the_verb(arena, tmp_path):
    said = arena("tic-tac-toe", "random", "b=random", "openspiel-mcts:50", "--games", 10, "--openings", 2)
    assert "openspiel-mcts:50" in said.out.split("\n")[1], "the strongest comes first"
    assert "random – b: " in said.out
    folder = tmp_path / "arena" / "tic-tac-toe_1"
    assert f"{folder.relative_to(tmp_path)}" in said.out
    assert "tic-tac-toe: " in said.err
    records = read(folder / "games.jsonl")
    assert len(records) == 30
    assert all(len(replay(record)) == len(record.actions) + 1 for record in records[:3])
    assert all(sum(name in record.players for record in records) == 20 for name in ("random", "b"))
    assert sum(record.players[0] == "b" for record in records) == 10
    result = json.loads((folder / "result.json").read_text())
    assert result["folder"] == "arena/tic-tac-toe_1"
    assert np.asarray(Image.open(folder / "elo.png").convert("L")).std() > 5


def test_the_verb_for_programs(arena, tmp_path):
    flags = ("--games", 4, "--anchor", "b", "--sprt", -400, 400, "--out", "here", "--json", "--quiet")
    said = arena("hex-3x3", "random", f"b=gtp:{FAKE} --fault die --at 3", *flags)
    found = json.loads(said.out)
    assert said.err == ""
    assert found["anchor"] == "b"
    assert found["matches"][0]["sprt"]["elo1"] == 400
    b = next(player for player in found["players"] if player["name"] == "b")
    assert b["faults"]["engine died"] >= 1
    assert b["elo"] == 0
    records = read(tmp_path / "here" / "games.sgf")
    assert any("exit code 3; out of ideas" in record.note for record in records)
    again = arena("hex-3x3", "random", "b=random", "--out", "here", code=1)
    assert "has games.sgf of an earlier arena" in again.err or "has result.json" in again.err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nogame", "random", "b=random"], "unknown game 'nogame'"),
        (["tic-tac-toe", "random"], "give two players"),
        (["tic-tac-toe", "random", "random"], "two players are called 'random'"),
        (["tic-tac-toe", "random", "b=random", "--games", 3], "even number"),
        (["tic-tac-toe", "random", "b=random", "--anchor", "c"], "the anchor 'c' does not play"),
        (["tic-tac-toe", "random", "b=random", "--sprt", 5, 0], "elo0 5 is not below elo1 0"),
        (["tic-tac-toe", "random", "b=random", "--openings", 9], "no opening of 9 random plies"),
        (["tic-tac-toe", "random", "b=random", "--openings", -1], "--openings -1; allowed: 0 to 1000"),
        (["tic-tac-toe", "random", "b=random", "--seed", -1], "--seed -1; allowed: 0 to 2147483647"),
        (["tic-tac-toe", "random", "b=random", "--sprt", 0, 1e5], "must lie between -2000 and 2000"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(arena, tmp_path, argv, message):
    assert message in arena(*argv, code=1).err
    assert not (tmp_path / "arena").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--agent", "random", "--seed", "-1"], "--seed -1; allowed: 0 to"),
        (["--agent", "random", "--seed", "9" * 30], "; allowed: 0 to"),
        (["--side", "none", "--pause", "-1"], "--pause -1.0; allowed: 0 to"),
        (["--side", "none", "--pause", "nan"], "--pause nan; allowed: 0 to"),
        (["--agent", "mcts", "--simulations", "0"], "mcts:0"),
    ],
)
def test_numbers_that_play_refuses(flags, message, capsys):
    assert main(["play", "tic-tac-toe", *flags]) == 1
    assert message in capsys.readouterr().err


def test_an_interrupt_keeps_the_games_and_ends_the_engine(arena, tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(RandomPlayer, "close", lambda self: closed.append(self.name))

    def interrupted(self, positions):
        raise KeyboardInterrupt

    monkeypatch.setattr(RandomPlayer, "choose", interrupted)
    said = arena("tic-tac-toe", "random", "b=random", code=130)
    assert "the games that were over are in arena/tic-tac-toe_1/games.jsonl" in said.err
    assert sorted(closed) == ["b", "random"]


def test_games_that_repeat_others_are_told():
    """Four games of one line, moved first by either player in turn, are two games and two copies."""
    copies = [result(n, first, 1.0 - 2 * first) for n in (0, 1) for first in (0, 1)]
    found = report(["a", "b"], [Duel(0, 1, copies)]).to_json()
    assert found["matches"][0]["repeated"] == 2
    out = io.StringIO()
    view.show(found, Console(file=out, width=250))
    assert "2 of 4 games repeat others" in out.getvalue()
    own = [game._replace(actions=(n, 5)) for n, game in enumerate(copies)]
    assert report(["a", "b"], [Duel(0, 1, own)]).to_json()["matches"][0]["repeated"] == 0
