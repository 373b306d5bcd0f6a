"""An engine that speaks GTP 2 (Farnebäck 2002), with the analysis commands that Sabaki and others use."""

from __future__ import annotations

import contextlib
import math
import queue
import re
from collections.abc import Callable, Iterator, Sequence

from logpi.arena.engine.clock import Budget, Clock, budget
from logpi.arena.engine.thinker import Limits, Thinker, Thought
from logpi.arena.players.base import Position, Referee, opened
from logpi.errors import LogpiError
from logpi.games.rules.game import Game

COLOURS = {"b": 0, "black": 0, "w": 1, "white": 1}
OVERHEAD = 0.05  # seconds
SHOWN = 8  # moves of an analysis
LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"


class GtpEngine:
    """A session of GTP."""

    def __init__(
        self,
        thinker: Thinker,
        name: str,
        version: str,
        out: Callable[[str], None],
        simulations: int,
        waiting: queue.Queue[str],
    ) -> None:
        """Begin with the empty board.

        Args:
            thinker: the agent.
            name: of the engine.
            version: of the engine.
            out: writes text as it is.
            simulations: of a move, where no clock was set.
            waiting: further lines of the other program; an analysis ends as soon as there is one.
        """
        self._thinker, self._name, self._version, self._out = thinker, name, version, out
        self._simulations, self._waiting = simulations, waiting
        self._referee = Referee(thinker.agent.game)
        self._positions: list[Position] = [*opened(thinker.agent.game)]
        self._clocks: dict[int, Clock] = {}
        self._times = Clock()
        self._warm = False
        self._commands: dict[str, Callable[[Sequence[str]], str]] = {
            "protocol_version": lambda words: "2",
            "name": lambda words: self._name,
            "version": lambda words: self._version,
            "known_command": lambda words: "true" if words and words[0] in self._known() else "false",
            "list_commands": lambda words: "\n".join(self._known()),
            "boardsize": self._boardsize,
            "clear_board": self._clear,
            "komi": self._komi,
            "play": self._play,
            "genmove": self._genmove,
            "reg_genmove": self._regression,
            "undo": self._undo,
            "showboard": lambda words: self._board(),
            "final_score": lambda words: self._score(),
            "time_settings": self._settings,
            "time_left": self._left,
            "lz-analyze": self._analyze,
            "kata-analyze": self._analyze,
            "lz-genmove_analyze": self._genmove_analyze,
            "kata-genmove_analyze": self._genmove_analyze,
        }

    @property
    def game(self) -> Game:
        """The rules."""
        return self._thinker.agent.game

    def _known(self) -> list[str]:
        return [*self._commands, "quit"]

    def _warm_up(self) -> None:
        """Compile all that a move needs, once: at the beginning of a game, where no clock runs."""
        if not self._warm:
            self._thinker.warm_up(self._positions[0])
            self._warm = True

    def handle(self, line: str) -> bool:
        """Answer one line; False where it ends the session."""
        text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", line.partition("#")[0]).replace("\t", " ")
        words = text.split()
        if not words:
            return True
        number = words.pop(0) if words[0].isascii() and words[0].isdigit() else ""
        if not words:
            return True
        command, rest = words[0], words[1:]
        if command == "quit":
            self._out(f"={number}\n\n")
            return False
        try:
            if command not in self._commands:
                raise LogpiError("unknown command")
            self._number = number
            answer = self._commands[command](rest)
        except LogpiError as error:
            self._out(f"?{number} {' '.join(str(error).split())}\n\n")
            return True
        self._out("\n" if answer == STREAMED else f"={number} {answer}".rstrip() + "\n\n")
        return True

    # -- the board -----------------------------------------------------------------------------------------------------

    def _boardsize(self, words: Sequence[str]) -> str:
        rows, columns = self.game.shape
        if not words or words[0] != str(rows) or rows != columns:
            raise LogpiError("unacceptable size")
        return self._clear(())

    def _clear(self, words: Sequence[str]) -> str:
        self._positions = self._positions[: 1 + self.game.protocols.setup]
        self._thinker.forget()
        self._warm_up()
        return ""

    def _komi(self, words: Sequence[str]) -> str:
        komi = self.game.protocols.komi
        try:
            asked = float(words[0])
        except (IndexError, ValueError) as error:
            raise LogpiError("komi not a float") from error
        own = komi.of(self._positions[0].state) if komi else 0.0
        if komi and asked != own:
            raise LogpiError(f"this agent has learnt to play with komi {own:g}")
        return ""

    def _colour(self, words: Sequence[str]) -> int:
        found = COLOURS.get(words[0].lower()) if words else None
        if found is None:
            raise LogpiError("invalid color")
        return found

    def _turn(self) -> int:
        return len(self._positions[-1].actions) % 2

    def _to_move(self, colour: int) -> None:
        """Let ``colour`` be to move, by a pass of the other one where the game has passes."""
        if colour == self._turn():
            return
        passes = [a for a in self._referee.legal(self._positions[-1]) if self.game.name(a) == "pass"]
        if not passes:
            raise LogpiError("it is the other player's move")
        self._add(passes[0])

    def _add(self, action: int) -> None:
        self._positions.append(self._referee.play(self._positions[-1], action))

    def _play(self, words: Sequence[str]) -> str:
        if len(words) < 2:
            raise LogpiError("invalid color or coordinate")
        colour = self._colour(words)
        if words[1].lower() == "resign":
            return ""
        try:
            action = self.game.parse(words[1])
        except LogpiError as error:
            raise LogpiError("invalid color or coordinate") from error
        self._going_on()
        self._to_move(colour)
        if action not in self._referee.legal(self._positions[-1]):
            raise LogpiError("illegal move")
        self._add(action)
        return ""

    def _going_on(self) -> None:
        if self._referee.result(self._positions[-1]) is not None:
            raise LogpiError("the game is over")

    def _undo(self, words: Sequence[str]) -> str:
        if len(self._positions) < 2 + self.game.protocols.setup:
            raise LogpiError("cannot undo")
        self._positions.pop()
        return ""

    def _board(self) -> str:
        cells = self.game.cells(self._positions[-1].state)
        signs = ".XO"
        return "\n" + "\n".join(" ".join(signs[int(cell)] for cell in row) for row in cells)

    def _score(self) -> str:
        now = self._positions[-1]
        result = self._referee.result(now)
        if result is None:
            raise LogpiError("the game is not over")
        if not result:
            return "0"
        margin = self.game.margin
        points = f"{abs(float(margin(now.state))):g}" if margin else "1"
        return f"{'B' if result > 0 else 'W'}+{points}"

    # -- time and moves ------------------------------------------------------------------------------------------------

    def _settings(self, words: Sequence[str]) -> str:
        main, byoyomi, stones = _numbers(words, 3)
        self._clocks = {}
        self._times = Clock(main, 0.0, byoyomi / stones if stones else 0.0)
        if main == 0 and byoyomi > 0 and stones == 0:  # no limit
            self._times = Clock()
        return ""

    def _left(self, words: Sequence[str]) -> str:
        colour, (seconds, stones) = self._colour(words), _numbers(words[1:], 2)
        main = Clock(seconds, 0.0, self._times.byoyomi) if not stones else Clock(seconds, 0.0, 0.0, int(stones))
        self._clocks[colour] = main
        return ""

    def _limits(self, colour: int) -> Limits:
        clock = self._clocks.get(colour, self._times)
        if math.isinf(clock.left):
            return Limits(nodes=self._simulations)
        return Limits(budget(clock, OVERHEAD))

    def _think(self, colour: int, report: Callable[[Thought], None] = lambda thought: None) -> Thought:
        self._going_on()
        self._to_move(colour)
        self._going_on()
        return self._thinker.think(self._positions[-1], self._limits(colour), report, lambda: False)

    def _best(self, colour: int) -> int:
        return self._think(colour).lines[0].actions[0]

    def _name_of(self, action: int) -> str:
        name = self.game.name(action)
        return name if name == "pass" else name.upper()

    def _genmove(self, words: Sequence[str]) -> str:
        action = self._best(self._colour(words))
        self._add(action)
        return self._name_of(action)

    def _regression(self, words: Sequence[str]) -> str:
        with self._kept():
            return self._name_of(self._best(self._colour(words)))

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Put the positions of the game back afterwards."""
        before = list(self._positions)
        try:
            yield
        finally:
            self._positions = before

    # -- analysis ------------------------------------------------------------------------------------------------------

    def _analyze(self, words: Sequence[str]) -> str:
        """Lines of ``info`` until the other program says something."""
        unlimited = Limits(Budget(math.inf, math.inf))
        with self._kept():
            self._ordered(words)
            self._out(f"={self._number}\n")
            self._thinker.think(self._positions[-1], unlimited, self._info, lambda: not self._waiting.empty(), SHOWN)
        return STREAMED

    def _genmove_analyze(self, words: Sequence[str]) -> str:
        """The same while a move is thought about, which is then played."""
        colour = self._ordered(words)
        self._out(f"={self._number}\n")
        action = self._think(colour, self._info).lines[0].actions[0]
        self._add(action)
        self._out(f"play {self._name_of(action)}\n")
        return STREAMED

    def _ordered(self, words: Sequence[str]) -> int:
        """The colour of an analysis, which is the mover's unless it is said."""
        named = [word for word in words[:1] if word.lower() in COLOURS]
        colour = self._colour(named) if named else self._turn()
        self._going_on()
        self._to_move(colour)
        self._going_on()
        return colour

    def _info(self, thought: Thought) -> None:
        parts = []
        for order, line in enumerate(thought.lines[:SHOWN]):
            names = " ".join(self._name_of(action) for action in line.actions)
            value = line.value if line.visits else thought.value
            parts.append(
                f"info move {self._name_of(line.actions[0])} visits {line.visits} winrate {round(5000 * (1 + value))} "
                f"prior {round(10000 * line.prior)} order {order} pv {names}"
            )
        self._out(" ".join(parts) + "\n")


STREAMED = "\x00"  # an answer that was written already, its last line's end included


def _numbers(words: Sequence[str], count: int) -> list[float]:
    if len(words) < count or not all(re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", word) for word in words[:count]):
        raise LogpiError("not a number")
    return [float(word) for word in words[:count]]
