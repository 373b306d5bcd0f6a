"""The moves of a game tree's main line, and the stones that are set up before them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

from logpi.errors import LogpiError
from logpi.games.records import set_up, sgf
from logpi.games.records.record import BAD_MOVE, OUT_OF_TURN, SETUP_REFUSED, Fault, Tell
from logpi.games.rules.game import Game

STONES = {"AB": set_up.BLACK, "AW": set_up.WHITE, "AE": ""}  # properties that set stones up, or take them away
COLOURS = (set_up.BLACK, set_up.WHITE)


def moves_of(nodes: list[sgf.Node], game: Game, path: str, tell: Tell) -> tuple[int, tuple[int, ...]]:
    """The actions from the empty board up to the first fault, and how many of them stand for a set-up position.

    Returns:
        (number of first actions that set up, actions).
    """
    reading = _Reading(game)
    try:
        line = nodes[0].line
        for node in nodes:
            line = node.line
            reading.take(node)
        reading.finish()
    except _UnusableError as error:
        tell(Fault(f"{path}, line {line}", error.cause, str(error)))
    return reading.setup, tuple(reading.actions)


def move_nodes(nodes: Sequence[sgf.Node], game: Game) -> list[int]:
    """The number of the node of each move after the position that is set up, up to the first fault."""
    reading, places = _Reading(game), list[int]()
    with contextlib.suppress(_UnusableError):
        for number, node in enumerate(nodes):
            reading.take(node)
            made = len(reading.actions) - reading.setup - len(places)
            places += [number] * made
    return places


class _UnusableError(Exception):
    """The main line cannot be followed any further."""

    def __init__(self, cause: str, what: str) -> None:
        super().__init__(what)
        self.cause = cause


class _Reading:
    """What has been read so far."""

    def __init__(self, game: Game) -> None:
        assert game.protocols.sgf is not None
        self._game, self._passing = game, game.protocols.sgf.passing
        self._read = game.protocols.sgf.read or game.parse
        self.setup, self.actions = 0, list[int]()
        self._begun = False  # the first move is made, or about to be
        self._stones: dict[int, str] = {}
        self._to_move = ""  # the property PL
        self._handicap = 0  # the property HA
        self._placed = False  # stones were set up by properties

    def take(self, node: sgf.Node) -> None:
        """The next node of the main line; raises _UnusableError."""
        self._prepare(node)
        for colour, values in node.properties.items():  # in the file's order, should there be a move of each
            if colour not in COLOURS:
                continue
            # handicap stones that Black was free to place are moves in some files
            if not self._begun and colour == set_up.BLACK and self._handicap > 1 and not self._placed:
                self._stones |= dict.fromkeys(self._points(values), colour)
                continue
            if not self._begun:
                self._begin(colour)
            if colour != COLOURS[len(self.actions) % 2] or len(values) > 1:
                number = len(self.actions) - self.setup + len(values)
                raise _UnusableError(OUT_OF_TURN, f"{colour} moves out of turn, at move {number}")
            self.actions.append(self._action(values[0]))

    def finish(self) -> None:
        """No node follows; raises _UnusableError."""
        if not self._begun:
            self._begin(self._to_move or (set_up.WHITE if self._handicap and self._stones else set_up.BLACK))

    def _prepare(self, node: sgf.Node) -> None:
        """The properties that are about the position before the moves."""
        properties = node.properties
        sets = [name for name in STONES if name in properties]
        if sets and (self._begun or self._passing is None):
            why = "in the middle of the game" if self._begun else f"and {self._game.id} has no passes to stand for it"
            raise _UnusableError(SETUP_REFUSED, f"{sets[0]} sets stones up, {why}")
        for name in sets:
            self._placed = True
            for point in self._points(properties[name]):
                self._stones.pop(point, None)
                if STONES[name]:
                    self._stones[point] = STONES[name]
        turn = properties.get("PL", [""])[0].strip()[:1].upper()
        self._to_move = turn if turn in COLOURS else self._to_move
        handicap = properties.get("HA", [""])[0].strip()
        self._handicap = int(handicap) if re.fullmatch("[0-9]{1,3}", handicap) else self._handicap

    def _begin(self, to_move: str) -> None:
        """Set the position up in which ``to_move`` makes the first move."""
        self._begun = True
        if not self._stones and to_move != self._to_move:
            return  # the usual start; where White moves there without being told to, that is out of turn
        if self._passing is None:
            return
        try:
            self.actions += set_up.as_moves(self._stones, to_move, self._passing, self._game.shape)
        except LogpiError as error:
            raise _UnusableError(SETUP_REFUSED, str(error)) from error
        self.setup = len(self.actions)

    def _points(self, values: list[str]) -> Iterator[int]:
        """Points of a list, in which ``aa:cc`` is a rectangle; raises _UnusableError."""
        columns = self._game.shape[1]
        for value in values:
            first, _, last = value.partition(":")
            corners = [divmod(self._action(text), columns) for text in (first, last or first)]
            if any(row >= self._game.shape[0] for row, _ in corners):
                raise _UnusableError(BAD_MOVE, f"{value!r} is not a point to set a stone on")
            (top, left), (bottom, right) = corners
            yield from (r * columns + c for r in range(top, bottom + 1) for c in range(left, right + 1))

    def _action(self, text: str) -> int:
        try:
            return self._read(text.strip())
        except LogpiError as error:
            raise _UnusableError(BAD_MOVE, str(error)) from error
