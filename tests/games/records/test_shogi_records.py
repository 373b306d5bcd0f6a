"""KIF, CSA and lines of SFEN: what is written is read back and read by cshogi, and odd files are told by line."""

import cshogi
import cshogi.CSA
import cshogi.KIF
import numpy as np
import pytest
from small import quick_compilation

from logpi.errors import LogpiError
from logpi.games.records import csa, kif, sfen
from logpi.games.records.files import append, read
from logpi.games.records.record import Record
from logpi.games.records.shogi_men import Men
from logpi.games.rules.make import make_game

SHOGI = make_game("shogi")
TWO = "lnsgkgsnl/9/ppppppppp/9/9/9/PPPPPPPPP/1B5R1/LNSGKGSNL w - 1"


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def random_game(seed, start="", most=80):
    """(actions, moves in USI) of random moves by cshogi."""
    rng, board, men, actions, moves = np.random.default_rng(seed), cshogi.Board(), Men(start), [], []
    if start:
        board.set_sfen(start)
    while not board.is_game_over() and len(moves) < most:
        legal = list(board.legal_moves)
        move = legal[rng.integers(len(legal))]
        moves.append(cshogi.move_to_usi(move))
        found = sfen._move(moves[-1], men)
        actions.append(men.action_of(found))
        men.moved(found)
        board.push(move)
    return tuple(actions), moves


@pytest.fixture(scope="module")
def games():
    return [random_game(seed) for seed in range(6)]


def test_actions_are_those_of_the_rules(games):
    """Read by the rules themselves, move by move."""
    actions, moves = games[0]
    state, notation = SHOGI.init(), SHOGI.notation
    for action, move in zip(actions[:40], moves, strict=False):
        assert notation.read(state, move) == action
        state = notation.play(state, action)


@pytest.mark.parametrize("suffix", [".csa", ".kif", ".kifu", ".jsonl"])
@pytest.mark.parametrize("start", ["", TWO], ids=["even", "handicap"])
def test_what_is_written_is_read_back(tmp_path, suffix, start):
    for seed, (outcome, reason) in enumerate([(1.0, "resigned"), (-1.0, "timed out"), (0.0, "played out"), (None, "")]):
        actions, _ = random_game(seed, start, 30 + seed)
        if reason == "timed out" or reason == "resigned":  # the player to move loses
            outcome = -1.0 if len(actions) % 2 == 0 else 1.0
        record = Record("shogi", ("羽生 善治", "b"), actions, outcome, reason=reason or "unfinished", date="2026-01-31")
        record = record._replace(start=start)
        path = tmp_path / f"{seed}{suffix}"
        append(path, record)
        assert read(path) == [record]


def test_many_games_of_csa_and_sfen_share_a_file(tmp_path, games):
    records = [Record("shogi", ("", ""), actions, None, reason="unfinished") for actions, _ in games]
    for suffix in (".csa", ".sfen"):
        for record in records:
            append(tmp_path / f"all{suffix}", record)
        assert read(tmp_path / f"all{suffix}") == records
    first = (tmp_path / "all.sfen").read_text().splitlines()[0]
    assert first == f"startpos moves {' '.join(games[0][1])}"


def test_cshogi_reads_what_is_written(games):
    for actions, moves in games[:3]:
        record = Record("shogi", ("a", "b"), actions, None, reason="unfinished")
        parsed = cshogi.CSA.Parser.parse_str(csa.to_csa(record, SHOGI).removesuffix("/\n"))[0]
        assert [cshogi.move_to_usi(move) for move in parsed.moves] == moves
        parsed = cshogi.KIF.Parser.parse_str(kif.to_kif(record, SHOGI))
        assert [cshogi.move_to_usi(move) for move in parsed.moves] == moves


