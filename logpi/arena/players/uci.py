"""``UciPlayer``: an engine that speaks UCI (chess) or USI (shogi).

One process serves many games: whenever it is asked about another game than before, it is told that a new one begins.
Only the engine's own thinking is on its clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from logpi.arena.engine.dialects import DIALECTS
from logpi.arena.players.base import ForfeitError, Position, Referee, SearchResult, begin, one_by_one
from logpi.arena.players.limits import Clock, Limits, parse, spent
from logpi.arena.players.process import RESTARTS, Restarted
from logpi.arena.players.uci_process import Engine
from logpi.errors import LogpiError
from logpi.games.rules.game import Game
from logpi.games.rules.notation import Notation

GRACE = 1.0  # seconds beyond a clock that an answer is waited for: one that comes late is told from none
PLAYED = ("chess", "gardner-chess", "shogi", "animal-shogi")


class Line(NamedTuple):
    """One game as the engine is told of it."""

    position: Position
    moves: tuple[str, ...] = ()  # as engines write them
    clock: Clock | None = None
    made: int = 0  # moves of the engine's own


class UciPlayer:
    """Plays by ``go``. An engine that dies or hangs forfeits the game at hand and is started again."""

    def __init__(
        self, game: Game, text: str, name: str | None = None, seconds: float = 60.0, restarts: int = RESTARTS
    ) -> None:
        """Start the engine.

        Args:
            game: one whose ``protocols.engine`` is "uci" or "usi".
            text: limits and options, then the program, as ``limits.parse`` reads them.
            name: what the player is called; else the text.
            seconds: for each answer, where there is no clock; then the engine is killed.
            restarts: how often an engine that died or was killed is started again; after that it forfeits every game.

        Raises:
            LogpiError: the game has no such protocol; or the engine does not start, or does not offer an option.
        """
        if not game.protocols.engine:
            raise LogpiError(f"{game.id} is not played over UCI or USI; allowed: {', '.join(PLAYED)}")
        self.name, self.about = name or text, ""
        self._game, self._dialect = game, DIALECTS[game.protocols.engine]
        self._limits, self._command = parse(text)
        self._seconds, self._referee = seconds, Referee(game)
        self._lines: dict[int, Line] = {}  # by the number of the game
        self._there = -1  # the number of the game that the engine was asked about
        self._kept = Restarted(self._started, restarts)

    def choose(self, positions: Sequence[Position]) -> list[SearchResult]:
        """Its move in each; ForfeitError where the engine dies, hangs, resigns, is late or makes an illegal move."""
        return one_by_one(self._think, positions)

    def close(self) -> None:
        self._kept.close()

    def _think(self, position: Position) -> int:
        line, where = self._followed(position), f"at move {len(position.actions) + 1}"
        limits, allowed = self._limits, self._allowed(line.clock)
        try:
            engine = self._kept.running()
            if self._there != position.number or not line.made:
                engine.begin()
            self._there = position.number
            said, took = engine.best(self._placed(line), go(limits, line), allowed)
        except ForfeitError:
            self._kept.drop()
            self._there = -1
            raise
        if line.clock is not None and limits.clock is not None:
            clock = spent(line.clock, limits.clock, took, line.made + 1)
            if clock is None:
                raise ForfeitError("timed out", f"{took:.3f} s with {line.clock.left:.3f} s left, {where}")
            line = line._replace(clock=clock)
        if said == "resign":
            raise ForfeitError("resigned", where)
        try:
            action = self._notation.read(position.state, said)
        except LogpiError as error:
            raise ForfeitError("illegal move", f"{said!r} {where}") from error
        self._lines[position.number] = line._replace(made=line.made + 1)
        return action

    @property
    def _notation(self) -> Notation:
        found = self._game.notation
        assert found is not None
        return found

    def _followed(self, position: Position) -> Line:
        """The game of ``position`` up to there."""
        line = self._lines.get(position.number)
        if line is None or position.actions[: len(line.position.actions)] != line.position.actions:
            line = Line(begin(self._game), clock=self._limits.clock)
        there, moves = line.position, list(line.moves)
        for action in position.actions[len(there.actions) :]:
            moves.append(self._notation.write(there.state, action))
            there = self._referee.play(there, action)
        line = line._replace(position=there, moves=tuple(moves))
        self._lines[position.number] = line
        return line

    def _placed(self, line: Line) -> str:
        start = f"{self._dialect.start} {self._notation.position(begin(self._game).state)}"
        return f"position {start}" + (f" moves {' '.join(line.moves)}" if line.moves else "")

    def _allowed(self, clock: Clock | None) -> float:
        """Seconds after which an engine without an answer hangs."""
        return self._seconds if clock is None else clock.left + clock.byoyomi + GRACE

    def _started(self) -> Engine:
        """A new process, which plays this game."""
        engine, variant = Engine(self._command, self._dialect, self._seconds), self._game.protocols.variant
        try:
            chosen = {"UCI_Variant": variant} if variant in engine.options.get("UCI_Variant", ()) else {}
            engine.set(chosen | dict(self._limits.options))
            engine.wait(first=True)
        except LogpiError:
            engine.close(patience=0)
            raise
        self.about = engine.name
        return engine


def go(limits: Limits, line: Line) -> str:
    """The command that begins a search."""
    words, clock = ["go"], line.clock
    if clock is not None:
        left, increment = (_milliseconds(seconds) for seconds in (clock.left, clock.increment))
        words.append(f"btime {left} wtime {left}")  # the other player may have no clock: it is said to have as much
        words += [f"binc {increment} winc {increment}"] if increment else []
        words += [f"byoyomi {_milliseconds(clock.byoyomi)}"] if clock.byoyomi else []
        words += [f"movestogo {clock.moves - line.made % clock.moves}"] if clock.moves else []
    if limits.movetime is not None:
        words.append(f"movetime {_milliseconds(limits.movetime)}")
    words += [f"{name} {number}" for name, number in (("nodes", limits.nodes), ("depth", limits.depth)) if number]
    return " ".join(words)


def _milliseconds(seconds: float) -> int:
    return max(0, math.floor(1000 * seconds))
