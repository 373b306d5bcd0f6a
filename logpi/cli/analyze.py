"""``logpi analyze``: games and positions as an agent sees them, with mistakes marked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from logpi.cli.options import NO_OFF, Json, within
from logpi.cli.output import json_lines, say, say_json, warn
from logpi.errors import LogpiError

if TYPE_CHECKING:
    from logpi.arena.analysis.api import Analysis
    from logpi.games.records.record import Fault

AGENT = "Run of a board game, or an agent's folder"
RECORD = "File of games, .sgf or .jsonl; without one, queries are read from standard input, a JSON object a line"


def analyze(argv: list[str]) -> int:
    """Evaluate the positions of games."""

    def options(
        agent: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=AGENT, metavar="AGENT")],
        record: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=RECORD, metavar="RECORD")] = "",
        simulations: int = 800,
        lines: int = 3,
        out: str = "",
        json: Json = False,
    ) -> tuple[str, str, int, int, str, bool]:
        """Evaluate every position of recorded games, mark mistakes, and write them into the record as comments; or
        answer queries, one a line, in the form of KataGo's analysis engine.

        Args:
            simulations: Number of search simulations of a position, at least 2
            lines: Number of best lines in the comments of a position, 0 to 100
            out: File to write; by default <name>-analysis with the record's suffix in the working folder
        """
        return agent, record, simulations, lines, out, json

    path, record, simulations, lines, out, json = tyro.cli(options, args=argv, prog="logpi analyze", config=NO_OFF)
    within("--simulations", simulations, 2, 1_000_000)
    within("--lines", lines, 0, 100)
    from logpi.driver import devices

    devices.prepare()
    if not record:
        if out or json:
            raise LogpiError("--out and --json are for a RECORD; queries are answered in JSON on standard output")
        return _queries(path, simulations)
    from logpi.arena.analysis.api import SUFFIX, analyze

    target = Path(out) if out else Path(f"{Path(record).stem}{SUFFIX}{Path(record).suffix or '.sgf'}")
    if target.exists():
        raise LogpiError(f"{target} is there already; give another --out")
    found = analyze(path, record, simulations=simulations, lines=lines, out=target, tell=_told)
    if json:
        for number, analysis in enumerate(found, 1):
            say_json({"game": number, "where": analysis.where, "positions": _facts(analysis)})
        return 0
    say("\n".join(line for number, analysis in enumerate(found, 1) for line in _lines(number, analysis)))
    say(f"with comments: {target}")
    return 0


def _told(fault: Fault) -> None:
    warn(f"logpi analyze: {fault} ({fault.cause})")


def _lines(number: int, analysis: Analysis) -> list[str]:
    """A game in words: its moves that are marked."""
    from logpi.arena.analysis.comments import line_text

    game, sides = analysis.game, analysis.game.looks.sides[::-1]
    marked = [position for position in analysis.positions if position.mark]
    return [
        f"game {number}: {len(analysis.record.actions)} moves, {len(analysis.mistakes)} mistakes",
        *(
            f"  {position.turn + 1:>3} {sides[position.first]} {game.name(position.played or 0)}: "
            f"{position.mark}, -{50 * position.loss:.0f} %; better {line_text(game, position.lines[0])}"
            for position in marked
        ),
    ]


def _facts(analysis: Analysis) -> list[dict[str, object]]:
    """The positions of a game, for other programs."""
    name = analysis.game.name
    return [
        {
            "turn": position.turn,
            "value": position.value,
            "played": None if position.played is None else name(position.played),
            "loss": position.loss,
            "mark": position.mark,
            "lines": [
                {"moves": [name(a) for a in line.actions], "visits": line.visits, "value": line.value}
                for line in position.lines
            ],
        }
        for position in analysis.positions
    ]


def _queries(path: str, simulations: int) -> int:
    """Answer the queries on standard input until it ends."""
    from importlib.metadata import version

    from logpi.arena.analysis.api import analyst_of
    from logpi.arena.analysis.lines import Lines

    with json_lines() as tell:
        lines = Lines(analyst_of(path, simulations), version("logpi"))
        for line in sys.stdin:
            if line.strip():
                for answer in lines.answer(line):
                    tell(answer)
    return 0
