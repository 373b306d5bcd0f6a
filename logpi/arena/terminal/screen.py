"""The terminal that a game is shown on: what it can do is found out, and used."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from logpi.arena.terminal.board import Display
from logpi.arena.terminal.panel import falls, view
from logpi.arena.terminal.session import Session, Table
from logpi.errors import inert

FALL = 0.04  # seconds from hole to hole


def display_of(console: Console) -> Display:
    """What a console can show."""
    coloured = console.color_system in ("256", "truecolor") and not console.no_color
    return Display(coloured and console.is_terminal, console.encoding.startswith("utf"))


@contextlib.contextmanager
def busy(console: Console, what: str) -> Iterator[None]:
    """Say what is being waited for; in a terminal, as long as it lasts."""
    if _moves(console):
        with console.status(what):
            yield
    else:
        console.print(what)
        yield


def complete_words(words: Callable[[], Iterable[str]]) -> None:
    """Let the tab key complete what a person types to one of ``words()``, where Python was built with readline."""
    try:
        import readline
    except ImportError:
        return

    def completed(text: str, number: int) -> str | None:
        found = [word for word in words() if word.lower().startswith(text.lower())]
        return found[number] if number < len(found) else None

    readline.set_completer(completed)
    readline.parse_and_bind("tab: complete")


class Screen:
    """Prints sessions. A board that needs no answer is shown only until the next one comes."""

    def __init__(self, table: Table, console: Console) -> None:
        self.console, self._table = console, table
        self._printed: Session | None = None

    def say(self, *lines: Text | str) -> None:
        """Print lines, which are folded where they are too long."""
        for line in lines:
            self.console.print(inert(line) if isinstance(line, str) else line, markup=False)

    def show(self, session: Session) -> None:
        """Print the board."""
        self._printed = session
        self.console.print()
        for line in view(self._table, session, self.console.width):
            self.console.print(line, soft_wrap=True)
        self.console.print()

    def fall(self, session: Session) -> None:
        """Let the stone placed last fall, where the game has falling stones and the terminal moves."""
        frames = falls(self._table, session, self.console.width) if _moves(self.console) else []
        with self._passing() if frames else contextlib.nullcontext() as live:
            for frame in frames:
                if live:
                    live.update(Group("", *frame), refresh=True)
                    time.sleep(FALL)

    @contextlib.contextmanager
    def thinking(self, session: Session) -> Iterator[None]:
        """Show that the agent thinks, and of what, if that is not on the screen already."""
        if not _moves(self.console):
            yield
            return
        spinner = Spinner("dots", Text(f"{self._table.agent} thinks"))
        board = [] if session is self._printed else view(self._table, session, self.console.width)
        with self._passing() as live:
            live.update(Group("", *board, "", spinner) if board else spinner, refresh=True)
            yield

    def _passing(self) -> Live:
        return Live(console=self.console, transient=True, vertical_overflow="crop")


def _moves(console: Console) -> bool:
    """Whether what is printed can be taken back."""
    return console.is_terminal and not console.is_dumb_terminal
