"""PGN: what is written is read back and read by python-chess, and what others write is understood or told by line."""

import io

import chess
import chess.pgn
import numpy as np
import pytest
from small import quick_compilation

from logpi.errors import LogpiError
from logpi.games.records.files import append, dumps, game_of, read
from logpi.games.records.folder import read_folder
from logpi.games.records.record import Record
from logpi.games.rules.make import make_game

CHESS = make_game("chess")
NASTY = 'O"Neil \\ {x} [ü] “é”'


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def random_game(seed, start=chess.STARTING_FEN, most=60):
    """A game of python-chess with random moves."""
    rng, board = np.random.default_rng(seed), chess.Board(start)
    while not board.is_game_over(claim_draw=False) and len(board.move_stack) < most:
        board.push(list(board.legal_moves)[rng.integers(board.legal_moves.count())])
    return board


def names(record):
    return [CHESS.name(action) for action in record.actions]


def plain(move):
    return move.uci().removesuffix("q")


def test_what_is_written_is_read_back_and_by_python_chess(tmp_path):
    path, records, boards = tmp_path / "deep" / "games.pgn", [], [random_game(seed) for seed in range(5)]
    for seed, board in enumerate(boards):
        actions = tuple(CHESS.parse(plain(move)) for move in board.move_stack)
        records.append(Record("chess", (NASTY, f"p{seed}"), actions, 0.0, min(seed, 4), date="2026-01-31"))
    faulty = records[0]._replace(actions=records[0].actions[:5], outcome=-1.0)
    records += [
        faulty._replace(reason="engine died", note=f"exit code 3: {NASTY}"),
        faulty._replace(reason="timed out", outcome=1.0),
        Record("chess", ("", ""), (), None, reason="unfinished"),
    ]
    for record in records:
        append(path, record)
    assert read(path) == records
    with path.open(encoding="utf-8") as file:
        for seed, board in enumerate(boards):
            found = chess.pgn.read_game(file)
            assert not found.errors
            assert list(found.mainline_moves()) == board.move_stack
            assert found.headers["Black"] == f"p{seed}"
    assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 80


def test_games_from_other_positions_are_of_the_sides_that_the_file_names(tmp_path):
    """Black moves first in it, so that the first player is Black."""
    fen = "4k3/8/8/8/8/8/7p/R3K3 b Q - 0 31"
    record = Record("chess", ("Black", "White"), (), 1.0, reason="resigned", start=fen)
    action = CHESS.notation.read(game_of(record).init(), "h1=Q+")
    record = record._replace(actions=(action,))
    text = dumps(record)
    assert '[White "White"]\n[Black "Black"]\n[Result "0-1"]\n[SetUp "1"]' in text
    assert "31... h1=Q+ 0-1" in text
    (tmp_path / "a.pgn").write_text(text)
    assert read(tmp_path / "a.pgn") == [record]
    assert list(chess.pgn.read_game(io.StringIO(text)).mainline_moves()) == [chess.Move.from_uci("h2h1q")]
    assert read_folder(tmp_path, CHESS).records == [record]


def test_minichess_has_its_variant(tmp_path):
    game = make_game("gardner-chess")
    record = Record(game.id, ("a", "b"), (game.parse("b1c3"), game.parse("d4c3")), None, reason="unfinished")
    append(tmp_path / "a.pgn", record)
    text = (tmp_path / "a.pgn").read_text()
    assert '[FEN "rnbqk/ppppp/5/PPPPP/RNBQK w - - 0 1"]\n[Variant "gardner"]' in text
    assert "1. Nc3 dxc3 *" in text
    assert read(tmp_path / "a.pgn") == [record]


