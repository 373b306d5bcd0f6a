"""Shogi and animal shogi: perft, cshogi move by move, positions whose outcome follows from the rules, and notation."""

import functools

import cshogi
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import side_by_side
from perft import Perft
from shogi_oracle import BOARD, KINDS, ShogiOracle
from small import quick_compilation

from logpi.errors import LogpiError
from logpi.games.rules.make import make_game
from logpi.games.rules.shogi import board as men
from logpi.games.rules.shogi import notation, play
from logpi.games.rules.shogi.board import Board

SHORT = Board(9, 9, KINDS, zone=3, longest=24)  # a short past, where games are short
FIVE = Board(5, 5, (men.PAWN, men.SILVERS, men.GOLDS, men.BISHOP, men.ROOK, men.KING), zone=1, longest=24)
ANIMALS = (men.CHICK, men.ELEPHANT, men.GIRAFFE, men.LION)
ANIMAL = Board(4, 3, ANIMALS, zone=1, longest=256, repeated=3, shogi=False)
GAMES = 300
PERFT = {  # YaneuraOu's, and Fairy-Stockfish's for the small boards
    notation.SHOGI: [30, 900, 25_470, 719_731],
    "7k1/9/9/9/l2s5/6snb/9/9/8K b 2G 1": [76, 2_606, 201_658],
    "9/9/9/3k5/9/5K3/9/9/9 b RB2G2S2N2L9Prb2g2s2n2l9p 1": [524, 248_257],
    "l7l/3s5/prnp2kp1/2p1Gppnp/1P7/PnPP1P3/3BP2PP/1S1G5/LN1K1G1+rL b SBG3ps 91": [180, 15_217, 2_067_680],
    "8l/1l+R2P3/p2pBG1pp/kps1p4/Nn1P2G2/P1P1P2PP/1PS6/1KSG3+r1/LN2+p3L w Sbgn3p 124": [178, 18_041, 2_552_846],
}
# the most moves of a position, and positions that count pawn drops that would mate
MOST = "R8/2K1S1SSk/4B4/9/9/9/9/9/1L1L1L3 b RBGSNLP3g3n17p 1"
says = {name: jax.jit(functools.partial(getattr(play, name), SHORT)) for name in ("legal", "ended", "outcome", "step")}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(scope="module")
def perft():
    return Perft(functools.partial(play.step, SHORT), functools.partial(play.legal, SHORT))


@pytest.mark.parametrize("sfen", PERFT)
def test_perft(perft, sfen):
    assert perft(notation.from_sfen(SHORT, sfen), len(PERFT[sfen])) == PERFT[sfen]


def test_perft_of_the_most_moves(perft):
    assert perft(notation.from_sfen(SHORT, MOST), 2) == [593, 105_677]


def test_perft_of_minishogi():
    count = Perft(functools.partial(play.step, FIVE), functools.partial(play.legal, FIVE))
    assert count(notation.from_sfen(FIVE, "rbsgk/4p/5/P4/KGSBR b - 1"), 4) == [14, 181, 2_512, 35_401]


def test_perft_of_animal_shogi():
    """Fairy-Stockfish's numbers, in which an ended game has no moves."""

    def legal(state):
        return play.legal(ANIMAL, state) & ~play.ended(ANIMAL, state)

    count = Perft(functools.partial(play.step, ANIMAL), legal)
    assert count(make_game("animal-shogi").init(), 6) == [4, 17, 123, 976, 8_122, 71_677]
    assert count(notation.from_sfen(ANIMAL, "g1e/1cL/lC1/E1G b - 1"), 4)[-1] == 2_290


def test_random_games_agree_with_cshogi_move_by_move():
    """Moves, checks, declarations and mates of whole games, side by side."""
    told = side_by_side.compare(make_game("shogi"), ShogiOracle, GAMES, rows=100, every=4)
    assert sum(told.ends.values()) == GAMES
    assert told.ends["mate"] > GAMES // 4


def moves_in(sfen):
    state = notation.from_sfen(SHORT, sfen)
    return {notation.usi(SHORT, state, int(action)) for action in np.flatnonzero(np.asarray(says["legal"](state)))}


