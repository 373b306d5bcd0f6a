"""The positions of a recorded game, one by one."""

from __future__ import annotations

from logpi.arena.players.base import Position, Referee, begin
from logpi.errors import LogpiError
from logpi.games.records.files import game_of
from logpi.games.records.record import Record
from logpi.games.rules.game import Game


def replay(record: Record, wanted: Game | None = None) -> list[Position]:
    """The position before each move, and the last; ``wanted`` are the rules, where they are there already.

    Raises:
        LogpiError: a move is illegal; says which.
    """
    referee = Referee(game_of(record, wanted))
    positions = [begin(referee.game)]
    for number, action in enumerate(record.actions, 1):
        over = referee.result(positions[-1]) is not None
        if over or action not in referee.legal(positions[-1]):
            why = "comes after the end of the game" if over else "is illegal"
            raise LogpiError(f"{record.game}: move {number}, {referee.game.name(action)}, {why}")
        positions.append(referee.play(positions[-1], action))
    return positions
