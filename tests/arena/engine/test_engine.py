"""Engines: the search that goes on, clocks, and the protocols UCI, USI and GTP."""

import io
import queue
import random
import re
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import quick_compilation

import logpi.arena.engine.thinker
import logpi.games.search.playing
from logpi.arena.engine.clock import Budget, Clock, budget, fixed
from logpi.arena.engine.serve import session
from logpi.arena.engine.thinker import Limits, Thinker
from logpi.arena.players.base import Position, Referee, begin
from logpi.cli import engine
from logpi.config.experiments import resolve
from logpi.errors import LogpiError
from logpi.games.agent import GameAgent
from logpi.games.rules.make import make_game
from logpi.methods import method_of

ROOM = 512
SMALL = {"network": {"units": 16, "blocks": 1}}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def agent_of(name):
    """An untrained agent."""
    experiment, game = resolve(name, None, SMALL)[0], make_game(name)
    params = (
        method_of(experiment.algo, None)(experiment.method, experiment.network, game).init(jax.random.key(0)).params
    )
    return GameAgent(game, experiment.method, experiment.network, params, {"algo": experiment.algo})


@pytest.fixture(scope="module")
def four():
    return agent_of("connect-four")


@pytest.fixture(scope="module")
def thinker(four):
    return Thinker(four, ROOM)


@pytest.fixture(scope="module")
def one_by_one(four):
    return Thinker(four, ROOM, leaves=1)


class Talk:
    """A session in this process, and what it has said."""

    def __init__(self, agent, room=ROOM, simulations=32):
        self.lines, self.heard, self.waiting = [], [], queue.Queue()
        self._handle = session(agent, "auto", simulations, room, self.waiting, self._hear)

    def _hear(self, text):
        self.heard.append(text)
        self.lines += text.splitlines() if text.strip() else [text]

    def __call__(self, *lines):
        """What is said to ``lines``, until every move that was asked for has come."""
        before = len(self.lines)
        for line in lines:
            self._handle(line)
        return self.lines[before:]

    def move(self, *lines, seconds=30.0):
        """The same, and waits for ``bestmove``."""
        before, end = len(self.lines), time.monotonic() + seconds
        self(*lines)
        while time.monotonic() < end and not any(line.startswith("bestmove") for line in self.lines[before:]):
            time.sleep(0.002)
        return self.lines[before:]


@pytest.fixture(scope="module")
def uci():
    """A session of Gardner's chess, compiled."""
    talk = Talk(agent_of("gardner-chess"))
    assert talk("uci")[-1] == "uciok"
    assert talk("isready") == ["readyok"]
    return talk


def quiet(*arguments):
    return False


def thought(thinker, position, nodes, **options):
    return thinker.think(position, Limits(nodes=nodes, **options), quiet, quiet, lines=7)


def after(game, moves):
    referee, position = Referee(game), begin(game)
    for move in moves:
        position = referee.play(position, game.parse(str(move)))
    return position


def test_it_makes_the_visits_of_trainings_search(four, one_by_one):
    """With one leaf at a time, grown in one piece or in many, from the same root with the same settings."""
    thinker = one_by_one
    position = after(four.game, [4, 4, 3])
    states = jax.tree.map(lambda x: jnp.asarray(x)[None], position.state)
    wanted = np.asarray(four.search(states, 150).visits[0])
    thinker.forget()
    thought(thinker, position, 60)
    found = thinker.think(position, Limits(nodes=90), quiet, quiet, lines=7)
    visits = {line.actions[0]: line.visits for line in found.lines}
    assert visits == {a: int(n) for a, n in enumerate(wanted) if n or a in visits}
    assert found.nodes == 151


def test_the_tree_is_kept_from_move_to_move(four, thinker):
    """What was found below the moves that were played is there at once, and grows on as a tree does."""
    thinker.forget()
    first = thought(thinker, begin(four.game), 200)
    best = first.lines[0]
    known = thinker.think(after(four.game, [best.actions[0] + 1]), Limits(nodes=0), quiet, quiet, lines=7)
    assert known.nodes == best.visits
    assert known.value == pytest.approx(-best.value, abs=1e-5)
    assert sum(line.visits for line in known.lines) == best.visits - 1
    grown = thought(thinker, after(four.game, [best.actions[0] + 1]), 50)
    assert grown.nodes == known.nodes + 50
    assert sum(line.visits for line in grown.lines) == grown.nodes - 1