@pytest.mark.parametrize(
    ("sfen", "move", "allowed"),
    [
        ("7lk/9/7GP/9/9/9/9/9/4K4 b P 1", "P*1b", False),  # two pawns in a column
        ("7nk/7l1/7G1/9/9/9/9/9/4K4 b P 1", "P*1b", False),  # a pawn drop that mates
        ("7nk/7l1/7G1/9/9/9/9/9/4K4 b L 1", "L*1b", True),  # another man may
        ("7nk/9/9/9/8L/9/9/9/4K4 b P 1", "P*1b", True),  # the king escapes
        ("6gnk/9/9/7N1/8L/9/9/9/4K4 b P 1", "P*1b", True),  # a check, which the king answers
        ("4k4/9/9/9/9/9/9/9/4K4 b P 1", "P*5a", False),
        ("4k4/9/9/9/9/9/9/9/4K4 b P 1", "P*4a", False),  # it could not move there
        ("4k4/9/9/9/9/9/9/9/4K4 b N 1", "N*4b", False),
        ("4k4/9/9/9/9/9/9/9/4K4 b N 1", "N*4c", True),
        ("4k4/6P2/9/9/9/9/9/9/4K4 b - 1", "3b3a", False),  # it has to promote
        ("4k4/6P2/9/9/9/9/9/9/4K4 b - 1", "3b3a+", True),
        ("4k4/9/6S2/9/9/9/9/9/4K4 b - 1", "3c4d+", True),  # a promotion on leaving the zone
        ("4k4/9/9/6S2/9/9/9/9/4K4 b - 1", "3d3c", True),  # or none
        ("4r4/9/9/9/9/9/4G4/9/4K4 b - 1", "5g4g", False),  # pinned
    ],
)
def test_moves_that_the_rules_allow_or_forbid(sfen, move, allowed):
    sfen = sfen if "k" in sfen.split()[0] else sfen.replace("4r4", "k3r4")
    assert (move in moves_in(sfen)) == allowed
    assert (move in {cshogi.move_to_usi(m) for m in cshogi.Board(sfen).legal_moves}) == allowed


def played(sfen, moves):
    state = notation.from_sfen(SHORT, sfen)
    for move in moves.split():
        assert not says["ended"](state), f"ended before {move}"
        state = says["step"](state, jnp.int32(notation.read(SHORT, state, move)))
    return state


def test_the_fourth_time_of_a_position_is_a_draw():
    around = "5i5h 5a5b 5h5i 5b5a"
    state = played("4k4/9/9/9/9/9/9/9/4K4 b - 1", " ".join([around] * 3))
    assert says["ended"](state)
    assert says["outcome"](state) == 0


def test_who_gives_check_all_the_time_has_lost():
    """The rook chases the king: black's every move since the first time was a check, so that black has lost."""
    around = "3b3a 5a5b 3a3b 5b5a"
    state = played("4k4/6R2/9/9/9/9/9/9/4K4 b - 1", "3b3a 5a5b 3a3b 5b5a " * 3)
    assert around
    assert says["ended"](state)
    assert says["outcome"](state) == -1, "black is to move, and has checked without a pause"


def test_mate_and_stalemate_lose():
    assert says["outcome"](played("4k4/9/4P4/9/9/9/9/9/4K4 b G 1", "G*5b")) == -1
    stuck = notation.from_sfen(SHORT, "k8/2G6/1G7/9/9/9/9/9/4K4 w - 1")
    assert says["ended"](stuck)
    assert says["outcome"](stuck) == -1