HEAD = '[White "Anna"]\n[Black "Ben"]\n[Result "1-0"]\n\n'
FOREIGN = {
    "nested variations": "1. e4 (1. d4 d5 (1... Nf6 2. c4 (2. Nf3) e6) 2. c4) 1... e5 2. Nf3 1-0",
    "comments": "{first} 1. e4 {a (note) 1-0 [%clk 0:01]} e5 ; the rest 2. a4\n2. Nf3 1-0",
    "glyphs": "1. e4! $1 e5?! $6 2. Nf3!? $140 1-0",
    "numbers that stick": "1.e4 1...e5 2.Nf3 1-0",
    "numbers with blanks": "1 . e4 e5 2. . . Nf3 1-0",
    "an escaped line": "1. e4 e5\n% 2. a4 nonsense (\n2. Nf3 1-0",
    "long forms": "1. e2-e4 e7e5 2. Ng1-f3 1-0",
    "no result at the end": "1. e4 e5 2. Nf3",
}


@pytest.mark.parametrize("how", FOREIGN)
@pytest.mark.parametrize("dress", ["plain", "mark", "dos", "latin"])
def test_pgn_as_it_is_found(tmp_path, how, dress):
    text = HEAD.replace("Ben", "Jürgen") + FOREIGN[how] + "\n\n" + HEAD + "1. d4 1-0\n"
    data = {
        "plain": text.encode(),
        "mark": b"\xef\xbb\xbf" + text.encode(),
        "dos": text.replace("\n", "\r\n").encode(),
        "latin": text.encode("latin-1"),
    }[dress]
    (tmp_path / "a.pgn").write_bytes(data)
    first, second = read(tmp_path / "a.pgn")
    assert names(first) == ["e2e4", "e7e5", "g1f3"]
    assert first.players == ("Anna", "Jürgen")
    assert first.outcome == 1.0
    assert names(second) == ["d2d4"]


def test_castling_promotion_and_en_passant_are_read(tmp_path):
    (tmp_path / "a.txt").write_text(
        '[SetUp "1"]\n[FEN "r3k3/5P2/8/8/8/8/3p4/4K2R w Kq - 0 1"]\n\n1. 0-0?? d1=Q 2. f8=N O-O-O 1/2-1/2\n\n'
        '[Event "?"]\n1. e4 a6 2. e5 d5 3. exd6e.p. *\n'
    )
    with pytest.raises(LogpiError, match="line 4: '0-0"):
        read(tmp_path / "a.txt")  # the king stands in check there
    (tmp_path / "a.txt").write_text(
        '[FEN "r3k3/7P/8/8/8/8/3p4/R3K2R w KQq - 0 1"]\n\n1. Kxd2 O-O-O+ 2. Kc2 Kb8 3. h8=N *\n\n1. e4 a6 2. e5 d5 '
        "3. exd6 e.p. *\n"
    )
    first, second = read(tmp_path / "a.txt")
    assert names(first) == ["e1d2", "e8c8", "d2c2", "c8b8", "h7h8n"]
    assert names(second)[-1] == "e5d6"


@pytest.mark.parametrize(
    ("text", "where", "used"),
    [
        ("1. e4 e5 2. Ke3 Nf6 1-0", "line 5: 'Ke3' is not legal", 2),
        ("1. e4 e5 2. Nf3 (2. d4", "line 5: the file ends inside a variation", 3),
        ("1. e4 e5 2. Nf3 & 1-0", "line 5: '&' is not PGN", 3),
        ("1. e4 e5 2. -- Nf6 1-0", "line 5: '--' is not legal", 2),
    ],
)
def test_what_is_wrong_is_told_by_line_and_the_rest_is_used(tmp_path, text, where, used):
    path, faults = tmp_path / "a.pgn", []
    path.write_text(HEAD + text)
    with pytest.raises(LogpiError, match=where):
        read(path)
    (record,) = read(path, tell=faults.append)
    assert len(record.actions) == used
    assert len(faults) == 1


def test_other_games_and_positions_are_refused_one_by_one(tmp_path):
    path, faults = tmp_path / "a.pgn", []
    path.write_text(f'[Variant "Atomic"]\n\n1. e4 *\n\n[FEN "8/8/8 w - - 0 1"]\n\n1. e4 *\n\n{HEAD}1. e4 *\n')
    assert [names(record) for record in read(path, tell=faults.append)] == [["e2e4"]]
    assert ["Variant 'Atomic' is not played here" in str(faults[0]), "is not a FEN" in str(faults[1])] == [True, True]
