"""How good the moves of a game were: what each lost, by searches of the positions before and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from logpi.arena.analysis.analyst import Seen
from logpi.arena.engine.thinker import Line

# expected result lost, 0 to 2, from which a move has a mark; the worst first
MARKS = ((0.6, "blunder"), (0.3, "mistake"), (0.1, "inaccuracy"))
MISTAKES = ("blunder", "mistake")


class Judgement(NamedTuple):
    """One position of a game, and the move made there."""

    turn: int  # moves before it
    first: bool  # whether the first player is to move
    value: float  # expected result for the first player, -1 to 1
    lines: tuple[Line, ...]  # the best first; their values are for the player to move
    visits: int  # simulations; 0 of a game that is over
    played: int | None  # action made here; None at the end
    loss: float  # expected result that it lost for the one who made it, 0 to 2
    mark: str  # "", or one of ``MARKS``

    @property
    def is_mistake(self) -> bool:
        return self.mark in MISTAKES


def judge(seen: Sequence[Seen], actions: Sequence[int], outcome: float | None, setup: int = 0) -> tuple[Judgement, ...]:
    """The positions of a game and its moves.

    A move is worth what a search of the position *after* it says, which has looked at it with all its simulations; it
    lost the difference to the best move of the search before it. The end of a game is worth its outcome.

    Args:
        seen: of the positions that have not ended, in their order.
        actions: moves made in them; as many, or one less where the game goes on.
        outcome: 1, 0 or -1 for the first player where the last move ended the game, else None.
        setup: first actions that only set a position up; they have no marks.
    """
    judged = []
    for turn, now in enumerate(seen):
        first = turn % 2 == 0
        sign, played = (1.0 if first else -1.0), actions[turn] if turn < len(actions) else None
        worth = None
        if played is not None:
            worth = -seen[turn + 1].value if turn + 1 < len(seen) else None if outcome is None else sign * outcome
        loss = 0.0
        if worth is not None and turn >= setup and now.lines and now.lines[0].actions[0] != played:
            loss = max(0.0, now.value - worth)
        mark = next((name for least, name in MARKS if loss >= least), "")
        best = now.value if worth is None else max(now.value, worth)
        judged.append(Judgement(turn, first, sign * best, now.lines, now.visits, played, loss, mark))
    if outcome is not None and len(actions) == len(seen):
        judged.append(Judgement(len(seen), len(seen) % 2 == 0, outcome, (), 0, None, 0.0, ""))
    return tuple(judged)
