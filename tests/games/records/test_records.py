"""Records: what is written is read back, other programs' SGF is understood, broken files are told by line."""

import json

import numpy as np
import pytest

from logpi.arena.players.base import Referee, begin
from logpi.arena.replay import replay
from logpi.errors import LogpiError
from logpi.games.records.files import append, dumps, game_of, read, suffix
from logpi.games.records.record import Record
from logpi.games.rules.make import make_game

NASTY = "a]b\\c:d;(e) “ü”"


def random_actions(game, seed):
    referee, rng, position = Referee(game), np.random.default_rng(seed), begin(game)
    while referee.result(position) is None:
        position = referee.play(position, int(rng.choice(referee.legal(position))))
    return position.actions, referee.result(position)


@pytest.mark.parametrize("name", ["go-9x9", "othello", "hex-6x6", "connect-four", "tic-tac-toe"])
def test_what_is_written_is_read_back(name, tmp_path):
    game = make_game(name)
    path = tmp_path / "deep" / f"games{suffix(game)}"
    records = []
    for seed in range(4):
        actions, outcome = random_actions(game, seed)
        records.append(Record(name, (NASTY, f"p{seed}"), actions, outcome, seed, date="2026-01-31"))
    faulty = Record(name, ("a", "b"), records[0].actions[:5], -1.0, 2, "engine died", f"exit code 3: {NASTY}")
    records += [
        faulty,
        Record(name, ("", ""), (), None, reason="unfinished"),
        faulty._replace(reason="timed out", outcome=1.0),
    ]
    for record in records:
        append(path, record)
    found = read(path)
    wanted = [r._replace(komi=7.5) for r in records] if name == "go-9x9" else records
    assert found == wanted
    assert len(replay(found[0])) == len(records[0].actions) + 1
    assert found[0] == read(path)[0], "reading changes nothing"


def test_a_game_with_settings_of_its_rules_is_written_and_read_back(tmp_path):
    game, path = make_game("go-9x9:komi=0.5,handicap=3,superko=situational"), tmp_path / "games.sgf"
    actions, outcome = random_actions(game, 0)
    record = Record(game.id, ("x", "y"), actions, outcome)
    append(path, record)
    text = path.read_text()
    assert "KM[0.5]RU[Tromp-Taylor without suicide, situational superko]" in text
    assert "HA[3]AB[cc][gc][cg]PL[W]\n;W[" in text
    assert read(path, game) == [record._replace(komi=0.5, setup=5)]
    (plain,) = read(path)
    assert (plain.game, plain.actions) == ("go-9x9", actions), "without its name it is a game that sets stones up"
    assert len(replay(read(path, game)[0])) == len(actions) + 1


def test_sgf_as_others_expect_it():
    go = make_game("go-9x9")
    actions = tuple(go.parse(move) for move in ("C3", "G7", "pass", "J1", "A9"))
    text = dumps(Record("go-9x9", ("x", "y]"), actions, 1.0, 1, "resigned", "tired", "2026-01-31"))
    assert text.startswith("(;FF[4]GM[1]CA[UTF-8]AP[logpi]SZ[9]KM[7.5]RU[")
    assert "PB[x]PW[y\\]]RE[B+R]DT[2026-01-31]" in text
    assert text.endswith(";B[cg];W[gc];B[];W[ii];B[aa])\n")
    othello = dumps(Record("othello", ("x", "y"), (37, 45), 0.0))
    assert "GM[2]" in othello
    assert "RE[0]" in othello
    assert othello.endswith(";B[f5];W[f6])\n")
    played = dumps(Record("hex-11x11", ("x", "y"), (0, 120), -1.0, 0, "illegal move"))
    assert "GM[11]" in played
    assert "RE[W+F]" in played
    assert played.endswith(";B[a1];W[k11])\n")