def test_a_tree_is_moved_in_place(four, monkeypatch):
    """In blocks that do not divide its room: what is below the move, in its order, and nothing behind it."""
    monkeypatch.setattr(logpi.games.search.playing, "BLOCK", 7)
    thinker = Thinker(four, 100)
    thought(thinker, begin(four.game), 90)
    before = jax.device_get(thinker._tree)
    children = before.child[0, 0]
    first = int(np.where(children > 0, before.visits[children, 0], 0).argmax())
    below = [int(before.child[0, 0, first])]
    for node in below:
        below += [int(child) for child in before.child[node, 0] if child]
    below.sort()
    assert 7 < len(below) < 80
    number = {node: place for place, node in enumerate(below)}
    thinker.think(after(four.game, [first + 1]), Limits(nodes=0), quiet, quiet)
    now = jax.device_get(thinker._tree)
    count = len(below)
    np.testing.assert_array_equal(now.visits[:count], before.visits[below])
    np.testing.assert_array_equal(now.total[:count], -before.total[below])
    np.testing.assert_array_equal(now.logits[:count], before.logits[below])
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x[:count], y[below]), now.state, before.state)
    children = np.vectorize(lambda node: number.get(node, 0))(before.child[below])
    np.testing.assert_array_equal(now.child[:count], children)
    assert not any(x[count:].any() for x in (now.visits, now.total, now.child))

    again, fresh = (thought(one, after(four.game, [7]), 60) for one in (thinker, Thinker(four, 100)))
    assert again.lines == fresh.lines


def test_a_mate_in_one_is_seen(four, thinker):
    thinker.forget()
    found = thought(thinker, after(four.game, [1, 7, 1, 7, 1, 6]), 100)
    assert found.lines[0].actions[0] == 0
    assert found.lines[0].value == pytest.approx(1.0)


def test_a_search_of_some_moves_knows_no_others(four, thinker):
    thinker.forget()
    found = thinker.think(begin(four.game), Limits(nodes=40, moves=[0, 6]), quiet, quiet, lines=7)
    assert {line.actions[0] for line in found.lines} == {0, 6}


def test_it_is_told_of_on_the_way(four, thinker, monkeypatch):
    """Twice a second; here before each piece of the search, and at the end."""
    monkeypatch.setattr(logpi.arena.engine.thinker, "REPORT", 0.0)
    thinker.forget()
    told = []
    thinker.think(begin(four.game), Limits(nodes=40), told.append, quiet)
    assert len(told) > 1
    assert told[0].nodes < told[-1].nodes
    assert [thought.nodes for thought in told] == sorted(thought.nodes for thought in told)


def test_a_full_tree_ends_the_search(four, thinker):
    thinker.forget()
    assert thought(thinker, begin(four.game), 10_000).nodes == ROOM


