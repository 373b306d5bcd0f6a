"""Are the rules of chess and shogi right?

    python bench/perft.py [--games 10000] [--positions 500]

Perft counts the lines of legal moves from positions whose numbers others have published. Then all lines of three moves
from random positions of chess are counted by python-chess too, and random games of chess and shogi are played side by
side with python-chess and cshogi (tests/support/side_by_side.py): moves, ends and results at every move.
"""

import functools
import os
import sys
import time
from typing import Any

from report import BENCH, parser, publish, table, versions

os.environ |= {"JAX_PLATFORMS": "cpu", "NPROC": "1"}
sys.path.insert(0, str(BENCH.parent / "tests" / "support"))

ROWS = 512  # games side by side
# chessprogramming.org, "Perft Results"
CHESS = {
    "start": ("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", [20, 400, 8_902, 197_281, 4_865_609]),
    "position 3": ("8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - -", [14, 191, 2_812, 43_238, 674_624]),
    "position 4": (
        "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1",
        [6, 264, 9_467, 422_333, 15_833_292],
    ),
}
# YaneuraOu's test positions
SHOGI = {
    "start": (
        "lnsgkgsnl/1r5b1/ppppppppp/9/9/9/PPPPPPPPP/1B5R1/LNSGKGSNL b - 1",
        [30, 900, 25_470, 719_731, 19_861_490],
    ),
    "pawn-drop mate": ("7lk/9/8S/9/9/9/9/7L1/8K b P 1", [85, 639, 10_786, 167_089]),
    "most moves": ("R8/2K1S1SSk/4B4/9/9/9/9/9/1L1L1L3 b RBGSNLP3g3n17p 1", [593, 105_677]),
    "matsuri": ("l6nl/5+P1gk/2np1S3/p1p4Pp/3P2Sp1/1PPb2P1P/P5GS1/R8/LN4bKL w GR5pnsg 1", [207, 28_684, 4_809_015]),
}
# Fairy-Stockfish's tests/perft.sh
FIVE = {"start": ("rbsgk/4p/5/P4/KGSBR b - 1", [14, 181, 2_512, 35_401, 533_203])}
ANIMAL = {
    "start": ("gle/1c1/1C1/ELG b - 1", [4, 17, 123, 976, 8_122, 71_677]),
    "other": ("g1e/1cL/lC1/E1G b - 1", [0, 0, 0, 2_290]),  # 0: not published
}


def counted(name: str, positions: dict[str, tuple[str, list[int]]], perft: Any, read: Any) -> list[list[object]]:
    """Rows of perft: game, position, depth, our number, the published one, seconds, lines a second."""
    rows: list[list[object]] = []
    for what, (text, wanted) in positions.items():
        state = read(text)
        perft(state, 2)  # compiled
        began = time.process_time()
        found = perft(state, len(wanted))
        seconds = time.process_time() - began
        same = all(ours == theirs or not theirs for ours, theirs in zip(found, wanted, strict=True))
        rate = f"{found[-1] / seconds / 1e6:.2f}"
        rows.append(
            [name, what, len(wanted), f"{found[-1]:,}", "same" if same else f"not {wanted}", f"{seconds:.1f}", rate]
        )
    return rows


def published() -> list[list[object]]:
    """The rows of all positions."""
    import chess_oracle
    from perft import Perft
    from shogi_oracle import KINDS

    from logpi.games.rules.chess import notation as chess
    from logpi.games.rules.chess import play as chess_play
    from logpi.games.rules.shogi import board as men
    from logpi.games.rules.shogi import notation, play
    from logpi.games.rules.shogi.board import Board

    count = Perft(
        functools.partial(chess_play.step, chess_oracle.BOARD), functools.partial(chess_play.legal, chess_oracle.BOARD)
    )
    rows = counted("chess", CHESS, count, functools.partial(chess.from_fen, chess_oracle.BOARD))
    five = (men.PAWN, men.SILVERS, men.GOLDS, men.BISHOP, men.ROOK, men.KING)
    animals = (men.CHICK, men.ELEPHANT, men.GIRAFFE, men.LION)
    boards = {  # with a past no longer than the lines are
        "shogi": (Board(9, 9, KINDS, zone=3, longest=8), SHOGI),
        "minishogi": (Board(5, 5, five, zone=1, longest=8), FIVE),
        "animal shogi": (Board(4, 3, animals, zone=1, longest=256, repeated=3, shogi=False), ANIMAL),
    }
    for name, (board, positions) in boards.items():
        legal = functools.partial(play.legal, board)
        if not board.shogi:  # in Fairy-Stockfish's numbers an ended game has no moves

            def legal(state: Any, board: Board = board) -> Any:
                return play.legal(board, state) & ~play.ended(board, state)

        count = Perft(functools.partial(play.step, board), legal)
        rows += counted(name, positions, count, functools.partial(notation.from_sfen, board))
    return rows