def test_sgf_of_other_programs(tmp_path):
    path = tmp_path / "other.sgf"
    path.write_text(
        "(;GaMe[1]FF[3]SZ[9]KM[6.5]PlayerBlack[Lee\\\n Sedol]PW[x]RE[W+12.5]C[a ; comment ( \\] ]\n"
        ";B[cg];W[tt]C[pass](;B[aa];W[bb](;B[cc])(;B[dd]))\n(;B[ee]))\n(;GM[1]SZ[5];B[aa])"
    )
    first, second = read(path)
    go = make_game("go-9x9")
    assert [go.name(action) for action in first.actions] == ["C3", "pass", "A9", "B8", "C7"]
    assert (first.players, first.outcome, first.komi) == (("Lee Sedol", "x"), -1.0, 6.5)
    assert float(game_of(first).init().komi) == 6.5
    assert second == Record("go-5x5", ("", ""), (0,), None, reason="unfinished")


MOVES = b";B[ee];W[cc];B[gg];W[gc];B[cg];W[])"
FOREIGN = {  # what other programs and mails are like: (bytes, the first player's name)
    "a byte order mark": (b"\xef\xbb\xbf(;GM[1]SZ[9]KM[7.5]PB[Anna]" + MOVES, "Anna"),
    "UTF-16": ("\ufeff(;GM[1]SZ[9]CA[UTF-16]PB[Anna]".encode("utf-16-le") + MOVES.decode().encode("utf-16-le"), "Anna"),
    "GBK as GB2312": ("(;GM[1]SZ[9]CA[GB2312]PB[柯洁鎔]".encode("gbk") + MOVES, "柯洁鎔"),
    "Shift-JIS": ("(;GM[1]SZ[9]CA[Shift_JIS]PB[井山]C[表示]".encode("shift_jis") + MOVES, "井山"),
    "EUC-KR": ("(;GM[1]SZ[9]CA[EUC-KR]PB[이세돌]".encode("euc_kr") + MOVES, "이세돌"),
    "Latin-1 that says so": ("(;GM[1]SZ[9]CA[ISO-8859-1]PB[Jürgen]".encode("latin-1") + MOVES, "Jürgen"),
    "Latin-1 that says nothing": ("(;GM[1]SZ[9]PB[Jürgen]".encode("latin-1") + MOVES, "Jürgen"),
    "another encoding than it says": ("(;GM[1]SZ[9]CA[UTF-8]PB[Jürgen]".encode("latin-1") + MOVES, "Jürgen"),
    "an encoding that is none": (b"(;GM[1]SZ[9]CA[zlib]PB[Anna]" + MOVES, "Anna"),
    "a mail": (
        b"From: a club (old)\nGame of the week:\n\n(;GM[1]SZ[9]PB[Anna]" + MOVES + b"\n-- \nbye (now).\n",
        "Anna",
    ),
    "the end of DOS": (b"(;GM[1]SZ[9]PB[Anna]" + MOVES + b"\n\x1a", "Anna"),
    "a decimal comma": (b"(;GM[1]SZ[9]KM[7,5]PB[Anna]" + MOVES, "Anna"),
    "an empty komi": (b"(;GM[1]SZ[9]KM[]PB[Anna]" + MOVES, "Anna"),
    "a size of two sides": (b"(;GM[1]SZ[9:9]PB[Anna]" + MOVES, "Anna"),
    "blanks": (b"(;GM[ 1 ] SZ[ 9 ]KM[ 7.5 ]PB[Anna];B[ ee ];W[cc];B[gg];W[gc];B[cg];W[ ])", "Anna"),
    "properties with digits": (b"(;GM[1]SZ[9]PB[Anna]KGS_1[x]" + MOVES, "Anna"),
    "moves of both in one node": (b"(;GM[1]SZ[9]PB[Anna];B[ee]W[cc];B[gg]W[gc];B[cg];W[])", "Anna"),
}


