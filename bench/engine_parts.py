"""The parts of ``engine_clients.py`` that speak to one engine by lines: interruptions, clocks and damaged commands."""

import random
import re
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from engine_session import FaultError, Session, command

ROOM = ("--room", 131_072)  # so that a trivial network does not fill it before the time is over


class Board:
    """A game of chess or shogi as the client sees it: python-chess or cshogi."""

    def __init__(self, game: str) -> None:
        import chess
        import cshogi

        self.is_chess, self.moves = game == "chess", list[str]()
        self._board = chess.Board() if self.is_chess else cshogi.Board()

    def legal(self) -> list[str]:
        """Moves as engines write them."""
        import cshogi

        if self.is_chess:
            return [move.uci() for move in self._board.legal_moves]
        return [cshogi.move_to_usi(move) for move in self._board.legal_moves]

    def over(self) -> bool:
        """Whether the game has ended, draws by claim included."""
        return bool(self._board.is_game_over(claim_draw=True) if self.is_chess else self._board.is_game_over())

    def push(self, move: str) -> None:
        """Make a move; FaultError where it is not legal."""
        if move not in self.legal():
            raise FaultError(f"{move} is not legal after {' '.join(self.moves)}")
        if self.is_chess:
            self._board.push_uci(move)
        else:
            self._board.push_usi(move)
        self.moves.append(move)

    def position(self) -> str:
        """The command that sets it up."""
        return "position startpos" + (f" moves {' '.join(self.moves)}" if self.moves else "")


def best(session: Session, go: str, seconds: float) -> tuple[str, float]:
    """(move, seconds that it took)."""
    began = time.perf_counter()
    session.say(go)
    said = session.until("bestmove", seconds)[-1]
    return said.split()[1], time.perf_counter() - began


def interrupted(agent: Path, searches: int, seed: int = 0) -> list[float]:
    """Sorted seconds from ``stop`` to ``bestmove``, of searches that were interrupted at a random moment.

    Half of the positions follow the one before by two moves, so that the engine keeps a part of its tree.
    """
    rng, found, board = random.Random(seed), list[float](), Board("chess")
    with Session(command(agent)) as session:
        session.greet("uci")
        while len(found) < searches:
            if rng.random() < 0.5 or board.over():
                board = Board("chess")
                for _ in range(rng.randrange(30)):
                    if not board.over():
                        board.push(rng.choice(board.legal()))
                session.say("ucinewgame")
            if board.over():
                continue
            session.say(board.position(), "isready")
            session.until("readyok")
            session.say("go infinite")
            time.sleep(rng.choice((0.0, rng.uniform(0, 0.05), rng.uniform(0, 0.6))))
            began = time.perf_counter()
            session.say("stop")
            move = session.until("bestmove")[-1].split()[1]
            found.append(time.perf_counter() - began)
            board.push(move)
            if not board.over():
                board.push(rng.choice(board.legal()))
    return sorted(found)


class Control(NamedTuple):
    """Time of one player, in seconds."""

    left: float
    increment: float = 0.0
    byoyomi: float = 0.0
    moves: int = 0  # until as much comes again

    def __str__(self) -> str:
        text = f"{self.moves} moves in {self.left:g} s" if self.moves else f"{self.left:g} s"
        text += f" + {self.increment:g} s" if self.increment else ""
        return text + (f", byo-yomi {self.byoyomi:g} s" if self.byoyomi else "")


CONTROLS = {
    "chess": (
        *(Control(1, 0.05), Control(1), Control(3, 0.1), Control(10), Control(60)),
        *(Control(5, moves=20), Control(2, moves=40), Control(0.5, 0.5)),
    ),
    "shogi": (Control(1, 0.05), Control(0, byoyomi=1), Control(5, byoyomi=0.5), Control(0, byoyomi=0.1), Control(20)),
}
MOVETIMES = (0.1, 0.25, 1.0)


def on_the_clock(session: Session, game: str, control: Control, most: int, rng: random.Random) -> list[object]:
    """One row: a game against a mover of random moves; moves, seconds used and had, least left, whether it fell."""
    board, clock, used, had, least, made = Board(game), control.left, 0.0, control.left, control.left, 0
    session.say("ucinewgame" if game == "chess" else "usinewgame", "isready")
    session.until("readyok")
    fallen = False
    while not board.over() and made < most and not fallen:
        session.say(board.position())
        words = [f"{side}time {int(1000 * clock)}" for side in "wb"]
        words += [f"{side}inc {int(1000 * control.increment)}" for side in "wb"] if control.increment else []
        words += [f"byoyomi {int(1000 * control.byoyomi)}"] if control.byoyomi else []
        words += [f"movestogo {control.moves - made % control.moves}"] if control.moves else []
        move, took = best(session, " ".join(["go", *words]), clock + control.byoyomi + 30)
        used, made, had = used + took, made + 1, had + control.increment + control.byoyomi
        fallen = took > clock + control.byoyomi
        least = min(least, clock + control.byoyomi - took)
        clock = max(0.0, clock - took) + control.increment
        if control.moves and made % control.moves == 0:
            clock, had = clock + control.left, had + control.left
        if move in ("resign", "win"):
            break
        board.push(move)
        if not board.over():
            board.push(rng.choice(board.legal()))
    share = f"{used / had:.0%}"
    return [game, str(control), made, f"{used:.1f}", share, f"{1000 * least:.0f}", "yes" if fallen else "no"]


def grid(agents: dict[str, Path], most: int) -> list[list[object]]:
    """The rows of all controls of both games."""
    rows, rng = list[list[object]](), random.Random(0)
    for game, agent in agents.items():
        with Session(command(agent, *ROOM)) as session:
            session.greet("uci" if game == "chess" else "usi")
            rows += [on_the_clock(session, game, control, most, rng) for control in CONTROLS[game]]
    return rows


