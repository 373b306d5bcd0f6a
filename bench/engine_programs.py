"""The parts of ``engine_clients.py`` in which other programs drive the engine: python-chess, cshogi, GNU Go."""

import functools
import random
import re
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine_session import START, FaultError, Session, command

GAMES_FOLDER = "/usr/games"


def program(*names: str) -> str:
    """The first of some programs that is installed; "" where none is."""
    return next((found for name in names if (found := shutil.which(name, path=f"{GAMES_FOLDER}:/usr/bin"))), "")


class PythonChess:
    """Questions of python-chess to an engine; each is answered wrongly where it returns True."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.rng = engine, random.Random(0)

    def anywhere(self) -> Any:
        """The board after random moves, with the game still going."""
        import chess

        board = chess.Board()
        for _ in range(self.rng.randrange(40)):
            if not board.is_game_over():
                board.push(self.rng.choice([*board.legal_moves]))
        return board if not board.is_game_over() else self.anywhere()

    def whole_game(self) -> bool:
        """Against random moves, with clocks and pondering; True where the engine oversteps its time."""
        import chess
        import chess.engine as client

        board, clock, late, key = chess.Board(), 3.0, False, object()
        while not board.is_game_over(claim_draw=True):
            limit = client.Limit(white_clock=clock, black_clock=clock, white_inc=0.05, black_inc=0.05)
            began = time.perf_counter()
            played = self.engine.play(board, limit, game=key, ponder=True, info=client.INFO_ALL)
            clock += 0.05 - (time.perf_counter() - began)
            late |= clock < 0.05
            board.push(played.move)
            if not board.is_game_over(claim_draw=True):
                guessed = played.ponder in board.legal_moves and self.rng.random() < 0.5
                board.push(played.ponder if guessed else self.rng.choice([*board.legal_moves]))
        return late

    def lines(self) -> bool:
        """Four lines, of different moves, the best first."""
        import chess.engine as client

        board = self.anywhere()
        shown = self.engine.analyse(board, client.Limit(nodes=300), multipv=4)
        first = [info["pv"][0] for info in shown]
        return len({*first}) != min(4, board.legal_moves.count()) or not {*first} <= {*board.legal_moves}

    def among(self) -> bool:
        """A move among three."""
        import chess.engine as client

        board = self.anywhere()
        chosen = self.rng.sample([*board.legal_moves], min(3, board.legal_moves.count()))
        return self.engine.play(board, client.Limit(nodes=100), root_moves=chosen).move not in chosen

    def stopped(self) -> bool:
        """An analysis without an end, stopped after 100 nodes."""
        board = self.anywhere()
        with self.engine.analysis(board) as analysis:
            for info in analysis:
                if info.get("nodes", 0) > 100:
                    break
            analysis.stop()
            return analysis.wait().move not in board.legal_moves

    def limited(self, **limit: float) -> bool:
        """A move with a limit."""
        import chess.engine as client

        board = self.anywhere()
        return self.engine.play(board, client.Limit(**limit)).move not in board.legal_moves


def python_chess(agent: Path, games: int) -> list[list[object]]:
    """Rows: what python-chess asked for, how often, and how often the answer was wrong."""
    import chess.engine as client

    with client.SimpleEngine.popen_uci(command(agent), timeout=START) as engine:
        engine.configure({"Move Overhead": 50, "Hash": 16, "Threads": 1})
        engine.ping()
        asks = PythonChess(engine)
        questions: list[tuple[str, int, Callable[[], bool]]] = [
            ("whole games, 3 s + 0.05 s, pondering (wrong: time)", games, asks.whole_game),
            ("MultiPV 4 of 300 nodes", 50, asks.lines),
            ("searchmoves: 3 moves", 50, asks.among),
            ("infinite analysis, stopped", 50, asks.stopped),
            ("go nodes 50", 50, functools.partial(asks.limited, nodes=50)),
            ("go depth 2", 50, functools.partial(asks.limited, depth=2)),
            ("go movetime 50", 50, functools.partial(asks.limited, time=0.05)),
        ]
        return [[what, number, sum(wrong() for _ in range(number))] for what, number, wrong in questions]


def blitz(agent: Path, games: int, opponent: str, base: float = 1.0, increment: float = 0.1) -> list[object]:
    """One row: games with clocks by python-chess against another engine at its weakest, colours in turn."""
    import chess
    import chess.engine as client

    ends, moves, least, seconds = Counter[str](), 0, base, time.perf_counter()
    with (
        client.SimpleEngine.popen_uci(command(agent), timeout=START) as ours,
        client.SimpleEngine.popen_uci(shlex.split(opponent), timeout=START) as other,
    ):
        ours.ping()
        other.configure({"Skill Level": other.options["Skill Level"].min} if "Skill Level" in other.options else {})
        for number in range(games):
            board, key, side = chess.Board(), object(), bool(number % 2)
            clocks, end = {chess.WHITE: base, chess.BLACK: base}, ""
            while not end and not board.is_game_over(claim_draw=True):
                mine = board.turn == side
                limit = client.Limit(
                    white_clock=clocks[chess.WHITE],
                    black_clock=clocks[chess.BLACK],
                    white_inc=increment,
                    black_inc=increment,
                    nodes=None if mine else 200,
                )
                began = time.perf_counter()
                played = (ours if mine else other).play(board, limit, game=key)
                left = clocks[board.turn] - (time.perf_counter() - began)
                least, moves = (min(least, left), moves + 1) if mine else (least, moves)
                end = "time loss of " + ("ours" if mine else "the other") if left < 0 else ""
                clocks[board.turn] = left + increment
                board.push(played.move)
            if not end:
                outcome = board.outcome(claim_draw=True)
                won = outcome is not None and outcome.winner is not None
                end = "draw" if not won else "won" if outcome and outcome.winner == side else "lost"
            ends[end] += 1
    what = ", ".join(f"{end} {count}" for end, count in sorted(ends.items()))
    return [Path(opponent.split()[0]).name, games, moves, what, f"{least:.2f}", f"{time.perf_counter() - seconds:.0f}"]


def cshogi_client(agent: Path, games: int, opponent: str, work: Path) -> list[object]:
    """One row: games of shogi by cshogi's client, 0.1 s a move, against random moves or an engine that speaks USI."""
    import cshogi
    from cshogi.usi import Engine

    script = work / "engine.sh"
    script.write_text(f"#!/bin/sh\nexec {shlex.join(command(agent))}\n")
    script.chmod(0o755)
    rng, ends, moves, slowest = random.Random(0), Counter[str](), 0, 0.0
    ours = Engine(str(script))
    other: Any = Engine(opponent) if opponent else None
    for engine in filter(None, (ours, other)):
        engine.isready()
    for number in range(games):
        board, played, end = cshogi.Board(), list[str](), ""
        for engine in filter(None, (ours, other)):
            engine.usinewgame()
        while not end:
            mine = len(played) % 2 == number % 2
            if board.is_game_over() or len(played) >= 256:
                end = "256 moves" if not board.is_game_over() else "lost" if mine else "won"
                break
            if mine or other is not None:
                engine = ours if mine else other
                engine.position(played)
                began = time.perf_counter()
                move = engine.go(byoyomi=100)[0] if mine else engine.go(nodes=200)[0]
                slowest, moves = (max(slowest, time.perf_counter() - began), moves + 1) if mine else (slowest, moves)
            else:
                move = cshogi.move_to_usi(rng.choice([*board.legal_moves]))
            if move in ("resign", "win"):
                end = "won" if (move == "win") == mine else "lost"
            elif not board.is_legal(board.move_from_usi(move)):
                end = "illegal move of " + ("ours" if mine else "the other")
            else:
                board.push_usi(move)
                played.append(move)
        ends[end] += 1
        ours.gameover("draw")
    for engine in filter(None, (ours, other)):
        engine.quit()
    what = ", ".join(f"{end} {count}" for end, count in sorted(ends.items()))
    return [Path(opponent).name or "random moves", games, moves, what, f"{1000 * slowest:.0f}"]


