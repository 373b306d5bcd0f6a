"""Chess: perft, python-chess move by move, positions whose outcome follows from the laws, and notation."""

import functools

import chess as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import side_by_side
from chess_oracle import BOARD, ChessOracle
from perft import Perft

from logpi.errors import LogpiError
from logpi.games.rules.chess import notation, play
from logpi.games.rules.chess.board import LONGEST, Board
from logpi.games.rules.make import make_game

SMALL = Board(5, double_step=False, castling=False, longest=256)
GAMES = 300
KIWIPETE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq -"
PERFT = {  # chessprogramming.org, "Perft Results"
    notation.CHESS: [20, 400, 8_902, 197_281],
    KIWIPETE: [48, 2_039, 97_862, 4_085_603],
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - -": [14, 191, 2_812, 43_238],
    "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1": [6, 264, 9_467, 422_333],
    "rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8": [44, 1_486, 62_379, 2_103_487],
    "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10": [46, 2_079, 89_890, 3_894_594],
}
says = {
    name: jax.jit(functools.partial(getattr(play, name), BOARD))
    for name in ("legal", "ended", "outcome", "step", "times")
}


@pytest.fixture(scope="module")
def perft():
    return Perft(functools.partial(play.step, BOARD), functools.partial(play.legal, BOARD))


@pytest.mark.parametrize("fen", PERFT)
def test_perft_of_the_six_standard_positions(perft, fen):
    assert perft(notation.from_fen(BOARD, fen), 4) == PERFT[fen]


def test_a_position_and_its_mirror_have_the_same_moves(perft):
    fen = list(PERFT)[3]
    mirror = oracle.Board(fen).mirror().fen()
    assert perft(notation.from_fen(BOARD, mirror), 3) == PERFT[fen][:3]


def test_random_games_agree_with_python_chess_move_by_move():
    """Moves, ends and results of whole games, side by side; some end by each of the laws."""
    told = side_by_side.compare(make_game("chess"), ChessOracle, GAMES, rows=100, every=6)
    assert sum(told.ends.values()) == GAMES
    assert {*told.ends} >= {"mate", "stalemate", "material", "50 moves", "repetition"}


def moves_in(fen):
    state = notation.from_fen(BOARD, fen)
    return {notation.uci(BOARD, state, action) for action in notation.legal_in(BOARD, state)}


def played(fen, moves):
    state = notation.from_fen(BOARD, fen)
    for move in moves.split():
        assert not says["ended"](state), f"ended before {move}"
        state = says["step"](state, jnp.int32(notation.read(BOARD, state, move)))
    return state


@pytest.mark.parametrize(
    ("fen", "move", "allowed"),
    [
        ("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1g1", True),
        ("r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1", "e8c8", True),
        ("4k3/8/8/8/8/8/5r2/R3K2R w KQ - 0 1", "e1g1", False),  # through a check
        ("4k3/8/8/8/8/8/6r1/R3K2R w KQ - 0 1", "e1g1", False),  # into a check
        ("4k3/8/8/8/8/8/4r3/R3K2R w KQ - 0 1", "e1g1", False),  # out of a check
        ("4k3/8/8/8/8/8/1r6/R3K2R w KQ - 0 1", "e1c1", True),  # the rook alone is attacked on its way
        ("4k3/8/8/8/8/8/8/RN2K2R w KQ - 0 1", "e1c1", False),  # a man between
        ("4k3/8/8/8/8/8/8/R3K2R w Q - 0 1", "e1g1", False),  # the right is lost
        ("8/8/8/8/k2Pp2Q/8/8/3K4 b - d3 0 1", "e4d3", False),  # both pawns leave the row of the king
        ("8/8/8/8/k2Pp3/8/8/3K4 b - d3 0 1", "e4d3", True),
        ("8/6bb/8/8/R1pP2k1/4P3/P7/K7 b - d3 0 1", "c4d3", False),
        ("4k3/4r3/8/4Pp2/8/8/8/4K3 w - f6 0 1", "e5f6", False),  # pinned on its column
        ("8/8/8/2k5/3Pp3/8/8/4K3 b - d3 0 1", "e4d3", True),  # captures the man that gives check
        ("4k3/8/8/8/4n3/8/8/R2QK3 w - - 0 1", "e1d2", False),  # a knight guards it
        ("3rk3/8/8/8/8/8/3B4/3K4 w - - 0 1", "d2c3", False),  # pinned
        ("7k/3P4/8/8/8/8/8/K7 w - - 0 1", "d7d8n", True),
    ],
)
def test_moves_that_the_laws_allow_or_forbid(fen, move, allowed):
    assert (move in moves_in(fen)) == allowed
    assert (oracle.Move.from_uci(move) in oracle.Board(fen).legal_moves) == allowed


