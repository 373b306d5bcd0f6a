"""Positions that a record sets up, such as handicap stones, as moves from the empty board.

Players strictly alternate, so each in turn sets a stone or, without any left, passes. No stone is captured on the way:
a part of a chain that has a liberty in the end is next to a stone of the chain that is still to come, or has that
liberty itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from logpi.errors import LogpiError

BLACK, WHITE = "B", "W"


def as_moves(stones: Mapping[int, str], to_move: str, passing: int, shape: tuple[int, int]) -> tuple[int, ...]:
    """Actions after which the ``stones`` stand and ``to_move`` is to move; () for the empty board and Black.

    Args:
        stones: the colour at each point, an action.
        to_move: whose turn it is then, ``BLACK`` or ``WHITE``.
        passing: the action that is a pass.
        shape: rows and columns; action r * columns + c is the point of row r and column c.

    Raises:
        LogpiError: a chain of these stones has no liberty.
    """
    if dead := without_liberty(stones, shape):
        raise LogpiError(f"{len(dead)} of the stones that are set up have no liberty")
    sets = [sorted(point for point, colour in stones.items() if colour == own) for own in (BLACK, WHITE)]
    # moves of Black and of White: at least its stones; the last one is of the side that does not move next
    black, white = (len(own) for own in sets)
    if to_move == BLACK:
        black = white = max(black, white)
    else:
        white = max(black - 1, white)
        black = white + 1
    waits = [moves - len(own) for moves, own in zip((black, white), sets, strict=True)]
    turns = [[passing] * wait + own for wait, own in zip(waits, sets, strict=True)]  # passes first: none ends the game
    return tuple(turns[t % 2][t // 2] for t in range(black + white))


def without_liberty(stones: Mapping[int, str], shape: tuple[int, int]) -> set[int]:
    """The stones of chains without a liberty."""
    dead: set[int] = set()
    left = set(stones)
    while left:
        chain, edge = set[int](), [left.pop()]
        free = False
        while edge:
            point = edge.pop()
            chain.add(point)
            for near in _neighbours(point, shape):
                free |= near not in stones
                if near in left and stones[near] == stones[point]:
                    left.discard(near)
                    edge.append(near)
        dead |= set() if free else chain
    return dead


def _neighbours(point: int, shape: tuple[int, int]) -> Iterable[int]:
    rows, columns = shape
    row, column = divmod(point, columns)
    steps = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    return (r * columns + c for r, c in steps if 0 <= r < rows and 0 <= c < columns)
