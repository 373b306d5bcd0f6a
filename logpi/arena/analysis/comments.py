"""An analysis in words, as comments in a record."""

from __future__ import annotations

from collections.abc import Sequence

from logpi.arena.analysis.judgement import Judgement
from logpi.arena.engine.thinker import Line
from logpi.games.records.notes import Note
from logpi.games.rules.game import Game

MOVES = 8  # of a line that is written out


def percent(value: float) -> str:
    """An expected result of -1 to 1 as expected points, of a win 100 %."""
    return f"{50 * (1 + value):.0f} %"


def line_text(game: Game, line: Line) -> str:
    """The moves of a line."""
    return " ".join(game.name(action) for action in line.actions[:MOVES])


def notes_of(game: Game, judged: Sequence[Judgement], lines: int) -> list[Note]:
    """A note for the first position, and one for each move.

    Args:
        game: the rules.
        judged: of all positions, in their order.
        lines: best lines that are written out of each position.
    """
    return [
        Note("\n".join([*_of_move(game, before), *_of_position(game, now, lines)]), before.mark if before else "")
        for before, now in zip([None, *judged], judged, strict=False)
    ]


def _of_move(game: Game, before: Judgement | None) -> list[str]:
    """What is wrong with the move that led here."""
    if before is None or before.played is None or not before.mark:
        return []
    better = f"; better {line_text(game, before.lines[0])}" if before.lines else ""
    return [f"{before.mark}: {game.name(before.played)} loses {50 * before.loss:.0f} % of the points{better}"]


def _of_position(game: Game, now: Judgement, lines: int) -> list[str]:
    """What the position is worth, and its best lines."""
    side = game.looks.sides[0 if now.first else 1]
    said = [
        f"{game.looks.sides[0]} {percent(now.value)}" + (f", {side} to move" if now.visits else ", the game is over")
    ]
    return said + [
        f"{percent(line.value)} for {side} ({line.visits:,} visits): {line_text(game, line)}"
        for line in now.lines[:lines]
    ]