@pytest.mark.parametrize("left", [1.0, 5.0, 60.0])
@pytest.mark.parametrize("increment", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("byoyomi", [0.0, 1.0])
@pytest.mark.parametrize("moves", [0, 1, 20])
def test_no_flag_falls(left, increment, byoyomi, moves):
    """A game of 80 moves in which every move takes as long as it may; half of a long time is used."""
    clock, overhead, used, control = Clock(left, increment, byoyomi, moves), 0.03, 0.0, moves
    for _ in range(80):
        times = budget(clock, overhead)
        assert times.usual <= times.most
        spent = times.most + overhead
        assert spent <= clock.left + byoyomi + 1e-9 or times.most <= 0.01, clock
        used += spent
        rest = max(0.0, clock.left - spent) + increment
        control = control - 1 if control else 0
        if moves and control == 0:
            rest, control = rest + left, moves
        clock = Clock(rest, increment, byoyomi, control)
    assert used >= left / 2


def test_a_move_without_a_clock_has_no_end():
    assert budget(Clock(), 0.03) == Budget(np.inf, np.inf)
    assert fixed(0.1, 0.03).most == pytest.approx(0.07)
    assert fixed(0.01, 0.03).most > 0


def test_uci_says_nothing_before_it_is_asked_and_offers_the_usual_options():
    talk = Talk(agent_of("gardner-chess"))
    assert talk.lines == []
    said = talk("uci")
    assert said[0].startswith("id name logpi")
    assert said[-1] == "uciok"
    offered = {re.match(r"option name (.+) type", line)[1] for line in said if line.startswith("option")}
    assert offered >= {"Threads", "Hash", "Move Overhead", "MultiPV", "Ponder", "UCI_ShowWDL", "SyzygyPath"}


def bests(lines):
    return [line for line in lines if line.startswith("bestmove")]


def test_uci_answers_every_go_once(uci):
    said = uci.move("ucinewgame", "position startpos moves e2e3", "go nodes 40")
    assert len(bests(said)) == 1
    move = bests(said)[0].split()[1]
    state = after(make_game("gardner-chess"), ["e2e3"]).state
    assert make_game("gardner-chess").notation.read(state, move) >= 0, "it is legal"
    info = next(line for line in said if line.startswith("info"))
    assert re.match(r"info depth \d+ seldepth \d+ score cp -?\d+ nodes \d+ nps \d+ time \d+ pv [a-e]", info)


def test_uci_stops_and_is_ready_while_it_searches(uci):
    assert bests(uci("position startpos", "go infinite")) == []
    assert uci("isready") == ["readyok"]
    began = time.perf_counter()
    assert len(bests(uci("stop"))) == 1
    assert time.perf_counter() - began < 1
    assert uci("stop") == [], "one answer, not two"


def test_uci_ponders_until_it_is_told(uci):
    uci("position startpos moves e2e3 e4e3", "go ponder wtime 1000 btime 1000")
    time.sleep(0.3)
    assert bests(uci("isready")) == []
    assert len(bests(uci.move("ponderhit"))) == 1


def test_uci_shows_several_lines_and_chances(uci):
    said = uci.move(
        "setoption name MultiPV value 3", "setoption name UCI_ShowWDL value true", "position startpos", "go nodes 60"
    )
    shown = [line for line in said if " multipv " in line]
    assert {line.split(" multipv ")[1][0] for line in shown} == {"1", "2", "3"}
    wins, draws, losses = map(int, re.search(r"wdl (\d+) (\d+) (\d+)", shown[0]).groups())
    assert wins + draws + losses == 1000
    uci("setoption name MultiPV value 1", "setoption name UCI_ShowWDL value false")
    assert "allowed: 1 to 64" in uci("setoption name MultiPV value 99")[0]


def test_uci_searches_the_moves_that_are_asked_for(uci):
    assert bests(uci.move("position startpos", "go nodes 20 searchmoves a2a3"))[0].split()[1] == "a2a3"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("position startpos moves e2e5", "is not legal"),
        ("position fen 8/8 w - - 0 1", "is not a FEN of 5 rows"),
        ("position nowhere", "allowed: startpos, or fen and a position"),
        ("setoption", "write setoption name NAME value VALUE"),
    ],
)
def test_uci_says_what_is_wrong_and_keeps_the_position(uci, line, said):
    uci("position startpos moves a2a3")
    found = uci(line)
    assert found[0].startswith("info string")
    assert said in found[0]
    assert bests(uci.move("go nodes 5 searchmoves b4b3"))[0].split()[1] == "b4b3"


def test_uci_answers_where_the_moves_to_search_are_none(uci):
    said = uci.move("position startpos", "go nodes 5 searchmoves a4a3")
    assert said[0].startswith("info string 'a4a3' is not legal")
    assert len(bests(said)) == 1


def test_uci_has_no_move_where_the_game_is_over(uci):
    assert uci.move("position fen 4k/3QK/5/5/5 b - - 0 1", "go nodes 5")[-1] == "bestmove (none)"


def test_uci_moves_on_where_the_game_is_drawn(uci):
    """Whether a third repetition or 50 moves end the game, the other program decides."""
    said = uci.move("position fen 4k/5/5/5/R3K w - - 100 90", "go nodes 10")
    assert re.match(r"bestmove [a-e][1-5]", bests(said)[0])
    back_and_forth = " ".join(["a1a2 e5d5 a2a1 d5e5"] * 3)
    said = uci.move(f"position fen 4k/5/5/5/R3K w - - 0 1 moves {back_and_forth}", "go nodes 10")
    assert re.match(r"bestmove [a-e][1-5]", bests(said)[0])


def test_uci_survives_what_is_no_command(uci):
    """Words of the protocol in any order, and noise; it still plays afterwards."""
    rng = random.Random(0)
    words = ["uci", "isready", "position", "startpos", "fen", "moves", "e2e3", "setoption", "name", "value", "MultiPV"]
    words += ["ponderhit", "stop", "debug", "on", "\x00", "é", "99999999999999999999", "-1", "nodes", "register", "\t"]
    for _ in range(300):
        uci(" ".join(rng.choice(words) for _ in range(rng.randint(0, 8))))
    assert len(bests(uci.move("ucinewgame", "position startpos", "go nodes 5"))) == 1


@pytest.fixture(scope="module")
def usi():
    talk = Talk(agent_of("animal-shogi"))
    assert talk("usi")[-1] == "usiok"
    assert talk("isready") == ["readyok"]
    return talk