@pytest.mark.parametrize(
    ("fen", "moves", "result"),
    [
        (notation.CHESS, "f3 e5 g4 Qh4#", -1.0),  # fool's mate
        ("7k/5Q2/8/8/8/8/8/K7 b - - 0 1", "", 0.0),  # stalemate
        ("8/8/8/4k3/8/8/8/K6B w - - 0 1", "", 0.0),  # bishop against king
        ("8/8/8/4k3/8/8/8/K6N b - - 0 1", "", 0.0),
        ("8/8/2b5/4k3/8/8/8/K6B w - - 0 1", "", 0.0),  # bishops of one colour
        (notation.CHESS, "Nf3 Nf6 Ng1 Ng8 Nf3 Nf6 Ng1 Ng8", 0.0),  # the start for the third time
        ("7k/8/8/8/8/8/8/KR6 w - - 99 80", "Rb2", 0.0),  # 50 moves
        ("7k/R7/1R6/8/8/8/8/K7 w - - 99 80", "Rb8#", -1.0),  # mate goes before 50 moves
    ],
)
def test_ends_of_games(fen, moves, result):
    state = played(fen, moves)
    assert says["ended"](state)
    assert says["outcome"](state) == result


@pytest.mark.parametrize(
    "fen",
    [
        "8/8/8/4k3/8/8/8/K5NN w - - 0 1",  # two knights
        "8/8/1b6/4k3/8/8/8/K6B w - - 0 1",  # bishops of two colours
        "8/8/n7/4k3/8/8/8/K6B w - - 0 1",
        "8/8/8/4k3/8/8/7P/K7 w - - 0 1",
        "7k/8/8/8/8/8/8/KR6 w - - 99 80",
    ],
)
def test_positions_that_go_on(fen):
    assert not says["ended"](notation.from_fen(BOARD, fen))


def test_a_square_behind_a_pawn_that_nobody_can_capture_makes_no_other_position():
    """After 1 e4 the knights go out and back: the position after e4 comes for the second and the third time."""
    state = played(notation.CHESS, "e4 Nf6 Nf3 Ng8 Ng1")
    assert says["times"](state) == 2
    assert notation.fen(BOARD, state).split()[3] == "-"
    able = played("4k3/8/8/8/3p4/8/4P3/4K3 w - - 0 1", "e4")
    assert notation.fen(BOARD, able).split()[3] == "e3"


def test_the_longest_game_is_a_draw():
    state = make_game("chess").init()
    state = state._replace(numbers=state.numbers.at[3].set(LONGEST))
    assert says["ended"](state)
    assert says["outcome"](state) == 0


def test_positions_and_moves_are_written_as_python_chess_writes_them():
    """FEN and SAN along random games, and both read back."""
    rng = np.random.default_rng(1)
    for _ in range(4):
        board, state = oracle.Board(), make_game("chess").init()
        for _ in range(60):
            if board.is_game_over():
                break
            assert notation.fen(BOARD, state) == board.fen(en_passant="legal")
            assert notation.fen(BOARD, notation.from_fen(BOARD, board.fen())) == board.fen(en_passant="legal")
            move = list(board.legal_moves)[rng.integers(board.legal_moves.count())]
            action = notation.read(BOARD, state, move.uci())
            assert notation.san(BOARD, state, action) == board.san(move)
            assert notation.read(BOARD, state, board.san(move)) == action
            assert notation.uci(BOARD, state, action) == move.uci()
            board.push(move)
            state = says["step"](state, jnp.int32(action))