@pytest.mark.parametrize(
    ("sfen", "wins"),
    [
        ("2+R1K2+R1/PPPPPPPPP/B8/9/9/9/9/9/4k4 b B10P 1", True),
        ("2+R1K2+R1/PPPPPPP2/9/9/9/9/9/9/4k4 b 2B9P 1", False),  # nine men beside the king
        ("2+R1K2+R1/PPPPPPPPP/9/9/9/9/9/9/4k4 b BP 1", False),  # 25 points
        ("9/PPPPPPPPP/2+R4+R1/4K4/9/9/9/9/4k4 b 2B10P 1", False),  # the king has not entered
        ("r3K2+R1/PPPPPPPPP/B+R7/9/9/9/9/9/4k4 b B10P 1", False),  # in check
    ],
)
def test_an_entered_king_wins_by_the_27_point_rule(sfen, wins):
    state = notation.from_sfen(SHORT, sfen)
    assert cshogi.Board(sfen).is_nyugyoku() == wins
    assert bool(says["ended"](state)) == wins
    if wins:
        assert says["outcome"](state) == 1


@pytest.mark.parametrize(
    ("sfen", "ended", "outcome"),
    [
        ("2L/l2/3/3 w - 1", True, -1.0),  # a lion that nothing can capture stands in its last row
        ("1eL/l2/3/3 w - 1", True, -1.0),  # an elephant does not reach it
        ("1gL/l2/3/3 w - 1", False, 0.0),  # a giraffe would capture it
        ("2L/l2/3/1g1 b - 1", True, 1.0),  # it was not captured
        ("gle/1c1/1C1/ELG b - 1", False, 0.0),
    ],
)
def test_lions_of_animal_shogi(sfen, ended, outcome):
    state = notation.from_sfen(ANIMAL, sfen)
    assert bool(play.ended(ANIMAL, state)) == ended
    if ended:
        assert play.outcome(ANIMAL, state) == outcome


def test_a_captured_lion_has_lost():
    game = make_game("animal-shogi")
    state = notation.from_sfen(ANIMAL, "1l1/1C1/3/1L1 b - 1")
    state = game.step(state, jnp.int32(notation.read(ANIMAL, state, "2b2a+")))
    assert game.ended(state)
    assert game.outcome(state) == -1


@pytest.mark.parametrize("sfen", [*PERFT, MOST])
def test_positions_are_written_as_they_are_read(sfen):
    state = notation.from_sfen(SHORT, sfen)
    assert notation.sfen(SHORT, state).split()[:3] == cshogi.Board(sfen).sfen().split()[:3]


@pytest.mark.parametrize(
    ("sfen", "said"),
    [
        ("", "is not an SFEN"),
        ("9/9/9/9/9/9/9/9/4K4 b - 1", "the player not to move has 0 kings; each player has one"),
        ("4k4/9/9/9/9/9/9/4K4 b - 1", "not an SFEN of 9 rows"),
        ("4k5/9/9/9/9/9/9/9/4K4 b - 1", "has 10 squares"),
        ("4k4/9/9/9/9/9/9/9/4K3x b - 1", "'x' is not a man"),
        ("4k4/9/9/9/9/9/9/9/4K3+G b - 1", "is not a man"),
        ("4k4/9/9/9/9/9/9/9/4K4 b K 1", "cannot be in hand"),
        ("4k4/9/9/9/9/9/9/9/4K4 b 99P 1", "more than 18"),
        ("4k4/9/9/9/9/9/9/9/4K4 b ? 1", "men in hand"),
    ],
)
def test_what_is_no_position_is_refused(sfen, said):
    with pytest.raises(LogpiError, match=said):
        notation.from_sfen(SHORT, sfen)


@pytest.mark.parametrize("board", [BOARD, ANIMAL], ids=["shogi", "animal-shogi"])
def test_every_action_has_a_name_that_is_read_back(board):
    names = [notation.name(board, action) for action in range(board.actions)]
    assert len(set(names)) == board.actions
    assert [notation.parse(board, name, "shogi") for name in names] == list(range(board.actions))
    for text in ("", "7f", "K*5e", "7f:X", "0a:N", "7g7f"):
        with pytest.raises(LogpiError, match="is not a move of shogi"):
            notation.parse(board, text, "shogi")
    state = notation.from_sfen(SHORT, notation.SHOGI)
    assert notation.name(SHORT, notation.read(SHORT, state, "7g7f")) == "7f:N"
    with pytest.raises(LogpiError, match="is not legal in lnsgkgsnl"):
        notation.read(SHORT, state, "7g7e")
