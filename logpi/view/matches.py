"""Progress of games being played (a bar in a terminal, plain lines elsewhere) and the tables of their results."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from logpi.runs.files import Json
from logpi.view.live import clock, short

_REDRAW, _LINE_EVERY = 1 / 8, 5.0  # seconds


class Progress:
    """Number of finished games and of moves, and an estimate of the time left."""

    def __init__(self, games: int, longest: int) -> None:
        """``games`` in all; ``longest`` moves each at most."""
        self.total, self._longest = games, longest
        self.games, self.moves, self._lengths = 0, 0, 0
        self._began = time.monotonic()

    def game(self, moves: int) -> None:
        """Count one finished game of ``moves`` moves."""
        self.games += 1
        self._lengths += moves

    def text(self) -> str:
        """Such as ``12 / 100 games  12%  1.3k moves/s  about 0:30 left``."""
        said = f"{self.games:,} / {self.total:,} games  {100 * self.games // max(self.total, 1)}%"
        rate = self.moves / max(time.monotonic() - self._began, 1e-9)
        if self.moves:
            left = max(self._expected() - self.moves, 0) / rate
            most = "about" if self.games else "at most"
            said += f"  {short(rate)} moves/s" + (f"  {most} {clock(left)} left" if self.games < self.total else "")
        return said

    def share(self) -> float:
        """Estimated fraction of all moves made; games side by side end late and nearly together."""
        return 1.0 if self.games >= self.total else min(self.moves / self._expected(), 1.0)

    def _expected(self) -> float:
        """Estimated moves of all games: unfinished ones are taken to be as long as finished ones on average."""
        return max(self.total * (self._lengths / self.games if self.games else self._longest), 1)


class Watcher:
    """Shows a ``Progress`` whenever ``changed`` is called; no thread of its own."""

    def __init__(self, progress: Progress, title: str, console: Console | None, live: Live | None) -> None:
        self.progress, self.title = progress, title
        self._console, self._live, self._due = console, live, 0.0

    def changed(self) -> None:
        """Redraw, unless the last time was a moment ago."""
        if self._console is None or time.monotonic() < self._due:
            return
        if self._live is None:
            self._console.print(f"{self.title}: {self.progress.text()}", markup=False, highlight=False, soft_wrap=True)
            self._due = time.monotonic() + _LINE_EVERY
            return
        line = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=1, completed=self.progress.share(), width=30)
        line.add_row(Text(self.title, "bold"), bar, Text(self.progress.text()))
        self._live.update(line, refresh=True)
        self._due = time.monotonic() + _REDRAW


@contextlib.contextmanager
def watching(progress: Progress, title: str, quiet: bool = False, console: Console | None = None) -> Iterator[Watcher]:
    """A ``Watcher`` on standard error, so that standard output has the results alone."""
    console = console or Console(stderr=True)
    if quiet or not console.is_terminal or console.is_dumb_terminal:
        yield Watcher(progress, title, None if quiet else console, None)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield Watcher(progress, title, console, live)


def show(report: Json, console: Console | None = None) -> None:
    """Print a tournament's report: the cross table, a line for each match, the faults, and what the intervals mean."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=250)  # a pipe has no width: lines must not be folded
    console.print(_cross_table(report))
    console.print()
    for match in report["matches"]:
        console.print(match_line(match), markup=False, highlight=False)
    for match in report["matches"]:
        if match["repeated"]:
            console.print(repeated_line(match), markup=False, highlight=False, style="yellow")
    for player in report["players"]:
        for fault, count in player["faults"].items():
            console.print(f"{player['name']} forfeited {count}: {fault}", markup=False, highlight=False, style="yellow")
    zero = f"{report['anchor']} is 0" if report["anchor"] else "their mean is 0"
    notes = f"Elo by maximum likelihood, {zero}; 95 % intervals"
    if report["drawn_games_added"]:
        notes += "; some won all games against the rest, so a drawn game was added for every two players"
    console.print(notes, style="dim", markup=False, highlight=False)


def match_line(match: Json) -> str:
    """One match in words."""
    a, b = match["players"]
    share, low, high = match["score"]
    elo, worst, best = (_signed(value, sign) for value, sign in zip(match["elo"], (share - 0.5, -1, 1), strict=True))
    text = (
        f"{a} – {b}: {match['points']:g} of {match['games']}  +{match['won']} ={match['drawn']} -{match['lost']}  "
        f"{share:.1%} ({low:.1%} to {high:.1%})  Elo {elo} ({worst} to {best})"
    )
    if test := match["sprt"]:
        said = f"accepted: {test['verdict']}" if test["verdict"] else "undecided"
        text += f"  SPRT {test['elo0']:g} or {test['elo1']:g}: {said}, LLR {test['llr']:.2f}"
        text += f" ({test['lower']:.2f} to {test['upper']:.2f})"
    return text


def repeated_line(match: Json) -> str:
    """Warning that some games equal others move by move."""
    a, b = match["players"]
    return (
        f"{a} – {b}: {match['repeated']} of {match['games']} games repeat others move by move, and the intervals take "
        "them for games of their own; begin with more random moves, as in --openings 4"
    )


def _signed(value: float | None, sign: float) -> str:
    """An Elo difference as text; None is infinite, with the sign of ``sign``."""
    return f"{value:+.0f}" if value is not None else "+∞" if sign > 0 else "-∞"


def _cross_table(report: Json) -> Table:
    players = report["players"]
    points = {}
    for match in report["matches"]:
        a, b = match["players"]
        points[a, b], points[b, a] = match["points"] / match["games"], 1 - match["points"] / match["games"]
    against = [str(place) for place in range(1, len(players) + 1)]
    names = Column("player", overflow="fold")  # those that are paths differ at their ends
    table = Table("", names, box=None, pad_edge=False)
    for heading in ("Elo", "95 % interval", "points", "games", "+", "=", "-", *against):
        table.add_column(heading, justify="right")
    for place, player in enumerate(players, 1):
        low, high = player["interval"]
        shares = [points.get((player["name"], other["name"])) for other in players]
        numbers = [f"{player['points']:g}", *(str(player[name]) for name in ("games", "won", "drawn", "lost"))]
        cells = ["·" if share is None else f"{share:.1%}" for share in shares]
        table.add_row(
            str(place), escape(player["name"]), f"{player['elo']:+.0f}", f"{low:+.0f} to {high:+.0f}", *numbers, *cells
        )
    return table
