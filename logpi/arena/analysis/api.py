"""``analyze``: whole games, or a position, as an agent sees them; without flags and without printing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from logpi.arena.analysis.analyst import Analyst
from logpi.arena.analysis.comments import notes_of
from logpi.arena.analysis.judgement import Judgement, judge
from logpi.arena.players.base import Referee
from logpi.arena.replay import replay
from logpi.errors import LogpiError
from logpi.games.agent import GameAgent, game_agent, load_game_agent
from logpi.games.records.files import content, game_of, located
from logpi.games.records.notes import Note, annotated, writer_of
from logpi.games.records.record import Fault, Record, Tell, refuse
from logpi.games.rules.game import Game
from logpi.runs.files import atomic_write
from logpi.runs.lookup import agent_folder

SIMULATIONS = 800
LINES = 3
SUFFIX = "-analysis"  # behind the name of a file that is written


class Analysis(NamedTuple):
    """One game, analysed."""

    record: Record
    game: Game  # its rules
    positions: tuple[Judgement, ...]  # in their order, the last included
    where: str = ""  # its place in a file

    @property
    def mistakes(self) -> list[Judgement]:
        """The positions in which a mistake or a blunder was made."""
        return [position for position in self.positions if position.is_mistake]


def analyze(
    agent: GameAgent | str | Path,
    games: str | Path | Record | Sequence[Record] | Sequence[str],
    *,
    simulations: int = SIMULATIONS,
    lines: int = LINES,
    out: str | Path | None = None,
    tell: Tell = refuse,
) -> list[Analysis]:
    """What an agent makes of every position of games, with the moves marked that lost a part of the result.

    Args:
        agent: agent of a board game (``load``), or the path of one or of its run.
        games: file of games, ``.sgf`` or ``.jsonl``; a record, or several; or the names of a game's moves from the
            beginning, such as ``["4", "4", "5"]``.
        simulations: number of search simulations of each position, at least 2.
        lines: best lines in the comments of each position.
        out: file to which the games are written with comments, where ``games`` is a file; None: nothing is written.
        tell: told of what cannot be read of a file, and of games of others than the agent's; by default the first such
            fault is an error.

    Raises:
        LogpiError: no such agent or file, a move that is illegal, settings out of range, or the disk refuses.
    """
    if simulations < 2 or lines < 0:
        raise LogpiError(f"simulations {simulations}, lines {lines}; allowed: at least 2, and at least 0")
    analyst = analyst_of(agent, simulations)
    player = analyst.agent
    if not isinstance(games, str | Path):
        if out is not None:
            raise LogpiError("out is for the games of a file; leave it out, or give a file")
        return _analyses(analyst, _records(player.game, games))
    path = Path(games)
    if out is not None:
        writer_of(path, content(path))
    found = [one for one in located(path, player.game, tell) if _is_of(*one, player, tell)]
    analyses = _analyses(analyst, [record for _, record in found])
    if out is not None:
        said: dict[str, list[tuple[Record, Sequence[Note]]]] = {}
        for (where, record), its in zip(found, analyses, strict=True):
            said.setdefault(where, []).append((record, notes_of(its.game, its.positions, lines)))
        atomic_write(Path(out), annotated(path, said, player.game).encode())
    return [its._replace(where=where) for (where, _), its in zip(found, analyses, strict=True)]


def analyst_of(agent: GameAgent | str | Path, simulations: int) -> Analyst:
    """The search of an agent, or of the one in a folder.

    Raises:
        LogpiError: there is none, or it plays no board game.
    """
    player = load_game_agent(agent_folder(agent)) if isinstance(agent, str | Path) else agent
    return Analyst(game_agent(player, "analyze needs one that does"), simulations)


def _records(game: Game, games: Record | Sequence[Record] | Sequence[str]) -> list[Record]:
    """The games that an argument gives."""
    if isinstance(games, Record):
        return [games]
    if all(isinstance(one, Record) for one in games) and games:
        return list(games)  # type: ignore[arg-type]
    if isinstance(games, Sequence) and all(isinstance(one, str) for one in games):
        return [Record(game.id, ("", ""), tuple(game.parse(str(name)) for name in games), None)]
    raise LogpiError("games: allowed are a file, a Record, several, or the names of moves")


def _is_of(where: str, record: Record, agent: GameAgent, tell: Tell) -> bool:
    """Whether a game is one that the agent plays."""
    if record.game != agent.game.id:
        tell(Fault(where, "another game or board", f"a game of {record.game}; the agent plays {agent.game.id}"))
    return record.game == agent.game.id


def _analyses(analyst: Analyst, records: Sequence[Record]) -> list[Analysis]:
    """Each game; the positions of all of them are searched together."""
    game = analyst.agent.game
    for record in records:
        if record.game != game.id:
            raise LogpiError(f"a record of {record.game}; the agent plays {game.id}")
    rules = [game_of(record, game) for record in records]
    played = [replay(record, game) for record in records]
    referee = Referee(game)
    outcomes = [referee.result(positions[-1]) for positions in played]
    open_ones = [
        positions if outcome is None else positions[:-1] for positions, outcome in zip(played, outcomes, strict=True)
    ]
    seen = iter(analyst.look([position for positions in open_ones for position in positions]))
    parts = [list(itertools.islice(seen, len(positions))) for positions in open_ones]
    return [
        Analysis(record, rule, judge(part, record.actions, outcome, record.setup))
        for record, rule, part, outcome in zip(records, rules, parts, outcomes, strict=True)
    ]