def test_usi_plays_by_its_own_words(usi):
    said = usi.move("usinewgame", "position startpos moves 2c2b", "go byoyomi 200")
    assert re.match(r"bestmove ([1-3][a-d][1-3][a-d]\+?|[CEG]\*[1-3][a-d])", bests(said)[0])
    said = usi.move("position sfen 1l1/3/1L1/3 b C 1", "go nodes 30")
    assert len(bests(said)) == 1
    assert usi.move("position sfen 2L/l2/3/3 w - 1", "go nodes 5")[-1] == "bestmove resign"
    assert usi.move("position sfen 2L/l2/3/1g1 b - 1", "go nodes 5")[-1] == "bestmove win"


@pytest.fixture(scope="module")
def gtp():
    return Talk(agent_of("go-5x5"), simulations=24)


def test_gtp_answers_as_sabaki_expects(gtp):
    assert gtp("name") == ["= logpi go-5x5", ""]
    assert gtp("1 protocol_version")[0] == "=1 2"
    known = gtp("list_commands")
    assert {"play", "genmove", "undo", "showboard", "time_settings", "kata-analyze", "lz-analyze"} <= {*known}
    assert gtp("known_command play")[0] == "= true"
    assert gtp("boardsize 19")[0] == "? unacceptable size"
    assert gtp("7 boardsize 5")[0] == "=7"
    assert gtp("komi 0.5")[0].startswith("? this agent has learnt to play with komi 7.5")
    assert gtp("komi 7.5")[0] == "="


def test_gtp_plays_takes_back_and_refuses(gtp):
    gtp("clear_board")
    assert gtp("play b C3")[0] == "="
    assert gtp("play w C3")[0] == "? illegal move"
    assert gtp("play w Z9")[0] == "? invalid color or coordinate"
    assert re.fullmatch(r"= ([A-E][1-5]|pass)", gtp("genmove w")[0])
    assert gtp("undo")[0] == "="
    assert gtp("play b D4")[0] == "=", "white passes when black moves twice"
    assert gtp("nonsense")[0] == "? unknown command"
    assert gtp("final_score")[0] == "? the game is not over"
    assert gtp("clear_board")[0] == gtp("play b C3")[0] == gtp("play w pass")[0] == gtp("play b pass")[0] == "="
    assert gtp("final_score")[0] == "= B+17.5"
    assert gtp("genmove w")[0] == "? the game is over"


def test_gtp_analyses_until_something_is_said(gtp):
    gtp("clear_board")
    gtp.waiting.put("name")
    said = gtp("kata-analyze b 10")
    assert said[0] == "="
    assert re.match(r"info move [A-E][1-5] visits \d+ winrate \d+ prior \d+ order 0 pv", said[1])
    assert "".join(gtp.heard).endswith("\n\n")
    assert not "".join(gtp.heard).endswith("\n\n\n"), "an answer ends with two line breaks"
    gtp("lz-genmove_analyze b 10")
    assert re.search(r"\nplay ([A-E][1-5]|pass)\n\n$", "".join(gtp.heard))


def test_gtp_analysis_leaves_the_game_as_it_is(gtp):
    """Also where it is of the player who is not to move, who could move after a pass alone."""
    gtp("clear_board")
    gtp.waiting.put("name") if gtp.waiting.empty() else None
    assert gtp("kata-analyze w 10")[0] == gtp("lz-analyze w 10")[0] == "="
    assert re.fullmatch(r"= ([A-E][1-5]|pass)", gtp("reg_genmove w")[0])
    assert gtp("undo")[0] == "? cannot undo"
    assert gtp("play b pass")[0] == gtp("play w pass")[0] == "="
    assert gtp("lz-genmove_analyze b 10") == ["? the game is over", ""]


def test_other_agents_are_refused(four):
    with pytest.raises(LogpiError, match="connect-four is played by no engine protocol; games with one"):
        session(four, "auto", 8, ROOM, queue.Queue(), print)
    with pytest.raises(LogpiError, match="by no engine protocol uci"):
        session(four, "uci", 8, ROOM, queue.Queue(), print)
    with pytest.raises(LogpiError, match="the agent plays no board game"):
        session(object(), "auto", 8, ROOM, queue.Queue(), print)


def test_a_position_of_another_game_is_not_taken_for_the_tree(four, thinker):
    thinker.forget()
    thought(thinker, begin(four.game), 30)
    other = Position(four.game, (), after(four.game, [1]).state)  # the same moves, from another start
    assert thinker.think(other, Limits(nodes=0), quiet, quiet).nodes == 1


def test_lines_are_read_in_whatever_encoding(monkeypatch):
    """Programs of shogi send names of folders in Shift-JIS."""
    sent = "setoption name EvalDir value 評価\nisready\n".encode("cp932")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(sent), encoding="utf-8"))
    lines = queue.Queue()
    engine._read(lines)
    assert lines.get().startswith("setoption name EvalDir value")
    assert [lines.get() for _ in range(2)] == ["isready\n", "quit"]
