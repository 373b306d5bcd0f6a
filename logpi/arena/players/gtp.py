"""``GtpPlayer``: an engine that speaks GTP, of a game whose ``protocols.gtp`` says how (Go, Othello, Hex).

One process serves many games: a position that extends the one on the engine's board is sent as the moves between, any
other as a cleared board and all its moves. Moves have logpi's names: Go's columns A to T without I and rows
from below, Othello's and Hex's a1 at the top left, as GRhino, Quarry and the Hex programs do.
"""

from __future__ import annotations

from collections.abc import Sequence

from logpi.arena.players.base import ForfeitError, Position, Referee, SearchResult, one_by_one
from logpi.arena.players.gtp_process import Engine, Reply
from logpi.arena.players.process import FIRST_WORDS, RESTARTS, Restarted
from logpi.errors import LogpiError
from logpi.games.rules.game import Game

COLOURS = ("black", "white")  # black begins; in Hex black connects top and bottom
NOWHERE = (-1,)  # moves that no position extends


class GtpPlayer:
    """Plays by ``genmove``. An engine that dies or hangs forfeits the game at hand and is started again."""

    def __init__(
        self, game: Game, command: str, name: str | None = None, seconds: float = 60.0, restarts: int = RESTARTS
    ) -> None:
        """Start the engine.

        Args:
            game: one that has ``protocols.gtp``.
            command: the program and its options.
            name: what the player is called; else the command.
            seconds: for each answer; then the engine is killed.
            restarts: how often an engine that died or was killed is started again; after that it forfeits every game.

        Raises:
            LogpiError: the game is not played over GTP; or the engine does not start, or refuses this size of board.
        """
        if game.protocols.gtp is None:
            raise LogpiError(f"{game.id} is not played over GTP; allowed: go-NxN, othello, hex-NxN, games with a Gtp")
        self.name, self.about = name or command, ""
        self._game, self._gtp, self._command = game, game.protocols.gtp, command
        self._seconds = seconds
        self._referee = Referee(game)
        self._there: tuple[int, ...] = NOWHERE  # the moves on the engine's board
        self._kept = Restarted(self._started, restarts)

    def choose(self, positions: Sequence[Position]) -> list[SearchResult]:
        """Its move in each; ForfeitError where the engine dies, hangs, resigns, or makes or refuses the wrong move."""
        return one_by_one(self._think, positions)

    def close(self) -> None:
        self._kept.close()

    def _think(self, position: Position) -> int:
        legal = self._referee.legal(position)
        if len(legal) == 1 and self._passes(legal[0]):
            return legal[0]  # forced; engines differ in whether they want to be asked
        self._place(position)
        colour = COLOURS[len(position.actions) % 2]
        said = self._ask(f"genmove {colour}")[0]
        if not said.accepted:
            self._there = NOWHERE
            raise ForfeitError("illegal move", f"none, as {colour}, at move {len(position.actions) + 1}: {said.text}")
        vertex = (said.text.split() or [""])[0]  # some engines add what they think of it
        if vertex.lower() == "resign":
            self._there = NOWHERE
            raise ForfeitError("resigned", f"as {colour}, at move {len(position.actions) + 1}")
        action = self._action(vertex)
        self._there = (*position.actions, action)
        if action not in legal:
            raise ForfeitError("illegal move", f"{said.text!r} as {colour}, at move {len(position.actions) + 1}")
        return action

    def _place(self, position: Position) -> None:
        """Bring the engine's board to ``position``."""
        moves, known = position.actions, len(self._there)
        extends = self._kept.engine is not None and moves[:known] == self._there
        commands = [] if extends else self._clearing(position)
        fixed = len(commands)
        rest = range(known if extends else 0, len(moves))
        commands += [f"play {COLOURS[t % 2]} {self._game.name(moves[t])}" for t in rest]
        self._there = NOWHERE  # whatever happens below
        replies = self._ask(*commands) if commands else []
        for t, reply in zip(rest, replies[fixed:], strict=True):
            # such as GRhino, which passes by itself where it must, and then refuses to be told
            if not reply.accepted and not (self._gtp.passes_itself and self._passes(moves[t])):
                note = f"{self._game.name(moves[t])!r} at move {t + 1}: {reply.text}"
                raise ForfeitError("refused a legal move", note)
        self._there = moves

    def _clearing(self, position: Position) -> list[str]:
        komi = self._game.protocols.komi
        return ["clear_board", *([f"komi {komi.of(position.state):g}"] if komi else [])]

    def _ask(self, *commands: str) -> list[Reply]:
        """Replies of the engine, which is started if there is none; ForfeitError if it dies or hangs."""
        try:
            return self._kept.running().ask(commands, self._seconds)
        except ForfeitError:
            self._kept.drop()
            self._there = NOWHERE
            raise

    def _started(self) -> Engine:
        """A new process, its board of the right size."""
        engine = Engine(self._command)
        size, seconds = self._game.shape[0], max(self._seconds, FIRST_WORDS)
        try:
            engine.greet(seconds)
            asked = ["name", "version", "known_command set_game", f"boardsize {size}"]
            name, version, has_games, sized = engine.ask(asked, seconds)
            if has_games.text == "true" and self._gtp.setup:
                engine.ask([self._gtp.setup], self._seconds)
        except ForfeitError:
            engine.close(patience=0)
            raise
        if not sized.accepted:
            engine.close()
            raise LogpiError(f"{self._command!r} refuses a board of size {size}: {sized.text}; it plays another game")
        self.about = f"{name.text} {version.text}".strip()
        return engine

    def _passes(self, action: int) -> bool:
        return self._game.name(action) == "pass"

    def _action(self, vertex: str) -> int:
        """The action called ``vertex``, or -1."""
        try:
            return self._game.parse(vertex)
        except LogpiError:
            return -1