def by_python_chess(number: int) -> list[object]:
    """One row: random positions of chess, lines of three moves, positions where python-chess disagrees, seconds."""
    import chess
    import jax
    import numpy as np
    from chess_oracle import BOARD
    from perft import Perft

    from logpi.games.rules.chess import notation, play

    def lines(board: chess.Board, depth: int) -> int:
        if depth == 1:
            return board.legal_moves.count()
        found = 0
        for move in board.legal_moves:
            board.push(move)
            found += lines(board, depth - 1)
            board.pop()
        return found

    rng, boards = np.random.default_rng(0), list[chess.Board]()
    while len(boards) < number:
        board = chess.Board()
        for _ in range(rng.integers(1, 120)):
            if board.is_game_over():
                break
            board.push([*board.legal_moves][rng.integers(board.legal_moves.count())])
        boards.append(board)
    began = time.process_time()
    states = [notation.from_fen(BOARD, board.fen()) for board in boards]
    stacked = jax.tree.map(lambda *x: np.stack(x), *states)
    perft = Perft(functools.partial(play.step, BOARD), functools.partial(play.legal, BOARD))
    ours = perft.each(stacked, 3)[:, -1].tolist()
    wrong = [board.fen() for board, found in zip(boards, ours, strict=True) if lines(board, 3) != found]
    print(*wrong[:3], sep="\n", file=sys.stderr)
    return [f"{number:,}", f"{sum(ours):,}", len(wrong), f"{time.process_time() - began:.0f}"]


def side_by_side(name: str, oracle: Any, games: int) -> list[object]:
    """One row: games, moves, ends, seconds; AssertionError at the first disagreement."""
    import side_by_side

    from logpi.games.rules.make import make_game

    began = time.process_time()
    told = side_by_side.compare(make_game(name), oracle, games, min(ROWS, games))
    ends = ", ".join(f"{end} {count:,}" for end, count in told.ends.most_common())
    return [name, f"{games:,}", f"{told.moves:,}", ends, f"{time.process_time() - began:.0f}"]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--games", type=int, default=10_000, help="random games of each kind")
    arguments.add_argument("--positions", type=int, default=500, help="random positions of chess")
    args = arguments.parse_args()
    rows = published()
    positions = by_python_chess(args.positions)
    from chess_oracle import ChessOracle
    from shogi_oracle import ShogiOracle

    games = [side_by_side(name, one, args.games) for name, one in (("chess", ChessOracle), ("shogi", ShogiOracle))]
    head = ["game", "position", "depth", "lines", "published", "CPU s", "M lines a CPU s"]
    parts = [
        "Perft: lines of legal moves, all depths up to the one named; at the last one moves are counted, not made.",
        table(head, rows),
        "Lines of three moves from random positions of chess, counted by python-chess too; the seconds are both's.",
        table(["positions", "lines", "positions that disagree", "CPU s"], [positions]),
        "Random games side by side with python-chess and cshogi, no game differs: end, result and the move "
        "played at every move, all legal moves at every fourth and at each end. In five of six games of chess "
        "the first of four random moves that captures is played, so that they are short.",
        table(["game", "games", "moves", "ends", "CPU s"], games),
    ]
    software = {"oracles": versions(sys.executable, ["chess", "cshogi"])}
    publish(args.results, "perft", "Rules of chess and shogi", software, parts)
    if positions[2] or any(row[4] != "same" for row in rows):
        raise SystemExit("the rules disagree")


if __name__ == "__main__":
    main()
