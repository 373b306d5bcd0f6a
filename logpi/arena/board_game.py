"""``BoardGame``: a board game under way, for programs that show one: moves, what is on the board, records."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from logpi.arena.players.base import Position, begin
from logpi.arena.replay import replay
from logpi.arena.results import verdict
from logpi.arena.scenes import Scene, coordinates, counted, hoshi, scene_of, stage_of
from logpi.errors import LogpiError
from logpi.games.records.files import dumps, parsed, suffix
from logpi.games.records.record import Record, usual_reason
from logpi.games.rules.game import Game
from logpi.games.rules.looks import Touch
from logpi.games.rules.make import make_named
from logpi.runs.files import Json

PLAYERS = ("player 1", "player 2")


class BoardGame:
    """A game and its moves so far. It never changes: ``play`` and ``undo`` give other ones, with the same rules.

    ``positions`` are those from the empty board to the one that stands.
    """

    def __init__(self, game: str | Game, moves: Sequence[str | int] = ()) -> None:
        """Play ``moves`` from the empty board.

        Args:
            game: a name as ``logpi.make_game`` takes it, or the rules.
            moves: names, as people write them, or numbers of actions.

        Raises:
            LogpiError: no such game, or an illegal move.
        """
        self._stage = stage_of(make_named(game) if isinstance(game, str) else game)
        self.positions: tuple[Position, ...] = (begin(self.game),)
        for move in moves:
            self.positions = self.play(move).positions

    @property
    def game(self) -> Game:
        """The rules."""
        return self._stage.game

    @property
    def now(self) -> Position:
        """The position that stands."""
        return self.positions[-1]

    @property
    def turn(self) -> int:
        """The player to move: 1 for the first, 2 for the second."""
        return 1 + len(self.now.actions) % 2

    @property
    def result(self) -> float | None:
        """1, 0 or -1 for the first player, or None while the game goes on."""
        return self._stage.referee.result(self.now)

    @property
    def legal(self) -> list[int]:
        """The actions allowed; none where the game has ended."""
        return [] if self.result is not None else self._stage.referee.legal(self.now)

    @property
    def moves(self) -> list[str]:
        """The moves so far, as people write them."""
        pairs = zip(self.positions, self.now.actions, strict=False)
        return [self.game.written(position.state, action) for position, action in pairs]

    @property
    def ending(self) -> str:
        """How the game ended, such as "Red wins with four in a row"; "" while it goes on."""
        outcome, area = self.result, self._stage.area
        if outcome is None:
            return ""
        return verdict(self.game, self._stage.cells(self.now), outcome, area(self.now) if area else None)

    def play(self, move: str | int) -> BoardGame:
        """The game after a move.

        Raises:
            LogpiError: the move is illegal, or the game has ended.
        """
        legal = self.legal
        if not legal:
            raise LogpiError(f"the game is over: {self.ending}; undo takes moves back")
        action = self.game.read(self.now.state, move) if isinstance(move, str) else int(move)
        if action not in legal:
            names = [self.game.written(self.now.state, one) for one in legal[:24]]
            raise LogpiError(f"{move!r} is not allowed here; allowed: {', '.join(names)}{' …' * (len(legal) > 24)}")
        return self._with((*self.positions, self._stage.referee.play(self.now, action)))

    def undo(self, moves: int = 1) -> BoardGame:
        """The game without its last moves.

        Raises:
            LogpiError: there are fewer.
        """
        if not 0 <= moves < len(self.positions):
            raise LogpiError(f"{moves} moves cannot be taken back; allowed: 0 to {len(self.positions) - 1}")
        return self._with(self.positions[: len(self.positions) - moves])

    def at(self, positions: Sequence[Position]) -> BoardGame:
        """A game of the same rules at positions that follow each other, such as those of a search."""
        return self._with(tuple(positions))

    def record(self, players: tuple[str, str] = PLAYERS) -> Record:
        """The game so far as it is kept in files, with the names of the players."""
        outcome, area, komi = self.result, self._stage.area, self.game.protocols.komi
        return Record(
            self.game.id,
            players,
            self.now.actions,
            outcome,
            reason=usual_reason(outcome),
            date=datetime.date.today().isoformat(),
            komi=komi.of(self.now.state) if komi else None,
            margin=abs(area(self.now).lead) if area and outcome is not None else None,
        )

    def text(self, players: tuple[str, str] = PLAYERS) -> str:
        """The record as the text of a file: SGF, PGN or a line of JSON; ``suffix`` says which."""
        return dumps(self.record(players))

    @property
    def suffix(self) -> str:
        """``.sgf``, ``.pgn`` or ``.jsonl``."""
        return suffix(self.game)

    def opened(self, text: str) -> BoardGame:
        """The last game in the text of a file of records, which has to be of the same game.

        Raises:
            LogpiError: it holds no such game.
        """
        found = [record for record in parsed(text, self.game) if record.game == self.game.id]
        if not found:
            raise LogpiError(f"no game of {self.game.id} in the record; give one, {self.suffix} as logpi writes it")
        return self._with(tuple(replay(found[-1])))

    def view(self) -> Json:
        """What is shown of the position that stands, as JSON can hold it: ``docs/page.md`` names the keys."""
        scene, legal, state = scene_of(self._stage, self.positions), self.legal, self.now.state
        game, over = self.game, self.result
        moves = [
            {"action": a, "name": game.written(state, a), **_pointed(game.touched(state, scene.cells, a))}
            for a in legal
        ]
        return {
            "game": game.id,
            "moves": list(self.now.actions),
            "turn": self.turn,
            "legal": moves,
            "result": over,
            "ending": self.ending,
            "beside": list(counted(self._stage, self.now)),
            **_shown(scene),
        }

    def _with(self, positions: tuple[Position, ...]) -> BoardGame:
        other = object.__new__(BoardGame)
        other._stage, other.positions = self._stage, positions
        return other


def looks_of(game: Game) -> Json:
    """How a game's board is drawn, as JSON can hold it."""
    looks = game.looks
    above, beside = coordinates(game)
    return {
        "id": game.id,
        "title": game.title,
        "longest": game.longest,
        "rows": game.shape[0],
        "columns": game.shape[1],
        "sides": list(looks.sides),
        "colours": list(looks.colours),
        "ground": looks.ground,
        "board": list(looks.board),
        "lines": looks.lines,
        "falls": looks.falls,
        "figures": dict(looks.figures),
        "above": above,
        "beside": beside,
        "marks": sorted(hoshi(game)),
    }


def _pointed(touch: Touch | None) -> Json:
    """Where a move is played, as far as the game tells."""
    return {} if touch is None else {name: x for name, x in touch._asdict().items() if x}


def _shown(scene: Scene) -> Json:
    return {
        "cells": scene.cells.tolist(),
        "men": None if scene.men is None else scene.men.tolist(),
        "last": scene.last,
        "winning": sorted(scene.winning),
        "open": sorted(scene.open),
        "owned": None if scene.owned is None else scene.owned.tolist(),
    }