def movetimes(agent: Path, moves: int) -> list[list[object]]:
    """Rows: seconds a move, moves, median and longest seconds that they took."""
    rows, rng = list[list[object]](), random.Random(0)
    with Session(command(agent, *ROOM)) as session:
        session.greet("uci")
        for seconds in MOVETIMES:
            took, board = list[float](), Board("chess")
            while len(took) < moves:
                board = Board("chess") if board.over() else board
                session.say(board.position())
                move, spent = best(session, f"go movetime {int(1000 * seconds)}", seconds + 30)
                took.append(spent)
                board.push(move)
                if not board.over():
                    board.push(rng.choice(board.legal()))
            typical, most = (f"{1000 * x:.0f}" for x in (statistics.median(took), max(took)))
            rows.append([f"{seconds:g}", moves, typical, most, sum(spent > seconds for spent in took)])
    return rows


WORDS = {
    "uci": "uci isready setoption name value MultiPV Hash Threads position startpos fen moves e2e4 e7e5 g1f3 e1g1 "
    "a7a8q go wtime btime winc binc movestogo 1000 -5 0 30 depth nodes mate movetime infinite ponder ponderhit stop "
    "searchmoves ucinewgame debug on off 8/8/8/8/8/8/8/8 w KQkq - 99999999999999999999 NaN UCI_ShowWDL true perft",
    "usi": "usi isready setoption name value USI_Hash USI_Ponder MultiPV position startpos sfen moves 7g7f 3c3d P*5e "
    "8h2b+ go btime wtime byoyomi binc winc 1000 -5 0 30 nodes depth mate infinite ponder ponderhit stop searchmoves "
    "usinewgame gameover win lose draw 9/9/9/9/9/9/9/9/9 b - 99999999999999999999 NaN 4k4/9/9/9/9/9/9/9/4K4 2P",
    "gtp": "boardsize 9 19 0 -1 clear_board komi 7.5 7 nan 1e999 play b w black white D4 Z9 pass resign genmove "
    "reg_genmove undo showboard final_score time_settings time_left 1 2 0 name version protocol_version "
    "known_command list_commands kata-analyze lz-analyze kata-genmove_analyze 10 maxmoves # "
    "loadsgf /etc/passwd 99999999999999999999 é",
}
VALID = {
    "uci": [
        "position startpos moves e2e4 e7e5",
        "go nodes 20",
        "go movetime 30",
        "stop",
        "setoption name MultiPV value 2",
    ],
    "usi": [
        "position startpos moves 7g7f 3c3d",
        "go nodes 20",
        "go byoyomi 30",
        "stop",
        "setoption name MultiPV value 2",
    ],
    "gtp": ["play b D4", "genmove w", "undo", "clear_board", "komi 7.5", "showboard", "kata-analyze b 10"],
}


def damaged(protocol: str, rng: random.Random, mark: Path) -> bytes:
    """A line that no sane program sends: words in any order, valid ones with other letters, noise, shell orders."""
    kind = rng.random()
    if kind < 0.5:
        text = " ".join(rng.choices(WORDS[protocol].split(), k=rng.randint(0, 9))).encode()
    elif kind < 0.8:
        letters = bytearray(rng.choice(VALID[protocol]).encode())
        for _ in range(rng.randint(0, 3)):
            letters[rng.randrange(len(letters))] = rng.randrange(256)
        text = bytes(letters[: rng.randint(1, len(letters))] if rng.random() < 0.3 else letters)
    elif kind < 0.95:
        text = rng.randbytes(rng.randint(0, 60))
    elif kind < 0.99:
        orders = f"$(touch {mark})", f"`touch {mark}`", f"; touch {mark}", f"__import__('os').system('touch {mark}')"
        text = f"{rng.choice(VALID[protocol])} {rng.choice(orders)}".encode()
    else:
        text = rng.choice(WORDS[protocol].split()).encode() * rng.choice((1, 1000, 100_000))
    text = text.replace(b"\n", b" ")
    return b"" if text.split()[:1] == [b"quit"] or b"quit" in text else text


def fuzzed(protocol: str, agent: Path, lines: int, mark: Path, every: int = 250) -> list[object]:
    """One row: damaged lines, how often it was asked whether it lives, the slowest answer, and its move afterwards."""
    rng, slowest, asked = random.Random(0), 0.0, 0
    with Session(command(agent, "--simulations", 16)) as session:
        if protocol != "gtp":
            session.greet(protocol)
        for number in range(1, lines + 1):
            session.say(damaged(protocol, rng, mark))
            if number % every == 0:
                began = time.perf_counter()
                session.say(*(["9999 name"] if protocol == "gtp" else ["stop", "isready"]))
                session.until("=9999" if protocol == "gtp" else "readyok", 300)
                slowest, asked = max(slowest, time.perf_counter() - began), asked + 1
        if protocol == "gtp":
            session.say("8888 clear_board")
            session.until("=8888")
            session.say("7777 genmove b")
            move = session.until("=7777")[-1].split()[1]
            sane = re.fullmatch(r"[A-HJ][1-9]|pass", move) is not None
        else:
            session.say("setoption name MultiPV value 1", "ucinewgame", "usinewgame", "position startpos", "isready")
            session.until("readyok")
            session.rest()
            move = best(session, "go movetime 100", 30)[0]
            sane = move in Board("chess" if protocol == "uci" else "shogi").legal()
    if not sane:
        raise FaultError(f"{protocol}: {move} is not legal at the start")
    if mark.exists():
        raise FaultError(f"{protocol}: a line was executed")
    return [protocol.upper(), f"{lines:,}", asked, f"{slowest:.2f}", move]