KIF = """# KIF
開始日時：2026/1/5 10:00
手合割：平手
先手：羽生
後手：渡辺
手数----指手---------消費時間--
*a comment before
   1 ７六歩(77)   ( 0:16/00:00:16)
*a comment
   2 ３四歩(33)   ( 0:01/00:00:01)
   3 ２二角成(88) ( 0:01/00:00:17)+
   4 同　銀(31)   ( 0:01/00:00:02)
   5 ５五角打     ( 0:01/00:00:18)
   6 投了
まで5手で先手の勝ち

変化：2手
   2 ８四歩(83)
"""
MOVES = ["7g7f", "3c3d", "8h2b+", "3a2b", "B*5e"]
CSA = """'a comment
V2.2
N+羽生
N-渡辺
$EVENT:a match
$START_TIME:2026/01/05 10:00:00
P1-KY-KE-GI-KI-OU-KI-GI-KE-KY
P2 * -HI *  *  *  *  * -KA *
P3-FU-FU-FU-FU-FU-FU-FU-FU-FU
P4 *  *  *  *  *  *  *  *  *
P5 *  *  *  *  *  *  *  *  *
P6 *  *  *  *  *  *  *  *  *
P7+FU+FU+FU+FU+FU+FU+FU+FU+FU
P8 * +KA *  *  *  *  * +HI *
P9+KY+KE+GI+KI+OU+KI+GI+KE+KY
+
+7776FU,T16
-3334FU
T1
+8822UM
-3122GI
+0055KA
%TORYO
"""


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.kif", KIF.encode("cp932")),
        ("a.kif", KIF.encode()),
        ("a.kifu", b"\xef\xbb\xbf" + KIF.encode()),
        ("a.kif", KIF.replace("\n", "\r\n").encode("cp932")),
        ("a.txt", KIF.removeprefix("# KIF\n").encode("cp932")),
        ("a.csa", CSA.encode()),
        ("a.csa", CSA.replace("\n", "\r\n").encode("cp932")),
        ("a.txt", CSA.encode()),
    ],
)
def test_files_as_they_are_found(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    (record,) = read(tmp_path / name)
    assert record.players == ("羽生", "渡辺")
    assert (record.outcome, record.reason, record.date) == (1.0, "resigned", "2026-01-05")
    assert sfen.to_sfen(record, SHOGI).split()[2:] == MOVES


@pytest.mark.parametrize(
    ("name", "text", "where", "used"),
    [
        ("a.kif", KIF.replace("３四歩(33)", "３四歩(38)"), "line 10: '３四歩\\(38\\)': no 歩 of the player to move", 1),
        ("a.kif", KIF.replace("   3 ２", "   4 ２"), "line 11: move 4 where move 3 is next", 2),
        ("a.kif", KIF.replace("同　銀(31)", "同　銀"), "does not say where the man comes from", 3),
        ("a.kif", KIF.replace("手数----", "????----"), "line 6: .* is not KIF|line 6", 5),
        ("a.csa", CSA.replace("-3334FU", "+3334FU"), "line 18: .* is not a move of the player to move", 1),
        ("a.csa", CSA.replace("+8822UM", "+8822KI"), "no KI comes from 88", 2),
        ("a.sfen", "startpos moves 7g7f 3c3d 7g7f\n", "line 1: move 3: '7g7f': no man", 2),
        ("a.sfen", "startpos moves 7g7f $(rm)\n", "is not a move of USI", 1),
    ],
)
def test_what_is_wrong_is_told_by_line_and_the_moves_before_are_used(tmp_path, name, text, where, used):
    path, faults = tmp_path / name, []
    path.write_text(text, encoding="utf-8")
    if "????" in text:  # a header that is none is passed over
        assert len(read(path)[0].actions) == used
        return
    with pytest.raises(LogpiError, match=where):
        read(path)
    (record,) = read(path, tell=faults.append)
    assert len(record.actions) == used


def test_starts_that_have_no_name_are_refused(tmp_path):
    for name, text, said in (
        ("a.kif", KIF.replace("平手", "その他"), "positions that are set up are not read"),
        ("a.csa", CSA.replace("P1-KY", "P1-XX"), "XX is not a man of shogi"),
        ("a.sfen", "nowhere moves 7g7f\n", "a line begins with startpos"),
        ("a.sfen", "sfen 9/9 b - 1\n", "is not an SFEN"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(LogpiError, match=said):
            read(tmp_path / name)
    middle = "4k4/9/9/9/9/9/9/9/4K4 b 2P 1"
    record = Record("shogi", ("", ""), (), None, reason="unfinished", start=middle)
    with pytest.raises(LogpiError, match="KIF has no name for the start"):
        append(tmp_path / "b.kif", record)
    append(tmp_path / "b.csa", record)
    assert read(tmp_path / "b.csa")[0].start.split()[:3] == middle.split()[:3]
    with pytest.raises(LogpiError, match=r".kif does not hold games of chess; allowed: .pgn, .jsonl"):
        append(tmp_path / "c.kif", Record("chess", ("", ""), (), None))