@pytest.mark.parametrize("how", FOREIGN)
def test_sgf_as_it_is_found(tmp_path, how):
    data, first = FOREIGN[how]
    path = tmp_path / "game.sgf"
    path.write_bytes(data)
    (found,) = read(path)
    go = make_game("go-9x9")
    assert found.game == "go-9x9"
    assert found.players[0] == first
    assert [go.name(action) for action in found.actions] == ["E5", "C7", "G3", "G7", "C3", "pass"]
    assert found.komi == (None if b"KM[]" in data or b"KM[" not in data else 7.5)


@pytest.mark.parametrize("name", ["UPPER.SGF", "game.txt", "game", "lines.JSONL", "lines.txt"])
def test_the_suffix_is_of_any_case_or_none(tmp_path, name):
    path = tmp_path / name
    path.write_text("\ufeff" + GOOD if name == "lines.JSONL" else GOOD if "lines" in name else "(;GM[1]SZ[9];B[ee])")
    assert [len(record.actions) for record in read(path)] == [1]


def test_two_moves_of_one_player_are_read_in_no_order_of_their_own(tmp_path):
    """The order of a set of texts changes from process to process."""
    path = tmp_path / "game.sgf"
    for text in ("(;GM[1]SZ[9];W[cc]B[ee])", "(;GM[1]SZ[9];B[ee][cc])"):
        path.write_text(text)
        with pytest.raises(LogpiError, match="moves out of turn"):
            read(path)


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("SZ[19:13]", "boards are square"),
        ("GM[2]SZ[10]", "boards are square"),
        ("SZ[9]KM[1e400]", "a komi is at most"),
        ("SZ[9]KM[nan]", "a komi is at most"),
        (f"SZ[{'9' * 5000}]", "unknown game"),
    ],
)
def test_numbers_that_no_game_has(tmp_path, root, message):
    path = tmp_path / "game.sgf"
    path.write_text(f"(;{root};B[ee])")
    with pytest.raises(LogpiError, match=message):
        read(path)


def test_a_game_without_a_result_is_unfinished(tmp_path):
    record = Record("go-9x9", ("a", "b"), (0,), None, reason="unfinished")
    assert "RE[?]" in dumps(record)
    path = tmp_path / "old.sgf"
    path.write_text(dumps(record._replace(reason="played out")))
    assert read(path) == [record._replace(komi=7.5)], "as logpi wrote it before"
    path = tmp_path / "old.jsonl"
    path.write_text(GOOD)
    assert read(path)[0].reason == "unfinished"
    path.write_text(GOOD.replace("null", "1"))
    assert read(path)[0].reason == "played out"


def test_a_json_line_is_plain():
    fields = json.loads(
        dumps(Record("connect-four", ("x", "y"), (3, 3, 0), 1.0, 2, "timed out", "slept", "2026-01-31"))
    )
    assert fields == {
        "game": "connect-four",
        "players": ["x", "y"],
        "outcome": 1.0,
        "plies": 2,
        "reason": "timed out",
        "note": "slept",
        "date": "2026-01-31",
        "moves": ["4", "4", "1"],
    }


