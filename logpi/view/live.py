"""The live display of a training run: a few lines that redraw in a terminal, plain lines anywhere else.

Drawing happens inside the caller's ``update`` and at most eight times a second: no thread of its own.
"""

from __future__ import annotations

import contextlib
import io
import math
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from logpi.errors import inert
from logpi.runs.metrics import mean
from logpi.runs.scores import significant
from logpi.tasks import Length

_REDRAW = 1 / 8  # seconds
_LINE_EVERY = 5.0  # seconds between plain lines
_SPEED_WINDOW = 5.0  # seconds over which steps/s is measured
_WIDTH = 28  # characters of a sparkline, which spans the whole run
_BLOCKS = "▁▂▃▄▅▆▇█"
_COLORS = ("cyan", "green", "magenta", "yellow", "blue", "white")


class View(Protocol):
    """Receiver of a run's progress; the driver does not know how it is shown."""

    def update(self, timesteps: int, metrics: Mapping[str, object], shares: Mapping[str, float]) -> None:
        """Show moves so far, scalars (lists are averaged), and seconds or shares of time by name."""

    def note(self, text: str) -> None:
        """Show at once what happens outside the loop; an empty text clears it."""

    def tell(self, text: str) -> None:
        """Show a line that stays."""

    def working(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` parts of long work are over, such as programs that are compiled."""

    def done(self, text: str) -> None:
        """Show the last state and a closing text."""


@contextlib.contextmanager
def live(
    length: Length,
    title: str,
    expected: str | None = None,
    quiet: bool = False,
    console: Console | None = None,
) -> Iterator[View]:
    """Open the display that fits: none if ``quiet``, a live one in a (Unicode) terminal, else plain lines.

    Args:
        length: of the run, at its end.
        title: first line, for example "CartPole-v1 · ppo".
        expected: the recipe's expected score, in words, for example "475 to 500".
        quiet: show nothing at all.
        console: where to draw; standard output if None.
    """
    console = console or Console(highlight=False)
    if quiet:
        yield _Quiet()
    elif console.is_dumb_terminal or not (console.is_terminal and console.encoding.startswith("utf")):
        yield _Plain(_Progress(length, title, expected), console)
    else:
        view = _Fancy(_Progress(length, title, expected), console)
        with view.display:
            yield view


class _Progress:
    """The progress so far, as texts."""

    def __init__(self, length: Length, title: str, expected: str | None) -> None:
        self.total, self.title, self.expected = max(length.timesteps, 1), title, expected
        self._unit, self._each = length.unit, length.each
        self.timesteps = 0
        self.metrics: dict[str, float] = {}
        self.shares: dict[str, float] = {}
        self.trend: dict[int, float] = {}
        self._recent: deque[tuple[float, int]] = deque()
        self._kind, self._since = "", 0.0  # of the work that ``working`` tells of

    def working(self, what: str, done: int, total: int) -> str:
        """What is under way, how much of it is over, and for how long it has been: "compiling update: 3 of 7, 12 s"."""
        kind, now = what.partition(" ")[0], time.monotonic()
        if kind != self._kind or (done == 0 and total > 1 and kind != "compiling"):
            self._kind, self._since = kind, now
        seconds = now - self._since
        return f"{what}: {done} of {total}" + (f", {seconds:.0f} s" if seconds >= 1 else "")

    def hear(self, timesteps: int, metrics: Mapping[str, object], shares: Mapping[str, float]) -> None:
        now = time.monotonic()
        self.timesteps = timesteps
        self.metrics |= {name: mean(value) for name, value in metrics.items()}
        self.shares = dict(shares)
        self._recent.append((now, timesteps))
        while len(self._recent) > 2 and now - self._recent[0][0] > _SPEED_WINDOW:
            self._recent.popleft()
        current = self.metrics.get("rollout/ep_rew_mean", math.nan)
        if math.isfinite(current):
            self.trend[min(timesteps * _WIDTH // self.total, _WIDTH - 1)] = current

    def speed(self) -> float | None:
        """Timesteps per second over the last seconds; None before the second update."""
        if len(self._recent) < 2:
            return None
        (start, first), (end, last) = self._recent[0], self._recent[-1]
        return (last - first) / (end - start) if end > start else None

    def counts(self) -> str:
        speed = self.speed()
        percent = min(100 * self.timesteps // self.total, 100)
        text = f"{self.timesteps // self._each:,} / {self.total // self._each:,} {self._unit}  {percent}%"
        if speed:
            left = max(self.total - self.timesteps, 0) / speed
            text += f"  {short(speed / self._each)} {self._unit}/s  {clock(left)} left"
        return text

    def scores(self) -> list[tuple[str, str]]:
        kind = "accuracy" if "train/accuracy" in self.metrics else "return"  # images
        names = {kind: "rollout/ep_rew_mean", "evaluation": "eval/mean_reward"}
        found = [(label, self.metrics.get(name, math.nan)) for label, name in names.items()]
        return [(label, significant(value)) for label, value in found if not math.isnan(value)]

    def time_shares(self) -> list[tuple[str, int]]:
        total = sum(self.shares.values())
        return [(name, round(100 * part / total)) for name, part in self.shares.items() if part > 0]


class _Quiet:
    def update(self, timesteps: int, metrics: Mapping[str, object], shares: Mapping[str, float]) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def tell(self, text: str) -> None:
        pass

    def working(self, what: str, done: int, total: int) -> None:
        pass

    def done(self, text: str) -> None:
        pass


class _Plain:
    def __init__(self, progress: _Progress, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._due = 0.0
        self._told = time.monotonic() + _LINE_EVERY
        self._shown = -1
        self._print(progress.title + (f"  expected {progress.expected}" if progress.expected else ""))

    def update(self, timesteps: int, metrics: Mapping[str, object], shares: Mapping[str, float]) -> None:
        self._progress.hear(timesteps, metrics, shares)
        if time.monotonic() >= self._due:
            self._line()

    def note(self, text: str) -> None:
        if text:
            self._print(text)

    def tell(self, text: str) -> None:
        self._print(text)

    def working(self, what: str, done: int, total: int) -> None:
        text = self._progress.working(what, done, total)
        if what and time.monotonic() >= max(self._due, self._told):
            self._print(text)
            self._told = time.monotonic() + _LINE_EVERY

    def done(self, text: str) -> None:
        if self._progress.timesteps != self._shown:
            self._line()
        shares = "  ".join(f"{name} {percent}%" for name, percent in self._progress.time_shares())
        self._print(f"time: {shares}\n{text}" if shares else text)

    def _line(self) -> None:
        scores = "".join(f"  {label} {value}" for label, value in self._progress.scores())
        self._print(self._progress.counts() + scores)
        self._shown = self._progress.timesteps
        self._due = time.monotonic() + _LINE_EVERY

    def _print(self, text: str) -> None:
        encoding = self._console.encoding
        file = self._console.file
        try:
            file.write(inert(text).encode(encoding, "replace").decode(encoding) + "\n")
            file.flush()
        except BrokenPipeError:  # as in `logpi train … | head -1`
            self._console = Console(file=io.StringIO())
            print("logpi: the output has no reader any more; training goes on without a display", file=sys.stderr)


class _Fancy:
    def __init__(self, progress: _Progress, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._note = self._working = ""
        self._due = 0.0
        self.display = Live(self._draw(), console=console, auto_refresh=False)

    def update(self, timesteps: int, metrics: Mapping[str, object], shares: Mapping[str, float]) -> None:
        self._progress.hear(timesteps, metrics, shares)
        if time.monotonic() >= self._due:
            self._refresh()

    def note(self, text: str) -> None:
        self._note = text
        self._refresh()

    def tell(self, text: str) -> None:
        self.display.console.print(Text(inert(text), "yellow"))

    def working(self, what: str, done: int, total: int) -> None:
        text = self._progress.working(what, done, total)
        if time.monotonic() >= self._due:
            self._working = text if what and done < total else ""
            self._refresh()

    def done(self, text: str) -> None:
        self._note = self._working = ""
        self._refresh()
        self.display.stop()
        self._console.print(Text(inert(text)))

    def _refresh(self) -> None:
        self.display.update(self._draw(), refresh=True)
        self._due = time.monotonic() + _REDRAW

    def _draw(self) -> Group:
        progress = self._progress
        lines = Table.grid(padding=(0, 2))
        scores = Text("  ").join(Text.assemble(f"{label} ", (value, "bold")) for label, value in progress.scores())
        if progress.trend:
            scores.append(f"  {sparkline(list(progress.trend.values()))}", "green")
        if progress.expected:
            scores.append(f"  expected {progress.expected}", "dim")
        shares = Text("  ").join(
            Text(f"{name} {percent}%", color)
            for (name, percent), color in zip(progress.time_shares(), _COLORS, strict=False)
        )
        bar = ProgressBar(total=progress.total, completed=min(progress.timesteps, progress.total), width=40)
        lines.add_row(bar, Text(progress.counts()))
        texts = [
            text
            for text in (scores, shares, Text(self._working, "dim"), Text(inert(self._note), "italic yellow"))
            if text.plain
        ]
        return Group(Text(inert(progress.title), "bold"), lines, *(text for text in texts if text.plain))


def sparkline(values: list[float]) -> str:
    """One character for each value, its height between the lowest and the highest of them."""
    low, high = min(values), max(values)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((value - low) * scale)] for value in values)


def short(number: float) -> str:
    """A count in three significant digits: 950, 1.5k, 12.5k, 154k, 2M."""
    if abs(number) < 999.5:
        return f"{number:.3g}"
    rounded = float(f"{number:.3g}")
    size, unit = next((size, unit) for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if abs(rounded) >= size)
    return f"{rounded / size:.0f}{unit}" if abs(rounded) >= 1e12 else f"{rounded / size:.3g}{unit}"


def clock(seconds: float) -> str:
    """0:07, 12:30 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