def gnugo(agent: Path, games: int, simulations: int) -> list[object]:
    """One row: games of Go 9x9 by a referee that knows GTP alone, as gogui-twogtp does, against GNU Go at level 1."""
    rules = ["--chinese-rules", "--positional-superko", "--capture-all-dead"]
    other = [program("gnugo"), "--mode", "gtp", "--level", "1", *rules]
    ends, moves = Counter[str](), 0
    with Session(command(agent, "--simulations", simulations)) as ours, Session(other) as peer:
        for number in range(games):
            both = (ours, peer) if number % 2 == 0 else (peer, ours)  # black, white
            for session in both:
                for text in ("boardsize 9", "clear_board", "komi 7.5"):
                    session.ask(text, START)
            passes, made, end = 0, 0, ""
            while passes < 2 and made < 250 and not end:
                colour, mover, waiter = "bw"[made % 2], both[made % 2], both[1 - made % 2]
                move = mover.ask(f"genmove {colour}").lower()
                if move == "resign":
                    end = "other resigned" if mover is peer else "resigned"
                    break
                passes = passes + 1 if move == "pass" else 0
                answer = waiter.reply(f"play {colour} {move}")
                if not answer.startswith("="):
                    end = f"{move} of {'ours' if mover is ours else 'the other'} was refused: {answer}"
                made, moves = made + 1, moves + (mover is ours)
            if not end and passes == 2:
                scores = ours.ask("final_score"), peer.ask("final_score", 60)
                end = "scored alike" if scores[0].lower() == scores[1].lower() else f"scored {scores}"
            ends[end or "250 moves"] += 1
    return [games, moves, ", ".join(f"{end} {count}" for end, count in sorted(ends.items()))]


# what Sabaki sends when an engine is attached, shown a game, asked for a move, and analyses
SABAKI = (
    *("name", "version", "protocol_version", "list_commands", "boardsize 9", "clear_board", "komi 7.5"),
    *("play B D4", "play W F6", "genmove B", "undo", "lz-genmove_analyze B 50", "undo", "undo"),
)


def sabaki(agent: Path) -> list[list[object]]:
    """Rows: Sabaki's commands in its order, and whether each answer ends with exactly two line breaks."""
    rows: list[list[object]] = []
    with Session(command(agent, "--simulations", 50)) as session:
        for number, text in enumerate(SABAKI, 1):
            session.say(f"{number} {text}")
            said = session.until("", START)
            while said[-1]:
                said += session.until("", START)
            time.sleep(0.1)
            extra = session.rest()
            good = re.match(rf"={number}( |$)", said[0]) is not None and not extra
            rows.append(
                [text, said[0] if len(said) == 2 else f"{said[0]} … {len(said) - 1} lines", "yes" if good else "no"]
            )
        session.say("99 kata-analyze B 50")
        time.sleep(1.5)
        session.say("100 name")
        said = session.until("=100", 30)
        infos = [line for line in said if line.startswith("info move")]
        good = said[0] == "=99" and said[-2] == "" and len(infos) >= 1 and said.count("") == 1
        rows.append(["kata-analyze B 50, ended by a command", f"{len(infos)} lines of info", "yes" if good else "no"])
    if any(row[-1] != "yes" for row in rows):
        raise FaultError(str(rows))
    return rows
