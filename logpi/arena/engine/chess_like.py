"""An engine that speaks UCI or USI: one line in, lines out; the search runs in a thread of its own.

Every ``go`` is answered by exactly one ``bestmove``. A line that is not understood is passed over, as both protocols
ask; what is wrong with one that is understood is said in an ``info string``.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from logpi.arena.engine.clock import Budget, Clock, budget, fixed
from logpi.arena.engine.dialects import Dialect
from logpi.arena.engine.thinker import Limits, Thinker, Thought
from logpi.arena.players.base import Position, Referee, begin
from logpi.errors import LogpiError
from logpi.games.rules.game import Game

MOST_LINES = 64  # MultiPV
OVERHEAD = 30  # milliseconds, by default
WORDS = ("searchmoves", "ponder", "infinite", "mate", "depth", "nodes", "movetime", "movestogo", "byoyomi")
LONG = 1_000_000  # characters of a line that is read


class Engine:
    """A session of UCI or USI."""

    def __init__(self, thinker: Thinker, dialect: Dialect, name: str, out: Callable[[str], None]) -> None:
        """``out`` writes one line, and is called from two threads, one at a time."""
        self._thinker, self._dialect, self._name, self._out = thinker, dialect, name, out
        self._referee = Referee(thinker.agent.game)
        self._position = begin(thinker.agent.game)
        self._start, self._moves = "startpos", list[str]()
        self._options: dict[str, Any] = {"MultiPV": 1, "Move Overhead": OVERHEAD, "UCI_ShowWDL": False}
        self._search: threading.Thread | None = None
        self._stop, self._hit, self._write = threading.Event(), threading.Event(), threading.Lock()
        self._warm = False

    @property
    def game(self) -> Game:
        """The rules."""
        return self._thinker.agent.game

    def say(self, line: str) -> None:
        """Write a line."""
        with self._write:
            self._out(line)

    def handle(self, line: str) -> bool:
        """Obey one line; False where it ends the session."""
        words = line[:LONG].split()
        while words and words[0] not in COMMANDS and words[0] not in (self._dialect.hello, self._dialect.new_game):
            words = words[1:]  # "What is unknown at the beginning of a line is passed over"
        if not words:
            return True
        command, rest = words[0], words[1:]
        if command == "quit":
            self.end()
            return False
        try:
            self._obey(command, rest)
        except LogpiError as error:
            self.say(f"info string {' '.join(str(error).split())}")
        return True

    def _obey(self, command: str, rest: Sequence[str]) -> None:
        if command == self._dialect.hello:
            self._greet()
        elif command == "isready":
            self._warm_up()
            self.say("readyok")
        elif command == "setoption":
            self._set(" ".join(rest))
        elif command == self._dialect.new_game:
            self.end()
            self._thinker.forget()
        elif command == "position":
            self.end()
            self._place(rest)
        elif command == "go":
            self.end()
            self._go(rest)
        elif command == "stop":
            self.end()
        elif command == "ponderhit":
            self._hit.set()
        elif command == "gameover":
            self.end()

    def end(self) -> None:
        """Stop a search, and wait for its answer."""
        if self._search is not None:
            self._stop.set()
            self._search.join()
            self._search = None

    def _greet(self) -> None:
        d = self._dialect
        self.say(f"id name {self._name}")
        self.say("id author the logpi developers")
        for option in (
            "Threads type spin default 1 min 1 max 512",
            f"{d.hash_option} type spin default 64 min 1 max 1048576",
            f"{d.ponder_option} type check default false",
            f"MultiPV type spin default 1 min 1 max {MOST_LINES}",
            f"Move Overhead type spin default {OVERHEAD} min 0 max 10000",
            "UCI_AnalyseMode type check default false",
            "UCI_ShowWDL type check default false",
            "SyzygyPath type string default <empty>",
        ):
            self.say(f"option name {option}")
        self.say(d.ready)

    def _warm_up(self) -> None:
        """Compile all that a move needs, unless that is done; during a search it is."""
        if self._warm or self._search is not None:
            return
        start, notation = begin(self.game), self.game.notation
        assert notation is not None
        names = self._written(start, self._referee.legal(start)[:1])
        self._referee.result(self._referee.play(start, notation.read(start.state, names[0])))
        self._thinker.warm_up(start)
        self._warm = True

    def _set(self, text: str) -> None:
        found = re.fullmatch(r"name (.+?)(?: value ?(.*))?", text)
        if found is None:
            raise LogpiError(f"setoption {text}: write setoption name NAME value VALUE")
        name = next((known for known in self._options if known.lower() == found[1].lower()), None)
        value = found[2] or ""
        if name is None:
            return  # options that are offered for the sake of other programs, and unknown ones
        if name == "UCI_ShowWDL":
            self._options[name] = value.lower() == "true"
            return
        least, most = (1, MOST_LINES) if name == "MultiPV" else (0, 10_000)
        if not re.fullmatch(r"[0-9]{1,6}", value) or not least <= int(value) <= most:
            raise LogpiError(f"{name} is {value!r}; allowed: {least} to {most}")
        self._options[name] = int(value)

    def _place(self, words: Sequence[str]) -> None:
        """Set the position; what is wrong leaves the old one."""
        text, _, moves = " ".join(words).partition(" moves")
        kind, _, given = text.strip().partition(" ")
        if kind not in ("startpos", self._dialect.start):
            raise LogpiError(f"position {kind!r}; allowed: startpos, or {self._dialect.start} and a position")
        notation = self.game.notation
        assert notation is not None
        start, wanted = (kind if kind == "startpos" else given), moves.split()
        if start != self._start:
            self._thinker.forget()
        known = self._moves if start == self._start and wanted[: len(self._moves)] == self._moves else []
        if known or (start == self._start and not self._moves):
            position = self._position
        else:
            position = begin(self.game)
            if kind != "startpos":
                position = Position(self.game, (), notation.start(given))
        for move in wanted[len(known) :]:
            position = self._referee.play(position, notation.read(position.state, move))
        self._position, self._start, self._moves = position, start, wanted

    def _go(self, words: Sequence[str]) -> None:
        asked = _arguments(words)
        self._warm_up()
        self._stop.clear()
        self._hit.clear()
        position = self._position
        if decided := self._decided(position):
            self.say(decided)
            return
        moves = [action for move in asked.get("searchmoves", []) for action in self._actions(position, move)] or None
        limits = Limits(nodes=asked.get("nodes", math.inf), depth=asked.get("depth", math.inf), moves=moves)
        waits = "infinite" in asked or "ponder" in asked
        arguments = (position, limits, self._budget(asked), waits, "ponder" in asked)
        self._search = threading.Thread(target=self._think, args=arguments, name="logpi-engine", daemon=True)
        self._search.start()

    def _decided(self, position: Position) -> str:
        """What is said in place of a move; "" where one is wanted.

        That holds in drawn positions too: whether a third repetition ends a game, the other program decides.
        """
        result = self._referee.result(position)
        first = len(position.actions) % 2 == 0  # the one who began is the referee's first player
        mine = None if result is None else result if first else -result
        if mine == -1 or not self._referee.legal(position):
            return self._dialect.lost
        return self._dialect.won if mine == 1 else ""

    def _actions(self, position: Position, move: str) -> list[int]:
        """The action called ``move``; none where it is not legal, which is said: ``go`` has to be answered."""
        notation = self.game.notation
        assert notation is not None
        try:
            return [notation.read(position.state, move)]
        except LogpiError as error:
            self.say(f"info string {error}")
            return []

    def _budget(self, asked: dict[str, Any]) -> Budget:
        """The time of the move, once it is not pondered."""
        overhead = self._options["Move Overhead"] / 1000
        if "movetime" in asked:
            return fixed(asked["movetime"] / 1000, overhead)
        side = self._dialect.sides[_turn(self.game, self._position)]
        left, byoyomi = asked.get(f"{side}time"), asked.get("byoyomi", 0) / 1000
        if left is None and not byoyomi:
            return Budget(math.inf, math.inf)
        increment = asked.get(f"{side}inc", 0) / 1000
        return budget(Clock((left or 0) / 1000, increment, byoyomi, int(asked.get("movestogo", 0))), overhead)

    def _think(self, position: Position, limits: Limits, times: Budget, waits: bool, ponders: bool) -> None:
        """The thread of a search: it ends with the one answer."""
        began, hit = time.perf_counter(), 0.0
        never = Budget(math.inf, math.inf)

        def left() -> Budget:
            nonlocal hit
            if ponders and not self._hit.is_set():
                return never
            hit = hit or time.perf_counter() - began  # what was pondered is not on the clock
            return Budget(*(seconds + (hit if ponders else 0.0) for seconds in times))

        best = position
        try:
            thought = self._thinker.think(
                position, limits, self._report, self._stop.is_set, self._options["MultiPV"], left
            )
            while waits and not self._stop.is_set() and not (ponders and self._hit.is_set()):
                time.sleep(0.005)  # the search has ended by itself, but it was not asked for its answer yet
            self.say(self._answer(best, thought))
        except Exception as error:
            self.say(f"info string {type(error).__name__}: {' '.join(str(error).split())[:200]}")
            self.say(f"bestmove {self._written(position, self._referee.legal(position)[:1])[0]}")

    def _answer(self, position: Position, thought: Thought) -> str:
        names = self._written(position, thought.lines[0].actions[:2])
        return f"bestmove {names[0]}" + (f" ponder {names[1]}" if len(names) > 1 else "")

    def _report(self, thought: Thought) -> None:
        wide = self._options["MultiPV"]
        milliseconds = round(1000 * thought.seconds)
        rate = round(thought.new / thought.seconds) if thought.seconds > 0 else 0
        for number, line in enumerate(thought.lines[:wide], 1):
            names = self._written(self._position, line.actions)
            value = line.value if line.visits else thought.value
            parts = [f"info depth {len(names)} seldepth {len(names)}"]
            parts += [f"multipv {number}"] if wide > 1 else []
            parts += [f"score {self._dialect.score(value)}"]
            if self._options["UCI_ShowWDL"]:
                wins = round(500 * (1 + value))
                parts.append(f"wdl {wins} 0 {1000 - wins}")
            parts += [f"nodes {thought.nodes} nps {rate} time {milliseconds} pv {' '.join(names)}"]
            self.say(" ".join(parts))

    def _written(self, position: Position, actions: Sequence[int]) -> list[str]:
        """Moves one after the other, as the protocol writes them."""
        notation, names = self.game.notation, list[str]()
        assert notation is not None
        for action in actions:
            names.append(notation.write(position.state, action))
            position = self._referee.play(position, action)
        return names


COMMANDS = ("isready", "setoption", "position", "go", "stop", "ponderhit", "quit", "gameover")


def _turn(game: Game, position: Position) -> int:
    """0 where the first player is to move."""
    return 0 if bool(game.first_to_move(position.state)) else 1


def _arguments(words: Sequence[str]) -> dict[str, Any]:
    """What follows ``go``: names of numbers, of lists and of flags; numbers that cannot be are left out."""
    found: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "searchmoves":
            found[word] = []
            while rest and rest[0] not in WORDS and not re.fullmatch(r"[wb](time|inc)", rest[0]):
                found[word].append(rest.pop(0))
        elif word in ("ponder", "infinite"):
            found[word] = True
        elif rest and re.fullmatch(r"-?[0-9]{1,12}", rest[0]):
            found[word] = max(0, int(rest.pop(0)))
    return found