GOOD = '{"game": "tic-tac-toe", "players": ["a", "b"], "moves": ["a1"], "outcome": null}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 3: not a JSON object"),
        ("[" * 100_000, "line 3: not a JSON object"),
        ("[1]", "line 3: '\\[1\\]' is not"),
        ("{}", "line 3: wanted game: a text; game is missing"),
        (GOOD.replace("tic-tac-toe", "checkers"), "line 3: unknown game 'checkers'"),
        (GOOD.replace('["a", "b"]', '["a"]'), "line 3: wanted players: two texts"),
        (GOOD.replace('["a1"]', "[1]"), "line 3: wanted moves: a list of texts"),
        (GOOD.replace("a1", "d9"), "line 3: 'd9' is not a move"),
        (GOOD.replace("null", "2"), "line 3: wanted outcome"),
        (GOOD.replace("null", "true"), "line 3: wanted outcome"),
        (GOOD.replace("null", 'null, "plies": 2'), "line 3: wanted plies: a number from 0 to 1"),
        (GOOD.replace("null", 'null, "note": 2'), "line 3: wanted reason, note, date"),
    ],
)
def test_broken_lines_are_named(tmp_path, text, message):
    path = tmp_path / "games.jsonl"
    path.write_text(GOOD + "\n" + text)
    with pytest.raises(LogpiError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(;GM[1]\n;B[aa]", "line 3: the file ends inside a game"),
        ("(;GM[1]\n;B[aa", "line 3: a value without its"),
        ("(GM[1])", "line 2: 'GM' before the first node"),
        ("(;[aa])", "line 2: the value '\\[aa\\]' belongs to no property"),
        ("(;GM[1]@)", "line 2: '@\\)' is not SGF"),
        ("(;GM[7])", "line 2: GM\\[7\\] is not a game of logpi"),
        ("(;GM[1]SZ[99])", "line 2: no board for 'go-99x99'"),
        ("(;GM[1]SZ[9]KM[x])", "line 2: KM\\[x\\]: could not convert"),
        ("(;GM[1]SZ[9]LPOPENING[3];B[aa])", "line 2: LPOPENING\\[3\\] of 1 moves"),
        ("(;GM[1]SZ[9];B[aa]\n;B[bb])", "line 3: B moves out of turn, at move 2"),
        ("(;GM[1]SZ[9];B[aa]\n;W[zz])", "line 3: 'zz' is not a point of go-9x9"),
        ("(;GM[2]SZ[8]\n;B[f9])", "line 3: 'f9' is not a move of othello"),
        ("(;GM[1]SZ[9];B[aa];AW[bb])", "line 2: AW sets stones up, in the middle of the game"),
        ("(;GM[1]SZ[9]AB[aa]AW[ab][ba])", "line 2: 1 of the stones that are set up have no liberty"),
        ("(;GM[1]SZ[9]AB[tt])", "line 2: 'tt' is not a point to set a stone on"),
        ("(;GM[2]SZ[8]AB[a1])", "line 2: AB sets stones up, and othello has no passes"),
    ],
)
def test_broken_sgf_is_named(tmp_path, text, message):
    path = tmp_path / "games.sgf"
    path.write_text("(;GM[1]SZ[9])\n" + text)
    with pytest.raises(LogpiError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_node_with_a_move_of_each_is_read_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "games.sgf"
    path.write_text("(;GM[1]SZ[9];B[aa]W[bb];B[cc])")
    (found,) = read(path)
    go = make_game("go-9x9")
    assert list(found.actions) == [go.parse(name) for name in ("A9", "B8", "C7")]
    path.write_text("(;GM[1]SZ[9];W[bb]B[aa])")
    with pytest.raises(LogpiError, match="W moves out of turn, at move 1"):
        read(path)


def test_what_is_no_text(tmp_path):
    (tmp_path / "bad.jsonl").write_bytes(b"\n\xff")
    with pytest.raises(LogpiError, match=r"bad\.jsonl, line 2: not UTF-8"):
        read(tmp_path / "bad.jsonl")
    (tmp_path / "bad.sgf").write_text("hello (there)")
    with pytest.raises(LogpiError, match=r"bad\.sgf: no game in it"):
        read(tmp_path / "bad.sgf")
    with pytest.raises(LogpiError, match="cannot read"):
        read(tmp_path / "none.jsonl")


def test_illegal_moves_are_told_when_replayed():
    with pytest.raises(LogpiError, match="tic-tac-toe: move 2, a1, is illegal"):
        replay(Record("tic-tac-toe", ("", ""), (0, 0), None))
    with pytest.raises(LogpiError, match="move 6, c3, comes after the end"):
        replay(Record("tic-tac-toe", ("", ""), (0, 3, 1, 4, 2, 8), None))