@pytest.mark.parametrize("text", ["e4", "e2e4", "e2-e4", "Pe4", "e4!?"])
def test_ways_to_write_a_move(text):
    state = make_game("chess").init()
    assert notation.name(BOARD, notation.read(BOARD, state, text)) == "e2e4"


@pytest.mark.parametrize("text", ["", "e5", "Nd2", "O-O", "e2e9", "e4e4e4", "♘f3", "\x00"])
def test_what_is_no_move_is_refused(text):
    with pytest.raises(LogpiError, match="is not legal in rnbqkbnr"):
        notation.read(BOARD, make_game("chess").init(), text)
    two = notation.from_fen(BOARD, "4k3/8/8/8/8/8/8/1N2KN2 w - - 0 1")
    with pytest.raises(LogpiError, match="names several moves"):
        notation.read(BOARD, two, "Nd2")


@pytest.mark.parametrize(
    ("fen", "said"),
    [
        ("", "is not a FEN"),
        ("8/8/8/8/8/8/8/8 w - - 0 1", "white has 0 kings"),
        ("4k3/8/8/8/8/8/8 w - - 0 1", "not a FEN of 8 rows"),
        ("4k4/8/8/8/8/8/8/4K3 w - - 0 1", "row 8 has 9 squares"),
        ("4k3/8/8/8/8/8/8/4K2x w - - 0 1", "'x' in row 1"),
        ("4k2P/8/8/8/8/8/8/4K3 w - - 0 1", "a pawn stands"),
        ("4k3/8/8/8/8/8/8/4K3 w X - 0 1", "rights to castle"),
        ("4k3/8/8/8/8/8/8/4K3 w - e9 0 1", "en passant"),
        ("4k3/8/8/8/8/8/8/4K3 w - - x 1", "is not a number"),
        ("4k3/8/8/8/8/8/8/4K3 w - - 0 99999999999", "is not a number"),
        ("kk6/8/8/8/8/8/8/4K3 w - - 0 1", "black has 2 kings"),
    ],
)
def test_what_is_no_position_is_refused(fen, said):
    with pytest.raises(LogpiError, match=said):
        notation.from_fen(BOARD, fen)


@pytest.mark.parametrize("board", [BOARD, SMALL], ids=["chess", "gardner-chess"])
def test_every_action_has_a_name_that_is_read_back(board):
    names = [notation.name(board, action) for action in range(board.actions)]
    assert len(set(names)) == board.actions
    assert [notation.parse(board, name, "chess") for name in names] == list(range(board.actions))
    for text in ("e2", "i9i8", "e2e4x", f"#{board.actions}", "c3c4n"):
        with pytest.raises(LogpiError, match="is not a move of chess"):
            notation.parse(board, text, "chess")


def test_gardner_chess_agrees_with_a_reading_of_its_moves_by_hand():
    """The start has seven moves: five pawns ahead, two jumps of the knight."""
    state = make_game("gardner-chess").init()
    legal = {notation.uci(SMALL, state, action) for action in notation.legal_in(SMALL, state)}
    assert legal == {"a2a3", "b2b3", "c2c3", "d2d3", "e2e3", "b1a3", "b1c3"}
    promoting = notation.from_fen(SMALL, "1r2k/P4/5/5/K4 w - - 0 1")
    legal = {notation.uci(SMALL, promoting, action) for action in notation.legal_in(SMALL, promoting)}
    assert {"a4a5q", "a4a5n", "a4b5r", "a4b5b"} <= legal
