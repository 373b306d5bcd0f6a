"""One person at the terminal: his lines are read and obeyed, the agent is asked, games are written to files."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.text import Text

from logpi.arena.players.base import ForfeitError, Player, SearchResult
from logpi.arena.terminal.panel import comment, prompt
from logpi.arena.terminal.screen import Screen, complete_words
from logpi.arena.terminal.session import COMMANDS, Session, Table, history, moved, reply, result
from logpi.errors import LogpiError
from logpi.games.records.files import append, suffix
from logpi.games.records.forms import suffixes
from logpi.games.records.record import Record, usual_reason


class InteractiveGame:
    """One person at the table, until he leaves."""

    def __init__(
        self,
        table: Table,
        session: Session,
        player: Player,
        screen: Screen,
        pause: float = 0.0,
        save: str = "",
        read: Callable[[str], str] | None = None,
    ) -> None:
        """Sit down.

        Args:
            table: the game.
            session: where it stands, and who plays what.
            player: the agent, warmed up.
            screen: where to print.
            pause: seconds between moves that are only watched.
            save: the file that games are added to at their end.
            read: a line from the person who is shown a prompt, EOFError at the end; standard input if None.
        """
        self.table, self.session, self.player, self.screen = table, session, player, screen
        self.pause, self.save, self.read = pause, save, read or input
        self.answers = read is not None or sys.stdin.isatty()  # a person can be asked
        self.kept = self.record()  # the game as a file has it already
        if read is None and self.answers:
            complete_words(self.words)

    def run(self) -> int:
        """Play until the person leaves; returns the exit code.

        Raises:
            KeyboardInterrupt: the person has interrupted; the game was saved, or was offered to be.
            LogpiError: the agent cannot go on; likewise.
        """
        self.screen.show(self.session)
        try:
            while self.turn():
                pass
        except KeyboardInterrupt:
            self.screen.say("")
            raise KeyboardInterrupt(self.leave()) from None
        except LogpiError:
            self.screen.say(self.leave())
            raise
        self.screen.say(self.leave())
        return 0

    def turn(self) -> bool:
        """A move of the agent, or a line of the person; False when he leaves."""
        over = result(self.table, self.session) is not None
        if over and self.session.side == "none":
            return False
        if self.agent_moves():
            self.think()
            return True
        try:
            line = self.read(prompt(self.table, self.session))
        except EOFError:
            self.screen.say("")
            return False
        if not self.answers:
            self.screen.say(line)  # a terminal shows what is typed, a pipe does not
        return self.obey(line)

    def agent_moves(self) -> bool:
        """Whether it is the agent's turn."""
        return result(self.table, self.session) is None and not self.session.is_persons(self.session.turn)

    def obey(self, line: str) -> bool:
        """Do what a line says; False to leave."""
        said = reply(self.table, self.session, line)
        self.screen.say(*said.lines)
        if said.request == "new" and self.session.now.actions:
            self.screen.say(self.leave())
        before, self.session = self.session, said.session
        if len(self.session.positions) == len(before.positions) + 1:
            self.screen.fall(self.session)
        if said.request == "board" or (self.session is not before and not self.agent_moves()):
            self.screen.show(self.session)
        if said.request == "hint":
            self.hint()
        if said.request == "save":
            self.screen.say(self.write(said.file))
        return said.request != "quit"

    def think(self) -> None:
        """Let the agent move."""
        try:
            answer, seconds = self.choose()
        except ForfeitError as fault:
            self.session = self.session._replace(given_up=fault.reason, comment=(Text(fault.note),))
        else:
            said = comment(self.table, self.session, answer, seconds)
            self.session = moved(self.table, self.session, answer.action)._replace(comment=said)
            self.screen.fall(self.session)
        self.screen.show(self.session)
        if self.session.side == "none":
            time.sleep(self.pause)

    def hint(self) -> None:
        """Say what the agent would play."""
        try:
            answer, seconds = self.choose()
        except ForfeitError as fault:
            self.screen.say(f"{self.table.agent} has no advice: {fault}")
        else:
            self.screen.say(*comment(self.table, self.session, answer, seconds, hint=True))

    def choose(self) -> tuple[SearchResult, float]:
        """What the agent thinks of the position that stands, and the seconds that it took.

        Raises:
            ForfeitError: it has no legal answer.
        """
        started = time.perf_counter()
        with self.screen.thinking(self.session):
            (answer,) = self.player.choose([self.session.now])
        if answer.action not in self.table.referee.legal(self.session.now):
            raise ForfeitError("illegal move", self.table.game.name(answer.action))
        return answer, time.perf_counter() - started

    def words(self) -> list[str]:
        """What may be typed now, for the tab key."""
        if result(self.table, self.session) is not None:
            return list(COMMANDS)
        now = self.session.now
        return [*COMMANDS, *(self.table.game.written(now.state, move) for move in self.table.referee.legal(now))]

    def write(self, file: str) -> str:
        """Add the game to a file; returns what the person is told."""
        game, path = self.record(), Path(file).expanduser()
        if path.suffix.lower() not in suffixes():
            path = path.with_name(f"{path.name}{suffix(self.table.game)}")
        try:
            append(path, game)
        except (LogpiError, OSError) as error:
            return f"not saved: {error}"
        self.kept = game
        return f"saved: {path}"

    def record(self) -> Record:
        """The game so far."""
        komi = self.table.game.protocols.komi
        first, second = ("human" if self.session.is_persons(player) else self.table.agent for player in (1, 2))
        outcome, count = result(self.table, self.session), self.table.area
        played_out = outcome is not None and not self.session.given_up
        return Record(
            self.table.game.id,
            (first, second),
            self.session.now.actions,
            outcome,
            reason=self.session.given_up or usual_reason(outcome),
            date=datetime.date.today().isoformat(),
            komi=komi.of(self.session.now.state) if komi else None,
            margin=abs(count(self.session.now).lead) if count and played_out else None,
        )

    def leave(self) -> str:
        """Save the game where that was asked for, else offer to; returns what the person is told."""
        if not self.session.now.actions:
            return ""
        file = self.save
        if not file and self.answers and self.record() != self.kept:
            with contextlib.suppress(EOFError, KeyboardInterrupt):
                file = self.read("a file to save the game to (Enter: none): ").strip()
        return self.write(file) if file else f"the game: {history(self.table, self.session)}"
